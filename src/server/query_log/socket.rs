//! dnstap into a Unix socket: the thread that may wait for a reader.
//!
//! A reader that is away is tried again; meanwhile what comes waits as far as there is room.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use super::frames::{self, ACCEPT, FINISH, LONGEST_CONTROL, READY, START, STOP};
use super::outlet::{Chunk, Inlet};

/// How long a reader may take for each step of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How often is looked whether the end has come, while a reader takes nothing.
const LOOK: Duration = Duration::from_millis(200);

/// How long a reader may take nothing when the end has come.
const PATIENCE: Duration = Duration::from_secs(1);

/// Before the second attempt to reach a reader, and before any.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);

/// Writes what comes until nothing comes any more.
pub(super) fn write(path: &Path, inlet: &Inlet) {
    let mut reader = Reader { path, inlet, stream: None, wait: Duration::ZERO, is_away: false };
    // A reader is told of a server that has nothing to say too.
    reader.connect();
    loop {
        match inlet.next(LOOK) {
            Ok(chunk) if reader.take(&chunk) => inlet.tally.count_written(chunk.queries),
            Ok(chunk) => {
                let lost = chunk.queries + inlet.give_up();
                inlet.tally.count_lost(lost);
                tracing::warn!("dnstap: {lost} queries could not be sent before the end");
                return;
            }
            Err(RecvTimeoutError::Timeout) if reader.stream.is_none() && !inlet.is_ending() => {
                reader.connect();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if let Some(stream) = reader.stream.take() {
        // Whoever has gone needs no farewell.
        let _ = part(stream);
    }
}

/// Whom frames are written to.
struct Reader<'a> {
    path: &'a Path,
    inlet: &'a Inlet,
    stream: Option<UnixStream>,
    /// Before the next attempt; none behind a chunk that went well.
    wait: Duration,
    /// Whether that was said.
    is_away: bool,
}

impl Reader<'_> {
    /// Writes a chunk, to as many readers one after another as it takes; false when the end came
    /// before.
    fn take(&mut self, chunk: &Chunk) -> bool {
        let octets = &chunk.octets;
        let mut done = 0;
        while done < octets.len() {
            let Some(stream) = &mut self.stream else {
                if self.inlet.is_ending() {
                    return false;
                }
                self.connect();
                continue;
            };
            let (written, outcome) = write_out(stream, &octets[done..], self.inlet);
            match outcome {
                Ok(true) => {
                    self.wait = Duration::ZERO;
                    return true;
                }
                Ok(false) => return false,
                Err(error) => {
                    done += frames::whole(&octets[done..], written);
                    tracing::warn!("dnstap: {} has gone: {error}", self.path.display());
                    self.stream = None;
                    // Whoever goes as soon as it has come is not to be asked all the time.
                    self.wait = longer(self.wait);
                }
            }
        }
        true
    }

    /// One attempt to reach a reader, when it is time for one.
    fn connect(&mut self) {
        if !self.wait.is_zero() {
            // Whoever ends this wakes it.
            thread::park_timeout(self.wait);
            if self.inlet.is_ending() {
                return;
            }
        }
        let path = self.path.display();
        match greet(self.path) {
            Ok(stream) => {
                tracing::info!("dnstap: {path} takes queries");
                (self.stream, self.is_away) = (Some(stream), false);
            }
            Err(error) => {
                if !self.is_away {
                    tracing::warn!(
                        "dnstap: nobody takes queries at {path}: {error}; tried again until somebody \
                         does, and what finds no room meanwhile is lost"
                    );
                }
                self.is_away = true;
                self.wait = longer(self.wait);
            }
        }
    }
}

fn longer(wait: Duration) -> Duration {
    (wait * 2).clamp(FIRST, LONGEST)
}

/// Writes until all is written or the connection breaks; false when the end came and the reader
/// took nothing for too long. Says how much was written.
fn write_out(stream: &mut UnixStream, octets: &[u8], inlet: &Inlet) -> (usize, io::Result<bool>) {
    let (mut done, mut moved) = (0, Instant::now());
    while done < octets.len() {
        match stream.write(&octets[done..]) {
            Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                done += count;
                moved = Instant::now();
            }
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => {
                    if inlet.is_ending() && moved.elapsed() > PATIENCE {
                        return (done, Ok(false));
                    }
                }
                _ => return (done, Err(error)),
            },
        }
    }
    (done, Ok(true))
}

/// Connects and shakes hands.
fn greet(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // This bounds the wait for a reader that accepts nobody too.
    socket.set_write_timeout(Some(HANDSHAKE))?;
    socket.set_read_timeout(Some(HANDSHAKE))?;
    socket.connect(&SockAddr::unix(path)?)?;
    let mut stream = UnixStream::from(std::os::fd::OwnedFd::from(socket));
    stream.write_all(&frames::control(READY))?;
    let refused = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    match read_control(&mut stream)? {
        Some((ACCEPT, true)) => {}
        Some((ACCEPT, false)) => return refused("it does not take dnstap"),
        _ => return refused("it does not speak Frame Streams both ways"),
    }
    stream.write_all(&frames::control(START))?;
    stream.set_write_timeout(Some(LOOK))?;
    Ok(stream)
}

/// Says that there is no more, and waits until the reader has heard it.
fn part(mut stream: UnixStream) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&frames::control(STOP))?;
    match read_control(&mut stream)? {
        Some((FINISH, _)) => Ok(()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A control frame from the reader; `None` for anything else.
fn read_control(stream: &mut UnixStream) -> io::Result<Option<(u32, bool)>> {
    let mut front = [0; 8];
    stream.read_exact(&mut front)?;
    let [0, 0, 0, 0, length @ ..] = front else { return Ok(None) };
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST_CONTROL {
        return Ok(None);
    }
    let mut content = [0; LONGEST_CONTROL];
    stream.read_exact(&mut content[..length])?;
    Ok(frames::read_control(&content[..length]))
}
