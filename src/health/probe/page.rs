//! One page of one target, asked again and again.
//!
//! Each time over a connection of its own, which ends with the answer: a kept connection would
//! hide a load balancer that no longer accepts, and a resumed session a certificate that expired.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{ACCEPT, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConnection;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::fault::failure;
use super::marks::Marks;
use super::resolve::Lookup;
use super::tls::Tls;
use crate::health::check::{Host, Target};
use crate::health::failure::{Failure, Stage};
use crate::health::monitor::{Expiry, Http2, Request, Trust};

/// Octets of a body that are read; what comes after them is not waited for.
pub(super) const BODY_LIMIT: usize = 256 * 1024;

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("meridian/", env!("CARGO_PKG_VERSION")));

/// A request that can be sent again and again.
#[derive(Debug)]
pub(super) struct Page {
    lookup: Lookup,
    secured: Option<Secured>,
    http2: Http2,
    method: Method,
    /// Path and query, as HTTP/1.1 has it.
    path: Uri,
    /// With scheme and host, as HTTP/2 has it.
    whole: Uri,
    headers: HeaderMap,
    host: HeaderValue,
    body: Bytes,
}

/// What TLS needs.
struct Secured {
    connector: TlsConnector,
    /// The name in the certificate, and in SNI unless it is an address.
    name: ServerName<'static>,
    /// Looks at certificates as they will be after this time.
    foresight: Option<(Arc<WebPkiServerVerifier>, Duration)>,
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

/// An HTTP check could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(in crate::health) enum HttpError {
    #[error("no TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("`{0}` cannot be asked for")]
    Address(String),
}

impl Page {
    /// A page that is asked in clear text.
    pub(super) fn new(
        target: &Target,
        lookup: Lookup,
        request: &Request,
    ) -> Result<Page, HttpError> {
        Page::build(target, lookup, request, None)
    }

    /// A page that is asked over TLS.
    pub(super) fn over_tls(
        target: &Target,
        lookup: Lookup,
        request: &Request,
        (trust, expiry): (&Trust, Option<Expiry>),
        tls: &mut Tls,
    ) -> Result<Page, HttpError> {
        // SNI carries names only (RFC 6066 section 3).
        let name = match request.host.clone().filter(|host| !is_address(host)) {
            Some(host) => host,
            None => match target.host() {
                Host::Address(address) => address.to_string(),
                Host::Name(name) | Host::Placed(name, _) => name.clone(),
            },
        };
        let wrong = || HttpError::Address(name.clone());
        let secured = Secured {
            connector: tls.config(trust, request)?.into(),
            name: ServerName::try_from(name.clone()).map_err(|_| wrong())?,
            foresight: match expiry {
                Some(expiry) => tls.verifier(trust)?.map(|verifier| (verifier, expiry.ahead())),
                None => None,
            },
        };
        Page::build(target, lookup, request, Some(secured))
    }

    fn build(
        target: &Target,
        lookup: Lookup,
        request: &Request,
        secured: Option<Secured>,
    ) -> Result<Page, HttpError> {
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
        let wrong = || HttpError::Address(text.clone());
        let mut headers = request.headers.clone();
        headers.entry(USER_AGENT).or_insert(AGENT);
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        Ok(Page {
            lookup,
            secured,
            http2: request.http2,
            method: request.method.clone(),
            path: request.path.parse().map_err(|_| wrong())?,
            whole: text.parse().map_err(|_| wrong())?,
            headers,
            host: host.parse().map_err(|_| wrong())?,
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
        at_once(&stream);
        let stream = secured.connector.connect(secured.name.clone(), stream).await;
        let stream = stream.map_err(|e| failure(&e, marks.stage()))?;
        marks.connected();
        let session = stream.get_ref().1;
        marks.expiring(secured.expiring(session));
        let is_http2 = session.alpn_protocol() == Some(b"h2");
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
        let failed = |e: hyper::Error| failure(&e, marks.stage());
        let request = self.request(is_http2);
        let stream = TokioIo::new(stream);
        if is_http2 {
            let handshake = Box::pin(http2::handshake(TokioExecutor::new(), stream)).await;
            let (mut sender, connection) = handshake.map_err(failed)?;
            let sent = async { sender.send_request(request).await };
            Box::pin(beside(connection, receive(sent, marks, judge))).await
        } else {
            let (mut sender, connection) = http1::handshake(stream).await.map_err(failed)?;
            let sent = async { sender.send_request(request).await };
            beside(connection, receive(sent, marks, judge)).await
        }
    }

    fn request(&self, is_http2: bool) -> hyper::Request<Full<Bytes>> {
        let mut request = hyper::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = if is_http2 { self.whole.clone() } else { self.path.clone() };
        *request.headers_mut() = self.headers.clone();
        if !is_http2 {
            request.headers_mut().insert(HOST, self.host.clone());
        }
        request
    }
}

impl Secured {
    /// When a certificate of the chain expires, if that is too soon.
    fn expiring(&self, session: &ClientConnection) -> Option<SystemTime> {
        let (verifier, ahead) = self.foresight.as_ref()?;
        let (first, others) = session.peer_certificates()?.split_first()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let then = UnixTime::since_unix_epoch(now + *ahead);
        match verifier.verify_server_cert(first, others, &self.name, &[], then) {
            Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ExpiredContext {
                not_after,
                ..
            })) => UNIX_EPOCH.checked_add(Duration::from_secs(not_after.as_secs())),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Secured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Secured").field(&self.name).finish()
    }
}

/// Small parts are sent when they are there: waiting for more would cost a delayed acknowledgement
/// (40 ms) where two of them follow each other.
fn at_once(stream: &TcpStream) {
    // Without it a check is slower, and no less right.
    let _ = stream.set_nodelay(true);
}

/// Does `work` over a connection that has to be driven meanwhile.
async fn beside<T>(connection: impl Future, work: impl Future<Output = T>) -> T {
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
