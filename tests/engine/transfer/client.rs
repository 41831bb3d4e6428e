//! A secondary's side: signing requests, taking messages, checking their signatures. Digests are
//! put together here once more, from RFC 8945 section 4.3.

use aws_lc_rs::hmac;
use hickory_proto::op::Message;
use meridian::engine::{Clock, Reply, Request, Transport};
use meridian::wire::tsig::{Key, Signer, Tsig};

use super::SECRET;
use crate::support::bed::{Bed, pointers_go_back, texts};

/// When all clocks of the tests stand, in Unix seconds.
pub(crate) const NOW: u64 = 1_700_000_000;

/// The message signed at `time`, and its MAC.
pub(crate) fn signed(message: &[u8], key: &Key, time: u64) -> (Vec<u8>, Vec<u8>) {
    let mut signed = message.to_vec();
    signed.resize(message.len() + key.record_len(0), 0);
    Signer::of_request().sign(key, time, &mut signed, message.len()).unwrap();
    let mac = Tsig::parse(&signed, message.len()).unwrap().mac.to_vec();
    (signed, mac)
}

/// What the engine makes of a message, in full.
pub(crate) fn exchange(bed: &Bed, message: &[u8], transport: Transport) -> Vec<Vec<u8>> {
    let mut out = vec![0xaa; 65_535];
    let request = Request {
        message,
        client: &bed.client,
        local: &None,
        transport,
        clock: &Clock::at(NOW * 1000),
    };
    match bed.engine.respond(&request, &mut bed.scratch.borrow_mut(), &mut out) {
        Reply::Drop => Vec::new(),
        Reply::Message(len) => vec![out[..len].to_vec()],
        Reply::Transfer(mut transfer) => std::iter::from_fn(|| {
            let len = transfer.next(NOW * 1000, &mut out).expect("records that fit")?;
            Some(out[..len].to_vec())
        })
        .collect(),
    }
}

/// Reads the messages, and gives the records of all answer sections as text.
pub(crate) fn records(messages: &[Vec<u8>]) -> Vec<String> {
    let mut all = Vec::new();
    for octets in messages {
        pointers_go_back(octets);
        let message = Message::from_vec(octets).unwrap();
        assert!(message.metadata.authoritative);
        assert!(!message.answers.is_empty());
        all.extend(texts(&message.answers));
    }
    all
}

/// The response code of a reply that is one message.
pub(crate) fn rcode(messages: &[Vec<u8>]) -> u8 {
    assert_eq!(messages.len(), 1);
    messages[0][3] & 0x0f
}

/// Checks the signature of a message that follows the MAC `prior`.
pub(crate) fn verified(message: &[u8], key: &Key, prior: &[u8], is_first: bool) -> Checked {
    let at = tsig_at(message);
    let tsig = Tsig::parse(message, at).unwrap();
    assert_eq!(tsig.key.as_wire(), key.name().as_wire());
    let mut bare = message[..at].to_vec();
    bare[11] -= 1;
    assert_eq!(tsig.original_id.to_be_bytes(), bare[..2]);
    let mut digest = u16::try_from(prior.len()).unwrap().to_be_bytes().to_vec();
    digest.extend(prior);
    digest.extend(&bare);
    let mut timers = tsig.time.to_be_bytes()[2..].to_vec();
    timers.extend(tsig.fudge.to_be_bytes());
    if is_first {
        digest.extend(key.name().as_wire());
        digest.extend([0, 255, 0, 0, 0, 0]);
        digest.extend(b"\x0bhmac-sha256\x00");
        digest.extend(timers);
        digest.extend(tsig.error.0.to_be_bytes());
        digest.extend(u16::try_from(tsig.other.len()).unwrap().to_be_bytes());
        digest.extend(tsig.other);
    } else {
        digest.extend(timers);
    }
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), &digest, tsig.mac)
        .expect("a good MAC");
    Checked {
        bare,
        time: tsig.time,
        error: tsig.error.0,
        other: tsig.other.to_vec(),
        mac: tsig.mac.to_vec(),
    }
}

/// A message whose signature is right.
pub(crate) struct Checked {
    /// Without the record.
    pub(crate) bare: Vec<u8>,
    pub(crate) time: u64,
    pub(crate) error: u16,
    pub(crate) other: Vec<u8>,
    pub(crate) mac: Vec<u8>,
}

/// Where the last record begins.
pub(crate) fn tsig_at(message: &[u8]) -> usize {
    let word = |at: usize| usize::from(u16::from_be_bytes([message[at], message[at + 1]]));
    let name = |mut at: usize| loop {
        match message[at] {
            0 => return at + 1,
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return at + 2,
        }
    };
    let mut at = 12;
    for _ in 0..word(4) {
        at = name(at) + 4;
    }
    for _ in 1..word(6) + word(8) + word(10) {
        at = name(at);
        at += 10 + word(at + 8);
    }
    at
}
