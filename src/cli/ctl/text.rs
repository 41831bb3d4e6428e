//! What the server says, for people.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use crate::admin::Entry;
use crate::admin::message::{
    Changed, Course, Health, KeptGeneration, MaintenanceStatus, Reload, Reported, ReportedTarget,
    Resumed, ResumedTarget, RolledBack, Status, millis, utc,
};
use crate::cli::report::plural;

pub(super) fn status(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let uptime = short(Duration::from_secs(status.uptime_seconds));
    writeln!(out, "meridian {}, up for {uptime}", status.version)?;
    writeln!(out, "generation  {}", status.generation)?;
    if let Some(fallback) = &status.fallback {
        let (of, since, who) = (fallback.generation, utc(fallback.at), &fallback.who);
        writeln!(out, "kept        serving {of} as kept since {since}, not the files, by {who}")?;
    }
    let (zones, records) = (status.zone_count, status.record_count);
    writeln!(out, "serves      {}, {}", plural(zones, "zone"), plural(records, "steered record"))?;
    let pools = status.pools;
    writeln!(out, "pools       {} up, {} down, {} drained", pools.up, pools.down, pools.drain)?;
    match &status.panics[..] {
        [] => writeln!(out, "panic       none")?,
        names => writeln!(out, "panic       nothing is up for {}", names.join(", "))?,
    }
    for known in &status.overrides {
        writeln!(out, "override    {}: {known}{}", known.pool, ending(known.until))?;
    }
    for planned in &status.maintenance {
        let MaintenanceStatus { pool, phase, from, until, reason, .. } = planned;
        let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        let (from, until) = (utc(*from), utc(*until));
        writeln!(out, "maintenance {pool}: {phase}, away from {from} until {until}{reason}")?;
    }
    for held in &status.held {
        let share = held.share * 100.0;
        writeln!(out, "held        {}: {}; keeps {share:.0} % now", held.pool, held.why)?;
    }
    match &status.reload {
        None => writeln!(out, "reload      none since the start")?,
        Some(reload) => {
            let ago = since(reload.at, SystemTime::now());
            let outcome = if reload.error.is_some() { "refused" } else { "done" };
            writeln!(out, "reload      {outcome} {ago} ago, asked for by {}", reload.who)?;
            for line in reload.error.iter().flat_map(|error| error.lines()) {
                writeln!(out, "            {line}")?;
            }
            if !reload.waiting.is_empty() {
                writeln!(out, "            waiting for a restart: {}", reload.waiting.join(", "))?;
            }
        }
    }
    for hook in &status.webhooks {
        write!(out, "webhook     {}: {} waiting", hook.name, plural(hook.waiting, "event"))?;
        if let (Some(problem), Some(at)) = (&hook.problem, hook.since) {
            write!(out, ": {problem}, for {}", since(at, SystemTime::now()))?;
        }
        writeln!(out)?;
    }
    for warning in &status.warnings {
        writeln!(out, "warning     {warning}")?;
    }
    Ok(())
}

pub(super) fn health(health: &Health, now: SystemTime, out: &mut dyn Write) -> io::Result<()> {
    for pool in &health.pools {
        write!(out, "{:<16} {:<7} by {}", pool.name, pool.state, pool.decided_by)?;
        if pool.state == "up" && pool.share < 1.0 {
            write!(out, "; keeps {:.0} % of its clients", pool.share * 100.0)?;
        }
        if let Some(load) = pool.load {
            write!(out, "; load {load:.2}")?;
        }
        if let Some(held) = &pool.held {
            write!(out, "; {held}")?;
        }
        writeln!(out)?;
        for member in &pool.members {
            write!(out, "  {:<22} {:<7} by {}", member.name, member.verdict, member.decided_by)?;
            if let Some(at) = member.since {
                write!(out, ", for {}", since(at, now))?;
            }
            if let Some(reason) = &member.reason {
                write!(out, ": {reason}")?;
            }
            course(&member.course, out)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

fn course(course: &Course, out: &mut dyn Write) -> io::Result<()> {
    if let Some(hold) = &course.hold {
        write!(out, "; {hold}")?;
    }
    if let Some(left) = course.weight_left {
        write!(out, "; warned of, {left} % of its weight left")?;
    }
    for warning in &course.warnings {
        write!(out, "; {warning}")?;
    }
    Ok(())
}

pub(super) fn resumed(resumed: &Resumed, out: &mut dyn Write) -> io::Result<()> {
    for ResumedTarget { target, monitor, was_held } in &resumed.targets {
        let what = if *was_held { "may come back, and is checked now" } else { "was not held" };
        writeln!(out, "{target} (monitor {monitor}) {what}")?;
    }
    Ok(())
}

pub(super) fn reported(reported: &Reported, out: &mut dyn Write) -> io::Result<()> {
    for ReportedTarget { target, monitor, verdict, hold } in &reported.targets {
        let hold = hold.as_ref().map_or(String::new(), |hold| format!("; {hold}"));
        writeln!(out, "{target} (monitor {monitor}) is {verdict} now{hold}")?;
    }
    Ok(())
}

pub(super) fn changed(changed: &Changed, out: &mut dyn Write) -> io::Result<()> {
    let Changed { pool, state, share, overridden, .. } = changed;
    let kept = match (&**state, share) {
        ("up", share) if *share < 1.0 => {
            format!(" and keeps {:.0} % of its clients", share * 100.0)
        }
        _ => String::new(),
    };
    match overridden {
        Some(known) => {
            writeln!(out, "{pool} is {state} now{kept}; {known}{}", ending(known.until))
        }
        None => writeln!(out, "{pool} is {state} now{kept}, as files and checks say"),
    }
}

pub(super) fn reload(reload: &Reload, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "generation {} is in force", reload.generation)?;
    match &reload.waiting[..] {
        [] => Ok(()),
        keys => writeln!(out, "waiting for a restart: {}", keys.join(", ")),
    }
}

pub(super) fn rolled_back(done: &RolledBack, out: &mut dyn Write) -> io::Result<()> {
    let RolledBack { generation, of, at, .. } = done;
    writeln!(out, "generation {generation} is in force: {of} as kept since {}", utc(*at))?;
    if !done.waiting.is_empty() {
        writeln!(out, "waiting for a restart: {}", done.waiting.join(", "))?;
    }
    if !done.differing.is_empty() {
        writeln!(
            out,
            "the files on disk say something else, and a reload or a restart reads them:"
        )?;
    }
    done.differing.iter().try_for_each(|path| writeln!(out, "  {path}"))
}

pub(super) fn generations(list: &[KeptGeneration], out: &mut dyn Write) -> io::Result<()> {
    if list.is_empty() {
        return writeln!(out, "no generation is kept");
    }
    for kept in list {
        let KeptGeneration { generation, at, files, octets, in_force } = kept;
        let mark = if *in_force { "  in force" } else { "" };
        let files = plural(*files, "file");
        writeln!(out, "{generation:>5}  {}  {files}, {octets} octets{mark}", utc(*at))?;
    }
    Ok(())
}

pub(super) fn entry(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}  {:<8}  {}", utc(entry.at), entry.kind, entry.text)
}

fn ending(until: Option<u64>) -> String {
    until.map_or(String::new(), |until| format!(" (until {})", utc(until)))
}

/// How long ago that was.
pub(in crate::cli) fn since(at: u64, now: SystemTime) -> String {
    short(Duration::from_millis(millis(now).saturating_sub(at)))
}

/// `42 s`, `5 min`, `3 h 20 min`, `4 d 2 h`.
pub(in crate::cli) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00:00Z");
        assert_eq!(utc(951_826_215_000), "2000-02-29 12:10:15Z");
        assert_eq!(utc(1_772_323_200_999), "2026-03-01 00:00:00Z");
        assert_eq!(short(Duration::from_secs(12_000)), "3 h 20 min");
        assert_eq!(short(Duration::from_secs(100 * 3600)), "4 d 4 h");
    }
}
