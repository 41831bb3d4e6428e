//! One request to a running server, over its Unix socket or over HTTP.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::arguments::Reach;
use crate::admin::message::Problem;
use crate::config;

/// Longer than any answer takes: a reload waits for the first results of new checks.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no answer.
#[derive(Debug)]
pub(in crate::cli) enum Failure {
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
pub(in crate::cli) struct Server {
    way: Way,
    /// In front of each path.
    base: String,
    token: Option<HeaderValue>,
    /// What it is called in messages.
    shown: String,
}

/// How it is connected to.
enum Way {
    Socket(PathBuf),
    /// Host and port.
    Tcp(String),
}

impl Server {
    pub(in crate::cli) fn at(reach: &Reach) -> Result<Server, Failure> {
        let token = match &reach.token_file {
            None => None,
            Some(path) => Some(token(path).map_err(Failure::NotReached)?),
        };
        let Some(url) = &reach.server else {
            let socket = reach.socket.clone();
            let socket = socket.unwrap_or_else(|| config::control_socket(&reach.config));
            let shown = socket.display().to_string();
            return Ok(Server { way: Way::Socket(socket), base: String::new(), token, shown });
        };
        let wrong = || {
            let text = format!("`{url}` cannot be reached; write it as http://127.0.0.1:9153");
            Failure::NotReached(text)
        };
        let parts: Uri = url.parse().map_err(|_| wrong())?;
        let authority = parts.authority().filter(|_| parts.scheme_str() == Some("http"));
        let authority = authority.ok_or_else(wrong)?;
        let host = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
        let base = parts.path().trim_end_matches('/').to_owned();
        Ok(Server { way: Way::Tcp(host), base, token, shown: url.clone() })
    }

    pub(in crate::cli) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(Method::GET, path, Vec::new()).await
    }

    /// Something that is no JSON.
    pub(in crate::cli) async fn octets(&self, path: &str) -> Result<Bytes, Failure> {
        self.body(Method::GET, path, Vec::new()).await
    }

    pub(in crate::cli) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        let mut url = path.to_owned();
        for (index, (key, value)) in query.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            url.push_str(&format!("{mark}{key}={}", escaped(value)));
        }
        self.send(Method::GET, &url, Vec::new()).await
    }

    pub(in crate::cli) async fn tell<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.send(Method::POST, path, serde_json::to_vec(body).map_err(io::Error::from)?).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Failure> {
        let body = self.body(method, path, body).await?;
        serde_json::from_slice(&body).map_err(|error| self.not_reached(&error))
    }

    /// The body of a good answer.
    async fn body(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, Failure> {
        let (status, body) = tokio::time::timeout(PATIENCE, self.exchange(method, path, body))
            .await
            .map_err(|_| self.not_reached(&"it does not answer"))?
            .map_err(|error| self.not_reached(&error))?;
        if status.is_success() {
            return Ok(body);
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

    fn not_reached(&self, cause: &dyn std::fmt::Display) -> Failure {
        Failure::NotReached(format!(
            "no server is reached at {}: {cause}; is it running, and with this configuration?",
            self.shown
        ))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let host = match &self.way {
            Way::Socket(_) => "localhost",
            Way::Tcp(host) => host,
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json");
        let request = match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, token),
            None => request,
        };
        let request = request.body(Full::new(Bytes::from(body)))?;
        match &self.way {
            Way::Socket(path) => over(UnixStream::connect(path).await?, request).await,
            Way::Tcp(host) => over(TcpStream::connect(host).await?, request).await,
        }
    }
}

/// What the server must be shown for changes over HTTP.
fn token(path: &Path) -> Result<HeaderValue, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
        .map_err(|_| format!("{} holds no token: it must be one line", path.display()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// One request over a connection of its own.
async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What goes wrong with it is what the request ends with.
    tokio::spawn(async { drop(connection.await) });
    let response = sender.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
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
