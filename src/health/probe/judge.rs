//! Whether a response is what a monitor expects.

use std::time::{Duration, SystemTime};

use hyper::header::{HeaderMap, LOCATION};
use serde_json::Value;

use super::page::BODY_LIMIT;
use crate::health::failure::{Failure, shown, span};
use crate::health::monitor::{Exchange, Expect, Expiry, HeaderMatch};

/// Judges status and headers.
pub(super) fn head(exchange: &Exchange, status: u16, headers: &HeaderMap) -> Result<(), Failure> {
    let expect = &exchange.expect;
    if !expect.status.iter().any(|range| range.contains(status)) {
        let request = exchange.request.to_string();
        let wanted: Vec<String> = expect.status.iter().map(ToString::to_string).collect();
        let wanted = wanted.join(", ");
        return Err(match headers.get(LOCATION) {
            Some(location) if (300..400).contains(&status) => {
                let location = shown(location.as_bytes());
                Failure::Redirected { status, location, request, wanted }
            }
            _ => Failure::Status { status, request, wanted },
        });
    }
    for (name, wanted) in &expect.headers {
        let mut values = headers.get_all(name).iter().map(|value| value.as_bytes());
        let is_it = match wanted {
            HeaderMatch::Is(wanted) => values.any(|value| value == wanted.as_bytes()),
            HeaderMatch::Matches(pattern) => values.any(|value| pattern.matches(value)),
            HeaderMatch::Present => values.next().is_some(),
            HeaderMatch::Absent => values.next().is_none(),
        };
        if !is_it {
            return Err(Failure::Header {
                name: name.to_string(),
                found: headers.get(name).map(|value| shown(value.as_bytes())),
                wanted: wanted.to_string(),
            });
        }
    }
    Ok(())
}

/// Judges the body; `whole` says whether all of it is here.
pub(super) fn body(expect: &Expect, body: &[u8], whole: bool) -> Result<(), Failure> {
    if let Some(wanted) = &expect.body
        && !contains(body, wanted.as_bytes())
    {
        return Err(Failure::Body { wanted: wanted.clone(), start: shown(body) });
    }
    if let Some(pattern) = &expect.body_regex
        && !pattern.matches(body)
    {
        return Err(Failure::BodyRegex { wanted: pattern.as_str().into(), start: shown(body) });
    }
    let Some((first, wanted)) = expect.json.first() else { return Ok(()) };
    let not_json =
        |found: String| Failure::Json { pointer: first.clone(), found, wanted: wanted.to_string() };
    if !whole {
        return Err(not_json(format!("a body over {} KiB", BODY_LIMIT / 1024)));
    }
    let document: Value =
        serde_json::from_slice(body).map_err(|e| not_json(format!("not JSON ({e})")))?;
    for (pointer, wanted) in &expect.json {
        let found = document.pointer(pointer);
        if !found.is_some_and(|found| same(found, wanted)) {
            return Err(Failure::Json {
                pointer: pointer.clone(),
                found: found.map_or("nothing".into(), |v| shown(v.to_string().as_bytes())),
                wanted: wanted.to_string(),
            });
        }
    }
    Ok(())
}

/// Judges the time.
pub(super) fn latency(expect: &Expect, took: Duration) -> Result<(), Failure> {
    match expect.latency {
        Some(bound) if took > bound => Err(Failure::Slow { took, bound }),
        _ => Ok(()),
    }
}

/// Judges how long the certificate is still valid; `expires` says when it is not, if that is sooner
/// than wanted.
pub(super) fn expiry(wanted: Option<Expiry>, expires: Option<SystemTime>) -> Result<(), Failure> {
    match (wanted, expires) {
        (Some(Expiry { days, is_failure: true }), Some(at)) => {
            let left = at.duration_since(SystemTime::now()).unwrap_or_default();
            Err(Failure::Expiring { left: span(left.as_secs()), days })
        }
        _ => Ok(()),
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

/// Whether two values are equal; `1` and `1.0` are.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;
    use crate::health::monitor::Request;
    use crate::health::pattern::Pattern;

    fn exchange(expect: Expect) -> Exchange {
        let request = Request::new("GET", "/health", None, []).unwrap();
        Exchange { request, expect }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn a_status_outside_the_ranges_is_a_failure() {
        let judged = head(&exchange(Expect::default()), 503, &HeaderMap::new());
        assert_eq!(judged.unwrap_err().to_string(), "503 for GET /health, wanted 200-299");
        let none_or_500 = Expect {
            status: vec!["204".parse().unwrap(), "500".parse().unwrap()],
            ..Expect::default()
        };
        assert_eq!(head(&exchange(none_or_500), 500, &HeaderMap::new()), Ok(()));
    }

    #[test]
    fn a_redirect_is_a_failure_unless_its_status_is_wanted() {
        let elsewhere = headers(&[("location", "https://login.example/")]);
        let judged = head(&exchange(Expect::default()), 302, &elsewhere);
        assert_eq!(
            judged.unwrap_err().to_string(),
            "redirected with 302 to `https://login.example/` for GET /health, wanted 200-299"
        );
        let wanted = Expect { status: vec!["302".parse().unwrap()], ..Expect::default() };
        assert_eq!(head(&exchange(wanted), 302, &elsewhere), Ok(()));
    }

    #[test]
    fn a_header_must_have_the_value_under_a_name_in_any_case() {
        let expect =
            Expect::default().with_headers([("Content-Type", "application/json")]).unwrap();
        let exchange = exchange(expect);
        assert_eq!(head(&exchange, 200, &headers(&[("content-type", "application/json")])), Ok(()));
        let wrong = head(&exchange, 200, &headers(&[("content-type", "text/html")])).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "header content-type: `text/html`, wanted `application/json`"
        );
        assert!(head(&exchange, 200, &HeaderMap::new()).is_err());
    }

    #[test]
    fn a_header_may_be_wanted_with_any_value_by_expression_or_not_at_all() {
        let judged = |wanted: HeaderMatch, found: &[(&'static str, &'static str)]| {
            let expect = Expect::default().with_header("X-Region", wanted).unwrap();
            head(&exchange(expect), 200, &headers(found)).map_err(|e| e.to_string())
        };
        let there = [("x-region", "eu-west-1")];
        let pattern = || HeaderMatch::Matches(Pattern::parse("^eu-").unwrap());
        assert_eq!(judged(HeaderMatch::Present, &there), Ok(()));
        assert_eq!(judged(HeaderMatch::Absent, &[]), Ok(()));
        assert_eq!(judged(pattern(), &[("x-region", "us-1"), ("x-region", "eu-1")]), Ok(()));
        let missing = judged(HeaderMatch::Present, &[]).unwrap_err();
        assert_eq!(missing, "header x-region: missing, wanted any value");
        let there = judged(HeaderMatch::Absent, &there).unwrap_err();
        assert_eq!(there, "header x-region: `eu-west-1`, wanted none");
        let other = judged(pattern(), &[("x-region", "us-1")]).unwrap_err();
        assert_eq!(other, "header x-region: `us-1`, wanted a match of `^eu-`");
    }

    #[test]
    fn an_expression_must_match_somewhere_in_the_body() {
        let pattern = Pattern::parse(r"^up: [1-9]\d* of").unwrap();
        let expect = Expect { body_regex: Some(pattern), ..Expect::default() };
        assert_eq!(body(&expect, b"up: 12 of 14\xff", true), Ok(()));
        let other = body(&expect, b"up: 0 of 14", true).unwrap_err().to_string();
        assert_eq!(other, r"body without a match of `^up: [1-9]\d* of`; it begins `up: 0 of 14`");
    }

    #[test]
    fn the_body_must_hold_the_text() {
        let expect = Expect { body: Some("ready".into()), ..Expect::default() };
        assert_eq!(body(&expect, b"all is ready.", true), Ok(()));
        let missing = body(&expect, b"starting", true).unwrap_err();
        assert_eq!(missing.to_string(), "body without `ready`; it begins `starting`");
    }

    #[test]
    fn json_values_are_compared_by_pointer() {
        let expect = |pointer: &str, wanted: Value| Expect {
            json: vec![(pointer.into(), wanted)],
            ..Expect::default()
        };
        let text = br#"{"status":"healthy","load":1.0,"parts":[{"up":true}]}"#;
        assert_eq!(body(&expect("/status", "healthy".into()), text, true), Ok(()));
        assert_eq!(body(&expect("/load", 1.into()), text, true), Ok(()));
        assert_eq!(body(&expect("/parts/0/up", true.into()), text, true), Ok(()));
        let failure = |e: &Expect, text: &[u8]| body(e, text, true).unwrap_err().to_string();
        let sick = expect("/status", "sick".into());
        assert_eq!(failure(&sick, text), "JSON at `/status`: \"healthy\", wanted \"sick\"");
        assert_eq!(failure(&expect("/none", 1.into()), text), "JSON at `/none`: nothing, wanted 1");
        assert!(failure(&sick, b"<html>").starts_with("JSON at `/status`: not JSON"));
        assert!(body(&sick, text, false).is_err());
    }

    #[test]
    fn an_answer_in_time_may_still_be_too_slow() {
        let expect = Expect { latency: Some(Duration::from_millis(800)), ..Expect::default() };
        assert_eq!(latency(&expect, Duration::from_millis(800)), Ok(()));
        let slow = latency(&expect, Duration::from_millis(900)).unwrap_err();
        assert_eq!(slow.to_string(), "took 900ms, wanted at most 800ms");
    }
}
