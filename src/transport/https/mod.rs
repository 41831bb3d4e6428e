//! DNS over HTTPS (RFC 8484), over HTTP/2.
//!
//! Knows how queries come in requests, and what one connection may take: so many requests at
//! once, so many octets of each that wait for room, so many answers that wait for the client.
//! HTTP/2 is the least version that RFC 8484 recommends, and the only one here: one protocol to
//! keep within bounds.

pub mod freshness;
pub mod request;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connections::{Ending, GRACE, Shared};
use super::seats::Seat;
use super::stream::{self, Ends};
use super::{Respond, tls};
use request::Asked;

/// Requests of one connection at once; RFC 9113 section 6.5.2 advises no fewer.
const STREAMS: u32 = 100;

/// Octets of a body that may arrive before they are read, and that a request may hold without a
/// [`HANDS`] permit. Each query of a resolver fits.
const SMALL: usize = 4096;

/// Large requests and answers in hand at once on one connection; others wait. Each is at most
/// 65,535 octets.
const HANDS: usize = 16;

/// Octets of an answer that are handed to a connection at once, when its client has room.
const PIECE: usize = 8192;

/// Octets of a request's head, as HTTP/2 counts them.
const HEAD: u32 = 16 * 1024;

/// Requests that were taken back before we looked at them; more end the connection.
const TAKEN_BACK: usize = 20;

/// Requests reset by us that HTTP/2 still has to remember; more end the connection.
const RESET_BY_US: usize = 100;

/// What the requests of one connection share.
struct Connection<R> {
    ends: Ends,
    engine: Arc<ArcSwap<R>>,
    seat: Seat,
    hands: Arc<Semaphore>,
    idle: Duration,
}

/// Serves one connection to its end.
pub(super) async fn serve<R: Respond>(
    stream: TcpStream,
    ends: Ends,
    acceptor: TlsAcceptor,
    seat: Seat,
    shared: &Shared<R>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let ending = Ending::wait(&seat, &shared.limits, stop.clone());
    let stream = tokio::select! {
        stream = tls::handshake(stream, &acceptor, shared.handshake()) => stream?,
        _ = ending => return Ok(()),
    };
    let connection = Arc::new(Connection {
        ends,
        engine: Arc::clone(&shared.engine),
        seat,
        hands: Arc::new(Semaphore::new(HANDS)),
        idle: shared.limits.idle,
    });
    let service = service_fn(|request| {
        let connection = Arc::clone(&connection);
        async move { connection.exchange(request).await }
    });
    let http = http2().serve_connection(TokioIo::new(stream), service);
    let mut http = pin!(http);
    let ending = Ending::wait(&connection.seat, &shared.limits, stop);
    tokio::select! {
        ended = http.as_mut() => return ended.map_err(io::Error::other),
        ending = ending => if ending == Ending::Evicted {
            return Ok(());
        },
    }
    // GOAWAY; then what is in hand.
    http.as_mut().graceful_shutdown();
    match timeout(GRACE, http).await {
        Ok(ended) => ended.map_err(io::Error::other),
        Err(_) => Ok(()),
    }
}

fn http2() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(SMALL as u32)
        // Bodies that nobody reads yet never keep room from those that are read.
        .initial_connection_window_size(STREAMS * SMALL as u32)
        .max_send_buf_size(PIECE)
        .max_header_list_size(HEAD)
        .max_pending_accept_reset_streams(TAKEN_BACK)
        .max_local_error_reset_streams(RESET_BY_US);
    builder
}

impl<R: Respond> Connection<R> {
    /// One request to one response; an error resets the request's stream.
    async fn exchange(&self, request: Request<Incoming>) -> io::Result<Response<Answer>> {
        let (head, body) = request.into_parts();
        let asked = request::read(&head);
        let (query, hand) = match asked {
            Ok(Asked::Query(query)) => (query, None),
            Ok(Asked::Body) => match timeout(self.idle, self.collect(body)).await {
                Ok(Ok(collected)) => collected,
                Ok(Err(Unread::TooLong)) => return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE)),
                Ok(Err(Unread::Broken(error))) => return Err(io::Error::other(error)),
                Err(_) => return Ok(refusal(StatusCode::REQUEST_TIMEOUT)),
            },
            Err(status) => return Ok(refusal(status)),
        };
        let hand = match hand {
            Some(hand) => hand,
            None => self.hand().await?,
        };
        self.seat.active(Instant::now());
        let read = |reply: Option<&[u8]>| reply.map(Bytes::copy_from_slice);
        Ok(match stream::respond(&**self.engine.load(), self.ends, &query, read) {
            Some(octets) => response(octets, hand),
            // Not a query at all.
            None => refusal(StatusCode::BAD_REQUEST),
        })
    }

    /// The body, and the permit it needs when it is not small.
    async fn collect(
        &self,
        mut body: Incoming,
    ) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Unread> {
        let mut octets = Vec::new();
        let mut hand = None;
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            // Trailers say nothing to us.
            let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else { continue };
            octets.extend_from_slice(&data);
            if octets.len() > request::LONGEST {
                return Err(Unread::TooLong);
            }
            if octets.len() > SMALL && hand.is_none() {
                hand = self.hand().await.ok();
            }
        }
        Ok((octets, hand))
    }

    async fn hand(&self) -> io::Result<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.hands).acquire_owned().await.map_err(io::Error::other)
    }
}

/// Why a body was not read to its end.
enum Unread {
    TooLong,
    Broken(hyper::Error),
}

fn response(octets: Bytes, hand: OwnedSemaphorePermit) -> Response<Answer> {
    let fresh = format!("max-age={}", freshness::seconds(&octets));
    let mut response = Response::new(Answer { rest: octets, hand: Some(hand) });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(request::MESSAGE));
    headers.insert(CACHE_CONTROL, fresh.parse().expect("a word and a number are a value"));
    response
}

fn refusal(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer { rest: Bytes::new(), hand: None });
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(request::METHODS));
    }
    response
}

/// A response's body. It leaves in pieces, each when the client has room, and keeps its place
/// among the answers in hand until the last is gone.
struct Answer {
    rest: Bytes,
    hand: Option<OwnedSemaphorePermit>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            self.hand = None;
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
