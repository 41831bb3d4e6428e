//! One hook: an HTTP server, what it wants to hear of, and how it is shown who speaks.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url, redirect, retry};
use rustls::ClientConfig;

/// The header with the signature of a body.
pub const SIGNATURE: &str = "meridian-signature";

/// An HTTP server that is told of what happens.
pub struct Hook {
    /// Its name: not its address, which may hold a secret.
    pub name: String,
    url: Url,
    /// Kinds of events.
    kinds: Vec<&'static str>,
    bearer: Option<HeaderValue>,
    key: Option<hmac::Key>,
    client: Client,
}

/// What a hook is made of.
#[derive(Debug)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// Where events are posted to.
    pub url: Url,
    /// The kinds of events it wants.
    pub kinds: Vec<&'static str>,
    /// `Authorization`, when it wants one.
    pub bearer: Option<HeaderValue>,
    /// What bodies are signed with, if they are.
    pub secret: Option<Vec<u8>>,
    /// How long one attempt may take.
    pub timeout: Duration,
}

impl Hook {
    /// A hook that is reached with this TLS configuration, without proxies.
    ///
    /// # Errors
    ///
    /// When the client cannot be made.
    pub fn new(draft: Draft, tls: ClientConfig) -> Result<Hook, reqwest::Error> {
        let Draft { name, url, kinds, bearer, secret, timeout } = draft;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("meridian/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .no_proxy()
            // A redirect would carry what was meant for one server to another.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .build()?;
        let key = secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, &secret));
        Ok(Hook { name, url, kinds, bearer, key, client })
    }

    /// Whether it is told of events of this kind.
    pub fn wants(&self, kind: &str) -> bool {
        self.kinds.contains(&kind)
    }

    /// One attempt: only a status of 200 to 299 says that the hook has it.
    ///
    /// # Errors
    ///
    /// Why it has not, and when it wants to be asked again, if it says so.
    pub async fn post(&self, body: &[u8]) -> Result<(), Refusal> {
        let mut request = self.client.post(self.url.clone());
        request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer.clone());
        }
        if let Some(key) = &self.key {
            request = request.header(SIGNATURE, signature(key, body));
        }
        match request.body(body.to_vec()).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(Refusal {
                why: response.status().to_string(),
                wish: wish(response.status(), response.headers()),
            }),
            Err(error) if error.is_timeout() => Err("no answer in time".to_owned().into()),
            Err(error) => Err(cause(&error).into()),
        }
    }
}

/// Why a hook does not have an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In a few words.
    pub why: String,
    /// How long it wants to be left alone, if it says so.
    pub wish: Option<Duration>,
}

impl From<String> for Refusal {
    fn from(why: String) -> Refusal {
        Refusal { why, wish: None }
    }
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3), of those who are busy. A date is not read:
/// it would need two clocks that agree.
fn wish(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let seconds = headers.get(RETRY_AFTER).filter(|_| is_busy)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hook { name, kinds, .. } = self;
        f.debug_struct("Hook").field("name", name).field("kinds", kinds).finish_non_exhaustive()
    }
}

fn signature(key: &hmac::Key, body: &[u8]) -> String {
    format!("sha256={}", HEXLOWER.encode(hmac::sign(key, body).as_ref()))
}

/// The innermost reason: those around it name the address.
fn cause(error: &reqwest::Error) -> String {
    let mut reason: &dyn Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    match reason.downcast_ref::<reqwest::Error>() {
        Some(_) => "the request failed".to_owned(),
        None => reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_busy_says_when_to_come_again() {
        let wish = |status: u16, text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            wish(StatusCode::from_u16(status).unwrap(), &headers).map(|wish| wish.as_secs())
        };
        assert_eq!(
            [wish(429, "120"), wish(503, "0"), wish(500, "120")],
            [Some(120), Some(0), None]
        );
        assert_eq!([wish(503, "-1"), wish(503, "Sat, 28 Nov 2026 23:00:00 GMT")], [None, None]);
    }

    #[test]
    fn a_signature_is_the_hmac_of_the_body() {
        // RFC 4231, test case 2.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        assert_eq!(
            signature(&key, b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
