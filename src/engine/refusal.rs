//! Replies to what is no question for the zones: a response code and hardly anything else.

use crate::wire::{Class, LowerName, Question, Rcode, Rejected, Type};
use crate::zone::Zones;

use super::message::Message;
use super::options::{ExtendedError, Extras};
use super::{CookieState, Noted, Reply, Request, Scratch, Settings, Snapshot, chaos};

/// The reply to a message that is no query. The name of its question, if it has one that can be
/// read, is in the scratch.
#[cold]
pub(super) fn reply(
    rejected: Rejected,
    request: &Request<'_>,
    snapshot: &Snapshot,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Reply {
    let Snapshot { zones, settings, .. } = snapshot;
    let (header, question, edns) = match rejected {
        // A signed message is answered without its signature.
        Rejected::Silent | Rejected::Signed(_) => return Reply::Drop,
        Rejected::CookieAlone { header, edns } => (header, None, Some(edns)),
        Rejected::ForZone { header, question, edns } => (header, Some(question), edns),
        Rejected::Refusal { header, question, edns, .. } => (header, question, edns),
    };
    let edns = edns.as_ref();
    let Ok(extras) = edns.map(|edns| Extras::new(edns, request, settings)).transpose() else {
        return Reply::Drop;
    };
    let Some(mut message) = Message::begin(request, question, edns, extras.as_ref(), settings, out)
    else {
        return Reply::Drop;
    };
    let rcode = match rejected {
        Rejected::Refusal { rcode, .. } => rcode,
        Rejected::ForZone { question, .. } => {
            message.explain(ExtendedError::Prohibited);
            for_zone(question, &scratch.name, zones)
        }
        // RFC 7873 section 5.4: a cookie that is confirmed or asked for is all of the answer.
        Rejected::CookieAlone { .. } | Rejected::Silent | Rejected::Signed(_) => {
            match message.cookie_state() {
                CookieState::Valid | CookieState::ClientOnly => Rcode::NOERROR,
                CookieState::Invalid => Rcode::BADCOOKIE,
                CookieState::Absent => Rcode::FORMERR,
            }
        }
    };
    scratch.noted = Noted::new(question.map_or(Type(0), |question| question.qtype), rcode);
    message.finish(header, edns, settings, rcode, 0)
}

/// The response code of NOTIFY and UPDATE.
///
/// Zones come from files alone, so both are refused for every client: REFUSED is what RFC 2136
/// section 3.3 has for that, and what BIND (UPDATE) and NSD (NOTIFY) say where nothing is
/// allowed. NOTIMP would be untrue in a server that knows the opcodes and tells a secondary's
/// operator nothing. For a zone that is not served it is NOTAUTH, as RFC 2136 section 3.1.2
/// has it, and BIND and Knot.
fn for_zone(question: Question, name: &LowerName, zones: &Zones) -> Rcode {
    let found = zones.lookup(name.as_wire(), Type::SOA);
    let is_served = found.is_some_and(|found| found.zone.apex_len() == name.as_wire().len());
    if is_served && question.qclass == Class::IN { Rcode::REFUSED } else { Rcode::NOTAUTH }
}

/// Writes what a question gets that is well-formed and not for the zones to answer, and says the
/// response code; `None` for all others. `name` is the name asked for.
#[inline]
pub(super) fn of_question(
    question: Question,
    name: &LowerName,
    settings: &Settings,
    message: &mut Message<'_>,
) -> Option<Rcode> {
    if question.qclass == Class::IN && !question.qtype.is_meta() {
        return None;
    }
    of_unusual(question, name, settings, message)
}

#[cold]
fn of_unusual(
    question: Question,
    name: &LowerName,
    settings: &Settings,
    message: &mut Message<'_>,
) -> Option<Rcode> {
    match question.qclass {
        Class::IN | Class::ANY => {}
        Class::CH => return Some(chaos::answer(question, name, settings, message)),
        _ => {
            message.explain(ExtendedError::NotAuthoritative);
            return Some(Rcode::REFUSED);
        }
    }
    match question.qtype {
        Type::ANY => None,
        // Reserved, so that nothing has it: an unknown type like any other in a question.
        Type(0) => None,
        qtype if !qtype.is_meta() => None,
        // What `transfer` answers.
        Type::AXFR | Type::IXFR => Some(Rcode::REFUSED),
        Type::MAILA | Type::MAILB | Type::TKEY => Some(Rcode::NOTIMP),
        // OPT, TSIG, NXNAME (RFC 9824 section 3.5) and their like are no questions.
        _ => Some(Rcode::FORMERR),
    }
}
