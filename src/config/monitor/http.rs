//! Checks that ask for a page, over HTTP or HTTPS.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Monitor, MonitorKind, Rhythm, Tls, host, latency, port, trust};
use crate::config::reader::Reader;
use crate::config::source::Located;
use crate::config::spec::monitor::{HttpExpectSpec, HttpSpec};
use crate::config::spec::{Entries, IntegerOrString, Scalar, Spanned};

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
    /// JSON Pointers (RFC 6901) into the body, and the values that must be there.
    pub json: Vec<(String, serde_json::Value)>,
    /// Names of headers, and what their values must be.
    pub header: Vec<(String, String)>,
    /// Longest time for the whole check, connecting included: 1 ms to the timeout.
    pub latency: Option<Duration>,
}

impl Http {
    pub(super) fn resolve(
        name: &Located<String>,
        spec: HttpSpec,
        https: bool,
        reader: &mut Reader<'_>,
    ) -> Monitor {
        reader.not_yet("load", spec.load.as_ref(), None);
        let rhythm = Rhythm::resolve(
            spec.interval.as_ref(),
            spec.timeout.as_ref(),
            spec.fall.as_ref(),
            spec.rise.as_ref(),
            reader,
        );
        let tls = tls(&spec, https, reader);
        let method = method(spec.method.as_ref(), reader);
        let expect = spec.expect.unwrap_or_default();
        if method == "HEAD" {
            let json = expect.json.as_ref().and_then(|Entries(entries)| entries.first());
            let body = expect.body.as_ref().map(|body| &body.range);
            if let Some(range) = body.or(json.map(|(key, _)| &key.range)) {
                let help = "use the method GET, or expect a status or a header";
                reader.invalid(range, "the answer to HEAD has no body", help);
            }
        }
        let http = Http {
            tls,
            path: path(spec.path.as_ref(), reader),
            method,
            host: spec.host.as_ref().map(|host| self::host(host, reader)),
            headers: headers(spec.headers, reader),
            expect: HttpExpect::resolve(expect, rhythm.timeout, reader),
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

fn path(value: Option<&Spanned<String>>, reader: &mut Reader<'_>) -> String {
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
        if !is_token(&name.value) {
            let message = format!("`{}` is not the name of a header", name.value);
            reader.invalid(&name.range, message, "");
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

/// Whether it is a token as RFC 9110 section 5.6.2 has it.
fn is_token(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(fine)
}

/// How the certificate is judged; `None` for http, where nothing may be said of it.
fn tls(spec: &HttpSpec, https: bool, reader: &mut Reader<'_>) -> Option<Tls> {
    let help = "use kind = \"https\", or remove it";
    trust(&spec.verify_tls, &spec.ca, https.then_some(()).ok_or(("kind `http`", help)), reader)
}

impl HttpExpect {
    fn resolve(spec: HttpExpectSpec, timeout: Duration, reader: &mut Reader<'_>) -> HttpExpect {
        let mut json = Vec::new();
        for (pointer, value) in spec.json.map(|Entries(entries)| entries).unwrap_or_default() {
            if !(pointer.value.is_empty() || pointer.value.starts_with('/')) {
                let message = format!("`{}` is not a JSON Pointer", pointer.value);
                let help = format!("write \"/{}\"", pointer.value.replace('.', "/"));
                reader.invalid(&pointer.range, message, &help);
            }
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
            json,
            header: headers(spec.header, reader),
            latency: spec.latency.map(|latency| self::latency(&latency, timeout, reader)),
        }
    }
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
