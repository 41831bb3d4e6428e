//! One request to a running server, over its Unix socket or over HTTP.

use std::fs;
use std::io;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::admin::message::Problem;
use crate::cli::arguments::Reach;
use crate::config;

/// Longer than any answer takes: a reload waits for the first results of new checks.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server said no, and why.
    Refused(String),
    /// It did not say anything that can be understood.
    NotReached(String),
    /// The answer could not be printed.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

/// A server that runs.
pub(super) struct Server {
    client: Client,
    /// In front of each path.
    base: String,
    token: Option<String>,
    /// What it is called in messages.
    shown: String,
}

impl Server {
    pub(super) fn at(reach: &Reach) -> Result<Server, Failure> {
        let not_reached = |text: String| Failure::NotReached(text);
        let token = match &reach.token_file {
            None => None,
            Some(path) => Some(
                fs::read_to_string(path)
                    .map(|token| token.trim().to_owned())
                    .map_err(|error| not_reached(format!("{}: {error}", path.display())))?,
            ),
        };
        // Neither proxies nor redirects: the token is for this server alone.
        let builder = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE);
        let (builder, base, shown) = match &reach.server {
            Some(url) => (builder, url.trim_end_matches('/').to_owned(), url.clone()),
            None => {
                let socket = reach.socket.clone();
                let socket = socket.unwrap_or_else(|| config::control_socket(&reach.config));
                let shown = socket.display().to_string();
                (builder.unix_socket(socket), "http://localhost".to_owned(), shown)
            }
        };
        let client = builder.build().map_err(|error| not_reached(error.to_string()))?;
        Ok(Server { client, base, token, shown })
    }

    pub(super) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(self.request(Method::GET, path)).await
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        let mut url = String::new();
        for (key, value) in query {
            let mark = if url.is_empty() { '?' } else { '&' };
            url.push_str(&format!("{mark}{key}={}", escaped(value)));
        }
        self.send(self.request(Method::GET, &format!("{path}{url}"))).await
    }

    pub(super) async fn tell<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(io::Error::from)?;
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let not_reached = |error: &dyn std::error::Error| {
            let mut cause = error;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            Failure::NotReached(format!(
                "no server is reached at {}: {cause}; is it running, and with this configuration?",
                self.shown
            ))
        };
        let response = request.send().await.map_err(|error| not_reached(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| not_reached(&error))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| not_reached(&error));
        }
        match serde_json::from_slice::<Problem>(&body) {
            // It starts or stops: as good as not there.
            Ok(problem) if status.as_u16() == 503 => Err(Failure::NotReached(problem.error)),
            Ok(problem) => Err(Failure::Refused(problem.error)),
            Err(_) => Err(Failure::NotReached(format!(
                "{} is not a Meridian server: it says {status}",
                self.shown
            ))),
        }
    }
}

/// A value of a query, as it may stand in an address (RFC 3986).
fn escaped(value: &str) -> String {
    let mut text = String::new();
    for octet in value.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(octet));
            }
            _ => text.push_str(&format!("%{octet:02X}")),
        }
    }
    text
}
