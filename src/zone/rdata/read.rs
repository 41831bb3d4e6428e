//! Fields as text: tokens to octets.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::error::{DataError, excerpt};
use super::format::{Field, Kind, fields};
use super::measure::validate;
use super::{apl, base, bitmap, digest, gateway, hip, loc, number, svcb};
use crate::wire::{Name, Type};
use crate::zone::master::scanner::{Fault, Scanner, Token};

const U8: &str = "a number from 0 to 255";
const U16: &str = "a number from 0 to 65535";
const U32: &str = "a number from 0 to 4294967295";
const HEX: &str = "pairs of hexadecimal digits";
const BASE64: &str = "octets in base64";

/// Octets of the longest data (RFC 1035 section 3.2.1).
const MAX_DATA: usize = 65_535;

/// Reads the data of one record to the end of its entry; adds its octets to `out`, which must be
/// empty.
pub(crate) fn read(
    rtype: Type,
    scanner: &mut Scanner<'_>,
    origin: &Name,
    out: &mut Vec<u8>,
) -> Result<(), Fault<DataError>> {
    let mut reader = Reader { scanner, origin, out };
    if reader.scanner.at_generic().map_err(|fault| fault.map(DataError::Syntax))? {
        return reader.generic(rtype);
    }
    let fields = fields(rtype);
    let start = reader.scanner.clone();
    let Some(fields) = fields else {
        let token = reader.token("the data")?;
        return Err(token.fault(DataError::NoTextForm(rtype)));
    };
    for field in fields {
        reader.field(field)?;
    }
    if let Some(token) = reader.maybe_token()? {
        return Err(token.fault(DataError::Extra(excerpt(token.raw))));
    }
    if reader.out.len() > MAX_DATA {
        return Err(reader.missing(DataError::Long));
    }
    digest::check(rtype, reader.out).map_err(|error| start.missing(error))
}

/// Tokens in, octets out.
pub(super) struct Reader<'s, 'a> {
    scanner: &'s mut Scanner<'a>,
    origin: &'s Name,
    pub(super) out: &'s mut Vec<u8>,
}

impl<'a> Reader<'_, 'a> {
    /// The next word or string of the entry, if there is one.
    fn maybe_token(&mut self) -> Result<Option<Token<'a>>, Fault<DataError>> {
        self.scanner.token().map_err(|fault| fault.map(DataError::Syntax))
    }

    /// The next word or string, which must be there.
    fn token(&mut self, field: &'static str) -> Result<Token<'a>, Fault<DataError>> {
        self.maybe_token()?.ok_or_else(|| self.scanner.missing(DataError::Missing(field)))
    }

    /// The next word, if there is one.
    pub(super) fn maybe_word(&mut self) -> Result<Option<Token<'a>>, Fault<DataError>> {
        match self.maybe_token()? {
            Some(token) if token.quoted => Err(token.fault(DataError::Quoted("this field"))),
            token => Ok(token),
        }
    }

    /// The next word, which must be there and not be quoted.
    pub(super) fn word(&mut self, field: &'static str) -> Result<Token<'a>, Fault<DataError>> {
        let token = self.token(field)?;
        if token.quoted { Err(token.fault(DataError::Quoted(field))) } else { Ok(token) }
    }

    /// The next `key=value`, if there is one.
    pub(super) fn pair(&mut self) -> Result<Option<Token<'a>>, Fault<DataError>> {
        self.scanner.pair().map_err(|fault| fault.map(DataError::Syntax))
    }

    /// Something wrong at the end of what was read.
    pub(super) fn missing(&self, error: DataError) -> Fault<DataError> {
        self.scanner.missing(error)
    }

    /// Reads one decimal number.
    pub(super) fn number<T: FromStr>(
        &mut self,
        field: &'static str,
        wanted: &'static str,
    ) -> Result<T, Fault<DataError>> {
        let token = self.word(field)?;
        if token.raw.iter().all(u8::is_ascii_digit) {
            self.parse(&token, field, wanted)
        } else {
            Err(token.fault(DataError::unexpected(&token, field, wanted)))
        }
    }

    /// Reads a token by the text form of `T`.
    pub(super) fn parse<T: FromStr>(
        &self,
        token: &Token<'_>,
        field: &'static str,
        wanted: &'static str,
    ) -> Result<T, Fault<DataError>> {
        std::str::from_utf8(token.raw)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| token.fault(DataError::unexpected(token, field, wanted)))
    }

    /// Writes a token that is a domain name.
    pub(super) fn name(&mut self, token: &Token<'_>) -> Result<(), Fault<DataError>> {
        if token.raw == b"@" {
            self.out.extend_from_slice(self.origin.as_wire());
            return Ok(());
        }
        let name = Name::parse(token.raw, self.origin)
            .map_err(|error| token.fault(DataError::Name { found: excerpt(token.raw), error }))?;
        self.out.extend_from_slice(name.as_wire());
        Ok(())
    }

    fn field(&mut self, field: &Field) -> Result<(), Fault<DataError>> {
        let name = field.name;
        match field.kind {
            Kind::U8 => {
                let number: u8 = self.number(name, U8)?;
                self.out.push(number);
            }
            Kind::U16 => {
                let number: u16 = self.number(name, U16)?;
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            Kind::U32 => {
                let number: u32 = self.number(name, U32)?;
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            Kind::Period => {
                let wanted = "seconds, or a time like 1h30m, up to 4294967295 seconds";
                let seconds = self.converted(name, wanted, number::period)?;
                self.out.extend_from_slice(&seconds.to_be_bytes());
            }
            Kind::Time => {
                let wanted = "YYYYMMDDHHmmSS, or seconds since 1970";
                let time = self.converted(name, wanted, number::time)?;
                self.out.extend_from_slice(&time.to_be_bytes());
            }
            Kind::Type => {
                let covered: Type = {
                    let token = self.word(name)?;
                    self.parse(&token, name, "a record type")?
                };
                self.out.extend_from_slice(&covered.0.to_be_bytes());
            }
            Kind::Algorithm => {
                let wanted = "a number from 0 to 255 or a mnemonic like ECDSAP256SHA256";
                let algorithm = self.converted(name, wanted, number::algorithm)?;
                self.out.push(algorithm);
            }
            Kind::Certificate => {
                let wanted = "a number from 0 to 65535 or a mnemonic like PKIX";
                let certificate = self.converted(name, wanted, number::certificate)?;
                self.out.extend_from_slice(&certificate.to_be_bytes());
            }
            Kind::Ipv4 => {
                let token = self.word(name)?;
                let address: Ipv4Addr = self.parse(&token, name, "four numbers: 192.0.2.1")?;
                self.out.extend_from_slice(&address.octets());
            }
            Kind::Ipv6 => {
                let token = self.word(name)?;
                let address: Ipv6Addr = self.parse(&token, name, "one like 2001:db8::1")?;
                self.out.extend_from_slice(&address.octets());
            }
            Kind::Name => {
                let token = self.word(name)?;
                self.name(&token)?;
            }
            Kind::Names => {
                while let Some(token) = self.maybe_word()? {
                    self.name(&token)?;
                }
            }
            Kind::String => {
                let token = self.token(name)?;
                self.string(&token)?;
            }
            Kind::MaybeString => {
                if let Some(token) = self.maybe_token()? {
                    self.string(&token)?;
                }
            }
            Kind::Strings => {
                let mut token = self.token(name)?;
                loop {
                    self.string(&token)?;
                    match self.maybe_token()? {
                        Some(next) => token = next,
                        None => break,
                    }
                }
            }
            Kind::Text => {
                let token = self.token(name)?;
                self.text(&token)?;
                if token.raw.is_empty() {
                    return Err(token.fault(DataError::Missing(name)));
                }
            }
            Kind::MaybeText => {
                let token = self.token(name)?;
                self.text(&token)?;
            }
            Kind::Tag => {
                let token = self.word(name)?;
                let good = !token.raw.is_empty()
                    && token.raw.len() <= 255
                    && token.raw.iter().all(u8::is_ascii_alphanumeric);
                if !good {
                    let wanted = "letters and digits, like issue";
                    return Err(token.fault(DataError::unexpected(&token, name, wanted)));
                }
                self.string(&token)?;
            }
            Kind::Hex => self.digits(name, HEX, true, base::hex)?,
            Kind::Base64 => self.digits(name, BASE64, true, base::base64)?,
            Kind::MaybeBase64 => self.digits(name, BASE64, false, base::base64)?,
            Kind::Salt => {
                let wanted = "up to 255 octets in hexadecimal, or `-` for none";
                let salt = self.converted(name, wanted, |raw| match raw {
                    b"-" => Some(Vec::new()),
                    _ => counted(raw, base::hex),
                })?;
                self.counted(&salt);
            }
            Kind::Hash => {
                let wanted = "1 to 255 octets in base32hex";
                let hash = self.converted(name, wanted, |raw| counted(raw, base::base32hex))?;
                self.counted(&hash);
            }
            Kind::Bitmap => {
                let mut types = Vec::new();
                while let Some(token) = self.maybe_word()? {
                    let listed: Type = self.parse(&token, name, "record types")?;
                    types.push(listed.0);
                }
                bitmap::write(types, self.out);
            }
            Kind::Eui48 => self.groups(name, "six octets: 00-00-5e-00-53-2a", 6, 1, b'-')?,
            Kind::Eui64 => {
                self.groups(name, "eight octets: 00-00-5e-ef-10-00-00-2a", 8, 1, b'-')?;
            }
            Kind::Locator => self.groups(name, "four groups: 0014:4fff:ff20:ee64", 4, 2, b':')?,
            Kind::Location => loc::read(self)?,
            Kind::Prefixes => apl::read(self)?,
            Kind::Gateway => gateway::read(self)?,
            Kind::Identity => hip::read(self)?,
            Kind::Params => svcb::read(self)?,
            Kind::Nsap => {
                let wanted = "hexadecimal behind 0x, dots between octets: 0x47.0005";
                let octets = self.converted(name, wanted, nsap)?;
                self.out.extend_from_slice(&octets);
            }
        }
        Ok(())
    }

    fn converted<T>(
        &mut self,
        field: &'static str,
        wanted: &'static str,
        convert: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, Fault<DataError>> {
        let token = self.word(field)?;
        convert(token.raw).ok_or_else(|| token.fault(DataError::unexpected(&token, field, wanted)))
    }

    /// Writes a character-string: its length, then its octets.
    fn string(&mut self, token: &Token<'_>) -> Result<(), Fault<DataError>> {
        let at = self.out.len();
        self.out.push(0);
        self.text(token)?;
        let len = self.out.len() - at - 1;
        self.out[at] = u8::try_from(len).map_err(|_| token.fault(DataError::LongString(len)))?;
        Ok(())
    }

    /// Writes the octets of a string.
    fn text(&mut self, token: &Token<'_>) -> Result<(), Fault<DataError>> {
        if base::unescape(token.raw, self.out) {
            Ok(())
        } else {
            Err(token.fault(DataError::Escape))
        }
    }

    /// Writes at most 255 octets behind their length.
    fn counted(&mut self, octets: &[u8]) {
        self.out.push(u8::try_from(octets.len()).expect("`counted` made at most 255 octets"));
        self.out.extend_from_slice(octets);
    }

    /// Writes what the digits of all words to the end of the entry stand for.
    fn digits(
        &mut self,
        field: &'static str,
        wanted: &'static str,
        needed: bool,
        decode: fn(&[u8], &mut Vec<u8>) -> bool,
    ) -> Result<(), Fault<DataError>> {
        let Some(first) = self.maybe_word()? else {
            return if needed { Err(self.missing(DataError::Missing(field))) } else { Ok(()) };
        };
        let Some(second) = self.maybe_word()? else {
            return if decode(first.raw, self.out) {
                Ok(())
            } else {
                Err(first.fault(DataError::unexpected(&first, field, wanted)))
            };
        };
        let mut digits = [first.raw, second.raw].concat();
        while let Some(token) = self.maybe_word()? {
            digits.extend_from_slice(token.raw);
        }
        if decode(&digits, self.out) {
            Ok(())
        } else {
            Err(first.fault(DataError::Unexpected { found: excerpt(&digits), field, wanted }))
        }
    }

    /// Writes `count` groups of `size` octets, written with leading zeros left out at most.
    fn groups(
        &mut self,
        field: &'static str,
        wanted: &'static str,
        count: usize,
        size: usize,
        separator: u8,
    ) -> Result<(), Fault<DataError>> {
        let octets = self.converted(field, wanted, |raw| {
            let mut octets = Vec::with_capacity(8);
            for group in raw.split(|&octet| octet == separator) {
                // EUI octets have two digits (RFC 7043), locator groups one to four (RFC 6742).
                let least = if size == 1 { 2 } else { 1 };
                if !(least..=2 * size).contains(&group.len()) {
                    return None;
                }
                let value = group
                    .iter()
                    .try_fold(0u16, |sum, &d| Some(sum << 4 | u16::from(base::hex_digit(d)?)))?;
                octets.extend_from_slice(&value.to_be_bytes()[2 - size..]);
            }
            (octets.len() == count * size).then_some(octets)
        })?;
        self.out.extend_from_slice(&octets);
        Ok(())
    }

    /// Reads `\# length hexadecimal` (RFC 3597 section 5).
    fn generic(&mut self, rtype: Type) -> Result<(), Fault<DataError>> {
        let marker = self.token("the data")?;
        let announced: u16 = self.number("the length of the data", U16)?;
        self.digits("the data", HEX, announced > 0, base::hex)?;
        if self.out.len() != usize::from(announced) {
            let found = self.out.len();
            return Err(marker.fault(DataError::GenericLength { announced, found }));
        }
        validate(rtype, self.out).map_err(|malformed| marker.fault(malformed.into()))?;
        digest::check(rtype, self.out).map_err(|error| marker.fault(error))
    }
}

/// At most 255 octets, at least one.
fn counted(raw: &[u8], decode: fn(&[u8], &mut Vec<u8>) -> bool) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    (decode(raw, &mut octets) && (1..=255).contains(&octets.len())).then_some(octets)
}

fn nsap(raw: &[u8]) -> Option<Vec<u8>> {
    let digits = raw.strip_prefix(b"0x").or(raw.strip_prefix(b"0X"))?;
    let digits: Vec<u8> = digits.iter().copied().filter(|&octet| octet != b'.').collect();
    let mut octets = Vec::new();
    (base::hex(&digits, &mut octets) && !octets.is_empty()).then_some(octets)
}
