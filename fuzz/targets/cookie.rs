//! Any octets as the data of a COOKIE option (RFC 7873 section 4), with and without a question.

use meridian::engine::Transport;

use super::{reply, server};

/// The most data whose length, with the option's head, is one octet.
const LONGEST: usize = 251;

/// `data` is the option's data; what is longer than [`LONGEST`] octets is cut off.
pub fn run(data: &[u8]) {
    let data = &data[..data.len().min(LONGEST)];
    let len = data.len() as u8;
    for question in [&b"\x03www\x07example\x03com\x00\x00\x01\x00\x01"[..], b""] {
        let asked = u8::from(!question.is_empty());
        let mut message = vec![0x12, 0x34, 1, 0, 0, asked, 0, 0, 0, 0, 0, 1];
        message.extend(question);
        message.extend([0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, len + 4, 0, 10, 0, len]);
        message.extend(data);
        let reply = server::ask(&message, Transport::Udp).expect("a query is answered");
        reply::check(&message, Transport::Udp, &reply);
        if !matches!(data.len(), 8 | 16..=40) {
            assert_eq!(reply[3] & 0x0f, 1, "a cookie of {} octets is malformed", data.len());
        }
    }
}
