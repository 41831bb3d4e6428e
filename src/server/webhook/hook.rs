//! One hook: an HTTP server, what it wants to hear of, and how it is shown who speaks.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url, redirect, retry};
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
    /// Why it has not, in a few words.
    pub async fn post(&self, body: &[u8]) -> Result<(), String> {
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
            Ok(response) => Err(response.status().to_string()),
            Err(error) if error.is_timeout() => Err("no answer in time".to_owned()),
            Err(error) => Err(cause(&error)),
        }
    }
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
    fn a_signature_is_the_hmac_of_the_body() {
        // RFC 4231, test case 2.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        assert_eq!(
            signature(&key, b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
