//! The control API and the metrics, as `meridian ctl` and a client without a library see them.

use std::net::SocketAddr;

use super::http::ask;
use super::program::{Files, Output, Serving};

/// `meridian ctl` with these words.
pub fn ctl(files: &Files, line: &str) -> Output {
    let arguments: Vec<&str> = ["ctl"].into_iter().chain(line.split(' ')).collect();
    files.run(&arguments)
}

/// The same where it is to succeed; what it prints.
pub fn done(files: &Files, line: &str) -> String {
    let output = ctl(files, line);
    assert_eq!(output.code, 0, "ctl {line}: {output:?}");
    output.stdout
}

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
