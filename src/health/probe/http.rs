//! The check that asks over HTTP or HTTPS.

use std::sync::Arc;

use reqwest::header::{HOST, HeaderValue};
use reqwest::{Client, Response, Url, redirect, retry};
use rustls::ClientConfig;

use super::fault::failure;
use super::judge;
use super::marks::{Marks, Watched};
use super::resolve::{Fixed, Lookup};
use crate::health::check::Check;
use crate::health::failure::{Failure, Timing};
use crate::health::monitor::Exchange;

/// Octets of a body that are read; what comes after them is not waited for.
pub(super) const BODY_LIMIT: usize = 256 * 1024;

pub(super) const USER_AGENT: &str = concat!("meridian/", env!("CARGO_PKG_VERSION"));

/// One request that can be sent again and again, each time over a connection of its own: a kept
/// connection would hide a load balancer that no longer accepts.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    exchange: Exchange,
    url: Url,
}

/// A check could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(in crate::health) enum NotReady {
    #[error("no TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error("`{0}` is not a URL")]
    Url(String),
    #[error("not a name for TLS: {0}")]
    Name(String),
}

impl Http {
    pub(super) fn new(
        scheme: &str,
        check: &Check,
        exchange: &Exchange,
        tls: ClientConfig,
        lookup: Lookup,
        marks: &Arc<Marks>,
    ) -> Result<Http, NotReady> {
        let mut exchange = exchange.clone();
        let target = check.target.host().to_string();
        let port = check.target.port();
        // An address in the URL would be connected to, whatever the resolver says; so the URL
        // has the target's then, and only the header the other.
        let host = match &exchange.request.host {
            Some(host) if is_address(host) => {
                let value = HeaderValue::from_str(host);
                if let Ok(value) = value
                    && !exchange.request.headers.contains_key(HOST)
                {
                    exchange.request.headers.insert(HOST, value);
                }
                target
            }
            Some(host) => host.clone(),
            None => target,
        };
        let text = format!("{scheme}://{host}:{port}{}", exchange.request.path);
        let url = Url::parse(&text).map_err(|_| NotReady::Url(text))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(Fixed { lookup, marks: Arc::clone(marks) }))
            .connector_layer(Watched(Arc::clone(marks)))
            .pool_max_idle_per_host(0)
            .pool_idle_timeout(None)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .user_agent(USER_AGENT)
            .build()?;
        Ok(Http { client, exchange, url })
    }

    pub(super) async fn run(&self, marks: &Marks) -> Result<Timing, Failure> {
        let Exchange { request, expect } = &self.exchange;
        let response = self
            .client
            .request(request.method.clone(), self.url.clone())
            .headers(request.headers.clone())
            .send()
            .await
            .map_err(|e| failure(&e, marks.stage()))?;
        marks.head();
        judge::head(&self.exchange, response.status().as_u16(), response.headers())?;
        let keep = expect.body.is_some() || !expect.json.is_empty();
        let (body, whole) = read(response, keep, marks).await?;
        let timing = marks.timing();
        judge::body(expect, &body, whole)?;
        judge::latency(expect, timing.total)?;
        Ok(timing)
    }
}

/// The body up to the limit, and whether that is all of it. It is read even when nobody looks at
/// it (`keep` is false): a response that breaks off is no success.
async fn read(
    mut response: Response,
    keep: bool,
    marks: &Marks,
) -> Result<(Vec<u8>, bool), Failure> {
    let mut body = Vec::new();
    let mut count = 0;
    while let Some(chunk) = response.chunk().await.map_err(|e| failure(&e, marks.stage()))? {
        let room = BODY_LIMIT - count;
        let taken = chunk.len().min(room);
        if keep {
            body.extend_from_slice(&chunk[..taken]);
        }
        count += taken;
        if chunk.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok()
}
