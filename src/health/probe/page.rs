//! One page of one target, asked again and again.
//!
//! Each time over a connection of its own, which ends with the answer: a kept connection would
//! hide a load balancer that no longer accepts, and a resumed session a certificate that expired.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http2;
use hyper::header::{ACCEPT, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::NotReady;
use super::connect::{Secured, at_once};
use super::fault::failure;
use super::http1::Sent;
use super::marks::Marks;
use super::resolve::Lookup;
use super::tls::Tls;
use crate::health::check::{Host, Target};
use crate::health::failure::{Failure, Stage};
use crate::health::kinds::Security;
use crate::health::monitor::{Expiry, Http2, Request, Trust};

/// Octets of a body that are read; what comes after them is not waited for.
pub(super) const BODY_LIMIT: usize = 256 * 1024;

pub(super) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("meridian/", env!("CARGO_PKG_VERSION")));

/// A request that can be sent again and again.
#[derive(Debug)]
pub(super) struct Page {
    lookup: Lookup,
    secured: Option<Secured>,
    http2: Http2,
    /// For HTTP/1.1.
    sent: Sent,
    // For HTTP/2.
    method: Method,
    /// With scheme and host.
    whole: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) headers: HeaderMap,
    /// Empty when nobody wants to look at it.
    pub(super) body: Vec<u8>,
    /// Whether that is all of it.
    pub(super) is_whole: bool,
}

impl Page {
    /// A page that is asked in clear text.
    pub(super) fn new(
        target: &Target,
        lookup: Lookup,
        request: &Request,
    ) -> Result<Page, NotReady> {
        Page::build(target, lookup, request, None)
    }

    /// A page that is asked over TLS.
    pub(super) fn over_tls(
        target: &Target,
        lookup: Lookup,
        request: &Request,
        (trust, expiry): (&Trust, Option<Expiry>),
        tls: &mut Tls,
    ) -> Result<Page, NotReady> {
        // SNI carries names only (RFC 6066 section 3).
        let name = match request.host.clone().filter(|host| !is_address(host)) {
            Some(host) => host,
            None => match target.host() {
                Host::Address(address) => address.to_string(),
                Host::Name(name) | Host::Placed(name, _) => name.clone(),
            },
        };
        let name = ServerName::try_from(name.clone()).map_err(|_| NotReady::Address(name))?;
        let security =
            Security { trust: trust.clone(), expiry, credentials: request.credentials.clone() };
        let secured = Secured::new(name, &security, protocols(request.http2), tls)?;
        Page::build(target, lookup, request, Some(secured))
    }

    fn build(
        target: &Target,
        lookup: Lookup,
        request: &Request,
        secured: Option<Secured>,
    ) -> Result<Page, NotReady> {
        let (scheme, usual) = if secured.is_some() { ("https", 443) } else { ("http", 80) };
        let port = target.port();
        let host = match &request.host {
            Some(host) if is_address(host) => host.clone(),
            host => {
                let host = host.clone().unwrap_or_else(|| target.host().in_url());
                if port == usual { host } else { format!("{host}:{port}") }
            }
        };
        let text = format!("{scheme}://{host}{}", request.path);
        let wrong = || NotReady::Address(text.clone());
        let mut headers = request.headers.clone();
        headers.entry(USER_AGENT).or_insert(AGENT);
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        let host = host.parse().map_err(|_| wrong())?;
        let body = request.body.as_bytes();
        Ok(Page {
            lookup,
            secured,
            http2: request.http2,
            sent: Sent::new(&request.method, &request.path, &host, &headers, body),
            method: request.method.clone(),
            whole: text.parse().map_err(|_| wrong())?,
            headers,
            body: request.body.clone().into(),
        })
    }

    /// Asks for it. `judge` sees the head before the body is waited for, and says whether the
    /// body is to be kept. It is read even when nobody looks at it: a response that breaks off is
    /// no success.
    pub(super) async fn ask(
        &self,
        marks: &Marks,
        judge: impl FnOnce(u16, &HeaderMap) -> Result<bool, Failure>,
    ) -> Result<Response, Failure> {
        let stream = self.lookup.clone().connect(marks).await?;
        let Some(secured) = &self.secured else {
            marks.connected();
            let is_http2 = self.http2 == Http2::Always;
            if is_http2 {
                at_once(&stream);
            }
            return self.talk(stream, is_http2, marks, judge).await;
        };
        Box::pin(self.ask_over_tls(secured, stream, marks, judge)).await
    }

    async fn ask_over_tls(
        &self,
        secured: &Secured,
        stream: TcpStream,
        marks: &Marks,
        judge: impl FnOnce(u16, &HeaderMap) -> Result<bool, Failure>,
    ) -> Result<Response, Failure> {
        let stream = secured.shake(stream, marks).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if self.http2 == Http2::Always && !is_http2 {
            return Err(Failure::Protocol("HTTP/2 wanted, which the target does not speak".into()));
        }
        self.talk(stream, is_http2, marks, judge).await
    }

    async fn talk(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        is_http2: bool,
        marks: &Marks,
        judge: impl FnOnce(u16, &HeaderMap) -> Result<bool, Failure>,
    ) -> Result<Response, Failure> {
        if is_http2 {
            Box::pin(self.talk_http2(stream, marks, judge)).await
        } else {
            self.sent.exchange(stream, marks, judge).await
        }
    }

    async fn talk_http2(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        marks: &Marks,
        judge: impl FnOnce(u16, &HeaderMap) -> Result<bool, Failure>,
    ) -> Result<Response, Failure> {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let failed = |e: hyper::Error| failure(&e, marks.stage());
        let (mut sender, connection) = handshake.map_err(failed)?;
        let mut request = hyper::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.whole.clone();
        *request.headers_mut() = self.headers.clone();
        let sent = async { sender.send_request(request).await };
        beside(connection, receive(sent, marks, judge)).await
    }
}

/// The application protocols to choose from (ALPN, RFC 7301).
fn protocols(http2: Http2) -> &'static [&'static [u8]] {
    match http2 {
        Http2::Auto => &[b"h2", b"http/1.1"],
        Http2::Always => &[b"h2"],
        Http2::Never => &[b"http/1.1"],
    }
}

/// Does `work` over a connection that has to be driven meanwhile.
pub(super) async fn beside<T>(connection: impl Future, work: impl Future<Output = T>) -> T {
    let (mut connection, mut work) = (pin!(connection), pin!(work));
    let mut has_ended = false;
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        if !has_ended && connection.as_mut().poll(context).is_ready() {
            has_ended = true;
            // What the connection's end is about, it has told the work.
            return work.as_mut().poll(context);
        }
        Poll::Pending
    })
    .await
}

async fn receive(
    sent: impl Future<Output = Result<hyper::Response<Incoming>, hyper::Error>>,
    marks: &Marks,
    judge: impl FnOnce(u16, &HeaderMap) -> Result<bool, Failure>,
) -> Result<Response, Failure> {
    let response = sent.await.map_err(|e| failure(&e, marks.stage()))?;
    marks.head();
    let (head, body) = response.into_parts();
    let is_kept = judge(head.status.as_u16(), &head.headers)?;
    let (body, is_whole) = read(body, is_kept).await?;
    Ok(Response { headers: head.headers, body, is_whole })
}

/// The body up to the limit, and whether that is all of it.
async fn read(mut body: Incoming, is_kept: bool) -> Result<(Vec<u8>, bool), Failure> {
    let mut kept = Vec::new();
    let mut count = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|e| failure(&e, Stage::Body))?;
        let Some(chunk) = frame.data_ref() else { continue };
        let room = BODY_LIMIT - count;
        let taken = chunk.len().min(room);
        if is_kept {
            kept.extend_from_slice(&chunk[..taken]);
        }
        count += taken;
        if chunk.len() > room {
            return Ok((kept, false));
        }
    }
    Ok((kept, true))
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok()
}
