//! Where the server can be looked into and told what to do: `[admin]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::glimpse::SOCKET;
use super::listen::{self, Sockets};
use super::reader::Reader;
use super::spec::Spanned;
use super::spec::server::AdminSpec;

/// Control, metrics and health of the server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The Unix socket of the control API; `None` for none.
    pub socket: Option<PathBuf>,
    /// The TCP address of metrics and the API; `None` for none.
    pub listen: Option<SocketAddr>,
    /// The file with the token that changes over TCP need; `None` allows none.
    pub token_file: Option<PathBuf>,
}

impl Admin {
    /// The address is added to `taken`, the sockets that are listened on so far.
    pub(super) fn resolve(spec: AdminSpec, taken: &mut Sockets, reader: &mut Reader<'_>) -> Admin {
        let listen = match spec.listen {
            None => Some(([127, 0, 0, 1], 9153).into()),
            Some(text) if text.value.is_empty() => None,
            Some(text) => {
                let kinds = [listen::Kind::Tcp];
                listen::addresses(&[text], &kinds, taken, reader).first().copied()
            }
        };
        let path = |text: Option<&Spanned<String>>, default: &str, reader: &Reader<'_>| {
            let text = text.map_or(default, |text| &text.value);
            (!text.is_empty()).then(|| reader.path(text))
        };
        Admin {
            listen,
            socket: path(spec.socket.as_ref(), SOCKET, reader),
            token_file: path(spec.token_file.as_ref(), "", reader),
        }
    }
}
