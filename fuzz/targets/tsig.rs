//! Any octets as the data of a TSIG record (RFC 8945 section 4.2) that ends a query, in the name
//! of a key that the server has.

use meridian::engine::Transport;

use super::{reply, server};

/// A query for the SOA of `example.com` and the front of the record, up to the length of its
/// data.
const FRONT: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\
    \x07example\x03com\x00\x00\x06\x00\x01\
    \x08transfer\xc0\x0c\x00\xfa\x00\xff\x00\x00\x00\x00";

/// `data` is the record's data; what is longer than 1,000 octets is cut off.
pub fn run(data: &[u8]) {
    let data = &data[..data.len().min(1000)];
    let mut message = FRONT.to_vec();
    message.extend((data.len() as u16).to_be_bytes());
    message.extend(data);
    for transport in [Transport::Udp, Transport::Tcp] {
        let Some(reply) = server::ask(&message, transport) else {
            // What says that it could not be signed must fit, too.
            assert_eq!(transport, Transport::Udp, "silence over a stream");
            continue;
        };
        reply::check(&message, transport, &reply);
        assert!(matches!(reply[3] & 0x0f, 1 | 9), "nobody has the key: FORMERR or NOTAUTH");
    }
}
