//! Sockets: from the network to [`crate::engine::Engine::respond`] and back.
//!
//! Knows UDP and TCP. Knows nothing of zones or policies.
