//! Transaction signatures (RFC 8945): the TSIG record that ends a message, and the MAC in it.
//!
//! Knows keys, digests and the record's octets. Does not know whose keys there are, nor what a
//! flaw in a signature is answered with.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};

use super::header::HEADER;
use super::{Class, LowerName, Malformed, Name, Type, u16_at};

/// How far apart the two clocks may be, in seconds (RFC 8945 section 10).
pub const FUDGE: u16 = 300;

/// Octets of the longest MAC: that of hmac-sha512.
const MAX_MAC: usize = 64;

/// Octets of a MAC below which it proves nothing (RFC 8945 section 5.2.2.1).
const MIN_MAC: usize = 10;

/// What TSIG says of the message it ends (RFC 8945 section 3), beside the response code NOTAUTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TsigError(pub u16);

#[allow(missing_docs)]
impl TsigError {
    pub const NOERROR: TsigError = TsigError(0);
    pub const BADSIG: TsigError = TsigError(16);
    pub const BADKEY: TsigError = TsigError(17);
    pub const BADTIME: TsigError = TsigError(18);
    pub const BADTRUNC: TsigError = TsigError(22);
}

/// A hash algorithm for MACs (RFC 8945 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Algorithm {
    HmacSha1,
    HmacSha224,
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

impl Algorithm {
    /// Its name in wire form, in lower case.
    pub fn as_wire(self) -> &'static [u8] {
        match self {
            Algorithm::HmacSha1 => b"\x09hmac-sha1\x00",
            Algorithm::HmacSha224 => b"\x0bhmac-sha224\x00",
            Algorithm::HmacSha256 => b"\x0bhmac-sha256\x00",
            Algorithm::HmacSha384 => b"\x0bhmac-sha384\x00",
            Algorithm::HmacSha512 => b"\x0bhmac-sha512\x00",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::HmacSha224 => hmac::HMAC_SHA224,
            Algorithm::HmacSha256 => hmac::HMAC_SHA256,
            Algorithm::HmacSha384 => hmac::HMAC_SHA384,
            Algorithm::HmacSha512 => hmac::HMAC_SHA512,
        }
    }

    /// Octets of a whole MAC.
    fn mac_len(self) -> usize {
        self.hmac().digest_algorithm().output_len()
    }
}

/// A secret that two servers share, its name and what it is used with.
pub struct Key {
    /// In lower case, as digests have it.
    name: Name,
    algorithm: Algorithm,
    hmac: hmac::Key,
}

impl fmt::Debug for Key {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {:?})", self.name, self.algorithm)
    }
}

impl Key {
    /// A key of these octets.
    pub fn new(name: &Name, algorithm: Algorithm, secret: &[u8]) -> Key {
        let hmac = hmac::Key::new(algorithm.hmac(), secret);
        Key { name: name.to_lower(), algorithm, hmac }
    }

    /// Its name in lower case.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether it is the one that `tsig` names.
    pub fn is_of(&self, tsig: &Tsig<'_>) -> bool {
        self.name.as_wire() == tsig.key.as_wire()
            && self.algorithm.as_wire() == tsig.algorithm.as_wire()
    }

    /// Octets of a TSIG record with a whole MAC and `other` octets of other data.
    pub fn record_len(&self, other: usize) -> usize {
        let names = self.name.as_wire().len() + self.algorithm.as_wire().len();
        names + FIELDS + self.algorithm.mac_len() + other
    }

    /// Checks the signature of `message`, which `tsig` was read from and which came at `now`
    /// (Unix seconds), in the order of RFC 8945 section 5.2. The key [is of](Key::is_of) it.
    pub fn verify(&self, message: &[u8], tsig: &Tsig<'_>, now: u64) -> Result<(), Flaw> {
        let whole = self.algorithm.mac_len();
        if !(MIN_MAC.max(whole / 2)..=whole).contains(&tsig.mac.len()) {
            return Err(Flaw::Format);
        }
        let mut digest = hmac::Context::with_key(&self.hmac);
        let front = tsig.unsigned_header(message).ok_or(Flaw::Format)?;
        digest.update(&front);
        digest.update(message.get(HEADER..tsig.at).ok_or(Flaw::Format)?);
        self.digest_variables(&mut digest, tsig.time, tsig.fudge, tsig.error, tsig.other);
        let mac = digest.sign();
        let mac = &mac.as_ref()[..tsig.mac.len()];
        if constant_time::verify_slices_are_equal(mac, tsig.mac).is_err() {
            return Err(Flaw::Signature);
        }
        if now.abs_diff(tsig.time) > u64::from(tsig.fudge) {
            return Err(Flaw::Time);
        }
        // Nobody asks for less than a whole MAC where a message has room for it.
        if tsig.mac.len() < whole { Err(Flaw::Truncation) } else { Ok(()) }
    }

    /// The part of the digest that is not the message (RFC 8945 section 4.3.3).
    fn digest_variables(
        &self,
        digest: &mut hmac::Context,
        time: u64,
        fudge: u16,
        error: TsigError,
        other: &[u8],
    ) {
        digest.update(self.name.as_wire());
        digest.update(&Class::ANY.0.to_be_bytes());
        digest.update(&[0; 4]); // TTL
        digest.update(self.algorithm.as_wire());
        digest_timers(digest, time, fudge);
        digest.update(&error.0.to_be_bytes());
        digest.update(&(other.len() as u16).to_be_bytes()); // came with a length in 16 bits
        digest.update(other);
    }
}

/// Octets of a TSIG record but for its two names, the MAC and other data.
const FIELDS: usize = 10 + 16;

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// No such MAC can be: longer than the hash, or too short to prove anything.
    Format,
    /// Another key, or other octets, were signed.
    Signature,
    /// It was signed too long ago, or in the future. The MAC is right.
    Time,
    /// The MAC is right and cut shorter than we take it.
    Truncation,
}

/// The TSIG record of a message.
#[derive(Debug, Clone)]
pub struct Tsig<'m> {
    /// Where it begins in the message.
    pub at: usize,
    /// The name of the key.
    pub key: LowerName,
    /// The name of the algorithm.
    pub algorithm: LowerName,
    /// When it was signed, in Unix seconds; 48 bits.
    pub time: u64,
    /// How far from that the receiver's clock may be, in seconds.
    pub fudge: u16,
    /// The MAC, perhaps cut short.
    pub mac: &'m [u8],
    /// The ID that was signed.
    pub original_id: u16,
    /// What the other side found wrong.
    pub error: TsigError,
    /// More about that.
    pub other: &'m [u8],
}

impl<'m> Tsig<'m> {
    /// Reads the record at `at`, which ends `message`.
    ///
    /// # Errors
    ///
    /// When it is not of class ANY and TTL 0, or its data is not what RFC 8945 section 4.2 says.
    pub fn parse(message: &'m [u8], at: usize) -> Result<Tsig<'m>, Malformed> {
        let mut key = LowerName::new();
        let mut place = read_owner(message, at, &mut key)?;
        let fixed: &[u8; 10] =
            message.get(place..).and_then(<[u8]>::first_chunk).ok_or(Malformed)?;
        let expected = [Type::TSIG.0.to_be_bytes(), Class::ANY.0.to_be_bytes(), [0; 2], [0; 2]];
        if fixed[..8] != *expected.as_flattened() {
            return Err(Malformed);
        }
        place += fixed.len();
        if place + usize::from(u16_at(fixed, 8)?) != message.len() {
            return Err(Malformed);
        }
        let mut algorithm = LowerName::new();
        place = algorithm.read(message, place)?;
        let mut take = |len: usize| {
            let octets = message.get(place..place + len).ok_or(Malformed)?;
            place += len;
            Ok(octets)
        };
        let word = |octets: &[u8]| u16_at(octets, 0);
        let time = take(6)?.iter().fold(0, |time, octet| time << 8 | u64::from(*octet));
        let fudge = word(take(2)?)?;
        let mac_len = usize::from(word(take(2)?)?);
        let mac = take(mac_len)?;
        let original_id = word(take(2)?)?;
        let error = TsigError(word(take(2)?)?);
        let other_len = usize::from(word(take(2)?)?);
        let other = take(other_len)?;
        if place != message.len() {
            return Err(Malformed);
        }
        Ok(Tsig { at, key, algorithm, time, fudge, mac, original_id, error, other })
    }

    /// The message without the record. Its ID is the one it came with.
    pub fn stripped(&self, message: &[u8]) -> Vec<u8> {
        let mut stripped = message[..self.at].to_vec();
        if let (Some(header), Some(id)) =
            (self.unsigned_header(message), message.first_chunk::<2>())
        {
            stripped[..HEADER].copy_from_slice(&header);
            stripped[..2].copy_from_slice(id);
        }
        stripped
    }

    /// The header as it was when it was signed: with its first ID and one record fewer.
    fn unsigned_header(&self, message: &[u8]) -> Option<[u8; HEADER]> {
        let mut header: [u8; HEADER] = *message.first_chunk()?;
        header[..2].copy_from_slice(&self.original_id.to_be_bytes());
        let count = u16::from_be_bytes([header[10], header[11]]).checked_sub(1)?;
        header[10..].copy_from_slice(&count.to_be_bytes());
        Some(header)
    }
}

/// What signs the messages of one answer, or one message of our own: each digest begins with the
/// MAC before it.
#[derive(Clone)]
pub struct Signer {
    prior: Mac,
    is_first: bool,
}

/// A MAC of any algorithm; empty before the first.
#[derive(Clone)]
struct Mac {
    octets: [u8; MAX_MAC],
    len: usize,
}

impl Mac {
    fn new(octets: &[u8]) -> Mac {
        let mut mac = Mac { octets: [0; MAX_MAC], len: octets.len().min(MAX_MAC) };
        mac.octets[..mac.len].copy_from_slice(&octets[..mac.len]);
        mac
    }

    fn as_slice(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("is_first", &self.is_first).finish_non_exhaustive()
    }
}

impl Signer {
    /// For a message that answers none.
    pub fn of_request() -> Signer {
        Signer { prior: Mac::new(&[]), is_first: true }
    }

    /// For the answer to the request with this signature.
    pub fn of_answer(request: &Tsig<'_>) -> Signer {
        Signer { prior: Mac::new(request.mac), is_first: true }
    }

    /// Signs the message in the first `len` octets of `out` at `now` (Unix seconds) and says how
    /// long it is with the record, or `None` when `out` is too short for
    /// [`Key::record_len`] more.
    ///
    /// Messages after the first are signed together with the one before (RFC 8945 section
    /// 5.3.1).
    pub fn sign(&mut self, key: &Key, now: u64, out: &mut [u8], len: usize) -> Option<usize> {
        self.sign_with(key, now, TsigError::NOERROR, &[], out, len)
    }

    /// Signs an answer that says why the request is not believed: BADTIME, with what our clock
    /// says, or BADTRUNC.
    pub fn sign_flaw(
        &mut self,
        key: &Key,
        request: &Tsig<'_>,
        now: u64,
        error: TsigError,
        out: &mut [u8],
        len: usize,
    ) -> Option<usize> {
        if error == TsigError::BADTIME {
            // The client's own time, so that it believes the answer (RFC 8945 section 5.2.3).
            let ours = now.to_be_bytes();
            return self.sign_with(key, request.time, error, &ours[2..], out, len);
        }
        self.sign_with(key, now, error, &[], out, len)
    }

    fn sign_with(
        &mut self,
        key: &Key,
        time: u64,
        error: TsigError,
        other: &[u8],
        out: &mut [u8],
        len: usize,
    ) -> Option<usize> {
        let end = len + key.record_len(other.len());
        if out.len() < end || len < HEADER {
            return None;
        }
        let mut digest = hmac::Context::with_key(&key.hmac);
        if self.prior.len > 0 {
            digest.update(&(self.prior.len as u16).to_be_bytes()); // at most MAX_MAC
            digest.update(self.prior.as_slice());
        }
        digest.update(&out[..len]);
        if std::mem::take(&mut self.is_first) {
            key.digest_variables(&mut digest, time, FUDGE, error, other);
        } else {
            digest_timers(&mut digest, time, FUDGE);
        }
        self.prior = Mac::new(digest.sign().as_ref());
        let names = [key.name.as_wire(), key.algorithm.as_wire()];
        Some(append(names, time, self.prior.as_slice(), error, other, out, len))
    }
}

/// Appends a record without a MAC to the message in the first `len` octets of `out`: the answer
/// to a request whose signature means nothing here (RFC 8945 section 5.3.2). `None` when there is
/// no room.
pub fn append_unsigned(
    request: &Tsig<'_>,
    now: u64,
    error: TsigError,
    out: &mut [u8],
    len: usize,
) -> Option<usize> {
    if out.len() < len + unsigned_len(request) || len < HEADER {
        return None;
    }
    let names = [request.key.as_wire(), request.algorithm.as_wire()];
    Some(append(names, now, &[], error, &[], out, len))
}

/// Octets of the record that [`append_unsigned`] appends.
pub fn unsigned_len(request: &Tsig<'_>) -> usize {
    request.key.as_wire().len() + request.algorithm.as_wire().len() + FIELDS
}

/// Appends a record, for which there is room, and counts it in the header.
fn append(
    [key, algorithm]: [&[u8]; 2],
    time: u64,
    mac: &[u8],
    error: TsigError,
    other: &[u8],
    out: &mut [u8],
    len: usize,
) -> usize {
    let id = [out[0], out[1]];
    let count = u16::from_be_bytes([out[10], out[11]]).wrapping_add(1);
    out[10..12].copy_from_slice(&count.to_be_bytes());
    let mut at = len;
    let mut put = |octets: &[u8]| {
        out[at..at + octets.len()].copy_from_slice(octets);
        at += octets.len();
    };
    // MAC and other data are ours, and short.
    let data_len = algorithm.len() + 16 + mac.len() + other.len();
    put(key);
    put(&Type::TSIG.0.to_be_bytes());
    put(&Class::ANY.0.to_be_bytes());
    put(&[0; 4]); // TTL
    put(&(data_len as u16).to_be_bytes());
    put(algorithm);
    put(&time.to_be_bytes()[2..]);
    put(&FUDGE.to_be_bytes());
    put(&(mac.len() as u16).to_be_bytes());
    put(mac);
    put(&id);
    put(&error.0.to_be_bytes());
    put(&(other.len() as u16).to_be_bytes());
    put(other);
    at
}

fn digest_timers(digest: &mut hmac::Context, time: u64, fudge: u16) {
    digest.update(&time.to_be_bytes()[2..]);
    digest.update(&fudge.to_be_bytes());
}

/// Reads a name that may be compressed, and says where it ends.
fn read_owner(message: &[u8], at: usize, name: &mut LowerName) -> Result<usize, Malformed> {
    let mut front = [0_u8; super::name::MAX_NAME];
    let (mut place, mut len, mut end) = (at, 0, None);
    // A pointer leads in front of where the labels before it began, so this ends.
    let mut limit = at;
    loop {
        let octet = *message.get(place).ok_or(Malformed)?;
        match octet {
            0 => {
                name.join(&front[..len], &[0])?;
                return Ok(end.unwrap_or(place + 1));
            }
            1..=63 => {
                let label = message.get(place..=place + usize::from(octet)).ok_or(Malformed)?;
                front.get_mut(len..len + label.len()).ok_or(Malformed)?.copy_from_slice(label);
                len += label.len();
                place += label.len();
            }
            0xc0.. => {
                let target = usize::from(u16_at(message, place)? & 0x3fff);
                if !(HEADER..limit).contains(&target) {
                    return Err(Malformed);
                }
                end = end.or(Some(place + 2));
                (place, limit) = (target, target);
            }
            _ => return Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn key(name: &str, secret: &[u8]) -> Key {
        Key::new(&name.parse().unwrap(), Algorithm::HmacSha256, secret)
    }

    /// A query for the SOA of `ex`, unsigned.
    fn query() -> Vec<u8> {
        let mut octets = vec![0; HEADER];
        super::super::header::write(&mut octets, 0x1234, 0, [1, 0, 0, 0]);
        octets.extend(b"\x02ex\x00\x00\x06\x00\x01");
        octets
    }

    fn signed(key: &Key, time: u64) -> (Vec<u8>, usize) {
        let mut message = query();
        let at = message.len();
        message.resize(at + key.record_len(0), 0);
        let end = Signer::of_request().sign(key, time, &mut message, at);
        assert_eq!(end, Some(message.len()));
        (message, at)
    }

    #[test]
    fn what_a_key_signs_it_verifies_and_no_other_key_does() {
        let ours = key("Transfer.Example.", b"secret");
        let (mut message, at) = signed(&ours, NOW);
        // A forwarder may have given it another ID.
        message[0] ^= 0xff;
        let tsig = Tsig::parse(&message, at).unwrap();
        assert!(ours.is_of(&tsig));
        assert_eq!((tsig.time, tsig.fudge, tsig.original_id), (NOW, FUDGE, 0x1234));
        assert_eq!(ours.verify(&message, &tsig, NOW + 300), Ok(()));
        assert_eq!(ours.verify(&message, &tsig, NOW + 301), Err(Flaw::Time));
        assert_eq!(ours.verify(&message, &tsig, NOW - 301), Err(Flaw::Time));
        let other = key("transfer.example.", b"Secret");
        assert_eq!(other.verify(&message, &tsig, NOW), Err(Flaw::Signature));
        let mut stripped = query();
        stripped[0] ^= 0xff;
        assert_eq!(tsig.stripped(&message), stripped);
    }

    #[test]
    fn every_octet_before_the_record_is_signed_but_the_id() {
        let ours = key("k.", b"secret");
        let (message, at) = signed(&ours, NOW);
        for place in 2..at {
            let mut changed = message.clone();
            changed[place] ^= 1;
            let tsig = Tsig::parse(&changed, at).unwrap();
            assert!(ours.verify(&changed, &tsig, NOW).is_err(), "octet {place}");
        }
    }

    #[test]
    fn a_short_mac_is_told_from_one_too_short_or_too_long() {
        let ours = key("k.", b"secret");
        let (message, at) = signed(&ours, NOW);
        let tsig = Tsig::parse(&message, at).unwrap();
        let longer = [tsig.mac, &[0]].concat();
        for (mac, verdict) in [
            (&tsig.mac[..31], Err(Flaw::Truncation)),
            (&tsig.mac[..16], Err(Flaw::Truncation)),
            (&tsig.mac[..15], Err(Flaw::Format)),
            (&[], Err(Flaw::Format)),
            (&longer, Err(Flaw::Format)),
            (&[0; 20], Err(Flaw::Signature)),
        ] {
            let cut = Tsig { mac, ..tsig.clone() };
            assert_eq!(ours.verify(&message, &cut, NOW), verdict, "{} octets", mac.len());
        }
        // Time is looked at first.
        let cut = Tsig { mac: &tsig.mac[..16], ..tsig.clone() };
        assert_eq!(ours.verify(&message, &cut, NOW + 1000), Err(Flaw::Time));
    }

    #[test]
    fn records_that_are_cut_or_padded_are_malformed() {
        let ours = key("k.", b"secret");
        let (message, at) = signed(&ours, NOW);
        for end in at..message.len() {
            assert!(Tsig::parse(&message[..end], at).is_err(), "{end} octets");
        }
        let mut longer = message.clone();
        longer.push(0);
        assert!(Tsig::parse(&longer, at).is_err());
        for (place, octet) in [(at + 4, 0), (at + 6, 0), (at + 10, 1)] {
            let mut odd = message.clone();
            assert_ne!(odd[place], octet);
            odd[place] = octet;
            assert!(Tsig::parse(&odd, at).is_err(), "octet {place}");
        }
    }

    #[test]
    fn a_compressed_key_name_is_read_and_pointers_only_go_back() {
        let ours = key("k.ex.", b"secret");
        let (message, at) = signed(&ours, NOW);
        let mut compressed = message[..at].to_vec();
        compressed.extend(b"\x01k\xc0\x0c");
        compressed.extend(&message[at + 6..]);
        assert!(ours.is_of(&Tsig::parse(&compressed, at).unwrap()));
        for target in [at as u8, at as u8 + 2, 0] {
            compressed[at + 3] = target;
            assert!(Tsig::parse(&compressed, at).is_err(), "to {target}");
        }
    }

    #[test]
    fn a_key_shows_its_name_and_never_its_secret() {
        assert_eq!(format!("{:?}", key("K.ex.", b"secret")), "Key(k.ex., HmacSha256)");
    }
}
