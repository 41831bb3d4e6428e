//! Checks by the health protocol of gRPC.

use std::time::Duration;

use super::certificate::{self, Tls};
use super::{Monitor, MonitorKind, Port, host, latency, port_number};
use crate::config::reader::Reader;
use crate::config::rhythm::Rhythm;
use crate::config::source::Located;
use crate::config::spec::monitor::GrpcSpec;

/// A check that calls `grpc.health.v1.Health/Check` and wants `SERVING`.
#[derive(Debug, Clone, PartialEq)]
pub struct Grpc {
    /// `None` for clear text.
    pub tls: Option<Tls>,
    /// `:authority` and SNI; `None` is the member's own address or name.
    pub host: Option<String>,
    /// The service asked about; empty is the server as a whole. At most 255 octets.
    pub service: String,
    /// Longest time for the whole check: 1 ms to the timeout.
    pub latency: Option<Duration>,
}

impl Grpc {
    pub(super) fn resolve(
        name: &Located<String>,
        spec: GrpcSpec,
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
        let tls = if spec.tls.as_ref().is_some_and(|tls| tls.value) {
            Some(Tls::resolve(keys, reader))
        } else {
            let help = "set `tls` to true, or remove it";
            certificate::refuse(keys, "a check in clear text", help, reader);
            None
        };
        let service = spec.service.as_ref().map_or("", |service| &service.value);
        if let Some(service) = spec.service.as_ref().filter(|service| service.value.len() > 255) {
            let message = "the name of a service is longer than 255 octets";
            reader.invalid(&service.range, message, "");
        }
        let grpc = Grpc {
            tls,
            host: spec.host.as_ref().map(|host| self::host(host, reader)),
            service: service.to_owned(),
            latency: expect.latency.map(|latency| self::latency(&latency, rhythm.timeout, reader)),
        };
        let port = port_number(spec.port.as_ref(), reader).map_or(Port::Unsaid, Port::Written);
        rhythm.monitor(name, MonitorKind::Grpc(grpc), port)
    }
}
