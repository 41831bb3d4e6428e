//! The query that almost every query is, read in one go: one question of class IN, and at most an
//! OPT record that ends the message and has no option but a client's subnet.
//!
//! Says nothing of what is wrong with any other: [`Query::parse`](super::Query::parse) reads those,
//! and would read the usual one alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::edns::{OPT, VERSION};
use super::header::HEADER;
use super::name::MAX_NAME;
use super::{Class, Type, subnet};

/// A usual query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual<'m> {
    /// The name asked for, as it stands in the message.
    pub name: &'m [u8],
    /// The type asked for: not one of those that ask for more than RRsets.
    pub qtype: Type,
    /// Octets behind the question: of nothing, of an OPT record, or of one with a client's subnet.
    rest: usize,
}

impl<'m> Usual<'m> {
    /// Reads a message; `None` when it is not a usual query. A client's subnet makes it unusual
    /// unless it is wanted.
    #[inline(always)]
    pub fn parse(message: &'m [u8], want_subnet: bool) -> Option<Usual<'m>> {
        let (header, rest) = message.split_first_chunk::<HEADER>()?;
        let (front, back) = header.split_first_chunk::<8>()?;
        let (front, back) = (u64::from_be_bytes(*front), u32::from_be_bytes(*back.first_chunk()?));
        // A query of opcode QUERY with one question and nothing else but one record, at most.
        if front & 0x0000_f800_ffff_ffff != 0x0000_0000_0001_0000 || back > 1 {
            return None;
        }
        let (name, rest) = split_name(rest)?;
        let (&[t0, t1, c0, c1], rest) = rest.split_first_chunk()?;
        let qtype = Type(u16::from_be_bytes([t0, t1]));
        if Class(u16::from_be_bytes([c0, c1])) != Class::IN || !is_usual(qtype) {
            return None;
        }
        let usual = Usual { name, qtype, rest: rest.len() };
        if back == 0 {
            return rest.is_empty().then_some(usual);
        }
        let (opt, options) = rest.split_first_chunk::<OPT>()?;
        let &[o0, o1, o2, s0, s1, extended, version, f0, _, l0, l1] = opt;
        // The root, OPT, and version 0, all in one comparison.
        let front = u64::from_be_bytes([o0, o1, o2, s0, s1, extended, version, f0]);
        if front & 0xffff_ff00_0000_ff00 != 0x0000_2900_0000_0000 | u64::from(VERSION) << 8 {
            return None;
        }
        let is_whole = usize::from(u16::from_be_bytes([l0, l1])) == options.len();
        let is_usual = options.is_empty() || (want_subnet && is_lone_subnet(options));
        (is_whole && is_usual).then_some(usual)
    }

    /// Octets of the OPT record that ends the message; 0 without one.
    #[inline(always)]
    pub fn opt_len(&self) -> usize {
        self.rest
    }

    /// Whether there is a client's subnet, of a length that is not 0.
    #[inline(always)]
    pub fn has_subnet(&self) -> bool {
        self.rest > OPT
    }

    /// Where the question ends in the message, and OPT begins when there is one.
    #[inline(always)]
    pub fn end(&self) -> usize {
        HEADER + self.name.len() + 4
    }

    /// The client's subnet, when it came; it is the end of `message`, from which this was parsed.
    #[inline(always)]
    pub fn subnet(&self, message: &[u8]) -> Option<IpAddr> {
        if !self.has_subnet() {
            return None;
        }
        let option = message.get(self.end() + OPT..)?;
        let (&[_, _, _, _, _, family, _, _], octets) = option.split_first_chunk()?;
        // What stands in front of the address is shifted out of the numbers.
        let missing = |of: usize| 8 * (of - octets.len()) as u32;
        Some(match family {
            1 => {
                let bits = u32::from_be_bytes(*message.last_chunk()?);
                Ipv4Addr::from_bits(bits.checked_shl(missing(4))?).into()
            }
            _ => {
                let bits = u128::from_be_bytes(*message.last_chunk()?);
                Ipv6Addr::from_bits(bits.checked_shl(missing(16))?).into()
            }
        })
    }
}

/// Takes the name off the front; `None` when it is none, or compressed.
#[inline(always)]
fn split_name(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut root = 0;
    loop {
        let length = *octets.get(root)?;
        // One comparison for the root and for what is too long.
        if length.wrapping_sub(1) >= 63 {
            let is_name = length == 0 && root < MAX_NAME;
            return if is_name { octets.split_at_checked(root + 1) } else { None };
        }
        root += 1 + usize::from(length);
    }
}

/// Whether the type is one that an RRset can have, by its number alone: those from 128 on are left
/// to the full way, which knows which of them ask for more.
#[inline(always)]
fn is_usual(qtype: Type) -> bool {
    qtype.0.wrapping_sub(1) < 127 && qtype != Type::OPT
}

/// Whether the options are a client's subnet alone, well-formed and of a length that is not 0.
#[inline]
fn is_lone_subnet(options: &[u8]) -> bool {
    let Some((&[c0, c1, 0, len, 0, family, source, 0], octets)) = options.split_first_chunk()
    else {
        return false;
    };
    let [.., last] = octets else { return false };
    let most = match family {
        1 => 32,
        2 => 128,
        _ => return false,
    };
    let last_bit = source.wrapping_sub(1); // of no bits: 255, which is too many
    let beyond = 0x7f_u8 >> (last_bit & 7);
    u16::from_be_bytes([c0, c1]) == subnet::CODE
        && last_bit < most
        && octets.len() == usize::from(last_bit / 8 + 1)
        && usize::from(len) == 4 + octets.len()
        && last & beyond == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::lower::is_in_any_case;
    use super::super::{LowerName, Query};
    use super::*;

    proptest! {
        /// Whatever is read here, the full way reads alike.
        #[test]
        fn a_usual_query_reads_as_any_other(
            question in prop::sample::select(vec![
                &b"\x03wWw\x02ex\x00\x00\x01\x00\x01"[..],
                b"\x10sixteen-octets-s\x07example\x00\x00\x1c\x00\x01",
                b"\x00\x00\x02\x00\x01",
                b"\x01a\x00\x00\xff\x00\x01",
            ]),
            flags in prop::sample::select(vec![0_u16, 0x0100, 0x0110, 0x8000, 0x2800]),
            counts in prop::sample::select(vec![[1, 0, 0, 0], [1, 0, 0, 1], [0, 0, 0, 1], [1, 0, 1, 1]]),
            opt in prop::sample::select(vec![
                &b""[..],
                b"\0\0\x29\x04\xd0\0\0\0\0\0\0",
                b"\0\0\x29\0\x10\0\0\x80\0\0\0",
                b"\0\0\x29\x10\0\0\x01\0\0\0\0",
            ]),
            family in 0_u8..4,
            source in 0_u8..=130,
            octets in prop::collection::vec(any::<u8>(), 0..17),
            wrong in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
            is_cut in any::<bool>(),
        ) {
            let mut message = vec![0; HEADER];
            super::super::header::write(&mut message, 7, flags, counts);
            message.extend(question);
            message.extend(opt);
            if !opt.is_empty() && family > 0 {
                let mut data = vec![0, family, source, 0];
                let mut octets = octets;
                if is_cut {
                    octets.resize(usize::from(source).div_ceil(8), 0);
                    if source % 8 != 0 && let Some(last) = octets.last_mut() {
                        *last &= 0xff << (8 - source % 8);
                    }
                }
                data.extend(octets);
                let options = message.len() - 1;
                message[options] = 4 + data.len() as u8;
                message.extend([0, 8, 0, data.len() as u8]);
                message.extend(data);
            }
            if let Some((index, octet)) = wrong {
                let index = index.index(message.len());
                message[index] = octet;
            }
            let mut name = LowerName::new();
            if let Some(usual) = Usual::parse(&message, true) {
                let query = Query::parse(&message, &mut name, true).unwrap();
                prop_assert!(is_in_any_case(usual.name, name.as_wire()));
                let question = query.question;
                prop_assert_eq!((usual.qtype, usual.end()), (question.qtype, question.end));
                let edns = query.edns;
                prop_assert_eq!(usual.opt_len() == 0, edns.is_none());
                let subnet = edns.and_then(|edns| edns.subnet);
                prop_assert_eq!(usual.subnet(&message), subnet.map(|subnet| subnet.address));
                prop_assert!(edns.is_none_or(|edns| edns.options.is_empty()));
            }
        }
    }

    #[test]
    fn a_subnet_of_each_length_is_usual() {
        for (family, bits) in [(1, 32), (2, 128)] {
            for source in 1..=bits {
                let count = usize::from(source).div_ceil(8);
                let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
                message.extend(b"\x01a\x00\x00\x01\x00\x01\0\0\x29\x04\xd0\0\0\0\0\0");
                message.extend([8 + count as u8, 0, 8, 0, 4 + count as u8, 0, family, source, 0]);
                message.extend(std::iter::repeat_n(0x80, usize::from(source.is_multiple_of(8))));
                message.resize(message.len() + count - usize::from(source.is_multiple_of(8)), 0);
                let usual = Usual::parse(&message, true).unwrap();
                assert!(usual.subnet(&message).is_some(), "{family} {source}");
            }
        }
    }
}
