//! The control API and the metrics, as a client without a library sees them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::program::Serving;

/// One request; its status and body. `more` is header lines.
pub fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    more: &str,
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\
         {more}\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

/// Where a server shows its metrics, which its log says.
pub fn http_address(serving: &Serving) -> SocketAddr {
    let line = serving.log(&["metrics and control: http://"]);
    let (_, address) = line.rsplit_once("http://").unwrap();
    address.trim_end_matches('/').parse().unwrap()
}
