//! Where the server can be looked into and told what to do: `[admin]`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::listen::{self, Sockets};
use super::reader::Reader;
use super::spec::Spanned;
use super::spec::server::AdminSpec;

/// Where the control socket is when the file does not say.
const SOCKET: &str = "state/meridian.sock";

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

/// The control socket of the server whose own file is at `path`, whatever else is wrong with the
/// files: mistakes in them must not keep anybody from the server that runs.
pub fn control_socket(path: &Path) -> PathBuf {
    let text = fs::read_to_string(path).unwrap_or_default();
    let written = text
        .parse::<toml::Table>()
        .ok()
        .and_then(|table| Some(table.get("admin")?.get("socket")?.as_str()?.to_owned()));
    let socket = written.unwrap_or_else(|| SOCKET.to_owned());
    path.parent().unwrap_or_else(|| "".as_ref()).join(socket)
}
