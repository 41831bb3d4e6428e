//! Monitors: how members are checked.
//!
//! Here stands what all kinds have; each kind has a file.

mod certificate;
pub(super) mod composite;
mod dns;
mod exec;
mod grpc;
mod http;
mod push;
mod tcp;
mod tls;

use std::time::Duration;

use super::names::Names;
use super::reader::Reader;
use super::rhythm::{Damping, SHORTEST, Warn};
use super::source::{Located, Span};
use super::spec::monitor::MonitorSpec;
use super::spec::{DurationText, Spanned};

pub use certificate::{ClientCertificate, Expiry, Tls};
pub use composite::{Composite, Part};
pub use dns::Dns;
pub use exec::Exec;
pub use grpc::Grpc;
pub use http::{HeaderMatch, Http, HttpExpect};
pub(super) use http::{header_name, path};
pub use tcp::Tcp;
pub use tls::Handshake;

/// How a member is checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Its name in the files.
    pub name: String,
    /// Where the name is defined.
    pub span: Span,
    /// What a check does.
    pub kind: MonitorKind,
    /// Where checks connect, unless the member has a port of its own.
    pub port: Port,
    /// From the start of one check to the start of the next, before jitter: 100 ms to 1 d. Of kind
    /// push, how long a report holds: 100 ms to 7 d.
    pub interval: Duration,
    /// How long a check may take: 1 ms to `interval`.
    pub timeout: Duration,
    /// Failures in a row that turn up into down: 1 to 100.
    pub fall: u32,
    /// Successes in a row that turn down into up: 1 to 100.
    pub rise: u32,
    /// The longest interval while a member stays down: 100 ms to 1 d. `None`: it does not grow.
    pub backoff: Option<Located<Duration>>,
    /// How a member that goes down often is held down; `None`: it is not.
    pub damping: Option<Damping>,
    /// Whether a member that went down stays down until a person resumes it.
    pub manual_resume: bool,
    /// When a member is warned of; `None`: never.
    pub warn: Option<Warn>,
}

impl Monitor {
    /// The longest time from a failure until its members count as down, jitter aside. A composite
    /// has no such time of its own: its parts have.
    pub fn detection(&self) -> Duration {
        match self.kind {
            MonitorKind::Push => self.interval,
            _ => self.interval * self.fall + self.timeout,
        }
    }

    /// Where it connects to a member whose own port is `own`: there, or else at its own port. As a
    /// part of a composite it is the other way round, because one port of a member cannot be that
    /// of several services.
    pub fn port_at(&self, own: Option<u16>, is_part: bool) -> Option<u16> {
        match self.port {
            Port::Written(port) if is_part => Some(port),
            port => own.or(port.number()),
        }
    }
}

/// What a check does.
#[derive(Debug, Clone, PartialEq)]
pub enum MonitorKind {
    /// Asks for a page, over HTTP or HTTPS.
    Http(Box<Http>),
    /// Opens a connection, and may talk over it.
    Tcp(Tcp),
    /// Shakes hands.
    Tls(Handshake),
    /// Asks a name server.
    Dns(Dns),
    /// Asks by the health protocol of gRPC.
    Grpc(Grpc),
    /// Runs a program.
    Exec(Exec),
    /// Goes by what somebody else reports.
    Push,
    /// Goes by what other monitors found.
    Composite(Composite),
}

impl Monitor {
    pub(super) fn resolve(
        name: &Located<String>,
        spec: MonitorSpec,
        names: &Names,
        reader: &mut Reader<'_>,
    ) -> Monitor {
        match spec {
            MonitorSpec::Http(spec) => Http::resolve(name, spec, false, reader),
            MonitorSpec::Https(spec) => Http::resolve(name, spec, true, reader),
            MonitorSpec::Tcp(spec) => Tcp::resolve(name, spec, reader),
            MonitorSpec::Tls(spec) => Handshake::resolve(name, spec, reader),
            MonitorSpec::Dns(spec) => Dns::resolve(name, spec, reader),
            MonitorSpec::Grpc(spec) => Grpc::resolve(name, spec, reader),
            MonitorSpec::Exec(spec) => Exec::resolve(name, spec, reader),
            MonitorSpec::Push(spec) => push::resolve(name, spec, reader),
            MonitorSpec::All(spec) => Composite::all(name, spec, names, reader),
            MonitorSpec::Any(spec) => Composite::any(name, spec, names, reader),
            MonitorSpec::AtLeast(spec) => Composite::at_least(name, spec, names, reader),
        }
    }
}

/// Where checks of a monitor connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// As the file says.
    Written(u16),
    /// Where such services usually listen.
    Usual(u16),
    /// Nobody says.
    Unsaid,
    /// There is none: a script and a report need no port, and a composite has none of its own.
    Needless,
}

impl Port {
    /// The port, if there is one.
    fn number(self) -> Option<u16> {
        match self {
            Port::Written(port) | Port::Usual(port) => Some(port),
            Port::Unsaid | Port::Needless => None,
        }
    }
}

/// The port that is written, else the usual one.
fn port(value: Option<&Spanned<i64>>, usual: u16, reader: &mut Reader<'_>) -> Port {
    port_number(value, reader).map_or(Port::Usual(usual), Port::Written)
}

/// A port from 1 to 65535.
pub(super) fn port_number(value: Option<&Spanned<i64>>, reader: &mut Reader<'_>) -> Option<u16> {
    value?;
    u16::try_from(reader.integer("port", value, 1..=65535, 1)).ok()
}

fn host(host: &Spanned<String>, reader: &mut Reader<'_>) -> String {
    let Spanned { value, range } = host;
    let fine =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if value.is_empty() || !value.bytes().all(fine) {
        let help = "write a name such as www.example.com, without http:// and without a path";
        reader.invalid(range, format!("`{value}` is not a host"), help);
    }
    value.clone()
}

fn latency(value: &Spanned<DurationText>, timeout: Duration, reader: &mut Reader<'_>) -> Duration {
    reader.duration("latency", Some(value), SHORTEST..=timeout, timeout)
}
