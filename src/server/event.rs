//! What happens in a running server that a person may want to hear of.

use std::fmt;

use crate::health::Verdict;

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
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Verdict { target, monitor, verdict, reason } => {
                write!(f, "{target} is {verdict} (monitor {monitor})")?;
                match reason {
                    Some(reason) => write!(f, ": {reason}"),
                    None => Ok(()),
                }
            }
            Event::Hold { target, monitor, hold } => {
                write!(f, "{target} stays down (monitor {monitor}): {hold}")
            }
            Event::Warning { target, monitor, strain, begun: true } => {
                write!(f, "{target} is warned of (monitor {monitor})")?;
                match strain {
                    Some(strain) => write!(f, ": {strain}"),
                    None => Ok(()),
                }
            }
            Event::Warning { target, monitor, begun: false, .. } => {
                write!(f, "{target} is no longer warned of (monitor {monitor})")
            }
            Event::Pool { pool, is_up } => {
                write!(f, "pool {pool} is {}", if *is_up { "up" } else { "down" })
            }
            Event::Panic { records, begun: true } => {
                write!(f, "nothing is up for {}: answering as on_all_down says", listed(records))
            }
            Event::Panic { records, begun: false } => {
                write!(f, "something is up again for {}", listed(records))
            }
        }
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
