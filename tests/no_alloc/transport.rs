//! A UDP worker allocates and frees nothing while it answers, whether queries are told or not.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwap;
use meridian::engine::{Reply, Request, Scratch};
use meridian::transport::stream::Limits;
use meridian::transport::{Bound, Respond, tap};

use super::{ASKED, WATCHED};

struct Echo;

impl Respond for Echo {
    fn respond(&self, request: &Request<'_>, _: &mut Scratch, out: &mut [u8]) -> Reply {
        WATCHED.set(true); // what sets it up is behind it
        out[..request.message.len()].copy_from_slice(request.message);
        Reply::Message(request.message.len())
    }
}

#[test]
fn answering_over_udp_allocates_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // What is told stays in the queues until the end.
    let addresses = ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0", "127.0.0.1:0", "[::]:0"];
    for (address, one_in) in addresses.into_iter().zip([0, 0, 0, 1, 2, 1]) {
        tap::tell(one_in);
        let bound = Bound::bind(&[address.parse().unwrap()], 2).unwrap();
        let mut server = bound.addresses()[0];
        if server.ip().is_unspecified() {
            let local = if server.is_ipv4() { "127.0.0.1" } else { "::1" };
            server.set_ip(local.parse().unwrap());
        }
        let (idle, lifetime) = (Duration::from_secs(1), Duration::from_secs(3600));
        let limits = Limits { connections: 1, per_client: 1, idle, lifetime };
        let inside = runtime.enter();
        let running = bound.start(&Arc::new(ArcSwap::from_pointee(Echo)), limits).unwrap();
        drop(inside);
        for _ in 0..20 {
            let client = UdpSocket::bind((server.ip(), 0)).unwrap();
            client.connect(server).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            for number in 0..100u8 {
                client.send(&[number; 40]).unwrap();
                client.send(&[number; 3000]).unwrap(); // discarded
                let mut answer = [0; 64];
                assert_eq!(client.recv(&mut answer).unwrap(), 40);
                assert_eq!(answer[..40], [number; 40]);
            }
        }
        assert_eq!(ASKED.load(Relaxed), 0, "{address}");
        runtime.block_on(running.stop());
        // The same threads free their buffers now, which shows that they are counted.
        assert_ne!(ASKED.swap(0, Relaxed), 0);
    }
    let mut told = 0;
    let mut take = |exchange: &tap::Exchange<'_>| {
        assert_eq!(exchange.query, exchange.reply);
        told += 1;
    };
    while tap::drain(&mut take) {}
    assert!(told > 4000 && tap::lost() == 0, "{told}");
}
