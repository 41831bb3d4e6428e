//! Server cookies (RFC 7873), in the form that servers of all makes share (RFC 9018): whoever
//! knows the secret can check and issue them, and nothing is kept for a client.

use std::fmt;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::wire::options::Cookie;

/// Octets of a secret.
pub const SECRET: usize = 16;
/// Octets of a server's cookie.
pub(super) const SERVER_COOKIE: usize = 16;

/// The version of RFC 9018 section 4.1, and three reserved octets.
const HEAD: [u8; 4] = [1, 0, 0, 0];
/// For how long a cookie is valid, in seconds (RFC 9018 section 4.3).
const LIFETIME: i32 = 3600;
/// How far the clock of another server may be ahead, in seconds (RFC 9018 section 4.3).
const AHEAD: i32 = 300;
/// The age in seconds beyond which a valid cookie is renewed (RFC 9018 section 4.3).
const FRESH: i32 = 1800;

/// What a query's cookie says about its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CookieState {
    /// There is none.
    #[default]
    Absent,
    /// The client has no cookie of ours yet.
    ClientOnly,
    /// Its server part is not ours, not for this address, or too old.
    Invalid,
    /// The client gets what is sent to its address.
    Valid,
}

/// What cookies are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    current: [u8; SECRET],
    accepted: Box<[[u8; SECRET]]>,
}

impl Secrets {
    /// Cookies are issued with `current`; those made with one of `accepted` are valid, too, and
    /// replaced. That is how a secret is changed without any client's cookie becoming invalid
    /// (RFC 9018 section 5).
    pub fn new(current: [u8; SECRET], accepted: impl Into<Box<[[u8; SECRET]]>>) -> Secrets {
        Secrets { current, accepted: accepted.into() }
    }

    /// The cookie to send to the client at `address`, and what the one it sent is worth. `now`
    /// is in seconds of Unix time; its upper bits do not matter (RFC 1982).
    pub(super) fn answer(
        &self,
        cookie: Cookie<'_>,
        address: IpAddr,
        now: u32,
    ) -> ([u8; SERVER_COOKIE], CookieState) {
        let issue = || {
            let [v, r0, r1, r2] = HEAD;
            let [t0, t1, t2, t3] = now.to_be_bytes();
            signed(&self.current, cookie.client, [v, r0, r1, r2, t0, t1, t2, t3], address)
        };
        if cookie.server.is_empty() {
            return (issue(), CookieState::ClientOnly);
        }
        let Ok(server) = <[u8; SERVER_COOKIE]>::try_from(cookie.server) else {
            return (issue(), CookieState::Invalid);
        };
        let [version, r0, r1, r2, t0, t1, t2, t3, ..] = server;
        let head = [version, r0, r1, r2, t0, t1, t2, t3];
        let age = now.wrapping_sub(u32::from_be_bytes([t0, t1, t2, t3])).cast_signed();
        if version != HEAD[0] || !(-AHEAD..=LIFETIME).contains(&age) {
            return (issue(), CookieState::Invalid);
        }
        // Reserved octets count as they came (RFC 9018 section 4.2).
        let is_signed_with = |secret| signed(secret, cookie.client, head, address) == server;
        if is_signed_with(&self.current) {
            let is_fresh = age <= FRESH && head[..4] == HEAD;
            return (if is_fresh { server } else { issue() }, CookieState::Valid);
        }
        let is_accepted = self.accepted.iter().any(is_signed_with);
        (issue(), if is_accepted { CookieState::Valid } else { CookieState::Invalid })
    }
}

/// Nobody who reads a log learns a secret.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("accepted", &self.accepted.len()).finish_non_exhaustive()
    }
}

/// A server's cookie: version, reserved octets and timestamp, then the hash over them, the
/// client's cookie and its address (RFC 9018 section 4.4).
fn signed(
    secret: &[u8; SECRET],
    client: &[u8; 8],
    head: [u8; 8],
    address: IpAddr,
) -> [u8; SERVER_COOKIE] {
    let mut input = [0; 8 + 8 + 16];
    input[..8].copy_from_slice(client);
    input[8..16].copy_from_slice(&head);
    let len = match address {
        IpAddr::V4(address) => {
            input[16..20].copy_from_slice(&address.octets());
            20
        }
        IpAddr::V6(address) => {
            input[16..].copy_from_slice(&address.octets());
            32
        }
    };
    let hash = SipHasher24::new_with_key(secret).hash(&input[..len]);
    let mut cookie = [0; SERVER_COOKIE];
    cookie[..8].copy_from_slice(&head);
    cookie[8..].copy_from_slice(&hash.to_le_bytes());
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET_A: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    const HOME: &str = "198.51.100.100";

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        let mut octets = [0; N];
        for (octet, place) in octets.iter_mut().zip((0..text.len()).step_by(2)) {
            *octet = u8::from_str_radix(&text[place..place + 2], 16).unwrap();
        }
        octets
    }

    fn secrets(current: &str, accepted: &[&str]) -> Secrets {
        Secrets::new(hex(current), accepted.iter().map(|text| hex(text)).collect::<Vec<_>>())
    }

    /// What is answered to the cookie in `text`: the whole option's data, and its worth.
    fn answer(secrets: &Secrets, text: &str, address: &str, now: u32) -> (String, CookieState) {
        let data: Vec<u8> = hex::<40>(text)[..text.len() / 2].to_vec();
        let (client, server) = data.split_first_chunk().unwrap();
        let (server, state) =
            secrets.answer(Cookie { client, server }, address.parse().unwrap(), now);
        let text: String = client.iter().chain(&server).map(|b| format!("{b:02x}")).collect();
        (text, state)
    }

    #[test]
    fn a_new_client_learns_the_cookie_of_rfc_9018_appendix_a_1() {
        let told = answer(&secrets(SECRET_A, &[]), "2464c4abcf10c957", HOME, 1_559_731_985);
        let cookie = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
        assert_eq!(told, (cookie.to_owned(), CookieState::ClientOnly));
    }

    #[test]
    fn a_cookie_older_than_half_an_hour_is_renewed_as_in_appendix_a_2() {
        let old = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
        let new = "2464c4abcf10c957010000005cf7a871d4a564a1442aca77";
        let told = answer(&secrets(SECRET_A, &[]), old, HOME, 1_559_734_385);
        assert_eq!(told, (new.to_owned(), CookieState::Valid));
    }

    #[test]
    fn reserved_octets_are_signed_but_not_issued_as_in_appendix_a_3() {
        let old = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
        let new = "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e";
        let secrets = secrets(SECRET_A, &[]);
        let (told, _expired) = answer(&secrets, old, "203.0.113.203", 1_559_734_700);
        assert_eq!(told, new);
        let (told, state) = answer(&secrets, old, "203.0.113.203", 1_559_727_985);
        assert_eq!((&told[16..24], state), ("01000000", CookieState::Valid));
    }

    #[test]
    fn a_cookie_of_a_former_secret_is_replaced_as_in_appendix_a_4() {
        let old = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
        let new = "22681ab97d52c298010000005cf7c609a6bb79d16625507a";
        let (former, current) =
            ("dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962");
        let address = "2001:db8:220:1:59de:d0f4:8769:82b8";
        let told = answer(&secrets(current, &[former]), old, address, 1_559_741_961);
        assert_eq!(told, (new.to_owned(), CookieState::Valid));
        let told = answer(&secrets(current, &[]), old, address, 1_559_741_961);
        assert_eq!(told, (new.to_owned(), CookieState::Invalid));
    }

    #[test]
    fn a_cookie_is_valid_for_an_hour_and_five_minutes_ahead_and_kept_for_half_of_it() {
        let secrets = secrets(SECRET_A, &[]);
        // A timestamp wraps around in 2106.
        for issued in [1_559_731_985, u32::MAX, 0, u32::MAX - 1000] {
            let (cookie, _) = answer(&secrets, "2464c4abcf10c957", HOME, issued);
            for (age, valid, kept) in [
                (-301, false, false),
                (-300, true, true),
                (0, true, true),
                (1800, true, true),
                (1801, true, false),
                (3600, true, false),
                (3601, false, false),
                (i32::MIN, false, false),
                (i32::MAX, false, false),
            ] {
                let now = issued.wrapping_add_signed(age);
                let (told, state) = answer(&secrets, &cookie, HOME, now);
                assert_eq!(state == CookieState::Valid, valid, "{age}");
                assert_eq!(told == cookie, kept, "{age}");
            }
        }
    }

    #[test]
    fn a_cookie_is_worth_nothing_at_another_address_or_when_an_octet_is_changed() {
        let secrets = secrets(SECRET_A, &[]);
        let (cookie, _) = answer(&secrets, "2464c4abcf10c957", HOME, 1_559_731_985);
        let state = |text: &str, address| answer(&secrets, text, address, 1_559_731_985).1;
        assert_eq!(state(&cookie, HOME), CookieState::Valid);
        for address in ["198.51.100.101", "2001:db8::1", "::ffff:198.51.100.100"] {
            assert_eq!(state(&cookie, address), CookieState::Invalid);
        }
        for place in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(state(&changed, HOME), CookieState::Invalid, "{changed}");
        }
        assert_eq!(state(&cookie[..46], HOME), CookieState::Invalid);
        assert_eq!(state(&format!("{cookie}00"), HOME), CookieState::Invalid);
    }

    #[test]
    fn a_secret_is_not_shown() {
        let shown = format!("{:?}", secrets(SECRET_A, &[SECRET_A]));
        assert_eq!(shown, "Secrets { accepted: 1, .. }");
    }
}
