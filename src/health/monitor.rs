//! How a target is checked.
//!
//! What stands here is checked when it is made, so that a probe cannot fail over it later.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::check::{Identity, host_name};
use super::composite::Composite;
use super::credentials::Credentials;
use super::kinds::{Call, Handshake, Program, Question, Talk};
use super::load::Load;
use super::pattern::Pattern;
use super::rules::{Rules, Warn};
use super::state::{State, Thresholds};

/// How a target is checked, and how often.
#[derive(Debug, Clone)]
pub struct Monitor {
    /// Its name in the configuration.
    pub name: String,
    /// What is asked and what must come back.
    pub kind: Kind,
    /// From the start of one check to the start of the next; up to 10 % is added.
    pub interval: Duration,
    /// The time a whole check may take.
    pub timeout: Duration,
    /// How many results in a row change the verdict.
    pub thresholds: Thresholds,
    /// Where the target says how busy it is; only for kinds over HTTP.
    pub load: Option<Load>,
    /// How the verdict follows them beyond that.
    pub rules: Rules,
}

/// What may change about a monitor while what was found stays true.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace<'m> {
    interval: Duration,
    timeout: Duration,
    thresholds: Thresholds,
    rules: &'m Rules,
    load: Option<&'m Load>,
    credentials: Option<&'m Credentials>,
}

impl Monitor {
    /// How soon the verdict of a target in this state may change; see [`State::change_within`].
    pub fn change_within(&self, state: &State) -> Option<Duration> {
        state.change_within(self.interval, self.thresholds, &self.rules)
    }

    /// A number that differs for monitors that ask or expect different things. Interval, timeout,
    /// thresholds, rules and where the load is read do not count: what was found stays true when
    /// they change.
    pub fn fingerprint(&self) -> u64 {
        // FNV-1a, 64 bits: the same in every run, which std's hashers do not promise.
        let text = format!("{:?}", self.kind);
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    /// The same composite of these parts, which are checked by these monitors; what is no
    /// composite stays as it is.
    #[must_use]
    pub fn with_parts<'m>(
        &self,
        parts: Vec<Identity>,
        monitors: impl Iterator<Item = &'m Monitor>,
    ) -> Monitor {
        let mut monitor = self.clone();
        if let Kind::Composite(composite) = &mut monitor.kind {
            composite.parts = parts;
            monitor.rules.warn = monitors.filter_map(|part| part.rules.warn).reduce(Warn::lower);
        }
        monitor
    }

    /// Whether it asks as often as another one and believes as much of what it hears: what the
    /// fingerprint leaves out.
    pub fn has_pace_of(&self, other: &Monitor) -> bool {
        self.pace() == other.pace()
    }

    /// Everything about it that the fingerprint leaves out.
    pub fn pace(&self) -> Pace<'_> {
        Pace {
            interval: self.interval,
            timeout: self.timeout,
            thresholds: self.thresholds,
            rules: &self.rules,
            load: self.load.as_ref(),
            credentials: self.credentials(),
        }
    }

    /// What is shown to a target that asks who this server is.
    fn credentials(&self) -> Option<&Credentials> {
        match &self.kind {
            Kind::Https(exchange, _) => exchange.request.credentials.as_ref(),
            Kind::Tls(handshake) => handshake.security.credentials.as_ref(),
            Kind::Grpc(call) => call.security.as_ref()?.credentials.as_ref(),
            _ => None,
        }
    }
}

/// The kinds of check.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A connection that stands is a success.
    Tcp,
    /// A connection over which the right answer comes.
    Talk(Talk),
    /// A connection over which TLS is set up.
    Tls(Handshake),
    /// A question to a name server.
    Dns(Box<Question>),
    /// A call of the gRPC health service.
    Grpc(Call),
    /// A program that is run.
    Exec(Program),
    /// No question: what somebody else reports, each of which holds for the monitor's interval.
    Push,
    /// No check of its own: what others found.
    Composite(Composite),
    /// A request in clear text.
    Http(Exchange),
    /// A request over TLS: HTTP/2 where the target speaks it.
    Https(Exchange, Trust),
}

impl Kind {
    /// Whether connecting includes a handshake.
    pub(super) fn speaks_tls(&self) -> bool {
        match self {
            Kind::Https(..) | Kind::Tls(_) => true,
            Kind::Grpc(call) => call.security.is_some(),
            _ => false,
        }
    }
}

/// A request and what must come back.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What is sent.
    pub request: Request,
    /// What must come back.
    pub expect: Expect,
}

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those of the system's authorities and of these.
    Authorities(Authorities),
    /// Any: certificates are not looked at.
    Anyone,
}

impl Default for Trust {
    fn default() -> Trust {
        Trust::Authorities(Authorities::default())
    }
}

/// Certificate authorities beside those of the system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authorities(Arc<[CertificateDer<'static>]>);

/// A file of certificates that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthoritiesError {
    /// A block is damaged.
    #[error("certificate {number} in the PEM text cannot be read: {reason}")]
    Damaged {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// No certificate at all.
    #[error("the PEM text holds no certificate (`-----BEGIN CERTIFICATE-----`)")]
    Empty,
}

impl Authorities {
    /// The certificates of a PEM file.
    ///
    /// # Errors
    /// When one is damaged, or there is none.
    pub fn from_pem(pem: &[u8]) -> Result<Authorities, AuthoritiesError> {
        let mut certificates = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let damaged = |reason| AuthoritiesError::Damaged { number: index + 1, reason };
            let certificate = certificate.map_err(|e| damaged(e.to_string()))?;
            rustls::RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|e| damaged(e.to_string()))?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(AuthoritiesError::Empty);
        }
        Ok(Authorities(certificates.into()))
    }

    /// The certificates. Each can be believed.
    pub fn certificates(&self) -> impl Iterator<Item = CertificateDer<'static>> {
        self.0.iter().cloned()
    }
}

/// What an HTTP check asks.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub(super) method: Method,
    /// Path and query, from the first `/`.
    pub(super) path: String,
    /// For the `Host` header and SNI; the target's own address or name if there is none.
    pub(super) host: Option<String>,
    /// Headers beside those every request has.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) body: String,
    /// Which HTTP is spoken.
    pub(super) http2: Http2,
    /// What is shown to a target that asks who this server is.
    pub(super) credentials: Option<Credentials>,
}

/// Whether HTTP/2 is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Http2 {
    /// Over TLS where the target speaks it (ALPN, RFC 7301); not in clear text.
    #[default]
    Auto,
    /// Always; in clear text with prior knowledge (RFC 9113 section 3.3). A target that speaks
    /// HTTP/1.1 only is a failure.
    Always,
    /// Never.
    Never,
}

/// Not a request that can be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a method.
    #[error("`{0}` is not an HTTP method")]
    Method(String),
    /// CONNECT asks for a tunnel, not for an answer.
    #[error("method CONNECT opens a tunnel and cannot be used for a check")]
    Connect,
    /// Not a path.
    #[error("`{0}` is not a path: it must begin with `/` and hold no `#` or space")]
    Path(String),
    /// Not a host.
    #[error("`{0}` is not a host name or address")]
    Host(String),
    /// Not the name of a header.
    #[error("`{0}` is not the name of a header")]
    HeaderName(String),
    /// Not the value of this header, which may be a secret.
    #[error("the value of header `{0}` has characters that cannot stand in one")]
    HeaderValue(String),
}

impl Request {
    /// A request from its parts as they stand in the configuration.
    ///
    /// A `host` that is an address goes into the `Host` header alone, because SNI carries names
    /// only (RFC 6066 section 3).
    ///
    /// # Errors
    /// When a part is not what HTTP allows.
    pub fn new<'a>(
        method: &str,
        path: &str,
        host: Option<&str>,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Request, RequestError> {
        let parsed = Method::from_bytes(method.as_bytes())
            .map_err(|_| RequestError::Method(method.into()))?;
        if parsed == Method::CONNECT {
            return Err(RequestError::Connect);
        }
        let sound = |c: char| !c.is_whitespace() && !c.is_control() && c != '#';
        let is_path = path.parse::<PathAndQuery>().is_ok_and(|parsed| parsed.as_str() == path);
        if !path.starts_with('/') || !path.chars().all(sound) || !is_path {
            return Err(RequestError::Path(path.into()));
        }
        let host = host.map(parse_host).transpose()?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(header_name(name)?, header_value(name, value)?);
        }
        let (method, path) = (parsed, path.into());
        Ok(Request { method, path, host, headers: map, ..Request::default() })
    }

    /// A request for another page of the same target, with the same headers.
    pub(super) fn for_load(&self, path: &str) -> Request {
        let (method, path, body) = (Method::GET, path.into(), String::new());
        Request { method, path, body, ..self.clone() }
    }

    /// With a body.
    #[must_use]
    pub fn with_body(self, body: &str) -> Request {
        Request { body: body.into(), ..self }
    }

    /// Over another HTTP than by itself.
    #[must_use]
    pub fn with_http2(self, http2: Http2) -> Request {
        Request { http2, ..self }
    }

    /// Showing a certificate to targets that ask for one. Only over TLS.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Request {
        Request { credentials: Some(credentials), ..self }
    }
}

impl Default for Request {
    /// `GET /`.
    fn default() -> Request {
        Request {
            method: Method::GET,
            path: "/".into(),
            host: None,
            headers: HeaderMap::new(),
            body: String::new(),
            http2: Http2::Auto,
            credentials: None,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

pub(super) fn parse_host(host: &str) -> Result<String, RequestError> {
    let wrong = || RequestError::Host(host.into());
    if let Ok(address) = host.parse::<std::net::IpAddr>() {
        return Ok(super::check::Host::Address(address).to_string());
    }
    host_name(host).ok_or_else(wrong)
}

fn header_name(name: &str) -> Result<HeaderName, RequestError> {
    HeaderName::from_str(name).map_err(|_| RequestError::HeaderName(name.into()))
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, RequestError> {
    HeaderValue::from_str(value).map_err(|_| RequestError::HeaderValue(name.into()))
}

/// What must come back. All of it, for a success.
#[derive(Debug, Clone)]
pub struct Expect {
    /// One of these statuses. A redirect counts only when named here.
    pub status: Vec<StatusRange>,
    /// A text the body holds, within its first 256 KiB.
    pub body: Option<String>,
    /// An expression that matches within the first 256 KiB of the body.
    pub body_regex: Option<Pattern>,
    /// JSON pointers (RFC 6901) and the value at each; numbers compare by value.
    pub json: Vec<(String, Value)>,
    /// What headers must be.
    pub headers: Vec<(HeaderName, HeaderMatch)>,
    /// How long the certificate must still be valid. Only over TLS, with certificates looked at.
    pub expiry: Option<Expiry>,
    /// The time the whole check may take, less than the timeout.
    pub latency: Option<Duration>,
}

/// What a header must be. One that is sent twice may be it in either place.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderMatch {
    /// Exactly this value.
    Is(String),
    /// A value that an expression matches.
    Matches(Pattern),
    /// There, with any value.
    Present,
    /// Not there.
    Absent,
}

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderMatch::Is(value) => write!(f, "`{value}`"),
            HeaderMatch::Matches(pattern) => write!(f, "a match of `{}`", pattern.as_str()),
            HeaderMatch::Present => f.write_str("any value"),
            HeaderMatch::Absent => f.write_str("none"),
        }
    }
}

/// How long a certificate, and those that signed it, must still be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Days from now.
    pub days: u16,
    /// Whether less is a failure; else it is told, and the check succeeds.
    pub is_failure: bool,
}

impl Expiry {
    /// How far ahead is looked.
    pub(super) fn ahead(self) -> Duration {
        Duration::from_secs(u64::from(self.days) * 86_400)
    }
}

impl Expect {
    /// Also expects one header.
    ///
    /// # Errors
    /// When its name is not the name of a header.
    pub fn with_header(mut self, name: &str, wanted: HeaderMatch) -> Result<Expect, RequestError> {
        self.headers.push((header_name(name)?, wanted));
        Ok(self)
    }

    /// Also expects these headers, with exactly these values.
    ///
    /// # Errors
    /// When a name is not the name of a header.
    pub fn with_headers<'a>(
        mut self,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Expect, RequestError> {
        for (name, value) in headers {
            self = self.with_header(name, HeaderMatch::Is(value.into()))?;
        }
        Ok(self)
    }
}

impl Default for Expect {
    /// Any status from 200 to 299.
    fn default() -> Expect {
        Expect {
            status: vec![StatusRange { first: 200, last: 299 }],
            body: None,
            body_regex: None,
            json: Vec::new(),
            headers: Vec::new(),
            expiry: None,
            latency: None,
        }
    }
}

/// Status codes from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

/// Not a status code or a range of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status (`204`) or a range of them (`200-299`) within 100-599")]
pub struct StatusRangeError(String);

impl StatusRange {
    /// Whether `status` is in the range.
    pub fn contains(&self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl FromStr for StatusRange {
    type Err = StatusRangeError;

    fn from_str(text: &str) -> Result<StatusRange, StatusRangeError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let code = |part: &str| {
            let part = part.trim();
            let digits = part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit());
            part.parse().ok().filter(|c| digits && (100..=599).contains(c))
        };
        match (code(first), code(last)) {
            (Some(first), Some(last)) if first <= last => Ok(StatusRange { first, last }),
            _ => Err(StatusRangeError(text.into())),
        }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn a_status_or_a_range_of_them_is_read() {
        let range: StatusRange = "200-299".parse().unwrap();
        assert!(range.contains(200) && range.contains(299) && !range.contains(300));
        assert_eq!(range.to_string(), "200-299");
        assert_eq!("204".parse::<StatusRange>().unwrap().to_string(), "204");
        for wrong in ["", "20", "2xx", "299-200", "200-", "-", "99", "600", "+20", "200-299-300"] {
            assert!(wrong.parse::<StatusRange>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn requests_that_http_does_not_allow_are_refused() {
        let request = |method, path, host| Request::new(method, path, host, []).map(|_| ());
        assert_eq!(request("GET", "/health?full=1", Some("www.example.com")), Ok(()));
        assert_eq!(request("G T", "/", None), Err(RequestError::Method("G T".into())));
        assert_eq!(request("CONNECT", "/", None), Err(RequestError::Connect));
        for path in ["", "health", "/a b", "/a#b", "/a\r\nX: y", "/a?<b>"] {
            assert_eq!(request("GET", path, None), Err(RequestError::Path(path.into())));
        }
        for host in ["", "a b", "a:80", "a/b"] {
            assert_eq!(request("GET", "/", Some(host)), Err(RequestError::Host(host.into())));
        }
        let header = |name, value| Request::new("GET", "/", None, [(name, value)]).map(|_| ());
        assert_eq!(header("X-Probe", "meridian"), Ok(()));
        assert_eq!(header("X Probe", "a"), Err(RequestError::HeaderName("X Probe".into())));
        assert!(matches!(header("X", "a\r\nb"), Err(RequestError::HeaderValue(_))));
    }

    #[test]
    fn the_fingerprint_tells_what_is_asked_and_expected() {
        let monitor = |kind, interval| Monitor {
            name: "web".into(),
            kind,
            interval: Duration::from_secs(interval),
            timeout: Duration::from_secs(2),
            thresholds: Thresholds { fall: NonZeroU32::MIN, rise: NonZeroU32::MIN },
            load: None,
            rules: Rules::default(),
        };
        let exchange = |path| Exchange {
            request: Request::new("GET", path, None, []).unwrap(),
            expect: Expect::default(),
        };
        let web = monitor(Kind::Http(exchange("/")), 10);
        assert_eq!(web.fingerprint(), monitor(Kind::Http(exchange("/")), 30).fingerprint());
        assert_ne!(web.fingerprint(), monitor(Kind::Http(exchange("/a")), 10).fingerprint());
        assert_ne!(web.fingerprint(), monitor(Kind::Tcp, 10).fingerprint());
        let tls = monitor(Kind::Https(exchange("/"), Trust::default()), 10);
        assert_ne!(web.fingerprint(), tls.fingerprint());
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        assert_eq!(Authorities::from_pem(b"hello").unwrap_err(), AuthoritiesError::Empty);
        let junk = b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            Authorities::from_pem(junk),
            Err(AuthoritiesError::Damaged { number: 1, .. })
        ));
    }
}
