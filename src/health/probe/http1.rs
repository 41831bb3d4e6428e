//! One exchange over HTTP/1.1 (RFC 9112): a request that is sent as it was written beforehand, and
//! its response, read to the end.
//!
//! A check speaks little of it: no connection is used twice, and nothing is upgraded. Knows octets
//! and bounds, and not what a response should be.

use hyper::Method;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::marks::Marks;
use super::page::{BODY_LIMIT, Response, beside};
use crate::health::failure::{Failure, Stage};

/// Octets of a head that are read, of a chunk's length, and of trailers.
const HEAD_LIMIT: usize = 64 * 1024;

/// Header fields of a head.
const FIELDS: usize = 100;

/// Heads that are read, informational ones (RFC 9110 section 15.2) included.
const HEADS: usize = 16;

/// Octets that there is room for when more are read.
const ROOM: usize = 4096;

/// A request as it is sent.
#[derive(Debug)]
pub(super) struct Sent {
    octets: Vec<u8>,
    /// Whether the response has a head alone.
    is_head: bool,
}

impl Sent {
    /// A request for `path`, with a body unless that is empty.
    pub(super) fn new(
        method: &Method,
        path: &str,
        host: &HeaderValue,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Sent {
        let mut octets = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
        let mut field = |name: &HeaderName, value: &[u8]| {
            octets.extend_from_slice(name.as_str().as_bytes());
            octets.extend_from_slice(b": ");
            octets.extend_from_slice(value);
            octets.extend_from_slice(b"\r\n");
        };
        field(&HOST, host.as_bytes());
        // The body goes as it is, with its length.
        let is_ours = |name: &HeaderName| {
            *name == HOST
                || *name == TRANSFER_ENCODING
                || (*name == CONTENT_LENGTH && !body.is_empty())
        };
        for (name, value) in headers.iter().filter(|(name, _)| !is_ours(name)) {
            field(name, value.as_bytes());
        }
        if !body.is_empty() {
            field(&CONTENT_LENGTH, body.len().to_string().as_bytes());
        }
        octets.extend_from_slice(b"\r\n");
        octets.extend_from_slice(body);
        Sent { octets, is_head: *method == Method::HEAD }
    }

    /// Sends it and reads what comes back; `judge` is asked as in
    /// [`Page::ask`](super::page::Page::ask).
    pub(super) async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite,
        marks: &Marks,
        judge: impl FnOnce(u16, &HeaderMap) -> Result<bool, Failure>,
    ) -> Result<Response, Failure> {
        let (from, mut to) = tokio::io::split(stream);
        let send = async {
            to.write_all(&self.octets).await?;
            to.flush().await
        };
        // What hinders sending is seen in reading: a target may answer without having read it all.
        beside(send, receive(from, self.is_head, marks, judge)).await
    }
}

async fn receive(
    stream: impl AsyncRead + Unpin,
    is_head: bool,
    marks: &Marks,
    judge: impl FnOnce(u16, &HeaderMap) -> Result<bool, Failure>,
) -> Result<Response, Failure> {
    let mut reader = Reader { stream, octets: Vec::new(), at: 0, stage: Stage::Head };
    let mut head = reader.head().await?;
    let mut heads = 1;
    while matches!(head.status, 100 | 102..=199) {
        if heads == HEADS {
            return Err(Failure::Protocol(format!("{HEADS} informational responses")));
        }
        head = reader.head().await?;
        heads += 1;
    }
    marks.head();
    reader.stage = Stage::Body;
    let framing = head.framing(is_head)?;
    let mut body =
        Body { octets: Vec::new(), count: 0, is_kept: judge(head.status, &head.headers)? };
    let is_whole = reader.body(framing, &mut body).await?;
    Ok(Response { headers: head.headers, body: body.octets, is_whole })
}

struct Head {
    status: u16,
    /// Of HTTP/1.
    minor: u8,
    headers: HeaderMap,
}

/// How the end of a body is told (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    Close,
}

impl Head {
    fn framing(&self, is_head: bool) -> Result<Framing, Failure> {
        let broken = |text: &str| Err(Failure::Protocol(text.into()));
        if is_head || matches!(self.status, 101 | 204 | 304) {
            return Ok(Framing::Length(0));
        }
        if let Some(last) = self.headers.get_all(TRANSFER_ENCODING).iter().next_back() {
            if self.minor == 0 {
                return broken("a transfer coding in HTTP/1.0");
            }
            let last = last.as_bytes().rsplit(|octet| *octet == b',').next().unwrap_or_default();
            return Ok(match last.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                true => Framing::Chunked,
                false => Framing::Close,
            });
        }
        let mut length = None;
        for value in self.headers.get_all(CONTENT_LENGTH) {
            // One that was joined of equal ones is one (RFC 9110 section 8.6).
            for text in value.as_bytes().split(|octet| *octet == b',') {
                match number(text.trim_ascii()) {
                    Some(number) if length.is_none_or(|known| known == number) => {
                        length = Some(number);
                    }
                    _ => return broken("no proper content-length"),
                }
            }
        }
        Ok(length.map_or(Framing::Close, Framing::Length))
    }
}

/// Digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// What was read of a body.
struct Body {
    octets: Vec<u8>,
    count: usize,
    is_kept: bool,
}

impl Body {
    /// Takes what comes next; whether it was within the limit.
    fn take(&mut self, octets: &[u8]) -> bool {
        let room = BODY_LIMIT - self.count;
        let taken = &octets[..octets.len().min(room)];
        if self.is_kept {
            self.octets.extend_from_slice(taken);
        }
        self.count += taken.len();
        octets.len() <= room
    }
}

struct Reader<S> {
    stream: S,
    octets: Vec<u8>,
    /// Where what is not looked at yet begins.
    at: usize,
    stage: Stage,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    /// Reads on; false at the end.
    async fn more(&mut self) -> Result<bool, Failure> {
        self.octets.drain(..self.at);
        self.at = 0;
        self.octets.reserve(ROOM);
        let read = self.stream.read_buf(&mut self.octets).await;
        Ok(read.map_err(|error| Failure::of_io(&error, self.stage))? > 0)
    }

    /// Reads on where the end may not be yet.
    async fn more_of(&mut self, what: &str) -> Result<(), Failure> {
        if self.octets.len() - self.at > HEAD_LIMIT {
            return Err(too_long(what));
        }
        match (self.more().await?, self.stage) {
            (true, _) => Ok(()),
            (false, Stage::Body) => Err(Failure::Truncated),
            (false, stage) => Err(Failure::Closed(stage)),
        }
    }

    async fn head(&mut self) -> Result<Head, Failure> {
        // Octets of which it is known that the head does not end in them.
        let mut seen = 0;
        loop {
            let octets = &self.octets[self.at..];
            // What does not begin like HTTP is seen at once, and a slow head is not parsed each time.
            if seen == 0 || ends(&octets[seen..]) {
                let mut fields = [httparse::EMPTY_HEADER; FIELDS];
                let mut response = httparse::Response::new(&mut fields);
                let parsed = response.parse(octets);
                let parsed = parsed.map_err(|error| Failure::Protocol(error.to_string()))?;
                if let httparse::Status::Complete(length) = parsed {
                    let head = Head::of(&response)?;
                    self.at += length;
                    return Ok(head);
                }
            }
            // The end may be cut in two.
            seen = octets.len().saturating_sub(3);
            self.more_of("a head").await?;
        }
    }

    /// Reads a body to its end or to the limit; whether that was the end.
    async fn body(&mut self, framing: Framing, body: &mut Body) -> Result<bool, Failure> {
        match framing {
            Framing::Length(length) => self.part(length, body).await,
            Framing::Close => loop {
                if !body.take(&self.octets[self.at..]) {
                    return Ok(false);
                }
                self.at = self.octets.len();
                if !self.more().await? {
                    return Ok(true);
                }
            },
            Framing::Chunked => loop {
                let length = self.chunk_length().await?;
                if length == 0 {
                    return self.trailers().await.map(|()| true);
                }
                if !self.part(length, body).await? {
                    return Ok(false);
                }
                if !self.line().await?.is_empty() {
                    return Err(Failure::Protocol("a chunk longer than it says".into()));
                }
            },
        }
    }

    /// Reads so many octets of a body; whether all were within the limit.
    async fn part(&mut self, mut left: u64, body: &mut Body) -> Result<bool, Failure> {
        loop {
            let here = &self.octets[self.at..];
            let taken = usize::try_from(left).map_or(here.len(), |left| left.min(here.len()));
            if !body.take(&here[..taken]) {
                return Ok(false);
            }
            self.at += taken;
            left -= taken as u64;
            if left == 0 {
                return Ok(true);
            }
            if !self.more().await? {
                return Err(Failure::Truncated);
            }
        }
    }

    async fn chunk_length(&mut self) -> Result<u64, Failure> {
        loop {
            match httparse::parse_chunk_size(&self.octets[self.at..]) {
                Ok(httparse::Status::Complete((used, length))) => {
                    self.at += used;
                    return Ok(length);
                }
                Ok(httparse::Status::Partial) => self.more_of("a chunk's length").await?,
                Err(_) => return Err(Failure::Protocol("no proper length of a chunk".into())),
            }
        }
    }

    /// Reads over them: what they say is nobody's concern.
    async fn trailers(&mut self) -> Result<(), Failure> {
        let mut read = 0;
        loop {
            match self.line().await?.len() {
                0 => return Ok(()),
                length => read += length,
            }
            if read > HEAD_LIMIT {
                return Err(too_long("trailers"));
            }
        }
    }

    /// A line without its end.
    async fn line(&mut self) -> Result<&[u8], Failure> {
        let mut seen = 0;
        loop {
            let octets = &self.octets[self.at..];
            if let Some(end) = octets[seen..].iter().position(|octet| *octet == b'\n') {
                let from = self.at;
                self.at += seen + end + 1;
                let line = &self.octets[from..self.at - 1];
                return Ok(line.strip_suffix(b"\r").unwrap_or(line));
            }
            seen = octets.len();
            self.more_of("a trailer").await?;
        }
    }
}

impl Head {
    fn of(response: &httparse::Response<'_, '_>) -> Result<Head, Failure> {
        let broken = |name: &str| Failure::Protocol(format!("no proper header `{name}`"));
        let mut headers = HeaderMap::with_capacity(response.headers.len());
        for field in response.headers.iter() {
            let name = HeaderName::from_bytes(field.name.as_bytes());
            let value = HeaderValue::from_bytes(field.value);
            let (Ok(name), Ok(value)) = (name, value) else { return Err(broken(field.name)) };
            headers.append(name, value);
        }
        // A head that is complete has both.
        let (status, minor) = (response.code.unwrap_or(0), response.version.unwrap_or(0));
        Ok(Head { status, minor, headers })
    }
}

fn too_long(what: &str) -> Failure {
    Failure::Protocol(format!("{what} over {} KiB", HEAD_LIMIT / 1024))
}

/// Whether a head may end here: an empty line, with the line ends that are allowed.
fn ends(octets: &[u8]) -> bool {
    let has = |end: &[u8]| octets.windows(end.len()).any(|here| here == end);
    has(b"\n\r\n") || has(b"\n\n")
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use proptest::prelude::*;
    use tokio::io::ReadBuf;

    use super::*;

    /// What arrives piece by piece, and then the end.
    struct Pieces(VecDeque<Vec<u8>>);

    impl Pieces {
        fn of(octets: &[u8], cuts: &[usize]) -> Pieces {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (octets.len() + 1)).collect();
            cuts.extend([0, octets.len()]);
            cuts.sort_unstable();
            // A piece of nothing would be the end.
            let pieces = cuts.windows(2).filter(|cut| cut[0] < cut[1]);
            Pieces(pieces.map(|cut| octets[cut[0]..cut[1]].to_vec()).collect())
        }
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            room: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if let Some(mut piece) = self.0.pop_front() {
                let rest = piece.split_off(piece.len().min(room.remaining()));
                room.put_slice(&piece);
                if !rest.is_empty() {
                    self.0.push_front(rest);
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    /// What was read, as text.
    fn read(octets: &[u8], cuts: &[usize], is_head: bool) -> Result<String, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let marks = Marks::new(false);
        let judge = |_, _: &HeaderMap| Ok(true);
        let read = receive(Pieces::of(octets, cuts), is_head, &marks, judge);
        let Response { headers, body, is_whole } = runtime.block_on(read)?;
        Ok(format!("{headers:?} {body:x?} {is_whole}"))
    }

    #[test]
    fn a_body_ends_where_the_head_says() {
        for (response, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", "ok"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nokmore", "ok"),
            ("HTTP/1.0 200 OK\n\nall of it", "all of it"),
            ("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x"),
            ("HTTP/1.1 204 None\r\n\r\nnothing", ""),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\nmore",
                "abcde",
            ),
        ] {
            let read = read(response.as_bytes(), &[], false).unwrap();
            assert!(read.ends_with(&format!(" {:x?} true", body.as_bytes())), "{response}: {read}");
        }
        let endless = "HTTP/1.1 103 Hints\r\n\r\n".repeat(HEADS + 1);
        assert!(matches!(read(endless.as_bytes(), &[], false), Err(Failure::Protocol(_))));
    }

    proptest! {
        /// Whatever is sent, and however it arrives, it is read alike, and nothing panics.
        #[test]
        fn a_response_reads_alike_in_any_pieces(
            head in prop::sample::select(vec![
                "HTTP/1.1 200 OK\r\n", "HTTP/1.0 200 OK\n", "HTTP/1.1 204 None\r\n",
                "HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 503 No\r\n", "HTTP/1.1 200 OK", "HTTP/2 200\r\n", "",
            ]),
            fields in prop::collection::vec(prop::sample::select(vec![
                "Content-Length: 5\r\n", "Content-Length: 7\r\n", "Content-Length: +5\r\n",
                "Content-Length: 5, 5\r\n", "Transfer-Encoding: chunked\r\n",
                "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: gzip\r\n", "A: b\n",
                "Content-Length: 99999999999999999999\r\n", "no field\r\n", ": x\r\n", "B: \x01\r\n",
            ]), 0..4),
            end in prop::sample::select(vec!["\r\n", "\n", "\r", ""]),
            body in prop::collection::vec(prop::sample::select(vec![
                "hello", "5\r\nhello\r\n", "5\nhello\n", "0\r\n\r\n", "0\r\nT: t\r\n", "\r\n",
                "ffffffffffffffff\r\n", "fffffffffffffffff\r\n", "5;a=b\r\n", "-1\r\n", "x",
            ]), 0..6),
            noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cuts in prop::collection::vec(any::<usize>(), 0..8),
            is_head in any::<bool>(),
        ) {
            let mut octets = [head, &fields.concat(), end, &body.concat()].concat().into_bytes();
            for (index, octet) in noise {
                if !octets.is_empty() {
                    let index = index.index(octets.len());
                    octets[index] = octet;
                }
            }
            let every: Vec<usize> = (0..octets.len()).collect();
            let whole = read(&octets, &[], is_head);
            for cuts in [cuts, every] {
                match (read(&octets, &cuts, is_head), &whole) {
                    // A head is not parsed again before it ends, so what is wrong with one that
                    // never does may go unseen.
                    (Err(Failure::Closed(_)), Err(_)) => {}
                    (pieces, whole) => prop_assert_eq!(format!("{pieces:?}"), format!("{whole:?}")),
                }
            }
        }
    }
}
