//! What the server says of itself, in class CHAOS (RFC 4892).

use crate::wire::{LowerName, Question, Rcode, Type};
use crate::zone::rrset::QUESTION;

use super::Settings;
use super::message::{Full, Message, Section};
use super::options::ExtendedError;

/// The fixed part of such a record: TXT, class CHAOS, not to be kept.
const TXT: [u8; 8] = [0, 16, 0, 3, 0, 0, 0, 0];

/// Writes the answer to a question of class CHAOS and says the response code.
///
/// There is a TXT record at four names, as far as the configuration has something to say there;
/// all else is refused. AA stays clear and nothing goes to other sections, as with Knot and NSD:
/// there is no zone behind it.
pub(super) fn answer(
    question: Question,
    name: &LowerName,
    settings: &Settings,
    message: &mut Message<'_>,
) -> Rcode {
    let text: &[u8] = match name.as_wire() {
        b"\x07version\x04bind\0" | b"\x07version\x06server\0" => &settings.version,
        b"\x02id\x06server\0" | b"\x08hostname\x04bind\0" => &settings.nsid,
        _ => &[],
    };
    if text.is_empty() || !matches!(question.qtype, Type::TXT | Type::ANY) {
        message.explain(ExtendedError::NotAuthoritative);
        return Rcode::REFUSED;
    }
    // Neither is longer than a string of TXT can be.
    let len = [text.len() as u8];
    match message.record(Section::Answer, QUESTION, TXT, [&len, text]) {
        Ok(()) => {}
        Err(Full) => message.truncated(),
    }
    Rcode::NOERROR
}
