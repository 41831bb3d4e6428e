//! Numbers of the protocol and their names: record types, classes, opcodes, response codes
//! (IANA "Domain Name System Parameters").

use std::fmt;
use std::str::FromStr;

/// A record type or query type (RFC 1035 section 3.2.2 and later), by number.
///
/// Its text form is the mnemonic where one is known, else `TYPE123` (RFC 3597 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type(pub u16);

/// A text that names no record type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a record type; unknown types are written TYPE123 (RFC 3597)")]
pub struct UnknownType(pub String);

macro_rules! record_types {
    ($($name:ident $text:literal $number:literal),+ $(,)?) => {
        #[allow(missing_docs)]
        impl Type {
            $(pub const $name: Type = Type($number);)+

            /// The mnemonic of this type, where it has one.
            pub fn mnemonic(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)+
                    _ => None,
                }
            }

            fn from_mnemonic(text: &str) -> Option<Type> {
                $(if text.eq_ignore_ascii_case($text) { return Some(Type($number)); })+
                None
            }
        }
    };
}

record_types! {
    A "A" 1, NS "NS" 2, MD "MD" 3, MF "MF" 4, CNAME "CNAME" 5, SOA "SOA" 6, MB "MB" 7, MG "MG" 8,
    MR "MR" 9, NULL "NULL" 10, WKS "WKS" 11, PTR "PTR" 12, HINFO "HINFO" 13, MINFO "MINFO" 14,
    MX "MX" 15, TXT "TXT" 16, RP "RP" 17, AFSDB "AFSDB" 18, X25 "X25" 19, ISDN "ISDN" 20,
    RT "RT" 21, NSAP "NSAP" 22, SIG "SIG" 24, KEY "KEY" 25, PX "PX" 26, GPOS "GPOS" 27,
    AAAA "AAAA" 28, LOC "LOC" 29, NXT "NXT" 30, SRV "SRV" 33, NAPTR "NAPTR" 35, KX "KX" 36,
    CERT "CERT" 37, A6 "A6" 38, DNAME "DNAME" 39, OPT "OPT" 41, APL "APL" 42, DS "DS" 43,
    SSHFP "SSHFP" 44, IPSECKEY "IPSECKEY" 45, RRSIG "RRSIG" 46, NSEC "NSEC" 47,
    DNSKEY "DNSKEY" 48, DHCID "DHCID" 49, NSEC3 "NSEC3" 50, NSEC3PARAM "NSEC3PARAM" 51,
    TLSA "TLSA" 52, SMIMEA "SMIMEA" 53, HIP "HIP" 55, CDS "CDS" 59, CDNSKEY "CDNSKEY" 60,
    OPENPGPKEY "OPENPGPKEY" 61, CSYNC "CSYNC" 62, ZONEMD "ZONEMD" 63, SVCB "SVCB" 64,
    HTTPS "HTTPS" 65, SPF "SPF" 99, NID "NID" 104, L32 "L32" 105, L64 "L64" 106, LP "LP" 107,
    EUI48 "EUI48" 108, EUI64 "EUI64" 109, TKEY "TKEY" 249, TSIG "TSIG" 250, IXFR "IXFR" 251,
    AXFR "AXFR" 252, MAILB "MAILB" 253, MAILA "MAILA" 254, ANY "ANY" 255, URI "URI" 256,
    CAA "CAA" 257,
}

impl Type {
    /// Whether the number can only stand in a question or carries protocol, never zone data
    /// (RFC 6895 section 3.1: OPT and 128 to 255).
    pub fn is_meta(self) -> bool {
        self.0 == 0 || self == Type::OPT || (128..=255).contains(&self.0)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(text) => f.pad(text),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Type {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Type, UnknownType> {
        if let Some(known) = Type::from_mnemonic(text) {
            return Ok(known);
        }
        let digits = text.get(..4).filter(|p| p.eq_ignore_ascii_case("TYPE")).map(|_| &text[4..]);
        match digits {
            Some(d) if !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()) => {
                d.parse().map(Type).map_err(|_| UnknownType(text.to_owned()))
            }
            _ => Err(UnknownType(text.to_owned())),
        }
    }
}

/// A class (RFC 1035 section 3.2.4), by number. Meridian serves IN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class(pub u16);

#[allow(missing_docs)]
impl Class {
    pub const IN: Class = Class(1);
    pub const CH: Class = Class(3);
    pub const NONE: Class = Class(254);
    pub const ANY: Class = Class(255);
}

/// An operation code (RFC 1035 section 4.1.1), the four bits of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opcode(pub u8);

#[allow(missing_docs)]
impl Opcode {
    pub const QUERY: Opcode = Opcode(0);
    pub const NOTIFY: Opcode = Opcode(4);
    pub const UPDATE: Opcode = Opcode(5);
}

/// A response code, extended by EDNS to twelve bits (RFC 6891 section 6.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rcode(pub u16);

#[allow(missing_docs)]
impl Rcode {
    pub const NOERROR: Rcode = Rcode(0);
    pub const FORMERR: Rcode = Rcode(1);
    pub const SERVFAIL: Rcode = Rcode(2);
    pub const NXDOMAIN: Rcode = Rcode(3);
    pub const NOTIMP: Rcode = Rcode(4);
    pub const REFUSED: Rcode = Rcode(5);
    pub const YXDOMAIN: Rcode = Rcode(6);
    pub const NOTAUTH: Rcode = Rcode(9);
    pub const BADVERS: Rcode = Rcode(16);
    pub const BADCOOKIE: Rcode = Rcode(23);

    /// The mnemonics of the codes that stand in a header, by their numbers (RFC 1035 section
    /// 4.1.1, RFC 2136 section 2.2).
    pub const MNEMONICS: [&'static str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",
    ];
}

/// Not the mnemonic of a response code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a response code")]
pub struct UnknownRcode(pub String);

impl FromStr for Rcode {
    type Err = UnknownRcode;

    /// A mnemonic of [`Rcode::MNEMONICS`], in any case.
    fn from_str(text: &str) -> Result<Rcode, UnknownRcode> {
        let is_it = |mnemonic: &str| mnemonic.eq_ignore_ascii_case(text);
        let place = Rcode::MNEMONICS.iter().position(|mnemonic| is_it(mnemonic));
        // A place in a list of eleven.
        place.map(|place| Rcode(place as u16)).ok_or_else(|| UnknownRcode(text.to_owned()))
    }
}

impl fmt::Display for Rcode {
    /// The mnemonic, else `RCODE` and the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Rcode::MNEMONICS.get(usize::from(self.0)) {
            Some(mnemonic) => f.write_str(mnemonic),
            None => write!(f, "RCODE{}", self.0),
        }
    }
}

impl Rcode {
    /// The name of a code that this server says.
    pub fn mnemonic(self) -> Option<&'static str> {
        Some(match self {
            Rcode::NOERROR => "NOERROR",
            Rcode::FORMERR => "FORMERR",
            Rcode::SERVFAIL => "SERVFAIL",
            Rcode::NXDOMAIN => "NXDOMAIN",
            Rcode::NOTIMP => "NOTIMP",
            Rcode::REFUSED => "REFUSED",
            Rcode::YXDOMAIN => "YXDOMAIN",
            Rcode::NOTAUTH => "NOTAUTH",
            Rcode::BADVERS => "BADVERS",
            Rcode::BADCOOKIE => "BADCOOKIE",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_reads_back_from_its_text() {
        for number in 0..=u16::MAX {
            let kind = Type(number);
            assert_eq!(kind.to_string().parse::<Type>(), Ok(kind));
        }
    }

    #[test]
    fn a_response_code_reads_back_from_its_text() {
        for mnemonic in Rcode::MNEMONICS {
            assert_eq!(mnemonic.parse::<Rcode>().map(|code| code.to_string()), Ok(mnemonic.into()));
        }
        assert_eq!("nxdomain".parse(), Ok(Rcode::NXDOMAIN));
        assert_eq!(Rcode(4000).to_string(), "RCODE4000");
        assert!("NXDOMIAN".parse::<Rcode>().is_err());
    }

    #[test]
    fn a_text_that_is_no_type_is_refused() {
        for text in ["", "TYPE", "TYPE65536", "TYPE-1", "TYPE+1", "AAAAA", "täglich"] {
            assert!(text.parse::<Type>().is_err(), "{text}");
        }
    }
}
