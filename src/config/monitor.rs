//! Monitors: how members are checked.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::load::Load;
use super::reader::Reader;
use super::rhythm::{Damping, Rhythm, SHORTEST, Warn};
use super::source::{Located, Span};
use super::spec::monitor::{
    HeaderExpectSpec, HttpExpectSpec, HttpSpec, MonitorSpec, OnExpirySpec, TcpSpec,
};
use super::spec::{DurationText, Entries, IntegerOrString, Scalar, Spanned, StringOr};

/// How a member is checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Its name in the files.
    pub name: String,
    /// Where the name is defined.
    pub span: Span,
    /// What a check does.
    pub kind: MonitorKind,
    /// Where checks connect, unless the member has a port of its own. `None` only for tcp.
    pub port: Option<u16>,
    /// From the start of one check to the start of the next, before jitter: 100 ms to 1 d.
    pub interval: Duration,
    /// How long a check may take: 1 ms to `interval`.
    pub timeout: Duration,
    /// Failures in a row that turn up into down: 1 to 100.
    pub fall: u32,
    /// Successes in a row that turn down into up: 1 to 100.
    pub rise: u32,
    /// The longest interval while a member stays down: 100 ms to 1 d. `None`: it does not grow.
    pub backoff: Option<Located<Duration>>,
    /// How a member that goes down often is held down; `None`: it is not.
    pub damping: Option<Damping>,
    /// Whether a member that went down stays down until a person resumes it.
    pub manual_resume: bool,
    /// When a member is warned of; `None`: never.
    pub warn: Option<Warn>,
}

impl Monitor {
    /// The longest time from a failure until its members count as down, jitter aside.
    pub fn detection(&self) -> Duration {
        self.interval * self.fall + self.timeout
    }
}

/// What a check does.
#[derive(Debug, Clone, PartialEq)]
pub enum MonitorKind {
    /// Asks for a page, over HTTP or HTTPS.
    Http(Box<Http>),
    /// Opens a connection.
    Tcp(Tcp),
}

/// A check over HTTP or HTTPS.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// `None` for http.
    pub tls: Option<Tls>,
    /// The path with its query string; starts with `/`.
    pub path: String,
    /// The method, a token in upper case.
    pub method: String,
    /// Host header and SNI; `None` is the member's own address or name.
    pub host: Option<String>,
    /// Further headers of the request, never `Host`.
    pub headers: Vec<(String, String)>,
    /// The body of the request.
    pub send: Option<String>,
    /// Whether HTTP/2 is spoken; `None`: over TLS where the member does.
    pub http2: Option<bool>,
    /// Where the member says how busy it is.
    pub load: Option<Load>,
    /// What the answer must be.
    pub expect: HttpExpect,
}

/// How the certificate of an https check is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// Whether it must be valid.
    pub verify: bool,
    /// PEM file of certificate authorities trusted besides the public ones.
    pub ca: Option<Located<PathBuf>>,
    /// What is shown to a member that asks for it.
    pub client: Option<ClientCertificate>,
}

/// A client certificate: two PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those that signed it.
    pub certificate: Located<PathBuf>,
    /// Its private key.
    pub key: Located<PathBuf>,
}

/// What the answer to an HTTP check must be; all of it must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpExpect {
    /// The status must be in one of these.
    pub status: Vec<RangeInclusive<u16>>,
    /// Text that must stand somewhere in the body.
    pub body: Option<String>,
    /// A regular expression that matches somewhere in the body; not yet read.
    pub body_regex: Option<Located<String>>,
    /// JSON Pointers (RFC 6901) into the body, and the values that must be there.
    pub json: Vec<(String, serde_json::Value)>,
    /// Names of headers, and what they must be.
    pub header: Vec<(String, HeaderMatch)>,
    /// How long the certificate must still be valid; only for https.
    pub expiry: Option<Expiry>,
    /// Longest time for the whole check, connecting included: 1 ms to the timeout.
    pub latency: Option<Duration>,
}

/// What a header of an answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderMatch {
    /// Exactly this value.
    Is(String),
    /// A value that a regular expression matches; not yet read.
    Regex(Located<String>),
    /// There or not there, with any value.
    Present(bool),
}

/// How long a certificate must still be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Days: 1 to 1000.
    pub days: u16,
    /// Whether less is a failure and not just a warning.
    pub is_failure: bool,
}

/// A check that opens a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// Longest time until the connection stands: 1 ms to the timeout.
    pub latency: Option<Duration>,
}

/// Octets of a request's body, at most.
const LONGEST_BODY: usize = 64 * 1024;

impl Monitor {
    pub(super) fn resolve(
        name: &Located<String>,
        spec: MonitorSpec,
        reader: &mut Reader<'_>,
    ) -> Monitor {
        match spec {
            MonitorSpec::Http(spec) => Monitor::http(name, spec, false, reader),
            MonitorSpec::Https(spec) => Monitor::http(name, spec, true, reader),
            MonitorSpec::Tcp(spec) => Monitor::tcp(name, spec, reader),
        }
    }

    fn http(
        name: &Located<String>,
        spec: HttpSpec,
        https: bool,
        reader: &mut Reader<'_>,
    ) -> Monitor {
        let rhythm = Rhythm::resolve(spec.rhythm(), reader);
        let method = method(spec.method.as_ref(), reader);
        let tls = tls(&spec, https, reader);
        let expect = spec.expect.unwrap_or_default();
        if method == "HEAD" {
            let json = expect.json.as_ref().and_then(|Entries(entries)| entries.first());
            let body = expect.body.as_ref().or(expect.body_regex.as_ref());
            let body = body.map(|body| &body.range);
            if let Some(range) = body.or(json.map(|(key, _)| &key.range)) {
                let help = "use the method GET, or expect a status or a header";
                reader.invalid(range, "the answer to HEAD has no body", help);
            }
        }
        let expect = HttpExpect::resolve(expect, rhythm.timeout, tls.as_ref(), reader);
        let send = send(spec.send, &method, reader);
        let has_body = method != "HEAD";
        let load = spec.load;
        let http = Http {
            tls,
            path: path(spec.path.as_ref(), reader),
            method,
            host: spec.host.as_ref().map(|host| self::host(host, reader)),
            headers: headers(spec.headers, reader),
            send,
            http2: http2(spec.http2.as_ref(), reader),
            load: load.and_then(|load| Load::resolve(load, https, has_body, reader)),
            expect,
        };
        let port = port(spec.port.as_ref(), reader).or(Some(if https { 443 } else { 80 }));
        rhythm.monitor(name, MonitorKind::Http(Box::new(http)), port)
    }

    fn tcp(name: &Located<String>, spec: TcpSpec, reader: &mut Reader<'_>) -> Monitor {
        let rhythm = Rhythm::resolve(spec.rhythm(), reader);
        let latency = spec.expect.as_ref().and_then(|expect| expect.latency.as_ref());
        let latency = latency.map(|latency| self::latency(latency, rhythm.timeout, reader));
        let port = port(spec.port.as_ref(), reader);
        rhythm.monitor(name, MonitorKind::Tcp(Tcp { latency }), port)
    }
}

/// A port from 1 to 65535.
pub(super) fn port(value: Option<&Spanned<i64>>, reader: &mut Reader<'_>) -> Option<u16> {
    value?;
    u16::try_from(reader.integer("port", value, 1..=65535, 1)).ok()
}

fn method(value: Option<&Spanned<String>>, reader: &mut Reader<'_>) -> String {
    let Some(Spanned { value, range }) = value else { return "GET".to_owned() };
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_uppercase()) {
        let help = "write GET, HEAD, OPTIONS or another method in capitals";
        reader.invalid(range, format!("`{value}` is not an HTTP method"), help);
    }
    value.clone()
}

pub(super) fn path(value: Option<&Spanned<String>>, reader: &mut Reader<'_>) -> String {
    let Some(Spanned { value, range }) = value else { return "/".to_owned() };
    let visible = value.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if !value.starts_with('/') || !visible {
        let help = "a path starts with `/`; write spaces and other odd characters as %20";
        reader.invalid(range, format!("`{value}` is not the path of a page"), help);
    }
    value.clone()
}

fn host(host: &Spanned<String>, reader: &mut Reader<'_>) -> String {
    let Spanned { value, range } = host;
    let fine =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if value.is_empty() || !value.bytes().all(fine) {
        let help = "write a name such as www.example.com, without http:// and without a path";
        reader.invalid(range, format!("`{value}` is not a host"), help);
    }
    value.clone()
}

fn headers(
    headers: Option<Entries<Spanned<String>>>,
    reader: &mut Reader<'_>,
) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in headers.map(|Entries(entries)| entries).unwrap_or_default() {
        if !header_name(&name, reader) {
        } else if name.value.eq_ignore_ascii_case("host") {
            reader.invalid(&name.range, "`Host` has a key of its own", "use `host`");
        } else if pairs.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name.value)) {
            let message = format!("the header `{}` is there twice", name.value);
            reader.invalid(&name.range, message, "remove one of them");
        }
        if value.value.chars().any(|c| c.is_control() && c != '\t') {
            let message = "the value of a header must not hold control characters";
            reader.invalid(&value.range, message, "");
        }
        pairs.push((name.value, value.value));
    }
    pairs
}

/// Whether it is the name of a header, or a report that it is none.
pub(super) fn header_name(name: &Spanned<String>, reader: &mut Reader<'_>) -> bool {
    let is_name = is_token(&name.value);
    if !is_name {
        let message = format!("`{}` is not the name of a header", name.value);
        reader.invalid(&name.range, message, "");
    }
    is_name
}

/// Whether it is a token as RFC 9110 section 5.6.2 has it.
fn is_token(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(fine)
}

fn send(send: Option<Spanned<String>>, method: &str, reader: &mut Reader<'_>) -> Option<String> {
    let Spanned { value, range } = send?;
    if matches!(method, "GET" | "HEAD") {
        let message = format!("a request with the method {method} has no body");
        reader.invalid(&range, message, "set method = \"POST\", or remove `send`");
    } else if value.len() > LONGEST_BODY {
        let message = format!("`send` has at most {} KiB", LONGEST_BODY / 1024);
        reader.invalid(&range, message, "");
    }
    Some(value)
}

fn http2(value: Option<&Spanned<Scalar>>, reader: &mut Reader<'_>) -> Option<bool> {
    match value.map(|spanned| (&spanned.value, &spanned.range))? {
        (Scalar::Boolean(is_spoken), _) => Some(*is_spoken),
        (Scalar::String(word), _) if word == "auto" => None,
        (_, range) => {
            reader.invalid(range, "`http2` is true, false or \"auto\"", "");
            None
        }
    }
}

fn tls(spec: &HttpSpec, https: bool, reader: &mut Reader<'_>) -> Option<Tls> {
    let HttpSpec { verify_tls: verify, ca, client_certificate, client_key, .. } = spec;
    let verifies = verify.as_ref().is_none_or(|verify| verify.value);
    if !https {
        let unused =
            verify.as_ref().filter(|verify| !verify.value).map(|v| ("verify_tls", &v.range));
        let files =
            [("ca", ca), ("client_certificate", client_certificate), ("client_key", client_key)];
        let files = files.iter().find_map(|(key, file)| Some((*key, &file.as_ref()?.range)));
        if let Some((key, range)) = unused.or(files) {
            let message = format!("`{key}` has no meaning for kind `http`");
            reader.invalid(range, message, "use kind = \"https\", or remove it");
        }
        return None;
    }
    if let (false, Some(ca)) = (verifies, ca) {
        let help = "remove `ca`, or set `verify_tls` to true";
        reader.invalid(&ca.range, "`ca` is not used when `verify_tls` is false", help);
    }
    let ca = ca.as_ref().map(|ca| pem("ca", ca, reader));
    let client = match (client_certificate, client_key) {
        (Some(certificate), Some(key)) => Some(ClientCertificate {
            certificate: pem("client_certificate", certificate, reader),
            key: pem("client_key", key, reader),
        }),
        (None, None) => None,
        (Some(alone), None) => {
            reader.invalid(&alone.range, "a certificate needs its key", "add `client_key`");
            None
        }
        (None, Some(alone)) => {
            reader.invalid(&alone.range, "a key needs its certificate", "add `client_certificate`");
            None
        }
    };
    Some(Tls { verify: verifies, ca, client })
}

fn pem(key: &str, file: &Spanned<String>, reader: &mut Reader<'_>) -> Located<PathBuf> {
    if file.value.is_empty() {
        let message = format!("`{key}` is empty");
        reader.invalid(&file.range, message, "write the path of a PEM file");
    }
    Located { value: reader.path(&file.value), span: reader.span(&file.range) }
}

impl HttpExpect {
    fn resolve(
        spec: HttpExpectSpec,
        timeout: Duration,
        tls: Option<&Tls>,
        reader: &mut Reader<'_>,
    ) -> HttpExpect {
        let expiry = Expiry::resolve(&spec, tls, reader);
        let mut json = Vec::new();
        for (pointer, value) in spec.json.map(|Entries(entries)| entries).unwrap_or_default() {
            reader.json_pointer(&pointer);
            let expected = match value.value {
                Scalar::String(text) => text.into(),
                Scalar::Integer(integer) => integer.into(),
                Scalar::Float(float) => float.into(),
                Scalar::Boolean(boolean) => boolean.into(),
            };
            json.push((pointer.value, expected));
        }
        if let Some(body) = spec.body.as_ref().filter(|body| body.value.is_empty()) {
            reader.invalid(&body.range, "`body` is empty: every body matches", "remove it");
        }
        HttpExpect {
            status: status(spec.status, reader),
            body: spec.body.map(|body| body.value),
            body_regex: spec.body_regex.map(|regex| regex_of(regex, reader)),
            json,
            header: header_matches(spec.header, reader),
            expiry,
            latency: spec.latency.map(|latency| self::latency(&latency, timeout, reader)),
        }
    }
}

impl Expiry {
    fn resolve(
        spec: &HttpExpectSpec,
        tls: Option<&Tls>,
        reader: &mut Reader<'_>,
    ) -> Option<Expiry> {
        let Some(days) = &spec.certificate_days else {
            if let Some(word) = &spec.on_expiry {
                let help = "add `certificate_days`";
                reader.invalid(&word.range, "`on_expiry` needs a number of days", help);
            }
            return None;
        };
        match tls {
            None => {
                let message = "`certificate_days` has no meaning for kind `http`";
                reader.invalid(&days.range, message, "use kind = \"https\", or remove it");
            }
            Some(Tls { verify: false, .. }) => {
                let message = "certificates are not looked at when `verify_tls` is false";
                let help = "remove `verify_tls`, and name the authority with `ca`";
                reader.invalid(&days.range, message, help);
            }
            Some(_) => {}
        }
        let number = reader.integer("certificate_days", Some(days), 1..=1000, 1);
        let is_failure =
            spec.on_expiry.as_ref().is_some_and(|word| word.value == OnExpirySpec::Fail);
        Some(Expiry { days: u16::try_from(number).unwrap_or(1), is_failure })
    }
}

fn regex_of(regex: Spanned<String>, reader: &mut Reader<'_>) -> Located<String> {
    if regex.value.is_empty() {
        reader.invalid(&regex.range, "the regular expression is empty", "remove it");
    }
    Located { value: regex.value, span: reader.span(&regex.range) }
}

fn header_matches(
    spec: Option<Entries<Spanned<StringOr<HeaderExpectSpec>>>>,
    reader: &mut Reader<'_>,
) -> Vec<(String, HeaderMatch)> {
    let entries = spec.map(|Entries(entries)| entries).unwrap_or_default();
    let mut texts = Vec::new();
    let mut matches = Vec::new();
    for (name, Spanned { value, range }) in entries {
        let (text, wanted) = match value {
            StringOr::String(text) => (text.clone(), HeaderMatch::Is(text)),
            StringOr::Table(HeaderExpectSpec { regex: Some(regex), present: None }) => {
                (String::new(), HeaderMatch::Regex(regex_of(regex, reader)))
            }
            StringOr::Table(HeaderExpectSpec { regex: None, present: Some(present) }) => {
                (String::new(), HeaderMatch::Present(present.value))
            }
            StringOr::Table(_) => {
                let help = "give exactly one of them, or a value as a string";
                reader.invalid(&range, "a header is expected by `regex` or `present`", help);
                continue;
            }
        };
        matches.push((name.value.clone(), wanted));
        texts.push((name, Spanned { value: text, range }));
    }
    headers(Some(Entries(texts)), reader);
    matches
}

fn latency(value: &Spanned<DurationText>, timeout: Duration, reader: &mut Reader<'_>) -> Duration {
    reader.duration("latency", Some(value), SHORTEST..=timeout, timeout)
}

fn status(
    spec: Option<Spanned<Vec<Spanned<IntegerOrString>>>>,
    reader: &mut Reader<'_>,
) -> Vec<RangeInclusive<u16>> {
    let Some(Spanned { value: items, range }) = spec else { return vec![200..=299] };
    if items.is_empty() {
        reader.invalid(&range, "`status` is empty: no answer matches", "write [\"200-299\"]");
    }
    let mut ranges = Vec::new();
    for Spanned { value: item, range } in items {
        let text = match item {
            IntegerOrString::Integer(code) => code.to_string(),
            IntegerOrString::String(text) => text,
        };
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (first.parse(), last.parse()) {
            (Ok(first @ 100..=599), Ok(last @ 100..=599)) if first <= last => {
                ranges.push(first..=last);
            }
            _ => reader.invalid(
                &range,
                format!("`{text}` is not a range of status codes"),
                "write codes from 100 to 599, such as 204 or \"200-299\"",
            ),
        }
    }
    ranges
}
