//! One thread that answers, then two side by side: whether the second costs the first anything.
//!
//! ```text
//! cargo bench --bench threads
//! ```
//!
//! Each asks one engine from memory, without the kernel, as fast as it can, for the same time. What
//! threads share they only read, so an answer of two takes the CPU time of one, and together they
//! give twice as many where each has a core to itself. Rounds of one and two take turns, so that
//! what else the machine does meets both. With the kernel and two workers of a server:
//! `benches/peers/cores`.

#[path = "../scenarios/mod.rs"]
mod scenarios;

use std::fs;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use scenarios::{Bed, QUERIES, Scenario};

const ROUNDS: usize = 11;
const TURN: Duration = Duration::from_millis(500);

/// What threads did in one turn.
#[derive(Default)]
struct Turn {
    answers: usize,
    /// CPU time of all of them, in nanoseconds.
    cpu: u64,
    /// From the first one's start to the last one's end.
    wall: Duration,
}

impl Turn {
    /// CPU time of an answer in nanoseconds.
    fn cost(&self) -> f64 {
        self.cpu as f64 / self.answers as f64
    }

    /// Answers in a second.
    fn rate(&self) -> f64 {
        self.answers as f64 / self.wall.as_secs_f64()
    }
}

fn main() -> anyhow::Result<()> {
    println!(
        "{:<12} {:>14} {:>14} {:>24} {:>14} {:>14} {:>24}",
        "",
        "1: ns/answer",
        "2: ns/answer",
        "ratio (least to most)",
        "1: answers/s",
        "2: answers/s",
        "ratio (least to most)"
    );
    for scenario in [Scenario::Static, Scenario::GeoBySubnet] {
        let mut first = Bed::new(scenario);
        let mut beds = [first.beside(), first.beside()];
        let mut turns = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            turns.push((turn(std::slice::from_mut(&mut first))?, turn(&mut beds)?));
        }
        let columns = |of: fn(&Turn) -> f64| {
            let ones = median(turns.iter().map(|(one, _)| of(one)));
            let twos = median(turns.iter().map(|(_, two)| of(two)));
            let ratios = || turns.iter().map(|(one, two)| of(two) / of(one));
            let (least, most) =
                (ratios().fold(f64::MAX, f64::min), ratios().fold(f64::MIN, f64::max));
            let ratio = format!("{:.3} ({least:.3} to {most:.3})", median(ratios()));
            format!("{ones:>14.0} {twos:>14.0} {ratio:>24}")
        };
        let name = format!("{scenario:?}");
        println!("{name:<12} {} {}", columns(Turn::cost), columns(Turn::rate));
    }
    Ok(())
}

/// All of them answer for the same time, each in a thread of its own.
fn turn(beds: &mut [Bed]) -> anyhow::Result<Turn> {
    let begin = Instant::now();
    let until = begin + TURN;
    let answer = |bed: &mut Bed| -> anyhow::Result<(usize, u64)> {
        let (mut answers, before) = (0, own_cpu()?);
        while Instant::now() < until {
            black_box(bed.respond_to_all());
            answers += QUERIES;
        }
        Ok((answers, own_cpu()? - before))
    };
    let done = thread::scope(|scope| {
        let threads: Vec<_> = beds.iter_mut().map(|bed| scope.spawn(|| answer(bed))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("no reply panics"));
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let answers = done.iter().map(|(answers, _)| answers).sum();
    let cpu = done.iter().map(|(_, cpu)| cpu).sum();
    Ok(Turn { answers, cpu, wall: begin.elapsed() })
}

/// CPU time of this thread so far, in nanoseconds.
fn own_cpu() -> anyhow::Result<u64> {
    let path = "/proc/thread-self/schedstat";
    let text = fs::read_to_string(path).context(path)?;
    Ok(text.split_ascii_whitespace().next().context("no field")?.parse()?)
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
