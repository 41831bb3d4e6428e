//! A server that answers with what it was sent, to test the transports alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use meridian::engine::{Reply, Request, Scratch};
use meridian::transport::stream::Limits;
use meridian::transport::{Bound, Respond, Running};
use tokio::runtime::Runtime;

/// Sends a message back with QR set and its own mark in octet 3. What stands behind the header
/// asks for more: `L` for the local address as text, `B` and two octets for an answer of that
/// length, `P` for a panic.
pub(crate) struct Mirror {
    pub(crate) mark: u8,
}

impl Respond for Mirror {
    fn respond(&self, request: &Request<'_>, _: &mut Scratch, out: &mut [u8]) -> Reply {
        let message = request.message;
        if message.len() < 12 || message.len() > out.len() || message[2] & 0x80 != 0 {
            return Reply::Drop;
        }
        out[..message.len()].copy_from_slice(message);
        out[2] |= 0x80;
        out[3] = self.mark;
        let length = match message[12..] {
            [b'L', ..] => {
                let text = request.local.map_or(String::new(), |local| local.to_string());
                out[12..12 + text.len()].copy_from_slice(text.as_bytes());
                12 + text.len()
            }
            [b'B', high, low, ..] => usize::from(u16::from_be_bytes([high, low])).min(out.len()),
            [b'P', ..] => panic!("asked to"),
            _ => message.len(),
        };
        Reply::Message(length)
    }
}

/// A message with an id, and `rest` behind the header.
pub(crate) fn message(id: u16, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 12];
    message[..2].copy_from_slice(&id.to_be_bytes());
    message.extend_from_slice(rest);
    message
}

/// What the mirror with mark 0 answers to a message that asks for nothing special.
pub(crate) fn reflection(message: &[u8]) -> Vec<u8> {
    let mut answer = message.to_vec();
    answer[2] |= 0x80;
    answer
}

pub(crate) const LIMITS: Limits = Limits {
    connections: 64,
    per_client: 64,
    idle: Duration::from_secs(30),
    lifetime: Duration::from_secs(3600),
};

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A mirror that listens.
pub(crate) struct Server {
    pub(crate) engine: Arc<ArcSwap<Mirror>>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) running: Option<Running>,
    pub(crate) runtime: Runtime,
}

impl Server {
    pub(crate) fn start(addresses: &[&str], workers: usize, limits: Limits) -> Server {
        let runtime = Runtime::new().unwrap();
        let addresses: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        let bound = Bound::bind(&addresses, workers).unwrap();
        let addresses = bound.addresses().to_vec();
        let engine = Arc::new(ArcSwap::from_pointee(Mirror { mark: 0 }));
        let _inside = runtime.enter();
        let running = Some(bound.start(&engine, limits).unwrap());
        drop(_inside);
        Server { engine, addresses, running, runtime }
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn stop(&mut self) {
        let running = self.running.take().unwrap();
        self.runtime.block_on(running.stop());
    }
}

/// Waits until `condition` holds, and fails the test when it never does.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
