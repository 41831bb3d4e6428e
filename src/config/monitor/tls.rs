//! Checks that open a connection and shake hands over it.

use std::time::Duration;

use super::{Monitor, MonitorKind, Rhythm, Tls, host, latency, port, trust};
use crate::config::reader::Reader;
use crate::config::source::Located;
use crate::config::spec::monitor::TlsCheckSpec;

/// Where TLS listens unless anything is said.
const PORT: u16 = 443;

/// A check by the handshake of TLS.
#[derive(Debug, Clone, PartialEq)]
pub struct Handshake {
    /// How the certificate is judged.
    pub tls: Tls,
    /// SNI and the name in the certificate; `None` is the member's own address or name.
    pub host: Option<String>,
    /// Longest time until the handshake is done: 1 ms to the timeout.
    pub latency: Option<Duration>,
}

impl Handshake {
    pub(super) fn resolve(
        name: &Located<String>,
        spec: TlsCheckSpec,
        reader: &mut Reader<'_>,
    ) -> Monitor {
        let rhythm = Rhythm::resolve(
            spec.interval.as_ref(),
            spec.timeout.as_ref(),
            spec.fall.as_ref(),
            spec.rise.as_ref(),
            reader,
        );
        let expect = spec.expect.unwrap_or_default();
        let tls = trust(&spec.verify_tls, &spec.ca, Ok(()), reader);
        let handshake = Handshake {
            tls: tls.unwrap_or(Tls { verify: true, ca: None }),
            host: spec.host.as_ref().map(|host| self::host(host, reader)),
            latency: expect.latency.map(|latency| self::latency(&latency, rhythm.timeout, reader)),
        };
        let port = port(spec.port.as_ref(), PORT, reader);
        rhythm.monitor(name, MonitorKind::Tls(handshake), port)
    }
}
