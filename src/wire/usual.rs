//! The query that almost every query is, read in one go: one question of class IN, and at most an
//! OPT record that ends the message and has no option but a client's subnet.
//!
//! Says nothing of what is wrong with any other: [`Query::parse`](super::Query::parse) reads those,
//! and would read the usual one alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::edns::{OPT, VERSION};
use super::header::HEADER;
use super::name::MAX_NAME;
use super::{Class, Rcode, Type, subnet};

/// A usual query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual<'m> {
    /// The type asked for. Whoever finds an RRset of it need not ask [`Usual::has_usual_type`].
    pub qtype: Type,
    /// What stands where the name asked for does, in any case. Whoever finds that it is a name that
    /// he knows need not ask [`Usual::has_name`].
    pub name: &'m [u8],
    /// The header and the question.
    pub front: &'m [u8],
    /// The OPT record behind them; empty without one.
    pub opt: &'m [u8],
}

/// Of the first half of a header what is always so in a query of opcode QUERY with one question.
const START: u64 = u64::from_le_bytes([0, 0, 0, 0, 0, 1, 0, 0]);
const START_MASK: u64 = u64::from_le_bytes([0, 0, 0xf8, 0, 0xff, 0xff, 0xff, 0xff]);

/// Octets of a question behind its name.
const TYPE_AND_CLASS: usize = 4;

/// Octets of a header and the question for the root.
const SHORTEST: usize = HEADER + 1 + TYPE_AND_CLASS;

/// The other half, the counts of authority and additional records, when there is but one of these.
const ONE_MORE: u32 = u32::from_le_bytes([0, 0, 0, 1]);

impl<'m> Usual<'m> {
    /// Reads a message; `None` when it is not a usual query. A client's subnet makes it unusual
    /// unless it is wanted.
    ///
    /// From its end, because the end tells in a few instructions how long the name must be, and to
    /// go from label to label would take ten for each. So the name is not looked into here: were it
    /// none, or did it end elsewhere, it would be no name that exists.
    #[inline(always)]
    pub fn parse(message: &'m [u8], want_subnet: bool) -> Option<Usual<'m>> {
        let (header, _) = message.split_first_chunk::<HEADER>()?;
        let (start, counts) = header.split_first_chunk::<8>()?;
        let start = u64::from_le_bytes(*start);
        if start & START_MASK != START {
            return None;
        }
        let opt = match u32::from_le_bytes(*counts.first_chunk()?) {
            0 => 0,
            ONE_MORE => opt_len(message, want_subnet)?,
            _ => return None,
        };
        let end = message.len().checked_sub(opt)?;
        // From here on the compiler knows that what is read is there, and that there is room for it
        // in a reply.
        if !(SHORTEST..=SHORTEST + MAX_NAME - 1).contains(&end) {
            return None;
        }
        let (front, opt) = message.split_at(end);
        let (name, types) = front[HEADER..].split_at(end - HEADER - TYPE_AND_CLASS);
        if Class(u16::from_be_bytes([types[2], types[3]])) != Class::IN {
            return None;
        }
        Some(Usual { qtype: Type(u16::from_be_bytes([types[0], types[1]])), name, front, opt })
    }

    /// Whether the type is one that an RRset can have, by its number alone: those from 128 on are
    /// left to the full way, which knows which of them ask for more.
    #[inline(always)]
    pub fn has_usual_type(&self) -> bool {
        // The types of nearly all queries in one comparison.
        self.qtype.0.wrapping_sub(1) < Type::OPT.0 - 1 || is_usual_behind_opt(self.qtype)
    }

    /// Whether what stands where the name does is one name, and not compressed.
    #[inline(always)]
    pub fn has_name(&self) -> bool {
        name_len(self.name) == Some(self.name.len())
    }

    /// Whether a client's subnet came; its length is not 0.
    #[inline(always)]
    pub fn has_subnet(&self) -> bool {
        self.opt.len() > OPT
    }

    /// The client's subnet, when it came and is one of IPv4.
    #[inline(always)]
    pub fn subnet_v4(&self) -> Option<Ipv4Addr> {
        const LONGEST: usize = OPT + 8 + 4;
        let opt = self.opt;
        if !(OPT + 8..=LONGEST).contains(&opt.len()) || opt[OPT + 5] != 1 {
            return None;
        }
        // What stands in front of the address is shifted out of the number.
        let bits = u32::from_be_bytes(*opt.last_chunk()?);
        Some(Ipv4Addr::from_bits(bits.wrapping_shl(8 * (LONGEST - opt.len()) as u32)))
    }

    /// The client's subnet, when it came and is one of IPv6 with 64 bits at most, as nearly all are.
    #[inline(always)]
    pub fn subnet_v6(&self) -> Option<Ipv6Addr> {
        const LONGEST: usize = OPT + 8 + 8;
        let opt = self.opt;
        if !(OPT + 8..=LONGEST).contains(&opt.len()) || opt[OPT + 5] != 2 {
            return None;
        }
        let bits = u64::from_be_bytes(*opt.last_chunk()?);
        let bits = bits.wrapping_shl(8 * (LONGEST - opt.len()) as u32);
        Some(Ipv6Addr::from_bits(u128::from(bits) << 64))
    }

    /// The client's subnet, when it came.
    pub fn subnet(&self) -> Option<IpAddr> {
        if let Some(subnet) = self.subnet_v4() {
            return Some(subnet.into());
        }
        let (_, octets) = self.opt.get(OPT..)?.split_first_chunk::<8>()?;
        let bits = u128::from_be_bytes(*self.opt.last_chunk()?);
        Some(Ipv6Addr::from_bits(bits.checked_shl(8 * (16 - octets.len()) as u32)?).into())
    }

    /// The first half of a reply's header, from authority and with so many answers; the other half
    /// is that of the query but for the count of authority records.
    #[inline(always)]
    pub fn reply_start(&self, answers: u16, rcode: Rcode) -> Option<[u8; 8]> {
        const KEPT: u64 = u64::from_le_bytes([0xff, 0xff, 0x01, 0, 0xff, 0xff, 0, 0]);
        const FLAGS: u64 = u64::from_le_bytes([0, 0, 0x84, 0, 0, 0, 0, 0]); // QR and AA
        let kept = u64::from_le_bytes(*self.front.first_chunk()?) & KEPT;
        let (answers, rcode) = (answers.swap_bytes(), rcode.0 as u8 & 0x0f);
        let said = FLAGS | u64::from(answers) << 48 | u64::from(rcode) << 24;
        Some((kept | said).to_le_bytes())
    }
}

/// A client's subnet as nearly all resolvers send it, /24 of IPv4 and /56 of IPv6 (RFC 7871 section
/// 11.1): code, length, family, source and scope.
const SUBNET_24: u64 = u64::from_le_bytes([0, 8, 0, 7, 0, 1, 24, 0]);
const SUBNET_56: u64 = u64::from_le_bytes([0, 8, 0, 11, 0, 2, 56, 0]);

/// Octets of an OPT record with each of them.
const OPT_24: usize = OPT + 8 + 3;
const OPT_56: usize = OPT + 8 + 7;

/// Octets of an OPT record with a whole address of IPv6.
pub const LONGEST_OPT: usize = OPT + 8 + 16;

/// Octets of the record behind the question, if it is an OPT record that may be in a usual query.
#[inline(always)]
fn opt_len(message: &[u8], want_subnet: bool) -> Option<usize> {
    if ends_in_opt::<OPT>(message, 0) {
        return Some(OPT);
    }
    if !want_subnet {
        return None;
    }
    if ends_in_opt::<OPT_24>(message, SUBNET_24) {
        return Some(OPT_24);
    }
    if ends_in_opt::<OPT_56>(message, SUBNET_56) {
        return Some(OPT_56);
    }
    opt_len_of_any(message).filter(|len| *len <= LONGEST_OPT)
}

/// Whether the last `N` octets are an OPT record, with an option that begins so if there is one.
#[inline(always)]
fn ends_in_opt<const N: usize>(message: &[u8], option: u64) -> bool {
    if message.len() < N {
        return false;
    }
    let record = &message[message.len() - N..];
    is_opt(record, N - OPT) && (N == OPT || word(record, OPT) == option)
}

/// Whether a record of at least 11 octets begins as OPT of the root, version 0, and has so many
/// octets of options.
#[inline(always)]
fn is_opt(record: &[u8], options: usize) -> bool {
    // The root, OPT, and version 0, all in one comparison.
    const MASK: u64 = u64::from_le_bytes([0xff, 0xff, 0xff, 0, 0, 0, 0xff, 0]);
    const START: u64 = u64::from_le_bytes([0, 0, 41, 0, 0, 0, VERSION, 0]);
    let length = u16::from_be_bytes([record[OPT - 2], record[OPT - 1]]);
    word(record, 0) & MASK == START && usize::from(length) == options
}

/// Eight octets as a number in little-endian order.
#[inline(always)]
fn word(octets: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&octets[at..at + 8]);
    u64::from_le_bytes(word)
}

/// The same for a subnet of any length: found behind the name.
#[inline(never)]
fn opt_len_of_any(message: &[u8]) -> Option<usize> {
    let start = HEADER + name_len(message.get(HEADER..)?)? + 4;
    let (opt, options) = message.get(start..)?.split_at_checked(OPT)?;
    (is_opt(opt, options.len()) && is_lone_subnet(options)).then_some(OPT + options.len())
}

/// Octets of the name at the front; `None` when there is none, or it is compressed.
fn name_len(octets: &[u8]) -> Option<usize> {
    let mut root = 0;
    loop {
        let length = *octets.get(root)?;
        // One comparison for the root and for what is too long.
        if length.wrapping_sub(1) >= 63 {
            return (length == 0 && root < MAX_NAME).then_some(root + 1);
        }
        root += 1 + usize::from(length);
    }
}

/// Whether the number of a type is between that of OPT and 128.
#[inline(never)]
fn is_usual_behind_opt(qtype: Type) -> bool {
    (Type::OPT.0 + 1..128).contains(&qtype.0)
}

/// Whether the options are a client's subnet alone, well-formed and of a length that is not 0.
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
            let usual = Usual::parse(&message, true);
            if let Some(usual) = usual.filter(|usual| usual.has_usual_type() && usual.has_name()) {
                let query = Query::parse(&message, &mut name, true).unwrap();
                prop_assert!(is_in_any_case(usual.name, name.as_wire()));
                let question = query.question;
                prop_assert_eq!((usual.qtype, usual.front.len()), (question.qtype, question.end));
                let edns = query.edns;
                prop_assert_eq!(usual.opt.is_empty(), edns.is_none());
                let subnet = edns.and_then(|edns| edns.subnet);
                let address = subnet.map(|subnet| subnet.address);
                prop_assert_eq!(usual.subnet(), address);
                let is_short = subnet.is_some_and(|subnet| subnet.source <= 64);
                let short = address.filter(|address| address.is_ipv6() && is_short);
                prop_assert_eq!(usual.subnet_v6().map(IpAddr::V6), short);
                let v4 = address.filter(IpAddr::is_ipv4);
                prop_assert_eq!(usual.subnet_v4().map(IpAddr::V4), v4);
                prop_assert!(edns.is_none_or(|edns| edns.options.is_empty()));
            }
        }
    }

    #[test]
    fn what_only_looks_like_an_opt_record_at_the_end_leaves_no_name() {
        // A subnet whose last octets are those of an OPT record, behind those of a type and IN.
        let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        message.extend(b"\x01a\x00\x00\x01\x00\x01\0\0\x29\x04\xd0\0\0\0\0\0\x18");
        message.extend(b"\0\x08\0\x14\0\x02\x80\0\x20\0\x01\0\x01");
        message.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
        let usual = Usual::parse(&message, true).unwrap();
        assert!(usual.opt.len() == OPT && !usual.has_name());
        assert!(Query::parse(&message, &mut LowerName::new(), true).is_ok());
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
                assert!(usual.subnet().is_some(), "{family} {source}");
                assert_eq!(usual.subnet_v4().is_some(), family == 1, "{source}");
                assert_eq!(usual.subnet_v6().is_some(), family == 2 && source <= 64, "{source}");
            }
        }
    }
}
