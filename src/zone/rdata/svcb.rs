//! Service parameters of SVCB and HTTPS records (RFC 9460).
//!
//! Knows the parameters mandatory, alpn, no-default-alpn, port, ipv4hint, ech, ipv6hint,
//! dohpath (RFC 9461) and ohttp (RFC 9540); others are written `key123=octets`.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::base;
use super::error::DataError;
use super::read::Reader;
use crate::zone::master::scanner::Fault;

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const DOHPATH: u16 = 7;
const OHTTP: u16 = 8;
/// Reserved as an invalid key (RFC 9460 section 14.3.2).
const INVALID: u16 = 65535;

const NAMES: [(&[u8], u16); 9] = [
    (b"mandatory", MANDATORY),
    (b"alpn", ALPN),
    (b"no-default-alpn", NO_DEFAULT_ALPN),
    (b"port", PORT),
    (b"ipv4hint", IPV4HINT),
    (b"ech", ECH),
    (b"ipv6hint", IPV6HINT),
    (b"dohpath", DOHPATH),
    (b"ohttp", OHTTP),
];

/// Reads `key`, `key=value` and `key="value"` to the end of the entry, in any order; writes them
/// in the order of their numbers.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Result<(), Fault<DataError>> {
    let mut params: Vec<(u16, Vec<u8>)> = Vec::new();
    let mut last = None;
    while let Some(token) = reader.pair()? {
        let refuse = |why| token.fault(DataError::parameter(&token, why));
        if token.quoted {
            return Err(refuse("quote only the value: key=\"value\""));
        }
        let (name, value) = match token.raw.iter().position(|&octet| octet == b'=') {
            Some(at) => (&token.raw[..at], Some(&token.raw[at + 1..])),
            None => (token.raw, None),
        };
        let key = key(name).ok_or_else(|| {
            refuse("no such key; keys without a name are written key0 to key65534")
        })?;
        let octets = octets(key, name, value).map_err(refuse)?;
        params.push((key, octets));
        last = Some(token);
    }
    params.sort_by_key(|(key, _)| *key);
    let start = reader.out.len();
    for (key, value) in &params {
        let len = u16::try_from(value.len()).map_err(|_| reader.missing(DataError::Long))?;
        reader.out.extend_from_slice(&key.to_be_bytes());
        reader.out.extend_from_slice(&len.to_be_bytes());
        reader.out.extend_from_slice(value);
    }
    let checked = check(&reader.out[start..]);
    match (checked, last) {
        (Err(why), Some(token)) => Err(token.fault(DataError::Parameters(why))),
        _ => Ok(()),
    }
}

/// Checks parameters in wire form, each alone and all together.
pub(super) fn check(wire: &[u8]) -> Result<(), &'static str> {
    let (mut keys, mut mandatory, mut rest) = (Vec::new(), None, wire);
    while !rest.is_empty() {
        let &[key_high, key_low, len_high, len_low, ref tail @ ..] = rest else {
            return Err("a parameter is cut off");
        };
        let key = u16::from_be_bytes([key_high, key_low]);
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let value = tail.get(..len).ok_or("a parameter is cut off")?;
        match keys.last() {
            Some(&last) if last == key => return Err("a parameter stands twice; give it once"),
            Some(&last) if last > key => return Err("the parameters are not in ascending order"),
            _ => keys.push(key),
        }
        check_value(key, value)?;
        if key == MANDATORY {
            mandatory = Some(value);
        }
        rest = &tail[len..];
    }
    let has = |key| keys.binary_search(&key).is_ok();
    let mut listed = mandatory.unwrap_or_default().chunks_exact(2);
    if !listed.all(|key| has(u16::from_be_bytes([key[0], key[1]]))) {
        return Err("`mandatory` lists a parameter that is not there");
    }
    if has(NO_DEFAULT_ALPN) && !has(ALPN) {
        return Err("`no-default-alpn` stands without `alpn` (RFC 9460 section 7.1.1)");
    }
    Ok(())
}

fn check_value(key: u16, value: &[u8]) -> Result<(), &'static str> {
    let (good, why) = match key {
        MANDATORY => {
            let keys: Vec<_> = value.chunks(2).collect();
            let good = value.len().is_multiple_of(2)
                && keys.first().is_some_and(|&first| first != [0, 0])
                && keys.is_sorted_by(|a, b| a < b);
            (good, "`mandatory` takes other keys, each once: mandatory=alpn,port")
        }
        ALPN => (alpn_is_list(value), "`alpn` takes one or more protocols of 1 to 255 octets"),
        NO_DEFAULT_ALPN => (value.is_empty(), "`no-default-alpn` takes no value"),
        PORT => (value.len() == 2, "`port` takes one number from 0 to 65535"),
        IPV4HINT => (hints(value, 4), "`ipv4hint` takes one or more IPv4 addresses"),
        ECH => (!value.is_empty(), "`ech` takes a configuration list in base64"),
        IPV6HINT => (hints(value, 16), "`ipv6hint` takes one or more IPv6 addresses"),
        DOHPATH => {
            let good = std::str::from_utf8(value).is_ok_and(|path| path.starts_with('/'));
            (good, "`dohpath` takes a relative URI template: dohpath=/dns-query{?dns}")
        }
        OHTTP => (value.is_empty(), "`ohttp` takes no value"),
        INVALID => (false, "key65535 is reserved (RFC 9460 section 14.3.2)"),
        _ => (true, ""),
    };
    if good { Ok(()) } else { Err(why) }
}

fn hints(value: &[u8], len: usize) -> bool {
    !value.is_empty() && value.len().is_multiple_of(len)
}

fn alpn_is_list(value: &[u8]) -> bool {
    let mut rest = value;
    while let &[len @ 1..=255, ref tail @ ..] = rest {
        let Some(later) = tail.get(usize::from(len)..) else { return false };
        rest = later;
    }
    rest.is_empty() && !value.is_empty()
}

/// The number of a key by its name or as `key123`.
fn key(name: &[u8]) -> Option<u16> {
    if let Some((_, key)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(*key);
    }
    let digits = name.strip_prefix(b"key")?;
    let plain = digits.first().is_some_and(|&first| first != b'0' || digits.len() == 1)
        && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// The value in wire form; a key written `key123` takes its octets as they are.
fn octets(key: u16, name: &[u8], value: Option<&[u8]>) -> Result<Vec<u8>, &'static str> {
    let raw = match value {
        Some([b'"', inner @ .., b'"']) => inner,
        Some(plain) => plain,
        None => b"",
    };
    let mut text = Vec::new();
    if !base::unescape(raw, &mut text) {
        return Err("a backslash must be followed by one character or three digits up to 255");
    }
    if name.starts_with(b"key") {
        return Ok(text);
    }
    match key {
        MANDATORY => mandatory(&text),
        ALPN => alpn(&text),
        PORT => {
            let port = number(&text).ok_or("`port` takes one number from 0 to 65535")?;
            Ok(port.to_be_bytes().to_vec())
        }
        IPV4HINT => list(&text, |address: Ipv4Addr| address.octets().to_vec())
            .ok_or("`ipv4hint` takes IPv4 addresses with commas between"),
        IPV6HINT => list(&text, |address: Ipv6Addr| address.octets().to_vec())
            .ok_or("`ipv6hint` takes IPv6 addresses with commas between"),
        ECH => {
            let mut octets = Vec::new();
            let good = base::base64(&text, &mut octets);
            good.then_some(octets).ok_or("`ech` takes a configuration list in base64")
        }
        _ => Ok(text),
    }
}

fn number(text: &[u8]) -> Option<u16> {
    text.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

fn mandatory(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let keys: Option<Vec<u16>> = text.split(|&octet| octet == b',').map(key).collect();
    let mut keys = keys.ok_or("`mandatory` takes keys with commas between: alpn,port")?;
    keys.sort_unstable();
    Ok(keys.into_iter().flat_map(u16::to_be_bytes).collect())
}

fn list<T: std::str::FromStr>(text: &[u8], octets: fn(T) -> Vec<u8>) -> Option<Vec<u8>> {
    let items = std::str::from_utf8(text).ok()?.split(',').map(|item| item.parse().ok());
    items.map(|item| item.map(octets)).collect::<Option<Vec<_>>>().map(|items| items.concat())
}

/// Splits at commas; `\,` and `\\` stand for the octet itself (RFC 9460 appendix A.1).
fn alpn(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    const WRONG: &str = "`alpn` takes protocols of 1 to 255 octets with commas between";
    let mut protocols = vec![Vec::new()];
    let mut rest = text.iter();
    while let Some(&octet) = rest.next() {
        let octet = match octet {
            b',' => {
                protocols.push(Vec::new());
                continue;
            }
            b'\\' => match rest.next() {
                Some(&escaped @ (b',' | b'\\')) => escaped,
                _ => return Err("in `alpn` a backslash is written `\\\\\\\\`, a comma `\\\\,`"),
            },
            octet => octet,
        };
        if let Some(protocol) = protocols.last_mut() {
            protocol.push(octet);
        }
    }
    let mut wire = Vec::with_capacity(text.len() + 1);
    for protocol in protocols {
        let len = u8::try_from(protocol.len()).ok().filter(|&len| len > 0).ok_or(WRONG)?;
        wire.push(len);
        wire.extend_from_slice(&protocol);
    }
    Ok(wire)
}
