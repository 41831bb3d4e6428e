//! EDNS (RFC 6891): the OPT record of a query and of its response.

use super::options::{self, Options};
use super::subnet::{self, Subnet};
use super::{Malformed, Rcode, Type};

/// Octets of an OPT record without options.
pub const OPT: usize = 11;
/// The version of EDNS spoken here.
pub const VERSION: u8 = 0;
/// What every client takes over UDP (RFC 1035 section 2.3.4).
pub const MIN_UDP_SIZE: u16 = 512;

/// The largest UDP message that a server sends, with the OPT record that announces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpSize {
    octets: u16,
    /// The root, OPT, the size, no extended code, version 0.
    opt_start: [u8; 8],
}

impl UdpSize {
    /// So many octets; less than 512 is 512.
    pub fn new(octets: u16) -> UdpSize {
        let octets = octets.max(MIN_UDP_SIZE);
        let ([t0, t1], [s0, s1]) = (Type::OPT.0.to_be_bytes(), octets.to_be_bytes());
        UdpSize { octets, opt_start: [0, t0, t1, s0, s1, 0, VERSION, 0] }
    }

    /// At least 512.
    #[inline]
    pub fn octets(self) -> u16 {
        self.octets
    }

    /// What an OPT record begins with that says nothing else, up to the first octet of its flags.
    #[inline(always)]
    pub fn opt_start(&self) -> [u8; 8] {
        self.opt_start
    }
}

/// What the OPT record of a query says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns {
    /// The largest UDP message the client takes, in octets: at least 512 (RFC 6891 section
    /// 6.2.3).
    pub udp_size: u16,
    /// The client's version; all but 0 get BADVERS.
    pub version: u8,
    /// DNSSEC OK (RFC 3225).
    pub dnssec_ok: bool,
    /// The client's subnet, when it came and is wanted.
    pub subnet: Option<Subnet>,
    /// Its further options.
    pub options: Options,
}

impl Edns {
    /// Reads class and TTL of an OPT record, which hold no class and no TTL.
    #[inline]
    pub(super) fn from_fields(class: u16, ttl: [u8; 4]) -> Edns {
        Edns {
            udp_size: class.max(MIN_UDP_SIZE),
            version: ttl[1],
            dnssec_ok: ttl[2] & 0x80 != 0,
            subnet: None,
            options: Options::default(),
        }
    }

    /// Goes through the options, which end at `end` of the message. Of several client subnets the
    /// first counts.
    #[inline]
    pub(super) fn read_options(
        &mut self,
        octets: &[u8],
        end: usize,
        want_subnet: bool,
    ) -> Result<(), Malformed> {
        let start = end - octets.len();
        options::each(octets, |code, data, at| {
            if code != subnet::CODE {
                return self.options.read(code, data, start + at);
            }
            if want_subnet && self.subnet.is_none() {
                self.subnet = Some(Subnet::parse(data)?);
            }
            Ok(())
        })
    }

    /// The same record as if it had had no options.
    pub(super) fn without_options(self) -> Edns {
        Edns { subnet: None, options: Options::default(), ..self }
    }

    /// Octets of the OPT record that answers this one, with no options but the subnet.
    #[inline]
    pub fn response_len(&self) -> usize {
        OPT + self.subnet.map_or(0, |subnet| subnet.response_len())
    }

    /// Writes the OPT record of the response over the front of `out`: our `udp_size`, the upper
    /// bits of `rcode`, DO as it came and no other flag (RFC 6891 section 6.1.4), and the client's
    /// subnet with `scope`. Says how many octets it took; 0 when they do not fit. Further options
    /// are [appended](options::append).
    pub fn write_response(&self, udp_size: u16, rcode: Rcode, scope: u8, out: &mut [u8]) -> usize {
        let len = self.response_len();
        let Some(out) = out.get_mut(..len) else {
            return 0;
        };
        let [type_high, type_low] = Type::OPT.0.to_be_bytes();
        let [size_high, size_low] = udp_size.to_be_bytes();
        let flags = if self.dnssec_ok { 0x80 } else { 0 };
        let extended = (rcode.0 >> 4) as u8;
        let options = (len - OPT) as u8; // at most 24
        let (front, rest) = out.split_at_mut(OPT);
        front.copy_from_slice(&[
            0, type_high, type_low, size_high, size_low, extended, VERSION, flags, 0, 0, options,
        ]);
        if let Some(subnet) = self.subnet {
            subnet.write(scope, rest);
        }
        len
    }
}
