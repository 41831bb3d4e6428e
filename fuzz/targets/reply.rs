//! What holds of every reply, whatever was asked. Written apart from the code under test.

use meridian::engine::Transport;

/// Octets of a header.
const HEADER: usize = 12;

/// Panics unless `reply` is a well-formed answer to `message` that its client can take.
pub fn check(message: &[u8], transport: Transport, reply: &[u8]) {
    let (asked, told) = (&message[..HEADER], &reply[..HEADER]);
    assert_eq!(told[..2], asked[..2], "the ID");
    assert_eq!(told[2] & 0x80, 0x80, "a response");
    assert_eq!(told[2] & 0x79, asked[2] & 0x79, "opcode and RD");
    assert_eq!(told[3] & 0xf0, 0, "RA, Z, AD and CD");
    if transport == Transport::Udp {
        assert!(reply.len() <= 1232, "{} octets over UDP", reply.len());
    }
    let count = |at: usize| usize::from(u16::from_be_bytes([told[at], told[at + 1]]));
    let mut at = HEADER;
    assert!(count(4) <= 1, "a question at most");
    if count(4) == 1 {
        at = name(reply, at) + 4;
        assert_eq!(reply[HEADER..at], message[HEADER..at], "the question, octet for octet");
    }
    let mut opts = 0;
    for _ in 0..count(6) + count(8) + count(10) {
        at = name(reply, at);
        let rtype = u16::from_be_bytes([reply[at], reply[at + 1]]);
        let len = usize::from(u16::from_be_bytes([reply[at + 8], reply[at + 9]]));
        at += 10 + len;
        assert!(at <= reply.len(), "data beyond the end");
        opts += usize::from(rtype == 41);
    }
    assert_eq!(at, reply.len(), "octets behind the last record");
    assert!(opts <= 1, "{opts} OPT records");
}

/// Where the name at `at` ends; every pointer leads back to a name that ends.
fn name(octets: &[u8], mut at: usize) -> usize {
    let mut end = None;
    let mut len = 0;
    loop {
        match usize::from(octets[at]) {
            0 => return end.unwrap_or(at + 1),
            label @ 1..=63 => {
                len += 1 + label;
                assert!(len < 255, "a name too long");
                at += 1 + label;
            }
            high @ 0xc0.. => {
                let target = (high & 0x3f) << 8 | usize::from(octets[at + 1]);
                assert!((HEADER..at).contains(&target), "a pointer to {target} at {at}");
                end.get_or_insert(at + 2);
                at = target;
            }
            other => panic!("a label of kind {other:#x}"),
        }
    }
}
