//! Why a check failed, in words an operator can act on; and how long one took that did not.

use std::fmt;
use std::io;
use std::time::Duration;

/// Characters of a body or a value shown in a failure.
const SHOWN: usize = 80;

/// How long a successful check took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Until the connection stood, TLS included; without the time to resolve a name.
    pub connect: Duration,
    /// From then until the response head was there. `None` for a check without a response.
    pub first_byte: Option<Duration>,
    /// The part of `first_byte` that is not the network's: one round trip, as measured while
    /// connecting, taken off.
    pub server: Option<Duration>,
    /// From the start to the last octet.
    pub total: Duration,
}

impl Timing {
    /// Of what takes no time of its own: a report, a composite.
    pub(super) const NONE: Timing =
        Timing { connect: Duration::ZERO, first_byte: None, server: None, total: Duration::ZERO };
}

/// How far a check had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The target's name was being resolved.
    Resolving,
    /// TCP was connecting.
    Connecting,
    /// TCP was connecting or TLS was shaking hands.
    Handshake,
    /// The request was out, the status and headers were not in.
    Head,
    /// The body was coming in.
    Body,
    /// The answer to what was sent was not in.
    Answer,
    /// The program was running.
    Program,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Resolving => "resolving the name",
            Stage::Connecting => "connecting",
            Stage::Handshake => "connecting or in the TLS handshake",
            Stage::Head => "waiting for the response head",
            Stage::Body => "reading the body",
            Stage::Answer => "waiting for the answer",
            Stage::Program => "running the program",
        })
    }
}

/// Why a check did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The target's name has no address, or the resolver failed.
    #[error("`{name}` not resolved: {reason}")]
    Unresolved {
        /// The name.
        name: String,
        /// What the resolver said.
        reason: String,
    },
    /// Nothing listens on the port.
    #[error("refused")]
    Refused,
    /// The network has no way to the target, or the system would not connect.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// The target reset the connection, or closed it too early.
    #[error("connection reset while {0}")]
    Reset(Stage),
    /// The target closed the connection without an answer.
    #[error("connection closed while {0}")]
    Closed(Stage),
    /// The probe's time was up.
    #[error("timed out after {after:?} {stage}")]
    TimedOut {
        /// The monitor's timeout.
        after: Duration,
        /// What it was waiting for.
        stage: Stage,
    },
    /// The certificate is not valid for this host now.
    #[error("certificate: {0}")]
    Certificate(String),
    /// The certificate is valid, and not for long enough.
    #[error("certificate expires in {left}, wanted at least {days} days")]
    Expiring {
        /// How long it still is valid.
        left: String,
        /// The monitor's bound.
        days: u16,
    },
    /// TLS failed for another reason.
    #[error("TLS: {0}")]
    Tls(String),
    /// What came back is not HTTP, or breaks its rules.
    #[error("not proper HTTP: {0}")]
    Protocol(String),
    /// The body ended before the length its headers give.
    #[error("body truncated")]
    Truncated,
    /// The target points elsewhere. Its health is asked, not that of another place.
    #[error("redirected with {status} to `{location}` for {request}, wanted {wanted}")]
    Redirected {
        /// The status code, 300 to 399.
        status: u16,
        /// The `Location` header.
        location: String,
        /// Method and path.
        request: String,
        /// The statuses that would have been right.
        wanted: String,
    },
    /// Another status than wanted.
    #[error("{status} for {request}, wanted {wanted}")]
    Status {
        /// The status code.
        status: u16,
        /// Method and path.
        request: String,
        /// The statuses that would have been right.
        wanted: String,
    },
    /// A header is missing or says something else.
    #[error("header {name}: {}, wanted {wanted}", found_text(.found))]
    Header {
        /// The header's name.
        name: String,
        /// Its value, if there is one.
        found: Option<String>,
        /// What was wanted, in words.
        wanted: String,
    },
    /// The text wanted is not in the body.
    #[error("body without `{wanted}`; it begins `{start}`")]
    Body {
        /// The text wanted.
        wanted: String,
        /// The start of the body.
        start: String,
    },
    /// The expression wanted matches nowhere in the body.
    #[error("body without a match of `{wanted}`; it begins `{start}`")]
    BodyRegex {
        /// The expression.
        wanted: String,
        /// The start of the body.
        start: String,
    },
    /// The body is not JSON, or the value at a pointer is another.
    #[error("JSON at `{pointer}`: {found}, wanted {wanted}")]
    Json {
        /// The JSON pointer (RFC 6901).
        pointer: String,
        /// What is there instead.
        found: String,
        /// The value wanted, as JSON.
        wanted: String,
    },
    /// What came back over a connection does not hold the text wanted.
    #[error("{}, wanted `{wanted}`", start_text(.start))]
    Answer {
        /// The text wanted.
        wanted: String,
        /// The start of what came; empty if nothing did.
        start: String,
    },
    /// What came back is not DNS, or not the answer to what was asked.
    #[error("not proper DNS: {0}")]
    Dns(String),
    /// Another response code than wanted.
    #[error("{rcode} for {question}, wanted {wanted}")]
    Rcode {
        /// The response code.
        rcode: String,
        /// Name and type.
        question: String,
        /// The code that would have been right.
        wanted: String,
    },
    /// Data is missing in the answer.
    #[error("{question}: {found}, wanted {wanted}")]
    Data {
        /// Name and type.
        question: String,
        /// The data that is there instead.
        found: String,
        /// The data that is missing.
        wanted: String,
    },
    /// The health service says that something does not serve.
    #[error("{status} for {service}, wanted SERVING")]
    Serving {
        /// What it says.
        status: String,
        /// Of what.
        service: String,
    },
    /// The health service could not be called.
    #[error("gRPC status {status} for {service}: {message}")]
    Call {
        /// Number and name of the status.
        status: String,
        /// What was asked about.
        service: String,
        /// What the server says of it.
        message: String,
    },
    /// A program ended without success, or would not end within its bounds.
    #[error("`{program}` {how}{}", line_text(.line))]
    Program {
        /// Its name.
        program: String,
        /// How it ended.
        how: String,
        /// The first line it wrote, if it wrote any.
        line: Option<String>,
    },
    /// Somebody else found the target down, and says why.
    #[error("reported down: {0}")]
    Reported(String),
    /// Nobody has reported anything of the target for so long.
    #[error("no report for {0:?}")]
    NoReport(Duration),
    /// Too few parts of a composite are up.
    #[error("wanted {needed} of {of} parts up, down: {down}")]
    Parts {
        /// How many must be.
        needed: usize,
        /// How many there are.
        of: usize,
        /// Those that are down, with their failures.
        down: String,
    },
    /// All was as wanted, too late.
    #[error("took {took:?}, wanted at most {bound:?}")]
    Slow {
        /// From the start to the last octet.
        took: Duration,
        /// The monitor's latency bound.
        bound: Duration,
    },
    /// Not the target's fault: this machine could not check it. Such a result changes no
    /// verdict, else a server out of file descriptors would call every region down.
    #[error("not checked, because of this machine: {0}")]
    Local(String),
}

fn found_text(found: &Option<String>) -> String {
    match found {
        Some(value) => format!("`{value}`"),
        None => "missing".into(),
    }
}

fn start_text(start: &str) -> String {
    match start {
        "" => "nothing came back".into(),
        start => format!("another answer; it begins `{start}`"),
    }
}

fn line_text(line: &Option<String>) -> String {
    line.as_ref().map_or(String::new(), |line| format!(": {line}"))
}

impl Failure {
    /// What somebody else found wrong, in one printable line.
    pub fn reported(why: &str) -> Failure {
        Failure::Reported(shown(why.as_bytes()))
    }

    /// Whether the fault is this machine's, so that it says nothing of the target.
    pub fn is_local(&self) -> bool {
        matches!(self, Failure::Local(_))
    }

    /// The failure behind an error of a socket.
    pub(super) fn of_io(error: &io::Error, stage: Stage) -> Failure {
        let local = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL];
        if error.raw_os_error().is_some_and(|code| local.contains(&code)) {
            return Failure::Local(error.to_string());
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Failure::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Failure::Reset(stage),
            io::ErrorKind::UnexpectedEof if stage == Stage::Body => Failure::Truncated,
            io::ErrorKind::UnexpectedEof => Failure::Closed(stage),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                Failure::Protocol(error.to_string())
            }
            // The system's word is of the network; any other is of what came over it.
            _ if error.raw_os_error().is_some() => Failure::Unreachable(error.to_string()),
            _ => Failure::Protocol(error.to_string()),
        }
    }
}

/// Seconds in the largest unit that says enough.
pub fn span(seconds: u64) -> String {
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7_200.. => format!("{} hours", seconds / 3_600),
        _ => format!("{seconds} seconds"),
    }
}

/// The start of what a target sent, in one printable line.
pub(super) fn shown(octets: &[u8]) -> String {
    // Four octets make at most one character, so these are enough for all that is shown.
    let text = String::from_utf8_lossy(&octets[..octets.len().min(4 * (SHOWN + 1))]);
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    if text.chars().count() > SHOWN {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_sent_is_shown_short_and_printable() {
        assert_eq!(shown(b"ok\r\n"), "ok  ");
        assert_eq!(shown(b"\x1b[31mred"), " [31mred");
        assert_eq!(shown(&[b'x'; 100_000]), format!("{}…", "x".repeat(SHOWN)));
        assert_eq!(shown("é".repeat(SHOWN).as_bytes()), "é".repeat(SHOWN));
        assert_eq!(shown(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn running_out_of_file_descriptors_is_no_fault_of_the_target() {
        for code in [libc::EMFILE, libc::ENFILE, libc::EADDRNOTAVAIL] {
            let error = io::Error::from_raw_os_error(code);
            assert!(Failure::of_io(&error, Stage::Connecting).is_local());
        }
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(Failure::of_io(&refused, Stage::Connecting), Failure::Refused);
    }

    #[test]
    fn a_network_without_a_way_is_told_from_a_peer_that_talks_nonsense() {
        let no_way = io::Error::from_raw_os_error(libc::EHOSTUNREACH);
        assert!(matches!(Failure::of_io(&no_way, Stage::Connecting), Failure::Unreachable(_)));
        let nonsense = io::Error::other("unexpected frame");
        assert!(matches!(Failure::of_io(&nonsense, Stage::Head), Failure::Protocol(_)));
    }

    #[test]
    fn failures_read_as_sentences() {
        let status = Failure::Status {
            status: 503,
            request: "GET /health".into(),
            wanted: "200-299".into(),
        };
        assert_eq!(status.to_string(), "503 for GET /health, wanted 200-299");
        let late = Failure::TimedOut { after: Duration::from_secs(2), stage: Stage::Head };
        assert_eq!(late.to_string(), "timed out after 2s waiting for the response head");
        let header = Failure::Header { name: "x-a".into(), found: None, wanted: "`b`".into() };
        assert_eq!(header.to_string(), "header x-a: missing, wanted `b`");
    }
}
