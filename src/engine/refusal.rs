//! Replies that are a response code and nothing else.

use crate::wire::{Class, Question, Rcode, Rejected, Type};

use super::message::Message;
use super::{Reply, Request, Settings};

/// The reply to a message that is no query.
#[cold]
pub(super) fn reply(
    rejected: Rejected,
    request: &Request<'_>,
    settings: &Settings,
    out: &mut [u8],
) -> Reply {
    let Rejected::Refusal { header, rcode, question, edns } = rejected else {
        return Reply::Drop;
    };
    match Message::begin(request, question, edns.as_ref(), settings, out) {
        Some(message) => message.finish(header, edns.as_ref(), settings, rcode, 0),
        None => Reply::Drop,
    }
}

/// The response code of a question that is well-formed and not for the zones to answer.
#[inline]
pub(super) fn of_question(question: Question) -> Option<Rcode> {
    if question.qclass == Class::IN && !question.qtype.is_meta() {
        return None;
    }
    of_unusual(question)
}

#[cold]
fn of_unusual(question: Question) -> Option<Rcode> {
    if question.qclass != Class::IN && question.qclass != Class::ANY {
        return Some(Rcode::REFUSED);
    }
    match question.qtype {
        Type::ANY => None,
        qtype if !qtype.is_meta() => None,
        // What `transfer` answers.
        Type::AXFR | Type::IXFR => Some(Rcode::REFUSED),
        Type::MAILA | Type::MAILB | Type::TKEY => Some(Rcode::NOTIMP),
        // OPT, TSIG, NXNAME (RFC 9824 section 3.5) and their like are no questions.
        _ => Some(Rcode::FORMERR),
    }
}
