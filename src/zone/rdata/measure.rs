//! Fields as octets: how long each is, and whether it is well-formed.

use super::format::{Field, Kind, compressible, fields};
use super::{apl, bitmap, gateway, hip, loc, svcb};
use crate::wire::Type;
use crate::wire::name::MAX_NAME;

/// Data that is not what its type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data is no {rtype}: {field} is malformed at octet {offset}")]
pub struct Malformed {
    /// The type.
    pub rtype: Type,
    /// The field that cannot be read.
    pub field: &'static str,
    /// Where that field starts, in octets from the start of the data.
    pub offset: usize,
}

/// Checks that `rdata` is well-formed data of `rtype`, names uncompressed.
///
/// Data of a type without a known format is always well-formed (RFC 3597 section 3).
pub fn validate(rtype: Type, rdata: &[u8]) -> Result<(), Malformed> {
    let Some(fields) = fields(rtype) else { return Ok(()) };
    let mut at = 0;
    for field in fields {
        let Some(len) = measure(field.kind, &rdata[at..]) else {
            return Err(Malformed { rtype, field: field.name, offset: at });
        };
        at += len;
    }
    if at == rdata.len() {
        Ok(())
    } else {
        Err(Malformed { rtype, field: "the end of the data", offset: at })
    }
}

/// Where domain names stand in data of `rtype`, from the left: the offset of each name, and
/// whether a message may compress it (RFC 3597 section 4).
///
/// Ends early on data that [`validate`] refuses. Does not allocate.
pub fn name_positions(rtype: Type, rdata: &[u8]) -> NamePositions<'_> {
    NamePositions {
        fields: fields(rtype).unwrap_or_default(),
        rdata,
        at: 0,
        compressible: compressible(rtype),
    }
}

/// The positions of names in data; see [`name_positions`].
#[derive(Debug, Clone)]
pub struct NamePositions<'a> {
    fields: &'static [Field],
    rdata: &'a [u8],
    at: usize,
    compressible: bool,
}

impl Iterator for NamePositions<'_> {
    type Item = (usize, bool);

    fn next(&mut self) -> Option<(usize, bool)> {
        loop {
            let (field, later) = self.fields.split_first()?;
            let rest = self.rdata.get(self.at..)?;
            let start = self.at;
            let len = match field.kind {
                Kind::Names => name_len(rest)?,
                // Nothing behind them, and checking them all would allocate.
                Kind::Params => return None,
                kind => {
                    self.fields = later;
                    measure(kind, rest)?
                }
            };
            self.at += len;
            match field.kind {
                Kind::Name | Kind::Names => return Some((start, self.compressible)),
                Kind::Gateway if gateway::holds_name(rest) => {
                    return Some((start + gateway::HEAD, self.compressible));
                }
                _ => {}
            }
        }
    }
}

/// The octets of the field at the front of `rest`; `None` when it is malformed or cut off.
fn measure(kind: Kind, rest: &[u8]) -> Option<usize> {
    match kind {
        Kind::U8 | Kind::Algorithm => fixed(rest, 1),
        Kind::U16 | Kind::Type | Kind::Certificate => fixed(rest, 2),
        Kind::U32 | Kind::Period | Kind::Time | Kind::Ipv4 => fixed(rest, 4),
        Kind::Eui48 => fixed(rest, 6),
        Kind::Eui64 | Kind::Locator => fixed(rest, 8),
        Kind::Ipv6 => fixed(rest, 16),
        Kind::Name => name_len(rest),
        Kind::Names => repeated(rest, name_len),
        Kind::String | Kind::Salt => string_len(rest),
        Kind::Hash => string_len(rest).filter(|&len| len > 1),
        Kind::Tag => string_len(rest)
            .filter(|&len| len > 1 && rest[1..len].iter().all(u8::is_ascii_alphanumeric)),
        Kind::MaybeString if rest.is_empty() => Some(0),
        Kind::MaybeString => string_len(rest),
        Kind::Strings if rest.is_empty() => None,
        Kind::Strings => repeated(rest, string_len),
        Kind::Text | Kind::Hex | Kind::Base64 | Kind::Nsap => {
            (!rest.is_empty()).then_some(rest.len())
        }
        Kind::MaybeText | Kind::MaybeBase64 => Some(rest.len()),
        Kind::Bitmap => repeated(rest, bitmap::window_len).filter(|_| bitmap::ascends(rest)),
        Kind::Location => loc::measure(rest),
        Kind::Prefixes => repeated(rest, apl::item_len),
        Kind::Gateway => gateway::measure(rest),
        Kind::Identity => hip::measure(rest),
        Kind::Params => svcb::check(rest).is_ok().then_some(rest.len()),
    }
}

fn fixed(rest: &[u8], len: usize) -> Option<usize> {
    (rest.len() >= len).then_some(len)
}

/// The octets of a length octet and what it counts.
fn string_len(rest: &[u8]) -> Option<usize> {
    let len = 1 + usize::from(*rest.first()?);
    fixed(rest, len)
}

/// The octets of the uncompressed name at the front.
pub(crate) fn name_len(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < MAX_NAME {
        match rest.get(at)? {
            0 => return Some(at + 1),
            &len @ 1..=63 => at += 1 + usize::from(len),
            _ => return None,
        }
    }
    None
}

/// All of `rest`, when it is items that `item_len` measures, one behind another.
fn repeated(rest: &[u8], item_len: fn(&[u8]) -> Option<usize>) -> Option<usize> {
    let mut at = 0;
    while at < rest.len() {
        at += item_len(&rest[at..])?;
    }
    Some(at)
}
