//! EDNS options but the client's subnet, which has [its own module](super::subnet): what a query
//! brings of them, and how a reply's are written.
//!
//! Knows codes and lengths. Does not know what is answered to them.

use super::edns::OPT;
use super::{Malformed, u16_at};

/// Name server identifier (RFC 5001).
pub const NSID: u16 = 3;
/// Cookie (RFC 7873).
pub const COOKIE: u16 = 10;
/// How long a connection may be silent (RFC 7828).
pub const KEEPALIVE: u16 = 11;
/// Padding (RFC 7830).
pub const PADDING: u16 = 12;
/// Extended error (RFC 8914).
pub const EXTENDED_ERROR: u16 = 15;

/// Octets of an option in front of its data: code and length.
pub const OPTION_HEAD: usize = 4;

/// Which options a query has beside the client's subnet.
///
/// Four octets, zero for a query without any, so that such a query does not pay for them: the
/// cookie itself stays in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    asked: u8,
    cookie_len: u8,
    cookie_at: u16,
}

/// A cookie as a query brings it (RFC 7873 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie<'m> {
    /// The client's part.
    pub client: &'m [u8; 8],
    /// What the client has for the server's part: nothing, or 8 to 32 octets.
    pub server: &'m [u8],
}

impl Options {
    const HAS_NSID: u8 = 0x01;
    const HAS_COOKIE: u8 = 0x02;
    const HAS_KEEPALIVE: u8 = 0x04;
    const HAS_PADDING: u8 = 0x08;

    /// Takes one option, whose data stands at `at` in the message. Options that are not known
    /// here are passed over (RFC 6891 section 6.1.2). What stands in NSID, keepalive and padding
    /// does not matter: a client has nothing to say in them.
    ///
    /// Malformed is a cookie of other than 8 or 16 to 40 octets (RFC 7873 section 5.2.2). Only
    /// the first one counts.
    #[cold]
    pub(super) fn read(&mut self, code: u16, data: &[u8], at: usize) -> Result<(), Malformed> {
        match code {
            NSID => self.asked |= Options::HAS_NSID,
            KEEPALIVE => self.asked |= Options::HAS_KEEPALIVE,
            PADDING => self.asked |= Options::HAS_PADDING,
            COOKIE if self.asked & Options::HAS_COOKIE == 0 => {
                if !matches!(data.len(), 8 | 16..=40) {
                    return Err(Malformed);
                }
                self.asked |= Options::HAS_COOKIE;
                self.cookie_len = data.len() as u8;
                self.cookie_at = u16::try_from(at).map_err(|_| Malformed)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the query has none of them.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.asked == 0
    }

    /// Whether the server is asked for its identifier.
    pub fn nsid(self) -> bool {
        self.asked & Options::HAS_NSID != 0
    }

    /// Whether the client would keep the connection.
    pub fn keepalive(self) -> bool {
        self.asked & Options::HAS_KEEPALIVE != 0
    }

    /// Whether the query is padded.
    pub fn padding(self) -> bool {
        self.asked & Options::HAS_PADDING != 0
    }

    /// Whether there is a cookie.
    pub fn has_cookie(self) -> bool {
        self.asked & Options::HAS_COOKIE != 0
    }

    /// The cookie in `message`, from which these options were read.
    pub fn cookie(self, message: &[u8]) -> Option<Cookie<'_>> {
        if !self.has_cookie() {
            return None;
        }
        let data = message.get(usize::from(self.cookie_at)..)?;
        let data = data.get(..usize::from(self.cookie_len))?;
        let (client, server) = data.split_first_chunk()?;
        Some(Cookie { client, server })
    }
}

/// Appends an option to the OPT record that stands at `opt` of `out` and ends at `end`. The data
/// is joined. Says where the record ends now; `None`, with nothing changed, when there is no
/// room.
pub fn append(
    out: &mut [u8],
    opt: usize,
    end: usize,
    code: u16,
    data: [&[u8]; 2],
) -> Option<usize> {
    let len = data[0].len() + data[1].len();
    let new_end = end + OPTION_HEAD + len;
    let place = out.get_mut(end..new_end)?;
    let options_len = u16::try_from(new_end.checked_sub(opt + OPT)?).ok()?;
    let (head, rest) = place.split_at_mut(OPTION_HEAD);
    head[..2].copy_from_slice(&code.to_be_bytes());
    head[2..].copy_from_slice(&(len as u16).to_be_bytes());
    rest[..data[0].len()].copy_from_slice(data[0]);
    rest[data[0].len()..].copy_from_slice(data[1]);
    out.get_mut(opt + OPT - 2..opt + OPT)?.copy_from_slice(&options_len.to_be_bytes());
    Some(new_end)
}

/// Goes through options, each with its code, its data, and where its data stands behind the
/// first octet of `options`.
#[inline]
pub fn each(
    options: &[u8],
    mut take: impl FnMut(u16, &[u8], usize) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut at = 0;
    while at < options.len() {
        let code = u16_at(options, at)?;
        let len = usize::from(u16_at(options, at + 2)?);
        let data_at = at + OPTION_HEAD;
        take(code, options.get(data_at..data_at + len).ok_or(Malformed)?, data_at)?;
        at = data_at + len;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_in_its_message_and_only_the_first_counts() {
        let message = b"--clientlyserverly------";
        let mut options = Options::default();
        assert!(options.is_empty());
        assert_eq!(options.read(COOKIE, &message[2..18], 2), Ok(()));
        assert_eq!(options.read(COOKIE, b"other", 0), Ok(()));
        let cookie = Cookie { client: b"cliently", server: b"serverly" };
        assert_eq!(options.cookie(message), Some(cookie));
        assert_eq!(options.cookie(&message[..17]), None);
        assert!(!options.is_empty() && !options.nsid() && !options.keepalive());
    }

    #[test]
    fn a_cookie_of_a_length_that_cannot_be_is_malformed() {
        for len in 0..=64 {
            let read = Options::default().read(COOKIE, &vec![7; len], 0);
            let sound = len == 8 || (16..=40).contains(&len);
            assert_eq!(read.is_ok(), sound, "{len}");
        }
    }

    #[test]
    fn an_option_is_appended_whole_or_not_at_all() {
        let mut out = [0xaa; 2 + OPT + 9];
        assert_eq!(append(&mut out, 2, 2 + OPT, 0xfe, [b"ab", b"c"]), Some(2 + OPT + 7));
        assert_eq!(out[OPT..], [0, 7, 0, 0xfe, 0, 3, b'a', b'b', b'c', 0xaa, 0xaa]);
        assert_eq!(append(&mut out, 2, 2 + OPT + 7, 1, [b"", b""]), None);
        assert_eq!(out[OPT..][..2], [0, 7]);
    }
}
