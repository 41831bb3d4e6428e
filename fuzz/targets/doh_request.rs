//! Any octets as the head of a request over HTTPS (RFC 8484 section 4.1), and what it asks.

use std::hint::black_box;

use hyper::Request;
use meridian::engine::Transport;
use meridian::transport::https::{freshness, request};

use super::server;

/// The first line of `data` is the method, the second the target, further ones are headers.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|octet| *octet == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let mut built = Request::builder().method(next()).uri(next());
    for line in lines {
        let colon = line.iter().position(|octet| *octet == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        built = built.header(name, value.strip_prefix(b":").unwrap_or(value));
    }
    let Ok(built) = built.body(()) else { return };
    match request::read(&built.into_parts().0) {
        Ok(request::Asked::Query(query)) => {
            assert!(query.len() <= request::LONGEST);
            if let Some(reply) = server::ask(&query, Transport::Https) {
                black_box(freshness::seconds(&reply));
                // Any octets may stand where a reply does.
                black_box(freshness::seconds(&query));
            }
        }
        Ok(request::Asked::Body) => {}
        Err(status) => assert!(status.is_client_error(), "{status}"),
    }
}
