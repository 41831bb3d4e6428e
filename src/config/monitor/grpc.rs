//! Checks by the health protocol of gRPC.

use std::time::Duration;

use super::{Monitor, MonitorKind, Port, Rhythm, Tls, host, latency, port_number, trust};
use crate::config::reader::Reader;
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
        let rhythm = Rhythm::resolve(
            spec.interval.as_ref(),
            spec.timeout.as_ref(),
            spec.fall.as_ref(),
            spec.rise.as_ref(),
            reader,
        );
        let expect = spec.expect.unwrap_or_default();
        let clear = "a check in clear text";
        let speaks = match spec.tls.is_some_and(|tls| tls.value) {
            true => Ok(()),
            false => Err((clear, "set `tls` to true, or remove it")),
        };
        let service = spec.service.as_ref().map_or("", |service| &service.value);
        if let Some(service) = spec.service.as_ref().filter(|service| service.value.len() > 255) {
            let message = "the name of a service is longer than 255 octets";
            reader.invalid(&service.range, message, "");
        }
        let grpc = Grpc {
            tls: trust(&spec.verify_tls, &spec.ca, speaks, reader),
            host: spec.host.as_ref().map(|host| self::host(host, reader)),
            service: service.to_owned(),
            latency: expect.latency.map(|latency| self::latency(&latency, rhythm.timeout, reader)),
        };
        let port = port_number(spec.port.as_ref(), reader).map_or(Port::Unsaid, Port::Written);
        rhythm.monitor(name, MonitorKind::Grpc(grpc), port)
    }
}
