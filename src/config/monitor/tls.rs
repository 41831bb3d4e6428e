//! Checks that open a connection and shake hands over it.

use std::time::Duration;

use super::certificate::{self, Tls};
use super::{Monitor, MonitorKind, host, latency, port};
use crate::config::reader::Reader;
use crate::config::rhythm::Rhythm;
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
        let rhythm = Rhythm::resolve(spec.rhythm(), reader);
        let expect = spec.expect.unwrap_or_default();
        let keys = certificate::Keys {
            verify: spec.verify_tls.as_ref(),
            ca: spec.ca.as_ref(),
            client_certificate: spec.client_certificate.as_ref(),
            client_key: spec.client_key.as_ref(),
            days: expect.certificate_days.as_ref(),
            on_expiry: expect.on_expiry.as_ref(),
        };
        let handshake = Handshake {
            tls: Tls::resolve(keys, reader),
            host: spec.host.as_ref().map(|host| self::host(host, reader)),
            latency: expect.latency.map(|latency| self::latency(&latency, rhythm.timeout, reader)),
        };
        let port = port(spec.port.as_ref(), PORT, reader);
        rhythm.monitor(name, MonitorKind::Tls(handshake), port)
    }
}
