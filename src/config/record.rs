//! Records: DNS names bound to pools and policies.

use std::net::IpAddr;

use crate::wire::Name;

use super::diagnostic::Diagnostic;
use super::names::{Names, TargetRef, owner};
use super::reader::{Reader, with_suggestion};
use super::source::{Located, Span};
use super::spec::{RecordSpec, Words};

/// A DNS name bound to a pool or policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The name; may be a wildcard or the apex of a zone.
    pub name: Name,
    /// Where the name is defined.
    pub span: Span,
    /// What answers.
    pub target: TargetRef,
    /// Seconds that resolvers keep an answer: 0 to 604,800.
    pub ttl: u32,
    /// Where the TTL is written, if it is.
    pub ttl_span: Option<Span>,
    /// The least of the TTL while a change is near: up to `ttl`. `None`: it is always `ttl`.
    pub ttl_min: Option<u32>,
    /// Where that is said.
    pub ttl_min_span: Option<Span>,
    /// What is said when nothing is up.
    pub on_all_down: OnAllDown,
}

/// What a record answers when nothing is up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnAllDown {
    /// As if every member were up.
    #[default]
    All,
    /// The last answer that had one up.
    LastKnown,
    /// The name exists, and has nothing.
    NoData,
    /// The query fails.
    ServFail,
    /// These addresses; at least one, none twice.
    Addresses(Vec<IpAddr>),
}

const WORDS: [&str; 4] = ["all", "last-known", "nodata", "servfail"];

impl Record {
    /// `None` when the name or the target is none; that is reported.
    pub(super) fn resolve(
        name: &Located<String>,
        spec: RecordSpec,
        names: &Names,
        reader: &mut Reader<'_>,
    ) -> Option<Record> {
        let ttl = reader.integer("ttl", spec.ttl.as_ref(), 0..=604_800, 30);
        let ttl_min = spec.ttl_min.as_ref().map(|_| {
            let least = reader.integer("ttl_min", spec.ttl_min.as_ref(), 1..=ttl.max(1), ttl);
            u32::try_from(least).unwrap_or(30)
        });
        let on_all_down = spec.on_all_down.as_ref();
        let on_all_down = on_all_down.map(|words| OnAllDown::resolve(words, reader));
        let target = names.target(&spec.target, reader)?;
        Some(Record {
            name: owner(&name.value).ok()?,
            span: name.span.clone(),
            target,
            ttl: u32::try_from(ttl).unwrap_or(30),
            ttl_span: spec.ttl.as_ref().map(|ttl| reader.span(&ttl.range)),
            ttl_min,
            ttl_min_span: spec.ttl_min.as_ref().map(|ttl| reader.span(&ttl.range)),
            on_all_down: on_all_down.unwrap_or_default(),
        })
    }
}

impl OnAllDown {
    fn resolve(spec: &Words, reader: &mut Reader<'_>) -> OnAllDown {
        if !spec.is_array {
            let word = spec.words.first().map_or("", |word| &word.value);
            return match word {
                "all" => OnAllDown::All,
                "last-known" => OnAllDown::LastKnown,
                "nodata" => OnAllDown::NoData,
                "servfail" => OnAllDown::ServFail,
                other => {
                    let message = format!("`{other}` is not a value of `on_all_down`");
                    let d = Diagnostic::error("unknown-value", message);
                    let d = d.at(&reader.span(&spec.range), "");
                    reader.found.push(match other.parse::<IpAddr>() {
                        Ok(address) => d.help(format!("addresses are a list: [\"{address}\"]")),
                        Err(_) => with_suggestion(d, other, WORDS),
                    });
                    OnAllDown::All
                }
            };
        }
        if spec.words.is_empty() {
            let help = "write at least one address, or \"nodata\"";
            reader.invalid(&spec.range, "`on_all_down` has no addresses", help);
        }
        let mut addresses = Vec::new();
        for word in &spec.words {
            match word.value.parse::<IpAddr>() {
                Ok(address) if addresses.contains(&address) => {
                    let message = format!("`{address}` is listed twice");
                    reader.invalid(&word.range, message, "remove one of them");
                }
                Ok(address) => addresses.push(address),
                Err(_) => {
                    let message = format!("`{}` is not an address", word.value);
                    let is_word = WORDS.contains(&word.value.as_str());
                    let help = if is_word { "a word stands alone, without the list" } else { "" };
                    reader.invalid(&word.range, message, help);
                }
            }
        }
        OnAllDown::Addresses(addresses)
    }
}
