//! The fields of every record type: one table that reading, checking and finding names all use.
//!
//! Knows which fields a type has and in which order; not how a field is read or checked.

use crate::wire::Type;

/// One field of a type's data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// What messages call it, with its article.
    pub(super) name: &'static str,
    /// How it is written, as text and as octets.
    pub(super) kind: Kind,
}

/// How a field is written, as text and as octets. Those that say "to the end" come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number of one octet.
    U8,
    /// A number of two octets.
    U16,
    /// A number of four octets.
    U32,
    /// Seconds in four octets; text may use units (`1h30m`).
    Period,
    /// A time in four octets; text may be `YYYYMMDDHHmmSS` (RFC 4034 section 3.2).
    Time,
    /// A record type, two octets.
    Type,
    /// A DNSSEC algorithm, one octet, by number or mnemonic.
    Algorithm,
    /// A certificate type, two octets, by number or mnemonic (RFC 4398 section 2.1).
    Certificate,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A domain name.
    Name,
    /// Domain names to the end, or none.
    Names,
    /// One character-string (RFC 1035 section 3.3).
    String,
    /// One character-string or nothing, to the end.
    MaybeString,
    /// One or more character-strings, to the end.
    Strings,
    /// One string without a length octet, to the end.
    Text,
    /// As `Text`, possibly empty.
    MaybeText,
    /// A property tag: letters and digits behind a length octet (RFC 8659 section 4.1).
    Tag,
    /// Octets in hexadecimal, to the end.
    Hex,
    /// Octets in base64, to the end.
    Base64,
    /// As `Base64`, possibly none.
    MaybeBase64,
    /// Octets in hexadecimal behind a length octet, `-` for none (RFC 5155 section 3.3).
    Salt,
    /// Octets in base32hex behind a length octet (RFC 5155 section 3.3).
    Hash,
    /// Windows of a type bitmap, to the end (RFC 4034 section 4.1.2).
    Bitmap,
    /// Six octets as `00-00-5e-00-53-2a` (RFC 7043).
    Eui48,
    /// Eight octets as `00-00-5e-ef-10-00-00-2a` (RFC 7043).
    Eui64,
    /// Eight octets as `0014:4fff:ff20:ee64` (RFC 6742).
    Locator,
    /// A place on earth (RFC 1876), all 16 octets.
    Location,
    /// Address prefixes to the end, or none (RFC 3123).
    Prefixes,
    /// Gateway type, algorithm and gateway (RFC 4025 section 2).
    Gateway,
    /// Host identity tag and public key with their lengths (RFC 8005 section 5).
    Identity,
    /// Service parameters to the end, or none (RFC 9460 section 2).
    Params,
    /// An NSAP address as `0x47.0005...`, to the end (RFC 1706).
    Nsap,
}

macro_rules! fields {
    ($($name:literal $kind:ident),+ $(,)?) => {
        &[$(Field { name: $name, kind: Kind::$kind }),+]
    };
}

/// The fields of a type, in order; `None` for a type without a known format.
pub(super) fn fields(rtype: Type) -> Option<&'static [Field]> {
    Some(match rtype {
        Type::A => fields!["the IPv4 address" Ipv4],
        Type::AAAA => fields!["the IPv6 address" Ipv6],
        Type::NS | Type::MD | Type::MF | Type::MB => fields!["the name of the host" Name],
        Type::CNAME | Type::DNAME => fields!["the target" Name],
        Type::PTR | Type::MG | Type::MR => fields!["the name" Name],
        Type::SOA => fields![
            "the primary server" Name,
            "the mailbox" Name,
            "the serial" U32,
            "the refresh time" Period,
            "the retry time" Period,
            "the expiry time" Period,
            "the negative TTL" Period,
        ],
        Type::HINFO => fields!["the CPU" String, "the operating system" String],
        Type::MINFO => fields!["the responsible mailbox" Name, "the error mailbox" Name],
        Type::MX => fields!["the preference" U16, "the mail exchange" Name],
        Type::TXT | Type::SPF => fields!["the text" Strings],
        Type::RP => fields!["the mailbox" Name, "the name of the text" Name],
        Type::AFSDB => fields!["the subtype" U16, "the server" Name],
        Type::X25 => fields!["the address" String],
        Type::ISDN => fields!["the address" String, "the subaddress" MaybeString],
        Type::RT => fields!["the preference" U16, "the intermediate host" Name],
        Type::NSAP => fields!["the NSAP address" Nsap],
        Type::KEY => fields![
            "the flags" U16,
            "the protocol" U8,
            "the algorithm" Algorithm,
            "the public key" MaybeBase64,
        ],
        Type::DNSKEY | Type::CDNSKEY => fields![
            "the flags" U16,
            "the protocol" U8,
            "the algorithm" Algorithm,
            "the public key" Base64,
        ],
        Type::PX => fields!["the preference" U16, "the RFC 822 name" Name, "the X.400 name" Name],
        Type::GPOS => fields!["the longitude" String, "the latitude" String, "the altitude" String],
        Type::LOC => fields!["the location" Location],
        Type::SRV => fields![
            "the priority" U16,
            "the weight" U16,
            "the port" U16,
            "the target" Name,
        ],
        Type::NAPTR => fields![
            "the order" U16,
            "the preference" U16,
            "the flags" String,
            "the services" String,
            "the regular expression" String,
            "the replacement" Name,
        ],
        Type::KX => fields!["the preference" U16, "the key exchanger" Name],
        Type::CERT => fields![
            "the certificate type" Certificate,
            "the key tag" U16,
            "the algorithm" Algorithm,
            "the certificate" Base64,
        ],
        Type::APL => fields!["the address prefixes" Prefixes],
        Type::DS | Type::CDS => fields![
            "the key tag" U16,
            "the algorithm" Algorithm,
            "the digest type" U8,
            "the digest" Hex,
        ],
        Type::SSHFP => fields![
            "the algorithm" U8,
            "the fingerprint type" U8,
            "the fingerprint" Hex,
        ],
        Type::IPSECKEY => fields![
            "the precedence" U8,
            "the gateway" Gateway,
            "the public key" MaybeBase64,
        ],
        Type::RRSIG | Type::SIG => fields![
            "the type covered" Type,
            "the algorithm" Algorithm,
            "the number of labels" U8,
            "the original TTL" Period,
            "the expiration" Time,
            "the inception" Time,
            "the key tag" U16,
            "the signer's name" Name,
            "the signature" Base64,
        ],
        Type::NSEC => fields!["the next name" Name, "the types" Bitmap],
        Type::DHCID => fields!["the digest" Base64],
        Type::NSEC3 => fields![
            "the hash algorithm" U8,
            "the flags" U8,
            "the iterations" U16,
            "the salt" Salt,
            "the next hashed owner" Hash,
            "the types" Bitmap,
        ],
        Type::NSEC3PARAM => fields![
            "the hash algorithm" U8,
            "the flags" U8,
            "the iterations" U16,
            "the salt" Salt,
        ],
        Type::TLSA | Type::SMIMEA => fields![
            "the certificate usage" U8,
            "the selector" U8,
            "the matching type" U8,
            "the association data" Hex,
        ],
        Type::HIP => fields!["the host identity" Identity, "the rendezvous servers" Names],
        Type::OPENPGPKEY => fields!["the public key" Base64],
        Type::CSYNC => fields!["the serial" U32, "the flags" U16, "the types" Bitmap],
        Type::ZONEMD => fields![
            "the serial" U32,
            "the scheme" U8,
            "the hash algorithm" U8,
            "the digest" Hex,
        ],
        Type::SVCB | Type::HTTPS => fields![
            "the priority" U16,
            "the target" Name,
            "the parameters" Params,
        ],
        Type::NID => fields!["the preference" U16, "the node identifier" Locator],
        Type::L32 => fields!["the preference" U16, "the locator" Ipv4],
        Type::L64 => fields!["the preference" U16, "the locator" Locator],
        Type::LP => fields!["the preference" U16, "the name of the locators" Name],
        Type::EUI48 => fields!["the address" Eui48],
        Type::EUI64 => fields!["the address" Eui64],
        Type::URI => fields!["the priority" U16, "the weight" U16, "the target" Text],
        Type::CAA => fields!["the flags" U8, "the tag" Tag, "the value" MaybeText],
        _ => return None,
    })
}

/// Whether names in a type's data may be compressed in a message: only in the types of
/// RFC 1035, which every resolver knows (RFC 3597 section 4).
pub(super) fn compressible(rtype: Type) -> bool {
    matches!(
        rtype,
        Type::NS
            | Type::MD
            | Type::MF
            | Type::CNAME
            | Type::SOA
            | Type::MB
            | Type::MG
            | Type::MR
            | Type::PTR
            | Type::MINFO
            | Type::MX
    )
}
