//! Everything fixed by one generation of the configuration.

use crate::zone::Zones;

use super::Limits;

/// What one reload made; immutable, and swapped as a whole.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The zones.
    pub zones: Zones,
    /// What the engine does in one way or another.
    pub settings: Settings,
}

/// Settings of the data plane.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The largest UDP message sent, and announced to clients, in octets. Less than 512 is 512.
    pub edns_udp_size: u16,
    /// Whether the client's subnet is read and echoed (RFC 7871), or ignored.
    pub ecs_enabled: bool,
    /// How much one client gets over UDP.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { edns_udp_size: 1232, ecs_enabled: true, limits: Limits::default() }
    }
}
