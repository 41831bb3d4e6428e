//! Wall-clock of `Engine::respond` for each scenario. It informs and gates nothing: instructions
//! do that (`benches/instructions`).
//!
//! ```text
//! cargo bench --bench respond
//! ```

#[path = "../scenarios/mod.rs"]
mod scenarios;

use criterion::{Criterion, Throughput};

use scenarios::{Bed, QUERIES, Scenario};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("respond");
    group.sample_size(20).throughput(Throughput::Elements(QUERIES as u64));
    for scenario in Scenario::ALL {
        let mut bed = Bed::new(scenario);
        group.bench_function(format!("{scenario:?}"), |bencher| {
            bencher.iter(|| bed.respond_to_all());
        });
    }
    group.finish();
    criterion.final_summary();
}
