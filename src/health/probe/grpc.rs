//! The check by the health protocol of gRPC, `grpc.health.v1.Health/Check`.
//!
//! The protocol is HTTP/2 with two messages of one field each, so no gRPC library is needed:
//! <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>,
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2;
use hyper::header::HeaderMap;
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::NotReady;
use super::connect::{Secured, at_once};
use super::fault::failure;
use super::judge;
use super::marks::Marks;
use super::page::{AGENT, beside};
use super::resolve::Lookup;
use super::success::Success;
use crate::health::check::Check;
use crate::health::failure::{Failure, shown};
use crate::health::kinds::Call;
use crate::health::monitor::Expiry;

const METHOD: &str = "/grpc.health.v1.Health/Check";

/// Octets of an answer that are read. The right one has seven.
const LIMIT: usize = 4096;

/// Octets before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// The names of status codes, by their numbers.
const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// A call that can be made again and again, each time over a connection of its own.
#[derive(Debug)]
pub(super) struct Grpc {
    lookup: Lookup,
    secured: Option<Secured>,
    expiry: Option<Expiry>,
    uri: Uri,
    service: String,
}

impl Grpc {
    pub(super) fn new(
        check: &Check,
        call: &Call,
        secured: Option<Secured>,
        lookup: Lookup,
    ) -> Result<Grpc, NotReady> {
        let scheme = if secured.is_some() { "https" } else { "http" };
        let (host, port) = (call.called.of(&check.target), check.target.port());
        let text = format!("{scheme}://{host}:{port}{METHOD}");
        let uri = text.parse().map_err(|_| NotReady::Address(text))?;
        let expiry = call.security.as_ref().and_then(|security| security.expiry);
        Ok(Grpc { lookup, secured, expiry, uri, service: call.service.clone() })
    }

    pub(super) async fn run(&self, marks: &Marks) -> Result<Success, Failure> {
        let stream = self.lookup.clone().connect(marks).await?;
        match &self.secured {
            None => {
                at_once(&stream);
                marks.connected();
                self.call(stream, marks).await?;
            }
            Some(secured) => {
                let stream = secured.shake(stream, marks).await?;
                if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    return Err(Failure::Tls("HTTP/2 not agreed upon (ALPN)".into()));
                }
                self.call(stream, marks).await?;
            }
        }
        judge::expiry(self.expiry, marks.expires())?;
        Ok(Success::from_marks(marks))
    }

    async fn call<S>(&self, stream: S, marks: &Marks) -> Result<(), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |e: hyper::Error| failure(&e, marks.stage());
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(failed)?;
        let request = Request::post(self.uri.clone())
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", AGENT)
            .body(Full::new(request(&self.service)))
            .map_err(|e| Failure::Local(e.to_string()))?;
        let call = async {
            let response = sender.send_request(request).await.map_err(failed)?;
            marks.head();
            self.judge(response, marks).await
        };
        beside(connection, call).await
    }

    async fn judge(&self, response: Response<Incoming>, marks: &Marks) -> Result<(), Failure> {
        let (head, mut body) = response.into_parts();
        if head.status != 200 {
            return Err(Failure::Status {
                status: head.status.as_u16(),
                request: format!("POST {METHOD}"),
                wanted: "200".into(),
            });
        }
        // A call that fails at once has its status among the headers.
        self.judge_status(&head.headers)?;
        let mut message = Vec::new();
        let mut has_status = head.headers.contains_key("grpc-status");
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| failure(&e, marks.stage()))?;
            if let Some(trailers) = frame.trailers_ref() {
                self.judge_status(trailers)?;
                has_status |= trailers.contains_key("grpc-status");
            } else if let Some(data) = frame.data_ref() {
                if message.len() + data.len() > LIMIT {
                    return Err(Failure::Protocol("an answer over 4 KiB".into()));
                }
                message.extend_from_slice(data);
            }
        }
        if !has_status {
            return Err(Failure::Protocol("no grpc-status: not a gRPC server".into()));
        }
        match status(&message) {
            Some(1) => Ok(()),
            Some(status) => Err(Failure::Serving {
                status: match status {
                    0 => "UNKNOWN".into(),
                    2 => "NOT_SERVING".into(),
                    3 => "SERVICE_UNKNOWN".into(),
                    other => format!("status {other}"),
                },
                service: self.asked(),
            }),
            None => Err(Failure::Protocol(format!(
                "`{}` is not a HealthCheckResponse",
                shown(&message)
            ))),
        }
    }

    fn judge_status(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(status) = headers.get("grpc-status") else { return Ok(()) };
        if status.as_bytes() == b"0" {
            return Ok(());
        }
        let number = shown(status.as_bytes());
        let name = number.parse().ok().and_then(|number: usize| STATUSES.get(number));
        Err(Failure::Call {
            status: name.map_or(number.clone(), |name| format!("{number} ({name})")),
            service: self.asked(),
            message: match headers.get("grpc-message") {
                Some(message) => shown(message.as_bytes()),
                None => "no message".into(),
            },
        })
    }

    fn asked(&self) -> String {
        match &*self.service {
            "" => "the server as a whole".into(),
            service => format!("service `{service}`"),
        }
    }
}

/// A `HealthCheckRequest`, with what gRPC puts before messages.
///
/// Its one field is `string service = 1`, left out when empty (proto3). The name of the service
/// has at most 255 octets.
fn request(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        // Field 1, length-delimited.
        message.push(0x0a);
        varint(service.len() as u64, &mut message);
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    framed.into()
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The status in a `HealthCheckResponse` with what gRPC puts before messages: its one field is
/// `ServingStatus status = 1`, left out when 0. `None` when it is not such a message.
fn status(framed: &[u8]) -> Option<u64> {
    let (prefix, message) = framed.split_at_checked(PREFIX)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?);
    if prefix[0] != 0 || length as usize != message.len() {
        return None;
    }
    let mut rest = message;
    let mut status = 0;
    while !rest.is_empty() {
        let tag = read_varint(&mut rest)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => status = read_varint(&mut rest)?,
            (_, 0) => {
                read_varint(&mut rest)?;
            }
            (_, 1) => rest = rest.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(read_varint(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            (_, 5) => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (octet, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_service_in_its_one_field() {
        assert_eq!(&request("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&request("web")[..], b"\0\0\0\0\x05\x0a\x03web");
        let long = request(&"x".repeat(200));
        assert_eq!(&long[..8], [0, 0, 0, 0, 203, 0x0a, 0xc8, 1]);
    }

    #[test]
    fn a_response_has_the_status_in_its_one_field() {
        assert_eq!(status(b"\0\0\0\0\x02\x08\x01"), Some(1));
        assert_eq!(status(b"\0\0\0\0\0"), Some(0));
        // Fields that a later version may add, of every wire type, are skipped.
        let later =
            b"\0\0\0\0\x19\x10\x96\x01\x1a\x02hi\x21\0\0\0\0\0\0\0\0\x2d\0\0\0\0\x08\x02\x10\0";
        assert_eq!(status(later), Some(2));
    }

    #[test]
    fn what_is_no_response_is_none() {
        let wrong: [&[u8]; 8] = [
            b"",
            b"\0\0\0\0",
            b"\x01\0\0\0\x02\x08\x01",
            b"\0\0\0\0\x03\x08\x01",
            b"\0\0\0\0\x01\x08",
            b"\0\0\0\0\x02\x1a\x05",
            b"\0\0\0\0\x01\x0b",
            b"\0\0\0\0\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ];
        for octets in wrong {
            assert_eq!(status(octets), None, "{octets:?}");
        }
    }
}
