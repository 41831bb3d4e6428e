//! The certificate's files while the server runs: what replaces them replaces what clients are
//! shown.
//!
//! Looks at the files every now and then instead of being told by the system: that works the same
//! for files written in place, renamed into place, and behind links that move (as Kubernetes
//! mounts secrets), and costs two system calls.

use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use tokio::time::MissedTickBehavior;

use crate::transport::{Identity, IdentityError};

/// Time between two looks.
const PACE: Duration = Duration::from_secs(2);

/// Two files, and the identity that they were read as.
#[derive(Debug, Clone)]
pub struct Certificate {
    paths: [PathBuf; 2],
    identity: Identity,
    /// How the files looked when they were last read.
    stamps: Option<[Stamp; 2]>,
    /// Of what stood in them then.
    hash: u64,
    hashes: RandomState,
    /// The trouble that was last told of.
    trouble: Option<String>,
}

/// The files changed, and the certificate stays what it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// A file is not there, or cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// What stands in them is no certificate with its key.
    #[error("{} and {}: {cause}", certificate.display(), key.display())]
    Unfit {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        cause: IdentityError,
    },
}

/// What changes when a file is written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    length: u64,
    file: (u64, u64),
}

impl Certificate {
    /// `certificate` and `key` are the files that `identity` was read from, and `octets` what
    /// stood in them.
    pub fn new(
        certificate: &Path,
        key: &Path,
        octets: [&[u8]; 2],
        identity: Identity,
    ) -> Certificate {
        let hashes = RandomState::new();
        Certificate {
            paths: [certificate.to_owned(), key.to_owned()],
            identity,
            stamps: None,
            hash: hashes.hash_one(octets),
            hashes,
            trouble: None,
        }
    }

    /// The same files, for the identity that clients are shown: what replaces them replaces that.
    #[must_use]
    pub fn shown_as(self, identity: &Identity) -> Certificate {
        Certificate { identity: identity.clone(), ..self }
    }

    /// Looks again and again, and tells the log of what it finds.
    pub async fn watch(mut self) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            // A file system may hang; nothing else is to wait for it.
            let looked = tokio::task::spawn_blocking(move || {
                let found = self.look();
                (self, found)
            });
            let found;
            (self, found) = match looked.await {
                Ok(looked) => looked,
                Err(_) => return,
            };
            match found {
                None => {}
                Some(Ok(())) => tracing::info!("new connections get the new certificate"),
                Some(Err(error)) => tracing::warn!("the old certificate stays: {error}"),
            }
        }
    }

    /// Takes over what has changed. `None` when nothing has, or is still wrong as it was.
    pub fn look(&mut self) -> Option<Result<(), ReloadError>> {
        let found = self.take_over().transpose()?;
        let trouble = found.as_ref().err().map(ToString::to_string);
        let is_known = trouble.is_some() && trouble == self.trouble;
        self.trouble = trouble;
        (!is_known).then_some(found)
    }

    fn take_over(&mut self) -> Result<Option<()>, ReloadError> {
        let [certificate, key] = &self.paths;
        let stamps = [stamp(certificate)?, stamp(key)?];
        if self.stamps == Some(stamps) {
            return Ok(None);
        }
        let octets = [read(certificate)?, read(key)?];
        self.stamps = Some(stamps);
        let hash = self.hashes.hash_one([&octets[0][..], &octets[1][..]]);
        if hash == self.hash {
            return Ok(None);
        }
        let newer = Identity::from_pem(&octets[0], &octets[1]).map_err(|cause| {
            let (certificate, key) = (certificate.clone(), key.clone());
            ReloadError::Unfit { certificate, key, cause }
        })?;
        self.hash = hash;
        self.identity.replace(&newer);
        Ok(Some(()))
    }
}

fn stamp(path: &Path) -> Result<Stamp, ReloadError> {
    let metadata = fs::metadata(path).map_err(|cause| unreadable(path, cause))?;
    Ok(Stamp {
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        length: metadata.len(),
        file: (metadata.dev(), metadata.ino()),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, ReloadError> {
    fs::read(path).map_err(|cause| unreadable(path, cause))
}

fn unreadable(path: &Path, cause: io::Error) -> ReloadError {
    ReloadError::Unreadable { path: path.to_owned(), cause }
}
