//! The rhythm of a monitor: when it checks, and how a verdict follows the results.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::duration;
use super::monitor::{Monitor, MonitorKind, Port};
use super::reader::Reader;
use super::source::Located;
use super::spec::{DampingSpec, DurationText, RhythmSpec, Spanned, WarnSpec, rhythm::DampingTable};

/// How a member that goes down often is held down. Its score rises by 1 each time.
#[derive(Debug, Clone, PartialEq)]
pub struct Damping {
    /// In this time a score falls by half: 100 ms to 1 d.
    pub half_life: Duration,
    /// From this score on a member is held down: 0.1 to 100.
    pub suppress: f64,
    /// Below this score it is held down no longer: 0.01 to less than `suppress`.
    pub reuse: f64,
    /// It is held down so long at most, once it stays good: 100 ms to 7 d.
    pub max_hold: Duration,
}

/// When a member that is up is warned of, and what that does to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Warn {
    /// A check that took longer counts towards a warning: 1 ms to the timeout.
    pub latency: Option<Located<Duration>>,
    /// A check after which the load is higher counts towards a warning: 0.01 to 0.99.
    pub load: Option<Located<f64>>,
    /// What is left of its weight meanwhile, in percent: 0 to 100.
    pub weight: u8,
}

/// When checks are made and what they count for.
pub(super) struct Rhythm {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) fall: u32,
    pub(super) rise: u32,
    backoff: Option<Located<Duration>>,
    damping: Option<Damping>,
    manual_resume: bool,
    warn: Option<Warn>,
}

/// The shortest time that a bound on a check may be.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);
const LONGEST_HOLD: Duration = Duration::from_secs(7 * 86_400);

impl Rhythm {
    pub(super) fn resolve(spec: RhythmSpec<'_>, reader: &mut Reader<'_>) -> Rhythm {
        let count = |value: i64| u32::try_from(value).unwrap_or(1);
        let (interval, timeout) = pace(spec.interval, spec.timeout, reader);
        Rhythm {
            interval,
            timeout,
            fall: count(reader.integer("fall", spec.fall, 1..=100, 3)),
            rise: count(reader.integer("rise", spec.rise, 1..=100, 2)),
            backoff: spec.backoff.map(|backoff| Located {
                value: reader.duration("backoff", Some(backoff), INTERVAL, interval),
                span: reader.span(&backoff.range),
            }),
            damping: spec.damping.and_then(|damping| Damping::resolve(damping, reader)),
            manual_resume: spec.manual_resume.unwrap_or(false),
            warn: spec.warn.map(|warn| Warn::resolve(warn, timeout, reader)),
        }
    }

    pub(super) fn monitor(self, name: &Located<String>, kind: MonitorKind, port: Port) -> Monitor {
        let Rhythm { interval, timeout, fall, rise, backoff, damping, manual_resume, warn } = self;
        Monitor {
            name: name.value.clone(),
            span: name.span.clone(),
            kind,
            port,
            interval,
            timeout,
            fall,
            rise,
            backoff,
            damping,
            manual_resume,
            warn,
        }
    }
}

/// Interval and timeout.
fn pace(
    interval: Option<&Spanned<DurationText>>,
    timeout: Option<&Spanned<DurationText>>,
    reader: &mut Reader<'_>,
) -> (Duration, Duration) {
    let errors = reader.found.len();
    let every = reader.duration("interval", interval, INTERVAL, Duration::from_secs(10));
    // The default gives way to a shorter interval.
    let default = Duration::from_secs(2).min(every);
    let patience = reader.duration("timeout", timeout, SHORTEST..=*INTERVAL.end(), default);
    if let (Some(timeout), true) = (timeout, patience > every && reader.found.len() == errors) {
        let d = Diagnostic::error(
            "invalid-value",
            format!("`timeout` is longer than `interval` ({})", duration::show(every)),
        );
        let mut d = d.at(&reader.span(&timeout.range), "");
        if let Some(interval) = interval {
            d = d.and(&reader.span(&interval.range), "the interval");
        }
        let help = "a check must end before the next one starts; shorten the timeout";
        reader.found.push(d.help(help));
    }
    (every, patience.min(every))
}

impl Damping {
    /// `None` when it is off.
    fn resolve(spec: &Spanned<DampingSpec>, reader: &mut Reader<'_>) -> Option<Damping> {
        let default = DampingTable::default();
        let table = match &spec.value {
            DampingSpec::Switch(false) => return None,
            DampingSpec::Switch(true) => &default,
            DampingSpec::Table(table) => table,
        };
        let errors = reader.found.len();
        let seconds = Duration::from_secs;
        let half_life = table.half_life.as_ref();
        let max_hold = table.max_hold.as_ref();
        let longest = *INTERVAL.start()..=LONGEST_HOLD;
        let damping = Damping {
            half_life: reader.duration("half_life", half_life, INTERVAL, seconds(300)),
            suppress: score("suppress", table.suppress.as_ref(), 0.1, 1.0, reader),
            reuse: score("reuse", table.reuse.as_ref(), 0.01, 0.4, reader),
            max_hold: reader.duration("max_hold", max_hold, longest, seconds(1200)),
        };
        let is_read = reader.found.len() == errors;
        if is_read && damping.reuse >= damping.suppress {
            let Damping { suppress, reuse, .. } = &damping;
            let message = format!("`reuse` ({reuse}) is not lower than `suppress` ({suppress})");
            reader.invalid(&spec.range, message, "a score must fall before a member comes back");
        } else if is_read && damping.ceiling() < damping.suppress {
            let message = format!(
                "`max_hold` is too short: no score could reach `suppress` ({})",
                damping.suppress
            );
            let help = "the highest score is reuse x 2^(max_hold / half_life); make `max_hold` \
                        longer or `half_life` shorter";
            reader.invalid(&spec.range, message, help);
        }
        Some(damping)
    }

    /// The highest score: from there it falls to `reuse` in `max_hold`.
    fn ceiling(&self) -> f64 {
        self.reuse * (self.max_hold.as_secs_f64() / self.half_life.as_secs_f64()).exp2()
    }
}

/// A score from `least` to 100.
fn score(
    key: &str,
    value: Option<&Spanned<f64>>,
    least: f64,
    default: f64,
    reader: &mut Reader<'_>,
) -> f64 {
    let Some(Spanned { value, range }) = value else { return default };
    if (least..=100.0).contains(value) {
        return *value;
    }
    reader.invalid(range, format!("`{key}` must be from {least} to 100"), "");
    default
}

impl Warn {
    fn resolve(spec: &Spanned<WarnSpec>, timeout: Duration, reader: &mut Reader<'_>) -> Warn {
        let Spanned { value: spec, range } = spec;
        if spec.latency.is_none() && spec.load.is_none() {
            let help = "add `latency = \"300ms\"`, or `load = 0.8` where the monitor reads a load";
            reader.invalid(range, "`warn` does not say of what".to_owned(), help);
        }
        let latency = spec.latency.as_ref().map(|latency| Located {
            value: reader.duration("latency", Some(latency), SHORTEST..=timeout, timeout),
            span: reader.span(&latency.range),
        });
        let load = spec.load.as_ref().map(|load| {
            if !(0.01..=0.99).contains(&load.value) {
                let message = format!("`load` cannot be {}", load.value);
                reader.invalid(&load.range, message, "1.0 is full: write 0.01 to 0.99");
            }
            Located { value: load.value, span: reader.span(&load.range) }
        });
        let mut weight = 50;
        if let Some(Spanned { value, range }) = &spec.weight {
            let share = value.strip_suffix('%').and_then(|share| share.parse::<u8>().ok());
            match share.filter(|share| *share <= 100) {
                Some(share) => weight = share,
                None => {
                    let message = format!("`weight` cannot be `{value}`");
                    reader.invalid(range, message, "write a share from \"0%\" to \"100%\"");
                }
            }
        }
        Warn { latency, load, weight }
    }
}
