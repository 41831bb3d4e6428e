//! What happens in a running server that a person may want to hear of.

use std::fmt;
use std::time::Duration;

use crate::admin::overrides::Over;
use crate::admin::{Entry, OverrideState};
use crate::health::Verdict;
use crate::steering::control::{Cause, Phase};
use crate::steering::share::Share;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A check changed its verdict.
    Verdict {
        /// What is checked: `192.0.2.10:80`.
        target: String,
        /// The monitor.
        monitor: String,
        /// What it says now.
        verdict: Verdict,
        /// Why the last check failed, if it did.
        reason: Option<String>,
    },
    /// A target stays down although its checks may succeed.
    Hold {
        /// What is checked.
        target: String,
        /// The monitor.
        monitor: String,
        /// What holds it: `awaits resume`.
        hold: String,
    },
    /// A target is warned of, or no longer.
    Warning {
        /// What is checked.
        target: String,
        /// The monitor.
        monitor: String,
        /// What the last check found, while it is warned of.
        strain: Option<String>,
        /// Whether the warning has begun.
        begun: bool,
    },
    /// A pool came up or went down.
    Pool {
        /// Its name.
        pool: String,
        /// Whether it is up now.
        is_up: bool,
    },
    /// Nothing that these records lead to is up for some clients, or something is again.
    Panic {
        /// Their names.
        records: Vec<String>,
        /// Whether it has begun.
        begun: bool,
    },
    /// A pool begins or ends to keep only a part of its clients, or its load changed the part.
    Share {
        /// Its name.
        pool: String,
        /// Why.
        cause: Cause,
        /// The part it keeps now.
        share: Share,
    },
    /// A scheduled maintenance begins or ends a phase.
    Maintenance {
        /// Its pool.
        pool: String,
        /// What it is now.
        phase: Phase,
        /// Why it is.
        reason: Option<String>,
    },
    /// A safety rule leaves a pool clients that it would have lost, or no longer.
    Held {
        /// Its name.
        pool: String,
        /// The rule.
        held: Option<String>,
        /// The part it keeps now.
        share: Share,
    },
    /// An operator put a pool into a state, or took that back.
    Override {
        /// Its name.
        pool: String,
        /// The state.
        state: OverrideState,
        /// How long its share takes to get there.
        over: Duration,
        /// Who did.
        who: String,
        /// Why.
        reason: Option<String>,
    },
    /// A person said that a target which was held down may come back.
    Resume {
        /// What is checked.
        target: String,
        /// The monitor.
        monitor: String,
        /// Who did.
        who: String,
        /// Why.
        reason: Option<String>,
    },
    /// Somebody reported something else of a target than was known.
    Report {
        /// What it is about.
        target: String,
        /// The monitor.
        monitor: String,
        /// What was found.
        verdict: Verdict,
        /// Who did.
        who: String,
        /// Why.
        reason: Option<String>,
    },
    /// All files were read anew.
    Reload {
        /// The generation in force afterwards.
        generation: u64,
        /// Who asked for it.
        who: String,
        /// Why.
        reason: Option<String>,
        /// The mistakes, when the generation is the one from before.
        error: Option<String>,
    },
    /// A kept generation was put in force instead of what the files say.
    Rollback {
        /// The number it is in force as.
        generation: u64,
        /// Which it is.
        of: u64,
        /// Who did.
        who: String,
        /// Why.
        reason: Option<String>,
    },
    /// The server began to answer.
    Start {
        /// The program's version.
        version: &'static str,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Verdict { target, monitor, verdict, reason } => {
                write!(f, "{target} is {verdict} (monitor {monitor})")?;
                because(reason, f)
            }
            Event::Hold { target, monitor, hold } => {
                write!(f, "{target} stays down (monitor {monitor}): {hold}")
            }
            Event::Warning { target, monitor, strain, begun: true } => {
                write!(f, "{target} is warned of (monitor {monitor})")?;
                because(strain, f)
            }
            Event::Warning { target, monitor, begun: false, .. } => {
                write!(f, "{target} is no longer warned of (monitor {monitor})")
            }
            Event::Pool { pool, is_up } => {
                write!(f, "pool {pool} is {}", if *is_up { "up" } else { "down" })
            }
            Event::Share { pool, cause: Cause::Drain, share: Share::NONE } => {
                write!(f, "pool {pool} is drained")
            }
            Event::Share { pool, cause, share } => {
                let what = match cause {
                    Cause::Drain => "is being drained",
                    Cause::Restore => "restored",
                    Cause::Ramp => "came back up",
                    Cause::Load if share.is_full() => "has room again",
                    Cause::Load => "sheds load",
                };
                write!(f, "pool {pool} {what}: {share} of its clients")
            }
            Event::Maintenance { pool, phase, reason } => {
                write!(f, "pool {pool}: {} in maintenance", phase.as_str())?;
                because(reason, f)
            }
            Event::Held { pool, held: Some(held), share } => {
                write!(f, "pool {pool} is {held}; it keeps {share} of its clients now")
            }
            Event::Held { pool, held: None, share } => {
                write!(f, "no safety rule holds pool {pool} any more: {share} of its clients")
            }
            Event::Panic { records, begun: true } => {
                write!(f, "nothing is up for {}: answering as on_all_down says", listed(records))
            }
            Event::Panic { records, begun: false } => {
                write!(f, "something is up again for {}", listed(records))
            }
            Event::Override { pool, state, over, who, reason } => {
                let over = Over(*over);
                match state {
                    OverrideState::Restore => {
                        write!(f, "pool {pool} is given back to its checks{over} by {who}")?;
                    }
                    state => write!(f, "pool {pool} is put to {}{over} by {who}", state.as_str())?,
                }
                because(reason, f)
            }
            Event::Resume { target, monitor, who, reason } => {
                write!(f, "{target} may come back (monitor {monitor}), says {who}")?;
                because(reason, f)
            }
            Event::Report { target, monitor, verdict, who, reason } => {
                write!(f, "{target} is reported {verdict} (monitor {monitor}) by {who}")?;
                because(reason, f)
            }
            Event::Reload { generation, who, reason, error: None } => {
                write!(f, "generation {generation} is in force, reloaded by {who}")?;
                because(reason, f)
            }
            Event::Reload { generation, who, error: Some(_), .. } => {
                write!(f, "reload for {who} refused: generation {generation} stays in force")
            }
            Event::Rollback { generation, of, who, reason } => {
                if generation == of {
                    write!(f, "generation {of}, as it was kept, is in force by {who}")?;
                } else {
                    write!(f, "generation {generation} is in force by {who}: {of} as it was kept")?;
                }
                because(reason, f)
            }
            Event::Start { version } => write!(f, "version {version} answers"),
        }
    }
}

impl From<&Event> for Entry {
    /// Its number and time are the history's to give.
    fn from(event: &Event) -> Entry {
        let checks = || "checks".to_owned();
        let (kind, subject, state, who, why) = match event {
            Event::Verdict { target, monitor, verdict, reason } => {
                let who = format!("monitor {monitor}");
                ("verdict", target.clone(), verdict.as_str(), who, reason.clone())
            }
            Event::Hold { target, monitor, hold } => {
                ("hold", target.clone(), "down", format!("monitor {monitor}"), Some(hold.clone()))
            }
            Event::Warning { target, monitor, strain, begun } => {
                let state = if *begun { "begun" } else { "over" };
                let who = format!("monitor {monitor}");
                ("warning", target.clone(), state, who, strain.clone())
            }
            Event::Share { pool, cause, share } => {
                let who = match cause {
                    Cause::Drain | Cause::Restore => "an operator",
                    Cause::Ramp | Cause::Load => "checks",
                };
                let kept = Some(format!("{share} of its clients"));
                ("share", pool.clone(), cause.as_str(), who.to_owned(), kept)
            }
            Event::Maintenance { pool, phase, reason } => {
                let who = "the files".to_owned();
                ("maintenance", pool.clone(), phase.as_str(), who, reason.clone())
            }
            Event::Held { pool, held, .. } => {
                let state = if held.is_some() { "held" } else { "released" };
                ("safety", pool.clone(), state, "safety rules".to_owned(), held.clone())
            }
            Event::Resume { target, who, reason, .. } => {
                ("resume", target.clone(), "resumed", who.clone(), reason.clone())
            }
            Event::Report { target, verdict, who, reason, .. } => {
                ("report", target.clone(), verdict.as_str(), who.clone(), reason.clone())
            }
            Event::Pool { pool, is_up } => {
                ("pool", pool.clone(), if *is_up { "up" } else { "down" }, checks(), None)
            }
            Event::Panic { records, begun } => {
                let state = if *begun { "begun" } else { "over" };
                ("panic", listed(records), state, checks(), None)
            }
            Event::Override { pool, state, who, reason, .. } => {
                ("override", pool.clone(), state.as_str(), who.clone(), reason.clone())
            }
            Event::Reload { generation, who, reason, error } => {
                let state = if error.is_some() { "refused" } else { "done" };
                let why = error.as_ref().or(reason.as_ref()).cloned();
                ("reload", format!("generation {generation}"), state, who.clone(), why)
            }
            Event::Rollback { generation, who, reason, .. } => {
                let subject = format!("generation {generation}");
                ("rollback", subject, "done", who.clone(), reason.clone())
            }
            Event::Start { version } => {
                ("start", format!("version {version}"), "up", "the server".to_owned(), None)
            }
        };
        let (kind, state) = (kind.to_owned(), state.to_owned());
        Entry { number: 0, at: 0, kind, subject, state, who, why, text: event.to_string() }
    }
}

fn because(reason: &Option<String>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match reason {
        Some(reason) => write!(f, ": {reason}"),
        None => Ok(()),
    }
}

/// Names that a line of the log holds; thousands may lead to one region.
const LISTED: usize = 8;

fn listed(names: &[String]) -> String {
    match names.split_at_checked(LISTED) {
        Some((first, more)) if !more.is_empty() => {
            format!("{} and {} more", first.join(", "), more.len())
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_about_thousands_of_names_stays_a_line() {
        let names = |count| (1..=count).map(|n| format!("n{n}.")).collect();
        let event = Event::Panic { records: names(8), begun: false };
        let eight = "something is up again for n1., n2., n3., n4., n5., n6., n7., n8.";
        assert_eq!(event.to_string(), eight);
        let event = Event::Panic { records: names(10_000), begun: false };
        assert_eq!(event.to_string(), format!("{eight} and 9992 more"));
    }
}
