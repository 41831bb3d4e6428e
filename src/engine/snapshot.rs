//! Everything fixed by one generation of the configuration.

use std::sync::Arc;

use super::cookie::Secrets;
use crate::wire::edns::UdpSize;
use crate::zone::Zones;

use super::{Insight, Limits, transfer::Transfers};

/// What one reload made; immutable, and swapped as a whole.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The zones.
    pub zones: Zones,
    /// What the engine does in one way or another.
    pub settings: Settings,
    /// Who may have the zones as a whole.
    pub transfer: Transfers,
}

/// Settings of the data plane.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The largest UDP message sent, and announced to clients.
    pub edns_udp_size: UdpSize,
    /// Whether the client's subnet is read and echoed (RFC 7871), or ignored.
    pub ecs_enabled: bool,
    /// What cookies are signed with (RFC 7873); without it they are ignored.
    pub cookies: Option<Secrets>,
    /// The server's identifier (RFC 5001), at most 128 octets; empty is none.
    pub nsid: Box<[u8]>,
    /// The server's version, told in class CHAOS, at most 255 octets; empty is none.
    pub version: Box<[u8]>,
    /// How long a connection may be silent, in units of 100 ms (RFC 7828).
    pub keepalive: u16,
    /// How much one client gets over UDP.
    pub limits: Limits,
    /// Who may ask over DNS why a client gets its answer, and who says it.
    pub insight: Option<Arc<Insight>>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            edns_udp_size: UdpSize::new(1232),
            ecs_enabled: true,
            cookies: None,
            nsid: Box::default(),
            version: Box::default(),
            keepalive: 100,
            limits: Limits::default(),
            insight: None,
        }
    }
}
