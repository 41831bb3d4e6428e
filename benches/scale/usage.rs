//! What a step took: time, CPU time and memory of this process.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::cpu::Cpu;

const MEBI: f64 = (1 << 20) as f64;

/// A step under way.
pub(crate) struct Step {
    begin: Instant,
    cpu: Cpu,
}

/// What a step took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) wall: Duration,
    /// Seconds, all threads together.
    pub(crate) cpu: f64,
}

impl Step {
    pub(crate) fn begin() -> anyhow::Result<Step> {
        Ok(Step { begin: Instant::now(), cpu: Cpu::own()? })
    }

    pub(crate) fn end(self) -> anyhow::Result<Taken> {
        let wall = self.begin.elapsed();
        Ok(Taken { wall, cpu: (Cpu::own()? - self.cpu).total() })
    }
}

/// Memory of a process in octets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: usize,
    /// The most there was.
    pub(crate) peak: usize,
}

impl Memory {
    pub(crate) fn own() -> anyhow::Result<Memory> {
        Memory::read("/proc/self/status")
    }

    pub(crate) fn of(pid: u32) -> anyhow::Result<Memory> {
        Memory::read(&format!("/proc/{pid}/status"))
    }

    fn read(path: &str) -> anyhow::Result<Memory> {
        let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
        let field = |name: &str| -> anyhow::Result<usize> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no field")?;
            let number = line.split_ascii_whitespace().next().context("no number")?;
            Ok(number.parse::<usize>()? * 1024)
        };
        Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
    }
}

/// Octets as mebibytes.
pub(crate) fn mebi(octets: usize) -> String {
    format!("{:.1} MiB", octets as f64 / MEBI)
}

/// One line of the table.
pub(crate) fn line(what: &str, figure: impl std::fmt::Display) {
    println!("{what:<46} {figure}");
}

pub(crate) fn step(what: &str, taken: Taken) {
    line(what, format!("{:.3} s, CPU {:.2} s", taken.wall.as_secs_f64(), taken.cpu));
}
