//! Who asks, and whether they may change anything.
//!
//! Whoever can open the Unix socket may: its permissions are the lock. Over TCP everybody who
//! reaches the address may read, and only the bearer of the token may change.

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

/// Who it is that may change something, as the history will say.
///
/// # Errors
///
/// [`Refusal::Forbidden`] when they may not.
pub(super) fn permit(
    peer: Peer,
    headers: &HeaderMap,
    token_file: Option<&Path>,
) -> Result<String, Refusal> {
    let address = match peer {
        Peer::Local(Some(uid)) => return Ok(format!("uid {uid}")),
        Peer::Local(None) => return Ok("the control socket".to_owned()),
        Peer::Remote(address) => address,
    };
    let forbidden = |text: &str| Err(Refusal::Forbidden(text.to_owned()));
    let Some(path) = token_file else {
        return forbidden("changes over TCP are off: set `token_file` in [admin]");
    };
    // Read each time: a new token holds at once, and a removed one no longer.
    let token = match fs::read_to_string(path) {
        Ok(token) => token,
        Err(error) => {
            tracing::error!("the token file {} cannot be read: {error}", path.display());
            return forbidden("the server cannot read its token file; its log says why");
        }
    };
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    match token.trim() {
        "" => forbidden("the server's token file is empty"),
        token if verify_slices_are_equal(token.as_bytes(), given.trim().as_bytes()).is_ok() => {
            Ok(format!("token from {}", address.ip()))
        }
        _ => {
            tracing::warn!("{address} asked for a change without the right token");
            forbidden("changes over TCP need `Authorization: Bearer` with the server's token")
        }
    }
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
        let who = permit(peer, &headers("Bearer secret"), Some(&path));
        assert_eq!(who, Ok("token from 192.0.2.1".to_owned()));
        for wrong in ["Bearer secre", "Bearer secrets", "Bearer ", "secret", "Basic secret"] {
            assert!(permit(peer, &headers(wrong), Some(&path)).is_err(), "{wrong}");
        }
        assert!(permit(peer, &HeaderMap::new(), Some(&path)).is_err());
        assert!(permit(peer, &headers("Bearer secret"), None).is_err());
        fs::write(&path, "\n").unwrap();
        assert!(permit(peer, &headers("Bearer "), Some(&path)).is_err());
    }
}
