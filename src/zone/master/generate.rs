//! `$GENERATE`: a range, and templates whose `$` stand for its values (as in BIND).

use std::ops::RangeInclusive;

use super::error::Problem;
use crate::zone::rdata::excerpt;

/// Records that the directives of one zone may make together.
const MAX_RECORDS: u64 = 1_000_000;
/// Octets of text that the directives of one zone may make together.
const MAX_OCTETS: u64 = 1 << 28;
/// The widest a value may be padded to: a label and more.
const MAX_WIDTH: usize = 255;

/// The values of a directive: `start-stop` or `start-stop/step`.
pub(super) fn values(text: &[u8]) -> Result<impl Iterator<Item = i64> + use<>, Problem> {
    let refuse = || Problem::Range(excerpt(text));
    let text = std::str::from_utf8(text).map_err(|_| refuse())?;
    let (range, step) = text.split_once('/').unwrap_or((text, "1"));
    let (start, stop) = range.split_once('-').ok_or_else(refuse)?;
    let number = |digits: &str| {
        let plain = digits.bytes().all(|octet| octet.is_ascii_digit());
        digits.parse::<i32>().ok().filter(|_| plain)
    };
    let (Some(start), Some(stop), Some(step)) = (number(start), number(stop), number(step)) else {
        return Err(refuse());
    };
    let step = usize::try_from(step).ok().filter(|&step| step > 0).ok_or_else(refuse)?;
    let range: RangeInclusive<i64> = start.into()..=stop.into();
    if range.is_empty() { Err(refuse()) } else { Ok(range.step_by(step)) }
}

/// What the directives of a zone may still make.
#[derive(Debug)]
pub(super) struct Budget {
    records: u64,
    octets: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { records: MAX_RECORDS, octets: MAX_OCTETS }
    }
}

impl Budget {
    /// Takes one record whose owner and data have so many octets of text.
    pub(super) fn spend(&mut self, octets: usize) -> Result<(), Problem> {
        let left = self.records.checked_sub(1).zip(self.octets.checked_sub(octets as u64));
        let (records, octets) =
            left.ok_or(Problem::TooManyGenerated { records: MAX_RECORDS, octets: MAX_OCTETS })?;
        (self.records, self.octets) = (records, octets);
        Ok(())
    }
}

/// A text with places for a value.
#[derive(Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Literal(Vec<u8>),
    Value { offset: i64, width: usize, base: Base },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Decimal,
    Octal,
    Hex {
        upper: bool,
    },
    /// Hexadecimal digits from the right, dots between: for ip6.arpa.
    Nibbles {
        upper: bool,
    },
}

impl Template {
    /// Finds `$` and `${offset[,width[,base]]}` in a text; `\$` and `$$` are dollar signs.
    pub(super) fn parse(text: &[u8]) -> Result<Template, Problem> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.iter().position(|octet| matches!(octet, b'$' | b'\\')) {
            literal.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            let used = match *rest {
                // An escape stays what it is: names and data decode it later.
                [b'\\', _, ..] => {
                    literal.extend_from_slice(&rest[..2]);
                    2
                }
                [b'$', b'$', ..] => {
                    literal.extend_from_slice(b"\\$");
                    2
                }
                [b'$', b'{', ref inner @ ..] => {
                    let end = inner.iter().position(|&octet| octet == b'}');
                    let piece = end.and_then(|end| modifiers(&inner[..end]));
                    let (Some(end), Some(piece)) = (end, piece) else {
                        return Err(Problem::Replacement(excerpt(rest)));
                    };
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    pieces.push(piece);
                    end + 3
                }
                [b'$', ..] => {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    pieces.push(Piece::Value { offset: 0, width: 0, base: Base::Decimal });
                    1
                }
                _ => {
                    literal.push(b'\\');
                    1
                }
            };
            rest = &rest[used..];
        }
        literal.extend_from_slice(rest);
        pieces.push(Piece::Literal(literal));
        Ok(Template(pieces))
    }

    /// The text for one value, into `out`, which is emptied first.
    pub(super) fn expand(&self, value: i64, out: &mut Vec<u8>) -> Result<(), Problem> {
        out.clear();
        for piece in &self.0 {
            match *piece {
                Piece::Literal(ref octets) => out.extend_from_slice(octets),
                Piece::Value { offset, width, base } => {
                    // Both come from 32 bits, so the sum fits.
                    let number = u64::try_from(value + offset)
                        .map_err(|_| Problem::Negative { value, offset })?;
                    write(number, width, base, out);
                }
            }
        }
        Ok(())
    }
}

/// What stands in the braces.
fn modifiers(text: &[u8]) -> Option<Piece> {
    let mut parts = std::str::from_utf8(text).ok()?.split(',');
    let offset: i32 = parts.next()?.parse().ok()?;
    let width = match parts.next() {
        Some(digits) => digits.parse().ok().filter(|&width| width <= MAX_WIDTH)?,
        None => 0,
    };
    let base = match parts.next() {
        None | Some("d") => Base::Decimal,
        Some("o") => Base::Octal,
        Some("x") => Base::Hex { upper: false },
        Some("X") => Base::Hex { upper: true },
        Some("n") => Base::Nibbles { upper: false },
        Some("N") => Base::Nibbles { upper: true },
        Some(_) => return None,
    };
    parts.next().is_none().then_some(Piece::Value { offset: offset.into(), width, base })
}

fn write(number: u64, width: usize, base: Base, out: &mut Vec<u8>) {
    let digits = match base {
        Base::Decimal => format!("{number:0width$}"),
        Base::Octal => format!("{number:0width$o}"),
        Base::Hex { upper: false } => format!("{number:0width$x}"),
        Base::Hex { upper: true } => format!("{number:0width$X}"),
        Base::Nibbles { upper } => return write_nibbles(number, width, upper, out),
    };
    out.extend_from_slice(digits.as_bytes());
}

/// The width counts digits and dots, as in BIND.
fn write_nibbles(mut number: u64, width: usize, upper: bool, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        let digit = b"0123456789abcdef"[(number & 0xf) as usize];
        out.push(if upper { digit.to_ascii_uppercase() } else { digit });
        number >>= 4;
        let written = out.len() - start;
        if number == 0 && written >= width {
            return;
        }
        out.push(b'.');
        if number == 0 && written + 1 >= width {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(template: &str, value: i64) -> String {
        let mut out = Vec::new();
        let template = Template::parse(template.as_bytes()).expect("a template");
        template.expand(value, &mut out).expect("a value that is not negative");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn values_step_through_their_range() {
        let all = |text: &str| values(text.as_bytes()).expect("a range").collect::<Vec<_>>();
        assert_eq!(all("1-3"), [1, 2, 3]);
        assert_eq!(all("0-10/4"), [0, 4, 8]);
        assert_eq!(all("7-7"), [7]);
        for text in ["", "1", "3-1", "1-3/0", "-1-3", "1-+3", "1-3/", "1-99999999999", "a-b"] {
            assert!(values(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_written_with_offset_width_and_base() {
        assert_eq!(expanded("host-$.a$", 7), "host-7.a7");
        assert_eq!(expanded("${10}.${-1}", 7), "17.6");
        assert_eq!(expanded("${0,4}", 7), "0007");
        assert_eq!(expanded("${0,3,o}-${0,0,x}-${0,4,X}", 0xab), "253-ab-00AB");
        assert_eq!(expanded("${0,7,n}.ip6", 0x1f), "f.1.0.0.ip6");
        assert_eq!(expanded("${0,0,N}", 0xab), "B.A");
        assert_eq!(expanded(r"\$$\\$$", 1), r"\$1\\\$");
    }

    #[test]
    fn replacements_that_mean_nothing_are_refused() {
        for text in ["${", "${}", "${1,2,q}", "${1,999}", "${1,2,d,4}", "${x}"] {
            assert!(Template::parse(text.as_bytes()).is_err(), "{text}");
        }
        let mut out = Vec::new();
        let template = Template::parse(b"${-5}").expect("a template");
        assert_eq!(template.expand(4, &mut out), Err(Problem::Negative { value: 4, offset: -5 }));
    }
}
