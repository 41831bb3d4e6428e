//! Any octets as the options of an OPT record (RFC 6891 section 6.1.2) in a query for a steered
//! name.

use meridian::engine::Transport;

use super::{reply, server};

/// A query for `www.example.com` A with an OPT record that has 1,232 octets of room, and no
/// options yet.
const QUERY: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03www\x07example\x03com\x00\
    \x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x80\x00";

/// `data` is the data of the OPT record; what is longer than 65,535 octets is cut off.
pub fn run(data: &[u8]) {
    let data = &data[..data.len().min(usize::from(u16::MAX))];
    let mut message = QUERY.to_vec();
    message.extend((data.len() as u16).to_be_bytes());
    message.extend(data);
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let reply = server::ask(&message, transport).expect("a query is answered");
        reply::check(&message, transport, &reply);
        let rcode = reply[3] & 0x0f;
        assert!(rcode <= 1, "rcode {rcode}: well-formed options are answered, others refused");
    }
}
