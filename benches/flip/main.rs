//! From a verdict to the changed answer: how long it takes until the next query sees it.
//!
//! ```text
//! cargo bench --bench flip
//! ```
//!
//! One region of three goes down and comes back, under one steered name and under ten thousand;
//! these share one policy (one of many services behind the same regions), or have a policy each;
//! in the last two lines each policy has pools of its own too, and nothing is shared but the load
//! balancers and their checks.
//! Measured is what the control task does: take the verdict, work out the answers it touches,
//! publish them. How long the region's failure takes to be noticed is the monitor's `interval`
//! and `fall`, and not in it. The last column is the CPU time of all threads together, on average,
//! which says more than the time where other things run beside it.

#[path = "../load/cpu.rs"]
#[allow(dead_code)]
mod cpu;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use cpu::Cpu;
use meridian::config::{self, Memory};
use meridian::engine::Engine;
use meridian::health::{CheckId, Verdict};
use meridian::server::{Generation, Origin, build};
use meridian::steering::control::Control;

const ZONE: &str =
    "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n";

/// Name, place and members of each region.
const REGIONS: [(&str, &str, &str); 3] = [
    ("na", "aws:us-east-1", "\"192.0.2.10\", \"2001:db8:a::10\""),
    ("eu", "aws:eu-west-1", "\"198.51.100.10\", \"2001:db8:e::10\""),
    ("ap", "aws:ap-southeast-1", "\"203.0.113.10\", \"2001:db8:f::10\""),
];

/// Verdicts measured for each line of the table.
const FLIPS: usize = 200;

fn main() -> anyhow::Result<()> {
    println!(
        "{:>7} names, {:>6} policies, {:>6} pools  {:>10}  {:>10}  {:>10}  {:>10}",
        "", "", "", "median", "99 %", "worst", "CPU"
    );
    let shared = [(1, 1), (10_000, 1), (10_000, 100), (10_000, 10_000)].map(|(n, p)| (n, p, 1));
    for (names, policies, sets) in
        [shared.as_slice(), &[(10_000, 1_000, 1_000), (10_000, 10_000, 10_000)]].concat()
    {
        let (mut times, cpu) = measure(&generation(names, policies, sets))?;
        times.sort();
        println!(
            "{names:>7} names, {policies:>6} policies, {:>6} pools  {:>10.1?}  {:>10.1?}  {:>10.1?}  {:>10.1?}",
            sets * REGIONS.len(),
            times[FLIPS / 2],
            times[FLIPS * 99 / 100],
            times[FLIPS - 1],
            cpu / FLIPS as u32,
        );
    }
    Ok(())
}

/// Three regions, with the embedded GeoIP database, under so many names with so many policies,
/// over so many sets of pools.
fn generation(names: usize, policies: usize, sets: usize) -> Generation {
    let mut text = "[monitor.web]\nkind = \"tcp\"\nport = 80\n".to_owned();
    for set in 0..sets {
        for (name, place, members) in REGIONS {
            text += &format!(
                "[pool.{name}{set}]\nmonitor = \"web\"\nlocation = \"{place}\"\n\
                 members = [{members}]\n"
            );
        }
    }
    for policy in 0..policies {
        let set = policy % sets;
        text += &format!(
            "[policy.world{policy}]\nkind = \"geo\"\non_down = \"nearest\"\ndefault = \"na{set}\"\nrules = [\n\
             {{ match = [\"continent:NA\", \"continent:SA\"], to = \"na{set}\" }},\n\
             {{ match = [\"continent:EU\", \"continent:AF\"], to = \"eu{set}\" }},\n\
             {{ match = [\"continent:AS\", \"continent:OC\"], to = \"ap{set}\" }},\n]\n"
        );
    }
    for name in 0..names {
        let policy = name % policies;
        text += &format!("[record.\"s{name}.example.com\"]\nuse = \"world{policy}\"\n");
    }
    let files = Memory::from_iter([
        (
            "meridian.toml",
            "[server]\nzones = [\"example.com.zone\"]\npolicies = [\"policies.toml\"]\n",
        ),
        ("policies.toml", &text),
        ("example.com.zone", ZONE),
    ]);
    let loaded = config::read(&files, "meridian.toml".as_ref()).expect("the files above are right");
    build(loaded, Origin::Embedded(&files)).expect("the files above are right")
}

/// From each verdict on one of the checks to the published answers: the time of each, and the CPU
/// time of all.
fn measure(generation: &Generation) -> anyhow::Result<(Vec<Duration>, Duration)> {
    let checks = generation.checks.len() as u32;
    let all_up = (0..checks).map(|check| (CheckId(check), Verdict::Up));
    let mut control = Control::new(generation.steering.clone(), all_up);
    // As the server does, whatever is planned.
    control.plan(&[], SystemTime::now());
    control.settle();
    let engine = |control: &Control| Engine {
        snapshot: generation.snapshot.clone(),
        live: Arc::new(control.live().clone()),
    };
    let published = ArcSwap::from_pointee(engine(&control));
    let mut times = Vec::with_capacity(FLIPS);
    let mut cpu = 0.0;
    for flip in 0..FLIPS {
        let verdict = if flip % 2 == 0 { Verdict::Down } else { Verdict::Up };
        let (worked, begin) = (Cpu::own()?, Instant::now());
        // Both members of `eu`, as when the region fails as a whole.
        for check in [CheckId(2), CheckId(3)] {
            control.set_verdict(check, verdict);
        }
        black_box(control.settle());
        let old = published.swap(Arc::new(engine(&control)));
        times.push(begin.elapsed());
        cpu += (Cpu::own()? - worked).total();
        // Freed outside the time: no query waits for it.
        drop(old);
    }
    Ok((times, Duration::from_secs_f64(cpu)))
}
