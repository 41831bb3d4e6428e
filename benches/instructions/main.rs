//! Instructions of `Engine::respond` for each scenario, and of the whole loop of a UDP worker for
//! three, by callgrind, with a limit for each.
//!
//! ```text
//! cargo install gungraun-runner@0.20.0  # as the crate in Cargo.lock; and valgrind
//! benches/instructions/run
//! ```
//!
//! Printed are totals over 10,000 queries, of a worker over 40,000. The counts below were made with
//! rustc 1.95.0 on x86-64, in the profile of `run`; a change of compiler needs new ones. Whoever makes
//! a scenario cheaper writes down the new count, or what was won can be lost again unnoticed.
#![allow(missing_docs, reason = "gungraun's macros make public items")]

#[path = "../scenarios/mod.rs"]
mod scenarios;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gungraun::{
    Callgrind, EntryPoint, EventKind, LibraryBenchmarkConfig, library_benchmark,
    library_benchmark_group, main,
};
use meridian::transport::stream::Limits;
use meridian::transport::{Bound, Running};
use tokio::runtime::Runtime;

use scenarios::{Bed, QUERIES, Scenario};

#[library_benchmark]
#[bench::static_a(args = (Scenario::Static), setup = Bed::new, config = counted(270))]
#[bench::geo_by_source(args = (Scenario::GeoBySource), setup = Bed::new, config = counted(420))]
#[bench::geo_by_subnet(args = (Scenario::GeoBySubnet), setup = Bed::new, config = counted(464))]
#[bench::geo_by_subnet6(args = (Scenario::GeoBySubnet6), setup = Bed::new, config = counted(515))]
#[bench::weighted(args = (Scenario::Weighted), setup = Bed::new, config = counted(517))]
#[bench::failover(args = (Scenario::Failover), setup = Bed::new, config = counted(463))]
#[bench::nxdomain(args = (Scenario::NxDomain), setup = Bed::new, config = counted(885))]
#[bench::wildcard(args = (Scenario::Wildcard), setup = Bed::new, config = counted(880))]
#[bench::referral(args = (Scenario::Referral), setup = Bed::new, config = counted(2188))]
#[bench::many_names(args = (Scenario::ManyNames), setup = Bed::new, config = counted(272))]
fn respond(mut bed: Bed) -> Bed {
    bed.respond_to_all();
    bed
}

// Only what happens in the worker's thread is counted, all of it, from its start to its end. What it
// does once, mostly clearing its memory, is 16 instructions for each of `QUERIES`; asking all of them
// several times makes that 4.
#[library_benchmark]
#[bench::static_a(args = (Scenario::Static), setup = Served::new, config = in_worker(381))]
#[bench::geo_by_subnet(args = (Scenario::GeoBySubnet), setup = Served::new, config = in_worker(586))]
#[bench::geo_by_subnet6(args = (Scenario::GeoBySubnet6), setup = Served::new, config = in_worker(638))]
fn worker(served: Served) -> Bed {
    served.ask_and_stop()
}

/// How often everything is asked of a worker.
const ROUNDS: usize = 4;

/// Nobody asks over a stream here.
const LIMITS: Limits = Limits { connections: 1, per_client: 1, idle: MINUTE, lifetime: MINUTE };
const MINUTE: Duration = Duration::from_secs(60);

/// The engine of a scenario behind a socket with one worker.
struct Served {
    bed: Bed,
    running: Running,
    runtime: Runtime,
}

impl Served {
    fn new(scenario: Scenario) -> Served {
        let bed = Bed::new(scenario);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let bound = Bound::bind(&[address], 1).expect("some port is free");
        let runtime = Runtime::new().expect("threads can be started");
        let engine = Arc::new(ArcSwap::new(Arc::clone(bed.engine())));
        let running = {
            let _inside = runtime.enter();
            bound.start(&engine, LIMITS).expect("threads can be started")
        };
        Served { bed, running, runtime }
    }

    /// Asks everything several times, each query after the reply to the last one: each is a batch of
    /// its own.
    fn ask_and_stop(self) -> Bed {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("some port is free");
        socket.connect(self.running.addresses()[0]).expect("it is on this machine");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("it is a time");
        let mut reply = [0; 1232];
        for query in (0..ROUNDS).flat_map(|_| self.bed.queries()) {
            socket.send(&query.message).expect("it is on this machine");
            let length = socket.recv(&mut reply).expect("a reply");
            assert!(length > query.message.len() && reply[..2] == query.message[..2]);
        }
        self.runtime.block_on(self.running.stop());
        self.bed
    }
}

/// Fails when there are 3 % more instructions for a query than were counted.
fn counted(instructions: u64) -> LibraryBenchmarkConfig {
    limited(Callgrind::default(), instructions, QUERIES)
}

/// The same for what is inside the function that a worker's thread runs.
fn in_worker(instructions: u64) -> LibraryBenchmarkConfig {
    let entry = EntryPoint::Custom("meridian::transport::udp::worker::work".to_owned());
    limited(Callgrind::default().entry_point(entry).clone(), instructions, ROUNDS * QUERIES)
}

fn limited(mut callgrind: Callgrind, instructions: u64, queries: usize) -> LibraryBenchmarkConfig {
    let limit = instructions * queries as u64 * 103 / 100;
    LibraryBenchmarkConfig::default()
        .tool(callgrind.hard_limits([(EventKind::Ir, limit)]).clone())
        .clone()
}

library_benchmark_group!(name = engine, benchmarks = respond);
library_benchmark_group!(name = transport, benchmarks = worker);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = [engine, transport]
);
