//! What a reply says in its OPT record beside the client's subnet: cookie, server identifier,
//! idle time, extended error, padding.
//!
//! Only queries that ask for one of them, and answers that have an error to explain, come here.

use crate::wire::Edns;
use crate::wire::options::{self, OPTION_HEAD};

use super::cookie::{CookieState, SERVER_COOKIE};
use super::{Request, Settings, Transport};

/// Encrypted replies to padded queries are so many octets long, or a multiple of it (RFC 8467
/// section 4.1).
const BLOCK: usize = 468;

/// The options that a query asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extras {
    /// The client's part and ours.
    cookie: Option<([u8; 8], [u8; SERVER_COOKIE])>,
    /// What the query's cookie is worth.
    pub(super) cookie_state: CookieState,
    nsid: bool,
    /// In units of 100 ms.
    keepalive: Option<u16>,
    padding: bool,
}

/// The message breaks the rules of its transport so that the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProtocolError;

/// Why an answer is what it is (RFC 8914).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExtendedError {
    /// All is down, and the answer is one of `on_all_down`.
    AllDown,
    /// All is down, and this was the last answer before.
    Stale,
    /// The server does not do this, for this client or for anybody.
    Prohibited,
    /// No zone here has the name.
    NotAuthoritative,
}

impl ExtendedError {
    /// The code in the registry, and a text where the code alone does not say it.
    fn parts(self) -> (u16, &'static str) {
        match self {
            ExtendedError::AllDown => (0, "all members are down"),
            ExtendedError::Stale => (3, "all members are down"),
            ExtendedError::Prohibited => (18, ""),
            ExtendedError::NotAuthoritative => (20, ""),
        }
    }
}

impl Extras {
    /// What to answer to the options of a query.
    ///
    /// A keepalive is answered where it means something: on TCP and TLS. On UDP it is ignored
    /// (RFC 7828 section 3.2.1), over HTTPS too, where HTTP has its own ways; over QUIC it is a
    /// protocol error (RFC 9250 section 5.5.2). A client must leave it empty; one that does not
    /// is answered all the same, as other servers do: no RFC asks for more.
    #[cold]
    pub(super) fn new(
        edns: &Edns,
        request: &Request<'_>,
        settings: &Settings,
    ) -> Result<Extras, ProtocolError> {
        let mut extras = Extras::default();
        let asked = edns.options;
        if let (Some(secrets), Some(cookie)) = (&settings.cookies, asked.cookie(request.message)) {
            // Cookies count seconds in 32 bits.
            let now = (request.clock.now() / 1000) as u32;
            let (server, state) = secrets.answer(cookie, request.client.ip(), now);
            extras.cookie = Some((*cookie.client, server));
            extras.cookie_state = state;
        }
        extras.nsid = asked.nsid() && !settings.nsid.is_empty();
        if asked.keepalive() {
            match request.transport {
                Transport::Tcp | Transport::Tls => extras.keepalive = Some(settings.keepalive),
                Transport::Udp | Transport::Https => {}
                Transport::Quic => return Err(ProtocolError),
            }
        }
        extras.padding = asked.padding()
            && match request.transport {
                Transport::Tls | Transport::Https | Transport::Quic => true,
                // What all can read has nothing to hide (RFC 7830 section 6).
                Transport::Udp | Transport::Tcp => false,
            };
        Ok(extras)
    }

    /// Octets that must be left for them: all they take, and of padding its head.
    pub(super) fn len(&self, settings: &Settings) -> usize {
        let cookie = if self.cookie.is_some() { OPTION_HEAD + 8 + SERVER_COOKIE } else { 0 };
        let nsid = if self.nsid { OPTION_HEAD + settings.nsid.len() } else { 0 };
        let keepalive = if self.keepalive.is_some() { OPTION_HEAD + 2 } else { 0 };
        cookie + nsid + keepalive + self.padding_len()
    }

    fn padding_len(&self) -> usize {
        if self.padding { OPTION_HEAD } else { 0 }
    }

    /// Appends them to the OPT record that stands at `opt` of `out` and ends at `end`, padding
    /// last; an extended error as far as it fits. Says where the record ends now.
    #[cold]
    pub(super) fn write(
        &self,
        error: Option<ExtendedError>,
        settings: &Settings,
        out: &mut [u8],
        opt: usize,
        end: usize,
    ) -> usize {
        let mut at = end;
        let mut append = |code, data| {
            at = options::append(out, opt, at, code, data).unwrap_or(at);
            at
        };
        if let Some((client, server)) = &self.cookie {
            append(options::COOKIE, [client, server]);
        }
        if self.nsid {
            append(options::NSID, [&settings.nsid, b""]);
        }
        if let Some(idle) = self.keepalive {
            append(options::KEEPALIVE, [&idle.to_be_bytes(), b""]);
        }
        if let Some(error) = error {
            let (code, text) = error.parts();
            let data = [&code.to_be_bytes()[..], text.as_bytes()];
            let room = out.len() - self.padding_len();
            at = options::append(&mut out[..room], opt, at, options::EXTENDED_ERROR, data)
                .unwrap_or(at);
        }
        if self.padding {
            at = pad(out, opt, at);
        }
        at
    }
}

/// Pads a message that ends at `end` to the next block, or to the end of `out`.
fn pad(out: &mut [u8], opt: usize, end: usize) -> usize {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let padded = (end + OPTION_HEAD).next_multiple_of(BLOCK).min(out.len());
    let len = padded.saturating_sub(end + OPTION_HEAD);
    options::append(out, opt, end, options::PADDING, [&ZEROS[..len], b""]).unwrap_or(end)
}
