//! Domain names in wire form (RFC 1035 section 3.1), uncompressed.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// Octets of the longest name, its root label included (RFC 1035 section 2.3.4).
pub const MAX_NAME: usize = 255;
/// Octets of the longest label.
pub const MAX_LABEL: usize = 63;

/// An absolute domain name: labels, each behind its length octet, closed by the root label.
///
/// Keeps the case it was given; comparing, ordering and hashing ignore ASCII case
/// (RFC 4343). The order is the canonical one of RFC 4034 section 6.1.
#[derive(Clone)]
pub struct Name(Box<[u8]>);

/// Why a text or a run of octets is not a domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two dots in a row, or one in front.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label is longer than 63 octets.
    #[error("a label is longer than 63 octets")]
    LongLabel,
    /// The whole name is longer than 255 octets.
    #[error("the name is longer than 255 octets")]
    LongName,
    /// A backslash is followed by neither a character nor three digits up to 255.
    #[error("a backslash must be followed by one character or by three digits from 000 to 255")]
    BadEscape,
    /// Octets end before the root label, go on after it, or hold a compression pointer.
    #[error("the octets are not one uncompressed name")]
    BadWire,
}

impl Name {
    /// The root, `.`.
    pub fn root() -> Name {
        Name(Box::new([0]))
    }

    /// Takes octets that are exactly one uncompressed name.
    pub fn from_wire(wire: &[u8]) -> Result<Name, NameError> {
        if wire.len() > MAX_NAME {
            return Err(NameError::LongName);
        }
        let mut at = 0;
        loop {
            match wire.get(at) {
                Some(0) if at + 1 == wire.len() => return Ok(Name(wire.into())),
                Some(&len @ 1..=63) => at += 1 + usize::from(len),
                _ => return Err(NameError::BadWire),
            }
        }
    }

    /// Reads presentation form (RFC 1035 section 5.1: `\X`, `\DDD`). Without a trailing dot the
    /// name is completed with `origin`. `@` has no meaning here.
    pub fn parse(text: &[u8], origin: &Name) -> Result<Name, NameError> {
        if text == b"." {
            return Ok(Name::root());
        }
        let mut wire = Vec::with_capacity(text.len() + 2);
        let mut label_at = 0;
        let mut absolute = false;
        wire.push(0);
        let mut rest = text.iter().copied();
        while let Some(octet) = rest.next() {
            absolute = false;
            let octet = match octet {
                b'.' => {
                    close_label(&mut wire, label_at)?;
                    label_at = wire.len();
                    wire.push(0);
                    absolute = true;
                    continue;
                }
                b'\\' => match rest.next().ok_or(NameError::BadEscape)? {
                    first if first.is_ascii_digit() => {
                        let mut value = u16::from(first - b'0');
                        for _ in 0..2 {
                            let digit = rest.next().filter(u8::is_ascii_digit);
                            value =
                                value * 10 + u16::from(digit.ok_or(NameError::BadEscape)? - b'0');
                        }
                        u8::try_from(value).map_err(|_| NameError::BadEscape)?
                    }
                    other => other,
                },
                other => other,
            };
            wire.push(octet);
        }
        if !absolute {
            close_label(&mut wire, label_at)?;
            wire.extend_from_slice(&origin.0);
        }
        if wire.len() > MAX_NAME { Err(NameError::LongName) } else { Ok(Name(wire.into())) }
    }

    /// The octets, root label included: 1 to 255.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The same name with ASCII letters in lower case.
    pub fn to_lower(&self) -> Name {
        // Length octets are at most 63 and so never in A to Z.
        Name(self.0.to_ascii_lowercase().into())
    }

    /// The labels from the left, without the root.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let len = usize::from(rest[0]);
            if len == 0 {
                return None;
            }
            let (label, tail) = rest[1..].split_at(len);
            rest = tail;
            Some(label)
        })
    }

    /// How many labels it has, the root not counted: 0 to 127.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Whether its first label is `*` (RFC 4592).
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// The name without its first label; `None` for the root.
    pub fn parent(&self) -> Option<Name> {
        let len = usize::from(self.0[0]);
        (len != 0).then(|| Name(self.0[1 + len..].into()))
    }

    /// Whether it is `other` or below it.
    pub fn is_within(&self, other: &Name) -> bool {
        let (mut rest, suffix) = (&self.0[..], &other.0[..]);
        loop {
            if rest.len() == suffix.len() {
                return rest.eq_ignore_ascii_case(suffix);
            }
            if rest.len() < suffix.len() {
                return false;
            }
            rest = &rest[1 + usize::from(rest[0])..];
        }
    }
}

fn close_label(wire: &mut [u8], label_at: usize) -> Result<(), NameError> {
    let len = wire.len() - label_at - 1;
    match u8::try_from(len) {
        Ok(0) => Err(NameError::EmptyLabel),
        Ok(len) if usize::from(len) <= MAX_LABEL => {
            wire[label_at] = len;
            Ok(())
        }
        _ => Err(NameError::LongLabel),
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// Reads presentation form; a missing trailing dot is taken as there.
    fn from_str(text: &str) -> Result<Name, NameError> {
        Name::parse(text.as_bytes(), &Name::root())
    }
}

impl fmt::Display for Name {
    /// Presentation form with a trailing dot; reads back with [`Name::parse`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                        write!(f, "\\{}", octet as char)?;
                    }
                    b'!'..=b'~' => write!(f, "{}", octet as char)?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for octet in &self.0 {
            state.write_u8(octet.to_ascii_lowercase());
        }
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        let mut ours: Vec<&[u8]> = self.labels().collect();
        let mut theirs: Vec<&[u8]> = other.labels().collect();
        loop {
            match (ours.pop(), theirs.pop()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(a), Some(b)) => {
                    let order = a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase());
                    if order != Ordering::Equal {
                        return order;
                    }
                }
            }
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_relative_name_is_completed_with_the_origin() {
        let origin = name("example.com.");
        assert_eq!(Name::parse(b"www", &origin), Ok(name("www.example.com.")));
        assert_eq!(Name::parse(b"www.", &origin), Ok(name("www.")));
    }

    #[test]
    fn escapes_are_read_and_written() {
        let odd = name(r#"a\.b\032\"c.example."#);
        assert_eq!(odd.labels().next(), Some(&b"a.b \"c"[..]));
        assert_eq!(odd.to_string(), r#"a\.b\032\"c.example."#);
        assert_eq!(name(&odd.to_string()), odd);
    }

    #[test]
    fn names_over_the_limits_are_refused() {
        assert_eq!("a..b".parse::<Name>(), Err(NameError::EmptyLabel));
        assert_eq!(".a".parse::<Name>(), Err(NameError::EmptyLabel));
        assert_eq!("x".repeat(64).parse::<Name>(), Err(NameError::LongLabel));
        assert_eq!("x".repeat(63).parse::<Name>().map(|n| n.as_wire().len()), Ok(65));
        assert_eq!("abcd.".repeat(51).parse::<Name>(), Err(NameError::LongName));
        assert_eq!(r"\256".parse::<Name>(), Err(NameError::BadEscape));
        assert_eq!(r"\".parse::<Name>(), Err(NameError::BadEscape));
    }

    #[test]
    fn comparing_ignores_case_and_orders_by_label_from_the_right() {
        assert_eq!(name("WWW.Example.COM"), name("www.example.com"));
        let mut names =
            ["z.example.", "example.", "a.z.example.", "Z.a.example.", "yljk.a.example."].map(name);
        names.sort();
        let texts = names.map(|n| n.to_string());
        assert_eq!(
            texts,
            ["example.", "yljk.a.example.", "Z.a.example.", "z.example.", "a.z.example."]
        );
    }

    #[test]
    fn within_means_equal_or_below_at_a_label_boundary() {
        assert!(name("a.b.example.").is_within(&name("B.example.")));
        assert!(name("b.example.").is_within(&name("b.example.")));
        assert!(!name("ab.example.").is_within(&name("b.example.")));
        assert!(name("b.example.").is_within(&Name::root()));
    }
}
