//! Who asks, and whether they may change anything, or have the files.
//!
//! Whoever can open the Unix socket may: its permissions are the lock. Over TCP everybody who
//! reaches the address may look, and only the bearer of the token may change anything and have the
//! files.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::connect_info::Connected;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::serve::IncomingStream;
use tokio::net::{TcpListener, UnixListener};

use super::line::Refusal;

/// Who users are. Those of a directory service have no names here, and their numbers do.
const USERS: &str = "/etc/passwd";

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Peer {
    /// The Unix socket; the user, if the kernel says.
    Local(Option<u32>),
    /// TCP.
    Remote(SocketAddr),
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Peer {
        Peer::Local(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Peer {
        Peer::Remote(*stream.remote_addr())
    }
}

/// What not everybody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Change something.
    Change,
    /// Have what is served from.
    Files,
}

/// Who it is that may do something, as the history will say: `alice (uid 1000)`, or
/// `deploy (token, from 192.0.2.1)`.
///
/// # Errors
///
/// [`Refusal::Forbidden`] when they may not.
pub(super) fn permit(
    peer: Peer,
    headers: &HeaderMap,
    token_file: Option<&Path>,
    what: What,
) -> Result<String, Refusal> {
    let (things, one) = match what {
        What::Change => ("changes", "a change"),
        What::Files => ("files", "the files"),
    };
    let address = match peer {
        Peer::Local(Some(uid)) => {
            let users = fs::read_to_string(USERS).unwrap_or_default();
            return Ok(match user_name(&users, uid) {
                Some(name) => format!("{name} (uid {uid})"),
                None => format!("uid {uid}"),
            });
        }
        Peer::Local(None) => return Ok("the control socket".to_owned()),
        Peer::Remote(address) => address,
    };
    let forbidden = |text: String| Err(Refusal::Forbidden(text));
    let Some(path) = token_file else {
        return forbidden(format!("{things} over TCP are off: set `token_file` in [admin]"));
    };
    // Read each time: a new token holds at once, and a removed one no longer.
    let file = match fs::read_to_string(path) {
        Ok(file) => file,
        Err(error) => {
            tracing::error!("the token file {} cannot be read: {error}", path.display());
            return forbidden("the server cannot read its token file; its log says why".to_owned());
        }
    };
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().trim();
    let mut tokens = tokens(&file).peekable();
    if tokens.peek().is_none() {
        return forbidden("the server's token file is empty".to_owned());
    }
    let is_given = |(_, token): &(Option<&str>, &str)| {
        verify_slices_are_equal(token.as_bytes(), given.as_bytes()).is_ok()
    };
    match tokens.find(is_given) {
        Some((Some(name), _)) => Ok(format!("{name} (token, from {})", address.ip())),
        Some((None, _)) => Ok(format!("token from {}", address.ip())),
        None => {
            tracing::warn!("{address} asked for {one} without a right token");
            forbidden(format!(
                "{things} over TCP need `Authorization: Bearer` with a token of the server"
            ))
        }
    }
}

/// The tokens of a file and whose they are: a line each, `TOKEN` or `NAME TOKEN`; lines that
/// begin with `#` are remarks.
fn tokens(file: &str) -> impl Iterator<Item = (Option<&str>, &str)> {
    let lines = file.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| match line.split_once(char::is_whitespace) {
        Some((name, token)) => Some((Some(name), token.trim())),
        None => Some((None, line)).filter(|(_, token)| !token.is_empty()),
    })
}

/// The name of a user in a file such as /etc/passwd.
fn user_name(users: &str, uid: u32) -> Option<&str> {
    let uid = uid.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn over_tcp_only_the_token_opens() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "secret\n").unwrap();
        let peer = Peer::Remote("192.0.2.1:4000".parse().unwrap());
        let who = permit(peer, &headers("Bearer secret"), Some(&path), What::Change);
        assert_eq!(who, Ok("token from 192.0.2.1".to_owned()));
        for wrong in ["Bearer secre", "Bearer secrets", "Bearer ", "secret", "Basic secret"] {
            assert!(permit(peer, &headers(wrong), Some(&path), What::Change).is_err(), "{wrong}");
        }
        assert!(permit(peer, &HeaderMap::new(), Some(&path), What::Files).is_err());
        assert!(permit(peer, &headers("Bearer secret"), None, What::Files).is_err());
        fs::write(&path, "\n").unwrap();
        assert!(permit(peer, &headers("Bearer "), Some(&path), What::Change).is_err());
    }

    #[test]
    fn a_token_may_have_a_name() {
        let file = "# machines\ndeploy  abc\n\n def \nnight watch\n";
        let all: Vec<_> = tokens(file).collect();
        let expected = [(Some("deploy"), "abc"), (None, "def"), (Some("night"), "watch")];
        assert_eq!(all, expected);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, file).unwrap();
        let peer = Peer::Remote("192.0.2.1:4000".parse().unwrap());
        let who = permit(peer, &headers("Bearer abc"), Some(&path), What::Change);
        assert_eq!(who, Ok("deploy (token, from 192.0.2.1)".to_owned()));
        assert!(permit(peer, &headers("Bearer deploy"), Some(&path), What::Change).is_err());
    }

    #[test]
    fn a_user_is_called_by_name_where_there_is_one() {
        let users = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nbad\n";
        assert_eq!(user_name(users, 1000), Some("alice"));
        assert_eq!(user_name(users, 100), None);
    }
}
