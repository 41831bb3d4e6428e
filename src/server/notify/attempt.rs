//! One NOTIFY to one secondary: its octets, its answer, and when to send it again.
//!
//! Pure functions: who waits and sends is [`super`].

use std::time::Duration;

use crate::engine::Snapshot;
use crate::wire::header::{self, HEADER, Header};
use crate::wire::tsig::{Key, Signer};
use crate::wire::{Class, Opcode, Rcode, Type};
use crate::zone::ZoneId;
use crate::zone::rrset::{Owner, QUESTION};

/// How long the first answer is waited for; each further one twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// Messages until a secondary is given up: two minutes in all.
const TRIES: u32 = 6;

/// What became of telling a secondary so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The next message, or its answer, is due.
    Waiting {
        /// Messages that were not answered.
        tries: u32,
    },
    /// It is over.
    Over(Outcome),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The secondary knows.
    Acknowledged,
    /// It answered with an error, and would again.
    Refused(Rcode),
    /// It did not answer.
    Unanswered,
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It was answered.
    Answer(Rcode),
    /// It was not, for as long as was to be waited.
    Timeout,
}

impl Default for Attempt {
    fn default() -> Attempt {
        Attempt::Waiting { tries: 0 }
    }
}

impl Attempt {
    /// What follows (RFC 1996 section 3.6).
    pub fn next(self, event: Event) -> Attempt {
        match (self, event) {
            (Attempt::Over(outcome), _) => Attempt::Over(outcome),
            (_, Event::Answer(Rcode::NOERROR)) => Attempt::Over(Outcome::Acknowledged),
            (_, Event::Answer(rcode)) => Attempt::Over(Outcome::Refused(rcode)),
            (Attempt::Waiting { tries }, Event::Timeout) if tries + 1 < TRIES => {
                Attempt::Waiting { tries: tries + 1 }
            }
            (Attempt::Waiting { .. }, Event::Timeout) => Attempt::Over(Outcome::Unanswered),
        }
    }

    /// How long the answer to the next message is waited for.
    pub fn wait(self) -> Duration {
        match self {
            Attempt::Waiting { tries } => FIRST_WAIT * (1 << tries.min(TRIES)),
            Attempt::Over(_) => Duration::ZERO,
        }
    }
}

/// The message, not signed: the zone in the question and its SOA in the answer (RFC 1996 section
/// 3.7).
pub fn message(snapshot: &Snapshot, zone: ZoneId, id: u16) -> Vec<u8> {
    let zone = snapshot.zones.zone(zone);
    let mut message = vec![0; HEADER];
    message.extend(zone.apex().as_wire());
    message.extend(Type::SOA.0.to_be_bytes());
    message.extend(Class::IN.0.to_be_bytes());
    let at = message.len();
    message.resize(usize::from(u16::MAX), 0);
    let owner = Owner::Pointer(QUESTION);
    let end = zone.soa().and_then(|soa| soa.write(&mut message, at, owner, QUESTION));
    message.truncate(end.unwrap_or(at));
    let flags = u16::from(Opcode::NOTIFY.0) << 11 | header::AA;
    header::write(&mut message, id, flags, [1, end.is_some().into(), 0, 0]);
    message
}

/// The message as it is sent at `now` (Unix seconds).
pub fn signed(message: &[u8], key: Option<&Key>, now: u64) -> Vec<u8> {
    let mut signed = message.to_vec();
    if let Some(key) = key {
        signed.resize(message.len() + key.record_len(0), 0);
        // There is the room it asks for.
        let _len = Signer::of_request().sign(key, now, &mut signed, message.len());
    }
    signed
}

/// The response code of an answer to `message`; `None` when it answers something else.
///
/// A signature in it is not looked at: all that a forged answer could do is to end the sending.
pub fn answers(answer: &[u8], message: &[u8]) -> Option<Rcode> {
    let (ours, theirs) = (Header::parse(message)?, Header::parse(answer)?);
    let is_answer =
        theirs.is_response() && theirs.id == ours.id && theirs.opcode() == Opcode::NOTIFY;
    is_answer.then_some(Rcode(theirs.flags & 0x0f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secondary_that_is_silent_is_asked_six_times_in_two_minutes() {
        let (mut attempt, mut all) = (Attempt::default(), Duration::ZERO);
        let mut messages = 0;
        while attempt != Attempt::Over(Outcome::Unanswered) {
            messages += 1;
            all += attempt.wait();
            attempt = attempt.next(Event::Timeout);
        }
        assert_eq!((messages, all.as_secs()), (6, 126));
    }

    #[test]
    fn an_answer_of_any_kind_ends_it() {
        let late = Attempt::default().next(Event::Timeout).next(Event::Timeout);
        let good = late.next(Event::Answer(Rcode::NOERROR));
        assert_eq!(good, Attempt::Over(Outcome::Acknowledged));
        assert_eq!(good.next(Event::Timeout), good);
        let refused = late.next(Event::Answer(Rcode::NOTAUTH));
        assert_eq!(refused, Attempt::Over(Outcome::Refused(Rcode::NOTAUTH)));
    }

    #[test]
    fn only_a_response_with_our_id_is_an_answer() {
        let mut ours = vec![0; HEADER];
        header::write(&mut ours, 7, 0x2400, [1, 0, 0, 0]);
        for (id, flags, rcode) in [
            (7, 0xa400, Some(Rcode::NOERROR)),
            (7, 0xa405, Some(Rcode::REFUSED)),
            (8, 0xa400, None),
            (7, 0x2400, None),
            (7, 0x8400, None),
        ] {
            let mut theirs = vec![0; HEADER];
            header::write(&mut theirs, id, flags, [1, 0, 0, 0]);
            assert_eq!(answers(&theirs, &ours), rcode, "{flags:x}");
        }
        assert_eq!(answers(&ours[..11], &ours), None);
    }
}
