//! Any octets to the engine, over a datagram and over a stream.

use meridian::engine::Transport;

use super::{reply, server};

/// `data` is a message as it comes from the network.
pub fn run(data: &[u8]) {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Https] {
        match server::ask(data, transport) {
            Some(reply) => reply::check(data, transport, &reply),
            None => assert!(data.len() < 12 || data[2] & 0x80 != 0, "silence to a query"),
        }
    }
}
