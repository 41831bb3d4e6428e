//! The engine's settings.

use std::sync::OnceLock;

use rustls::crypto::aws_lc_rs;

use crate::config::{self, Config};
use crate::engine::limits::{Exempt, Limits, Rates};
use crate::engine::{Insight, Secrets, Settings};
use crate::wire::edns::UdpSize;

/// What the engine does in one way or another.
pub(super) fn build(config: &Config) -> Settings {
    let server = &config.server;
    let accepted: Vec<_> = server.cookie_accept.iter().map(|secret| secret.0).collect();
    let current = server.cookie_secret.map(|secret| secret.0).or_else(drawn);
    // 100 ms to an hour.
    let idle = config.limits.tcp_idle.as_millis() / 100;
    Settings {
        edns_udp_size: UdpSize::new(config.limits.edns_udp_size),
        ecs_enabled: config.ecs_enabled,
        cookies: current.map(|current| Secrets::new(current, accepted)),
        nsid: server.nsid.of(1).into(),
        version: server.version.as_bytes().into(),
        keepalive: u16::try_from(idle).unwrap_or(u16::MAX),
        limits: limits(&config.limits),
        insight: Insight::new(&server.explain_from),
    }
}

/// What one client gets over UDP.
fn limits(limits: &config::Limits) -> Limits {
    let config::Limits { responses_per_second, nxdomains_per_second, .. } = *limits;
    let rates = Rates {
        answers: responses_per_second,
        nxdomains: nxdomains_per_second,
        errors: limits.errors_per_second,
        queries: limits.require_cookies_over,
    };
    Limits::new(rates, limits.slip, Exempt::new(&limits.exempt))
}

/// A random secret: one for the life of the process, so that a reload leaves cookies valid.
fn drawn() -> Option<[u8; 16]> {
    static DRAWN: OnceLock<Option<[u8; 16]>> = OnceLock::new();
    *DRAWN.get_or_init(|| {
        let mut secret = [0; 16];
        let random = aws_lc_rs::default_provider().secure_random;
        if random.fill(&mut secret).is_err() {
            tracing::error!("no random secret could be drawn: cookies are ignored");
            return None;
        }
        Some(secret)
    })
}
