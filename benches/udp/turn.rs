//! One turn of one way: a reflector on a core, load on another, and what the reflector took.

use std::fs;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use meridian::wire::{Name, Type};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::line::{Counts, Expected};
use crate::message::{self, Opt};
use crate::meter::{Asker, Lost, Meter, Phase, Taken};
use crate::pace::{self, Pace, Turn};
use crate::ways::Way;
use crate::{Load, Options};

/// From the first query until what is measured begins.
const WARM_UP: Duration = Duration::from_millis(100);

/// One turn of a way.
pub(crate) fn measure(way: &Way, load: &Load, options: &Options) -> anyhow::Result<Taken> {
    let socket = way.open().with_context(|| way.name)?;
    let server = SocketAddr::new(way.asked(), socket.local_addr()?.port());
    let name: Name = "www.example.com".parse()?;
    let query = message::query(name.as_wire(), Type::A, Some(Opt::default()));
    let pace = match *load {
        Load::Full(window) => Some(Pace::Closed(window)),
        Load::Steady(rate) => Some(Pace::Open(rate.into())),
        Load::Single => None,
    };
    let turn = Turn {
        server,
        queries: &[query],
        expected: Expected { rcode: 0, answers: 0 },
        sockets: way.clients,
        // Cheaper for the generator, which is to keep the reflector busy.
        segments: matches!(load, Load::Full(_)),
        counts: Mutex::default(),
        measuring: AtomicBool::new(false),
        stop: AtomicBool::new(false),
    };
    let phase = Phase::default();
    let (taken, dropped) = thread::scope(|scope| {
        let reflector = scope.spawn(|| -> anyhow::Result<Taken> {
            pin(options.server_core)?;
            let asker = pace.is_none().then(|| Asker::new(server, &turn.queries[0])).transpose()?;
            let mut meter = Meter::new(&phase, asker);
            (way.reflect)(&socket, &mut meter)?;
            meter.taken()
        });
        let generator = scope.spawn(|| -> anyhow::Result<()> {
            pin(options.generator_core)?;
            pace.map_or(Ok(()), |pace| pace::load(&turn, pace, 0).map(drop))
        });
        thread::sleep(WARM_UP);
        phase.measure();
        thread::sleep(Duration::from_millis(options.milliseconds));
        phase.end();
        // What waits on the sockets by now is far less than they hold.
        let dropped = dropped(server.port());
        turn.stop.store(true, Relaxed);
        generator.join().expect("the generator does not panic")?;
        anyhow::Ok((reflector.join().expect("no reflector panics")?, dropped?))
    })
    .with_context(|| way.name)?;
    let Counts { wrong, .. } = *turn.counts.lock().expect("nobody panics with it");
    ensure!(wrong == 0, "{wrong} wrong answers from {}", way.name);
    let lost = Lost { answers: dropped.answers + taken.lost.answers, ..dropped };
    Ok(Taken { lost, ..taken })
}

/// Keeps the thread that asks on one core.
fn pin(core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    ensure!(core < CpuSet::MAX_CPU, "core {core}: there is no such core");
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("core {core}"))
}

/// What was thrown away for want of room on the socket that has this port, and on those connected to
/// it.
fn dropped(port: u16) -> anyhow::Result<Lost> {
    let port = format!(":{port:04X}");
    let mut lost = Lost::default();
    for file in ["/proc/net/udp", "/proc/net/udp6"] {
        for line in fs::read_to_string(file).context(file)?.lines().skip(1) {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            // Its number, one end, the other end, and last how many were dropped.
            let [_, one, other, .., dropped] = fields[..] else { continue };
            if one.ends_with(&port) {
                lost.queries += dropped.parse::<u64>()?;
            } else if other.ends_with(&port) {
                lost.answers += dropped.parse::<u64>()?;
            }
        }
    }
    Ok(lost)
}
