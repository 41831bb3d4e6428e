//! CPU time of processes, from `/proc`.

use std::fs;
use std::ops::Sub;

use anyhow::Context;

/// CPU time in seconds, all threads together, in steps of the kernel's clock tick (10 ms).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    /// What the processes have used so far, together.
    pub(crate) fn of(pids: &[u32]) -> anyhow::Result<Cpu> {
        pids.iter().try_fold(Cpu::default(), |sum, pid| {
            let one = Cpu::read(&format!("/proc/{pid}/stat"))?;
            Ok(Cpu { user: sum.user + one.user, system: sum.system + one.system })
        })
    }

    /// What this process has used so far.
    pub(crate) fn own() -> anyhow::Result<Cpu> {
        Cpu::read("/proc/self/stat")
    }

    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }

    fn read(path: &str) -> anyhow::Result<Cpu> {
        let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
        // The second field is the program's name, in parentheses, and may hold anything.
        let (_, fields) = text.rsplit_once(')').context("no program name")?;
        let mut fields = fields.split_ascii_whitespace().skip(11);
        let mut seconds = || -> anyhow::Result<f64> {
            // USER_HZ is 100 on every architecture of Linux that matters here.
            Ok(fields.next().context("too few fields")?.parse::<f64>()? / 100.0)
        };
        Ok(Cpu { user: seconds()?, system: seconds()? })
    }
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, other: Cpu) -> Cpu {
        Cpu { user: self.user - other.user, system: self.system - other.system }
    }
}
