//! The control API and the metrics, as a client without a library sees them.

use std::net::SocketAddr;

use super::http::ask;
use super::program::Serving;

/// One request; its status and body. `more` is header lines.
pub fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    more: &str,
    body: &str,
) -> (u16, String) {
    let reply = ask(address, method, path, more, body);
    (reply.status, reply.body)
}

/// Where a server shows its metrics, which its log says.
pub fn http_address(serving: &Serving) -> SocketAddr {
    let line = serving.log(&["metrics and control: http://"]);
    let (_, address) = line.rsplit_once("http://").unwrap();
    address.trim_end_matches('/').parse().unwrap()
}
