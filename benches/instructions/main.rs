//! Instructions of `Engine::respond` for each scenario, by callgrind, with a limit for each.
//!
//! ```text
//! cargo install gungraun-runner@0.20.0   # as the crate in Cargo.lock; and valgrind
//! benches/instructions/run
//! ```
//!
//! Printed are totals over 10,000 queries. The counts below were made with rustc 1.95.0 on x86-64,
//! in the profile of `run`; a change of compiler needs new ones. Whoever makes a scenario cheaper
//! writes down the new count, or what was won can be lost again unnoticed.
#![allow(missing_docs, reason = "gungraun's macros make public items")]

#[path = "../scenarios/mod.rs"]
mod scenarios;

use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};

use scenarios::{Bed, QUERIES, Scenario};

#[library_benchmark]
#[bench::static_a(args = (Scenario::Static), setup = Bed::new, config = counted(474))]
#[bench::geo_by_source(args = (Scenario::GeoBySource), setup = Bed::new, config = counted(678))]
#[bench::geo_by_subnet(args = (Scenario::GeoBySubnet), setup = Bed::new, config = counted(776))]
#[bench::weighted(args = (Scenario::Weighted), setup = Bed::new, config = counted(719))]
#[bench::failover(args = (Scenario::Failover), setup = Bed::new, config = counted(780))]
#[bench::nxdomain(args = (Scenario::NxDomain), setup = Bed::new, config = counted(830))]
#[bench::wildcard(args = (Scenario::Wildcard), setup = Bed::new, config = counted(852))]
#[bench::referral(args = (Scenario::Referral), setup = Bed::new, config = counted(2055))]
#[bench::many_names(args = (Scenario::ManyNames), setup = Bed::new, config = counted(476))]
fn respond(mut bed: Bed) -> Bed {
    bed.respond_to_all();
    bed
}

/// Fails when there are 3 % more instructions for a query than were counted.
fn counted(instructions: u64) -> LibraryBenchmarkConfig {
    let limit = instructions * QUERIES as u64 * 103 / 100;
    LibraryBenchmarkConfig::default()
        .tool(Callgrind::default().hard_limits([(EventKind::Ir, limit)]))
        .clone()
}

library_benchmark_group!(name = engine, benchmarks = respond);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = engine
);
