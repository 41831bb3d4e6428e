//! Queries as octets, and the random numbers that vary them: the same in every run.

use std::net::IpAddr;

use meridian::wire::Type;

/// What the OPT record of a query says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Opt {
    /// The DO bit.
    pub(crate) dnssec: bool,
    /// EDNS Client Subnet: an address and how many of its bits are told, from 1 to all.
    pub(crate) subnet: Option<(IpAddr, u8)>,
}

/// A query with id 0 for a name in wire form; without `opt` it has no EDNS.
pub(crate) fn query(name: &[u8], qtype: Type, opt: Option<Opt>) -> Vec<u8> {
    let mut message = vec![0; 12];
    message[5] = 1; // one question
    message.extend_from_slice(name);
    message.extend_from_slice(&qtype.0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    let Some(opt) = opt else {
        return message;
    };
    message[11] = 1; // OPT, size 1232 (RFC 6891 section 6.1.2)
    let do_bit = if opt.dnssec { 0x80 } else { 0 };
    message.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, do_bit, 0]);
    match opt.subnet {
        None => message.extend_from_slice(&[0, 0]),
        Some((client, length)) => {
            // RFC 7871 section 6: only the octets the length needs, host bits cleared.
            let (family, mut octets) = match client {
                IpAddr::V4(address) => (1, address.octets().to_vec()),
                IpAddr::V6(address) => (2, address.octets().to_vec()),
            };
            octets.truncate(usize::from(length.div_ceil(8)));
            let beyond = 8 * octets.len() - usize::from(length);
            if let Some(last) = octets.last_mut() {
                *last &= 0xff << beyond;
            }
            let size = 4 + octets.len() as u8;
            message.extend_from_slice(&[0, size + 4, 0, 8, 0, size, 0, family, length, 0]);
            message.extend_from_slice(&octets);
        }
    }
    message
}

/// splitmix64.
pub(crate) struct Random(u64);

impl Random {
    /// From a fixed seed, so that each run and each server gets the same.
    pub(crate) fn new() -> Random {
        Random(0x006d_6572_6964_6961)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A name in wire form: twelve random letters and digits in front of `parent`.
    pub(crate) fn child(&mut self, parent: &[u8]) -> Vec<u8> {
        let label = format!("{:012x}", self.next() >> 16);
        [&[label.len() as u8], label.as_bytes(), parent].concat()
    }
}
