//! The query that almost every query is, read in one go: one question of class IN, and at most an
//! OPT record that ends the message and has no option but a client's subnet.
//!
//! Says nothing of what is wrong with any other: [`Query::parse`](super::Query::parse) reads those,
//! and would read the usual one alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::edns::{MIN_UDP_SIZE, OPT, VERSION};
use super::header::HEADER;
use super::{Class, LowerName, Type, subnet};

/// A usual query. The name asked for is in the [`LowerName`] that [`Usual::parse`] was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// The type asked for: not one of those that ask for more than RRsets.
    pub qtype: Type,
    /// Where the question ends in the message, and OPT begins when there is one.
    pub end: usize,
    /// The largest UDP message the client takes, in octets, at least 512; `None` without OPT.
    pub udp_size: Option<u16>,
    /// The client's subnet, of a length that is not 0. Its option ends the message.
    pub subnet: Option<IpAddr>,
}

impl Usual {
    /// Reads a message; `None` when it is not a usual query. A client's subnet makes it unusual
    /// unless it is wanted.
    #[inline]
    pub fn parse(message: &[u8], name: &mut LowerName, want_subnet: bool) -> Option<Usual> {
        let header: &[u8; HEADER] = message.first_chunk()?;
        let (front, back) = header.split_first_chunk::<8>()?;
        let (front, back) = (u64::from_be_bytes(*front), u32::from_be_bytes(*back.first_chunk()?));
        // A query of opcode QUERY with one question and nothing else but one record, at most.
        if front & 0x0000_f800_ffff_ffff != 0x0000_0000_0001_0000 || back > 1 {
            return None;
        }
        let at = name.read(message, HEADER).ok()?;
        let (&[t0, t1, c0, c1], rest) = message.get(at..)?.split_first_chunk()?;
        let qtype = Type(u16::from_be_bytes([t0, t1]));
        if Class(u16::from_be_bytes([c0, c1])) != Class::IN || qtype.is_meta() {
            return None;
        }
        let end = at + 4;
        if back == 0 {
            return rest.is_empty().then_some(Usual { qtype, end, udp_size: None, subnet: None });
        }
        let (opt, options) = rest.split_first_chunk::<OPT>()?;
        let &[0, 0, 41, s0, s1, _, VERSION, _, _, l0, l1] = opt else { return None };
        if usize::from(u16::from_be_bytes([l0, l1])) != options.len() {
            return None;
        }
        let subnet = match options {
            [] => None,
            options if want_subnet => Some(lone_subnet(options, message)?),
            _ => return None,
        };
        let udp_size = u16::from_be_bytes([s0, s1]).max(MIN_UDP_SIZE);
        Some(Usual { qtype, end, udp_size: Some(udp_size), subnet })
    }
}

/// The client's subnet where it is the only option and well-formed, and has a length. `message`
/// ends with it.
#[inline]
fn lone_subnet(options: &[u8], message: &[u8]) -> Option<IpAddr> {
    let (&[c0, c1, 0, len, 0, family, source, 0], octets) = options.split_first_chunk()? else {
        return None;
    };
    let count = usize::from(source).div_ceil(8);
    if u16::from_be_bytes([c0, c1]) != subnet::CODE
        || count == 0
        || octets.len() != count
        || usize::from(len) != 4 + count
    {
        return None;
    }
    // What stands in front of the address is shifted out of the numbers.
    match family {
        1 if count <= 4 => {
            let bits = u32::from_be_bytes(*message.last_chunk()?) << (32 - 8 * count);
            let beyond = (u64::from(u32::MAX) >> source) as u32;
            (bits & beyond == 0).then(|| Ipv4Addr::from_bits(bits).into())
        }
        2 if count <= 16 => {
            let bits = u128::from_be_bytes(*message.last_chunk()?) << (128 - 8 * count);
            let beyond = u128::MAX.checked_shr(source.into()).unwrap_or(0);
            (bits & beyond == 0).then(|| Ipv6Addr::from_bits(bits).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Query;
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
            let (mut name, mut other) = (LowerName::new(), LowerName::new());
            if let Some(usual) = Usual::parse(&message, &mut name, true) {
                let query = Query::parse(&message, &mut other, true).unwrap();
                prop_assert_eq!(name.as_wire(), other.as_wire());
                prop_assert_eq!((usual.qtype, usual.end), (query.question.qtype, query.question.end));
                let edns = query.edns;
                prop_assert_eq!(usual.udp_size, edns.map(|edns| edns.udp_size));
                let subnet = edns.and_then(|edns| edns.subnet);
                prop_assert_eq!(usual.subnet, subnet.map(|subnet| subnet.address));
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
                let usual = Usual::parse(&message, &mut LowerName::new(), true).unwrap();
                assert!(usual.subnet.is_some(), "{family} {source}");
            }
        }
    }
}
