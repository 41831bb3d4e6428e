//! The ceiling: the server's own receive and send loop around the least possible work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use meridian::engine::{Reply, Request, Scratch};
use meridian::transport::stream::Limits;
use meridian::transport::{Bound, Respond};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:5399")]
    listen: SocketAddr,
    /// Threads; 0 for one a core.
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

/// Answers with what it was sent and QR set.
struct Reflector;

impl Respond for Reflector {
    #[inline]
    fn respond(&self, request: &Request<'_>, _: &mut Scratch, out: &mut [u8]) -> Reply {
        let length = request.message.len();
        if length < 12 || length > out.len() {
            return Reply::Drop;
        }
        out[..length].copy_from_slice(request.message);
        out[2] |= 0x80;
        Reply::Message(length)
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let bound = Bound::bind(&[options.listen], options.workers)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (idle, lifetime) = (Duration::from_secs(10), Duration::from_secs(3600));
        let limits = Limits { connections: 16, per_client: 16, idle, lifetime };
        let running = bound.start(&Arc::new(ArcSwap::from_pointee(Reflector)), limits)?;
        let address = running.addresses().first().context("no address")?;
        eprintln!("reflecting on {address}, pid {}", std::process::id());
        tokio::signal::ctrl_c().await?;
        eprintln!("{:?}", running.udp_counts());
        running.stop().await;
        Ok(())
    })
}
