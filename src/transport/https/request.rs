//! What a request asks for, from its head alone (RFC 8484 section 4.1).

use data_encoding::BASE64URL_NOPAD;
use hyper::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

/// Where queries are taken; RFC 8484 leaves it to the server.
pub const PATH: &str = "/dns-query";

/// The media type of a DNS message in octets.
pub const MESSAGE: &str = "application/dns-message";

/// The methods that carry a query.
pub const METHODS: &str = "GET, POST";

/// Octets of the longest message.
pub const LONGEST: usize = u16::MAX as usize;

/// Where the query is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Here: it came with the address.
    Query(Vec<u8>),
    /// It is the body.
    Body,
}

/// Reads the head of a request.
///
/// # Errors
///
/// The status of the response to a request that asks for nothing we have.
pub fn read(head: &Parts) -> Result<Asked, StatusCode> {
    if head.uri.path() != PATH {
        return Err(StatusCode::NOT_FOUND);
    }
    let asked = match head.method {
        Method::GET => Asked::Query(from_address(head.uri.query().unwrap_or_default())?),
        Method::POST => {
            is_message(&head.headers)?;
            Asked::Body
        }
        _ => return Err(StatusCode::METHOD_NOT_ALLOWED),
    };
    if accepts_message(&head.headers) { Ok(asked) } else { Err(StatusCode::NOT_ACCEPTABLE) }
}

/// The query in an address's part behind `?`: the value of `dns`, in base64url without padding.
fn from_address(parameters: &str) -> Result<Vec<u8>, StatusCode> {
    let mut values = parameters.split('&').filter_map(|pair| pair.strip_prefix("dns="));
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(StatusCode::BAD_REQUEST);
    };
    // No address is long enough for more than a message can be: hyper takes 65,534 octets.
    BASE64URL_NOPAD.decode(value.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)
}

/// Whether a body is a DNS message, as it is, and not too long.
fn is_message(headers: &HeaderMap) -> Result<(), StatusCode> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let media = text(CONTENT_TYPE).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    let is_coded =
        text(CONTENT_ENCODING).is_some_and(|code| !code.eq_ignore_ascii_case("identity"));
    if !media.eq_ignore_ascii_case(MESSAGE) || is_coded {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    match text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > LONGEST as u64 => Err(StatusCode::PAYLOAD_TOO_LARGE),
        _ => Ok(()),
    }
}

/// Whether a client takes DNS messages: the range of media that fits them best decides (RFC 9110
/// section 12.5.1). Without a word on it, it does.
fn accepts_message(headers: &HeaderMap) -> bool {
    let values = || headers.get_all(ACCEPT).into_iter().map(HeaderValue::to_str);
    if values().next().is_none() {
        return true;
    }
    let mut best = (0, false);
    for range in values().filter_map(Result::ok).flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let fit = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            MESSAGE => 3,
            "application/*" => 2,
            "*/*" => 1,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let is_wanted = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|q| q > 0.0));
        if fit > best.0 {
            best = (fit, is_wanted);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn read_of(method: &str, address: &str, headers: &[(&str, &str)]) -> Result<Asked, u16> {
        let mut request = Request::builder().method(method).uri(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        read(&head).map_err(|status| status.as_u16())
    }

    fn get(address: &str) -> Result<Asked, u16> {
        read_of("GET", address, &[])
    }

    #[test]
    fn a_query_comes_in_the_address_or_in_the_body() {
        // The example of RFC 8484 section 4.1.1.
        let query = get("/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB");
        let Ok(Asked::Query(query)) = query else { panic!("{query:?}") };
        assert_eq!((query.len(), &query[12..16]), (33, &b"\x03www"[..]));
        assert_eq!(get("/dns-query?ct&dns=-_8&x=1"), Ok(Asked::Query(vec![0xfb, 0xff])));
        assert_eq!(read_of("POST", "/dns-query", &[("content-type", MESSAGE)]), Ok(Asked::Body));
        let long = [("content-type", "Application/DNS-Message; x=y"), ("content-length", "65535")];
        assert_eq!(read_of("POST", "/dns-query", &long), Ok(Asked::Body));
    }

    #[test]
    fn what_asks_for_nothing_is_told_why() {
        for (address, status) in [
            ("/", 404),
            ("/dns-query/", 404),
            ("/dns-query", 400),
            ("/dns-query?dns", 400),
            ("/dns-query?DNS=AAAA", 400),
            ("/dns-query?dns=AAAA&dns=AAAA", 400),
            ("/dns-query?dns=AAA=", 400), // padding
            ("/dns-query?dns=AA+A", 400), // not the alphabet of addresses
            ("/dns-query?dns=AAAAA", 400),
            ("/dns-query?dns=AB", 400), // bits that mean nothing
        ] {
            assert_eq!(get(address), Err(status), "{address}");
        }
        for method in ["HEAD", "PUT", "OPTIONS", "DELETE"] {
            assert_eq!(read_of(method, "/dns-query", &[]), Err(405));
        }
        for headers in [
            &[][..],
            &[("content-type", "application/json")],
            &[("content-type", MESSAGE), ("content-encoding", "gzip")],
        ] {
            assert_eq!(read_of("POST", "/dns-query", headers), Err(415), "{headers:?}");
        }
        let long = [("content-type", MESSAGE), ("content-length", "65536")];
        assert_eq!(read_of("POST", "/dns-query", &long), Err(413));
    }

    #[test]
    fn the_range_that_fits_best_says_what_is_accepted() {
        for (accept, wanted) in [
            ("application/dns-message", true),
            ("text/html, application/*;q=0.5", true),
            ("*/*", true),
            ("Application/DNS-Message;q=0.001", true),
            ("text/html", false),
            ("", false),
            ("application/dns-json", false),
            ("*/*, application/dns-message;q=0", false),
            ("application/*;q=0, application/dns-message", true),
            ("application/dns-message;q=no", false),
        ] {
            let asked = read_of("GET", "/dns-query?dns=AAAA", &[("accept", accept)]);
            assert_eq!(asked.is_ok(), wanted, "{accept}");
            assert!(asked.is_ok() || asked == Err(406));
        }
    }
}
