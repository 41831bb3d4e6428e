//! Checks that ask for a page, over HTTP or HTTPS.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::certificate::{self, Tls};
use super::{Monitor, MonitorKind, host, latency, port};
use crate::config::load::Load;
use crate::config::reader::Reader;
use crate::config::rhythm::Rhythm;
use crate::config::source::Located;
use crate::config::spec::monitor::{HeaderExpectSpec, HttpExpectSpec, HttpSpec};
use crate::config::spec::{Entries, IntegerOrString, Scalar, Spanned, StringOr};

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

/// Octets of a request's body, at most.
const LONGEST_BODY: usize = 64 * 1024;

impl Http {
    pub(super) fn resolve(
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
        let expect = HttpExpect::resolve(expect, rhythm.timeout, reader);
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
        let port = port(spec.port.as_ref(), if https { 443 } else { 80 }, reader);
        rhythm.monitor(name, MonitorKind::Http(Box::new(http)), port)
    }
}

fn method(value: Option<&Spanned<String>>, reader: &mut Reader<'_>) -> String {
    let Some(Spanned { value, range }) = value else { return "GET".to_owned() };
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_uppercase()) {
        let help = "write GET, HEAD, OPTIONS or another method in capitals";
        reader.invalid(range, format!("`{value}` is not an HTTP method"), help);
    }
    value.clone()
}

pub(in crate::config) fn path(value: Option<&Spanned<String>>, reader: &mut Reader<'_>) -> String {
    let Some(Spanned { value, range }) = value else { return "/".to_owned() };
    let visible = value.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if !value.starts_with('/') || !visible {
        let help = "a path starts with `/`; write spaces and other odd characters as %20";
        reader.invalid(range, format!("`{value}` is not the path of a page"), help);
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
pub(in crate::config) fn header_name(name: &Spanned<String>, reader: &mut Reader<'_>) -> bool {
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
    let expect = spec.expect.as_ref();
    let keys = certificate::Keys {
        verify: spec.verify_tls.as_ref(),
        ca: spec.ca.as_ref(),
        client_certificate: spec.client_certificate.as_ref(),
        client_key: spec.client_key.as_ref(),
        days: expect.and_then(|expect| expect.certificate_days.as_ref()),
        on_expiry: expect.and_then(|expect| expect.on_expiry.as_ref()),
    };
    if https {
        return Some(Tls::resolve(keys, reader));
    }
    certificate::refuse(keys, "kind `http`", "use kind = \"https\", or remove it", reader);
    None
}

impl HttpExpect {
    fn resolve(spec: HttpExpectSpec, timeout: Duration, reader: &mut Reader<'_>) -> HttpExpect {
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
            latency: spec.latency.map(|latency| self::latency(&latency, timeout, reader)),
        }
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
