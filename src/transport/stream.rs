//! DNS messages on a stream: each behind its length in two octets (RFC 7766 section 8).
//!
//! Knows framing, order, and how long to wait. Does not know what carries the stream: TCP, and
//! TLS the same way.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::tally::{self, Tallies};
use super::tap::Feed;
use super::{Respond, seed, transfers};
use crate::engine::{Clock, Reply, Request, Scratch, Transfer, Transport};

/// What connections may take, over all transports that have any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one client: an IPv4 address or an IPv6 /56.
    pub per_client: usize,
    /// How long a connection may be without a whole message, and how long a client may take to
    /// accept answers.
    pub idle: Duration,
    /// How old a connection may become; it ends between two messages.
    pub lifetime: Duration,
}

/// The two ends of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// The far one.
    pub client: SocketAddr,
    /// Ours.
    pub local: Option<IpAddr>,
    /// What carries the stream.
    pub transport: Transport,
}

/// Octets of the length in front of each message.
pub(super) const PREFIX: usize = 2;

/// Room a connection keeps while it is idle.
const SMALL: usize = 2048;

/// Answers are sent when so many octets have gathered, or when no whole message is left.
const FLUSH: usize = 64 * 1024;

/// Answers messages in the order they come until the client is done, is idle or slow for too
/// long, sends something that deserves no answer, the connection is too old, or `stop` becomes
/// true.
///
/// Messages that arrive together are answered together, in one write. While a client does not
/// take its answers no more of its messages are read, so it costs bounded memory. `on_message`
/// is called whenever whole messages came.
pub async fn serve<S, R>(
    stream: &mut S,
    ends: Ends,
    engine: &ArcSwap<R>,
    limits: &Limits,
    mut stop: watch::Receiver<bool>,
    on_message: impl Fn(),
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    R: Respond,
{
    let mut input = Vec::with_capacity(SMALL);
    let mut output = Vec::new();
    let &Limits { idle, lifetime, .. } = limits;
    let end = Instant::now() + lifetime;
    // Moved by whole messages only: a message that drips in gets no extra time for each octet.
    let mut deadline = end.min(Instant::now() + idle);
    loop {
        let read = tokio::select! {
            read = stream.read_buf(&mut input) => read?,
            () = sleep_until(deadline) => break,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        if read == 0 {
            break;
        }
        let mut done = 0;
        let mut good = true;
        while let (true, Some(message)) = (good, first_message(&input[done..])) {
            done += PREFIX + message.len();
            match answer(&**engine.load(), ends, message, &mut output) {
                Answered::Message => {}
                Answered::Transfer(transfer) => {
                    good =
                        transfers::send(*transfer, stream, &mut output, idle, &on_message).await?;
                }
                Answered::Nothing => good = false,
            }
            if output.len() >= FLUSH {
                write(stream, &mut output, idle).await?;
            }
        }
        if done > 0 {
            on_message();
        }
        write(stream, &mut output, idle).await?;
        if !good {
            break;
        }
        if done > 0 {
            input.drain(..done);
            deadline = end.min(Instant::now() + idle);
        }
        make_room(&mut input);
    }
    // Answers were all sent; the client sees an orderly end.
    timeout(idle, stream.shutdown()).await?
}

/// The first message, when it is there as a whole.
fn first_message(octets: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = octets.split_first_chunk::<PREFIX>()?;
    rest.get(..usize::from(u16::from_be_bytes(*prefix)))
}

/// Leaves room for the rest of the message at the front, and gives back what a long one took.
fn make_room(input: &mut Vec<u8>) {
    let needed = match input.first_chunk::<PREFIX>() {
        Some(prefix) => PREFIX + usize::from(u16::from_be_bytes(*prefix)),
        None => PREFIX,
    };
    let target = needed.max(SMALL);
    if input.capacity() > 2 * target {
        input.shrink_to(target);
    }
    input.reserve(target.saturating_sub(input.len()).max(1));
}

pub(super) async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    output: &mut Vec<u8>,
    limit: Duration,
) -> io::Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    timeout(limit, async {
        stream.write_all(output).await?;
        stream.flush().await
    })
    .await??;
    output.clear();
    output.shrink_to(SMALL);
    Ok(())
}

/// What a thread needs to answer a message, shared by all its connections: they answer without
/// waiting in between.
struct Workspace {
    scratch: Scratch,
    out: Box<[u8]>,
    tallies: Arc<Tallies>,
    feed: Feed,
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::new(Workspace {
        scratch: Scratch::new(seed()),
        out: vec![0; usize::from(u16::MAX)].into(),
        tallies: tally::of_this_thread(),
        feed: Feed::of_this_thread(),
    });
}

impl Workspace {
    fn respond<R: Respond>(&mut self, engine: &R, request: &Request<'_>) -> Reply {
        let began = std::time::Instant::now();
        let reply = engine.respond(request, &mut self.scratch, &mut self.out);
        let length = match reply {
            Reply::Message(length) => length,
            Reply::Transfer(_) => 0,
            Reply::Drop => return reply,
        };
        let noted = self.scratch.noted();
        self.tallies.count(request.transport, noted, began.elapsed());
        self.feed.note(request, noted, &self.out, length);
        reply
    }
}

/// What became of a message.
enum Answered {
    /// The answer is in the output.
    Message,
    /// Many messages are to be sent.
    Transfer(Box<Transfer>),
    Nothing,
}

/// Appends the framed answer to `output`, if it is one message.
fn answer<R: Respond>(engine: &R, ends: Ends, message: &[u8], output: &mut Vec<u8>) -> Answered {
    let Ends { client, local, transport } = ends;
    let request =
        Request { message, client: &client, local: &local, transport, clock: &Clock::new() };
    WORKSPACE.with_borrow_mut(|workspace| match workspace.respond(engine, &request) {
        Reply::Message(length) if frame(&workspace.out[..length], output) => Answered::Message,
        Reply::Transfer(transfer) => Answered::Transfer(transfer),
        Reply::Message(_) | Reply::Drop => Answered::Nothing,
    })
}

/// Lets `write` use the thread's buffer of 65,535 octets.
pub(super) fn with_buffer<T>(write: impl FnOnce(&mut [u8]) -> T) -> T {
    WORKSPACE.with_borrow_mut(|workspace| write(&mut workspace.out))
}

/// Appends a message behind its length; false when it is too long for any.
pub(super) fn frame(message: &[u8], output: &mut Vec<u8>) -> bool {
    let Ok(prefix) = u16::try_from(message.len()) else {
        return false;
    };
    output.extend_from_slice(&prefix.to_be_bytes());
    output.extend_from_slice(message);
    true
}

/// Answers a message that has one answer, and shows the reply to `read`: the octets, or `None`
/// when there is none.
pub(super) fn respond<R: Respond, T>(
    engine: &R,
    ends: Ends,
    message: &[u8],
    read: impl FnOnce(Option<&[u8]>) -> T,
) -> T {
    let Ends { client, local, transport } = ends;
    let request =
        Request { message, client: &client, local: &local, transport, clock: &Clock::new() };
    WORKSPACE.with_borrow_mut(|workspace| match workspace.respond(engine, &request) {
        Reply::Message(length) => read(workspace.out.get(..length)),
        Reply::Transfer(_) | Reply::Drop => read(None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_only_when_it_is_whole() {
        assert_eq!(first_message(&[]), None);
        assert_eq!(first_message(&[0]), None);
        assert_eq!(first_message(&[0, 2, 7]), None);
        assert_eq!(first_message(&[0, 2, 7, 8, 9]), Some(&[7, 8][..]));
        assert_eq!(first_message(&[0, 0]), Some(&[][..]));
    }

    #[test]
    fn room_follows_the_message_in_hand() {
        let mut input = Vec::new();
        make_room(&mut input);
        assert!((SMALL..=2 * SMALL).contains(&input.capacity()));
        input.extend_from_slice(&[0xff, 0xff, 1, 2, 3]);
        make_room(&mut input);
        assert!(input.capacity() >= PREFIX + usize::from(u16::MAX));
        input.clear();
        make_room(&mut input);
        assert!(input.capacity() <= 2 * SMALL);
        // A message that just fits leaves room to read on.
        input.extend_from_slice(&[0; SMALL]);
        input[..2].copy_from_slice(&[0xff, 0xff]);
        make_room(&mut input);
        assert!(input.capacity() > input.len());
    }
}
