//! Checks that ask a name server.

use std::time::Duration;

use super::{Monitor, MonitorKind, latency, port};
use crate::config::names::owner;
use crate::config::reader::Reader;
use crate::config::rhythm::Rhythm;
use crate::config::source::Located;
use crate::config::spec::Spanned;
use crate::config::spec::monitor::DnsCheckSpec;
use crate::wire::Name;

/// Where name servers listen unless anything is said.
const PORT: u16 = 53;

/// A check by a question over UDP, and over TCP where the answer does not fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Dns {
    /// The name asked for.
    pub query: Name,
    /// The type asked for, as it is written; whether there is such a type is not checked here.
    pub rtype: Located<String>,
    /// The response code that must come back, as it is written; `None` is NOERROR. Whether there
    /// is such a code is not checked here.
    pub rcode: Option<Located<String>>,
    /// Data that must be in the answer, in presentation form; only that it is not empty is
    /// checked here.
    pub answer: Vec<Located<String>>,
    /// Longest time until the answer is there: 1 ms to the timeout.
    pub latency: Option<Duration>,
}

impl Dns {
    pub(super) fn resolve(
        name: &Located<String>,
        spec: DnsCheckSpec,
        reader: &mut Reader<'_>,
    ) -> Monitor {
        let rhythm = Rhythm::resolve(spec.rhythm(), reader);
        let expect = spec.expect.unwrap_or_default();
        let query = owner(&spec.query.value).unwrap_or_else(|why| {
            let message = format!("`{}` is not a domain name: {why}", spec.query.value);
            reader.invalid(&spec.query.range, message, "write it like \"www.example.com\"");
            Name::root()
        });
        let rtype = match spec.r#type {
            Some(word) => located(word, reader),
            None => Located { value: "A".to_owned(), span: reader.span(&spec.query.range) },
        };
        let rcode = expect.rcode.map(|word| located(word, reader));
        let mut answer = Vec::new();
        if let Some(Spanned { value: words, range }) = expect.answer {
            if words.is_empty() {
                reader.invalid(&range, "`answer` is empty: every answer matches", "remove it");
            }
            answer = words.into_iter().map(|word| located(word, reader)).collect();
        }
        let dns = Dns {
            query,
            rtype,
            rcode,
            answer,
            latency: expect.latency.map(|latency| self::latency(&latency, rhythm.timeout, reader)),
        };
        let port = port(spec.port.as_ref(), PORT, reader);
        rhythm.monitor(name, MonitorKind::Dns(dns), port)
    }
}

fn located(word: Spanned<String>, reader: &Reader<'_>) -> Located<String> {
    Located { span: reader.span(&word.range), value: word.value }
}
