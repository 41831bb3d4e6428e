//! From root to a user without its powers.
//!
//! Root is needed for one thing, to bind ports below 1024. So it is given up when all sockets are
//! bound, for good, and before anything that comes from the network is read. What the server writes
//! afterwards belongs to the user that it becomes.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{self, User};
use rustix::fs::Access;

/// The user that the server goes on as.
#[derive(Debug)]
pub struct Account {
    user: User,
}

/// The server cannot go on as the user that it was told to.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// There is no such user.
    #[error(
        "`user` in [server]: this system has no user `{0}`: \
         `useradd --system --shell /usr/sbin/nologin {0}` makes one"
    )]
    Unknown(String),
    /// The system cannot say whether there is.
    #[error("`user` in [server]: cannot look up `{user}`: {cause}")]
    LookUp {
        /// Whom.
        user: String,
        /// What the system said.
        cause: Errno,
    },
    /// Whoever starts it may not become anybody else.
    #[error(
        "`user` in [server]: only root can become `{0}`: start the server as root or as `{0}`, \
         or take the key away"
    )]
    NotRoot(String),
    /// The system refuses, although root asks.
    #[error("cannot become the user `{user}` ({step}): {cause}")]
    Refused {
        /// Whom.
        user: String,
        /// On the way there.
        step: &'static str,
        /// What the system said.
        cause: Errno,
    },
    /// A directory or socket cannot be handed over.
    #[error("cannot give {} to the user `{user}`: {cause}", path.display())]
    Owner {
        /// Which.
        path: PathBuf,
        /// To whom.
        user: String,
        /// What the system said.
        cause: io::Error,
    },
}

impl Account {
    /// Finds the user of this name, and makes sure that this process may become it.
    ///
    /// # Errors
    ///
    /// When there is no such user, or only root could become it.
    pub fn find(name: &str) -> Result<Account, PrivilegeError> {
        let user = User::from_name(name)
            .map_err(|cause| PrivilegeError::LookUp { user: name.to_owned(), cause })?
            .ok_or_else(|| PrivilegeError::Unknown(name.to_owned()))?;
        if !unistd::geteuid().is_root() && unistd::geteuid() != user.uid {
            return Err(PrivilegeError::NotRoot(user.name));
        }
        Ok(Account { user })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.user.name
    }

    /// Makes a directory that is not there yet, with those above it, and gives it to the user. One
    /// that is there stays whose it is: what it holds may be somebody's.
    ///
    /// # Errors
    ///
    /// When it cannot be given. That it cannot be made is found out by whoever writes there.
    pub fn make_directory(&self, path: &Path) -> Result<(), PrivilegeError> {
        if path.exists() || fs::create_dir_all(path).is_err() {
            return Ok(());
        }
        self.own(path)
    }

    /// Gives a file to the user, itself and not what a link points to.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn own(&self, path: &Path) -> Result<(), PrivilegeError> {
        let (uid, gid) = (self.user.uid.as_raw(), self.user.gid.as_raw());
        lchown(path, Some(uid), Some(gid)).map_err(|cause| PrivilegeError::Owner {
            path: path.to_owned(),
            user: self.user.name.clone(),
            cause,
        })
    }

    /// Becomes the user, with its groups, for good. Nothing to do for whoever is that user already.
    ///
    /// # Errors
    ///
    /// When the system refuses; the process must not go on then.
    pub fn assume(&self) -> Result<(), PrivilegeError> {
        let User { name, uid, gid, .. } = &self.user;
        if unistd::getuid() == *uid && unistd::geteuid() == *uid {
            return Ok(());
        }
        let refused =
            |step| move |cause| PrivilegeError::Refused { user: name.clone(), step, cause };
        // A name that the system gave has no zero in it.
        let c_name = CString::new(name.as_str()).unwrap_or_default();
        unistd::initgroups(&c_name, *gid).map_err(refused("its groups"))?;
        unistd::setgid(*gid).map_err(refused("its group"))?;
        unistd::setuid(*uid).map_err(refused("its number"))
    }
}

/// Whether this process may make files in a directory; what is not there does not say.
pub fn may_write(directory: &Path) -> bool {
    let outcome = rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK);
    matches!(outcome, Ok(()) | Err(rustix::io::Errno::NOENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_is_not_there_is_named_with_what_to_do() {
        let error = Account::find("nobody-has-this-name").unwrap_err();
        assert!(matches!(error, PrivilegeError::Unknown(_)), "{error}");
        assert!(error.to_string().contains("useradd --system"), "{error}");
    }

    #[test]
    fn whoever_is_the_user_already_stays() {
        let name = User::from_uid(unistd::geteuid()).unwrap().unwrap().name;
        Account::find(&name).unwrap().assume().unwrap();
    }
}
