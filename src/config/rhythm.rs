//! The rhythm of a monitor: when it checks, and how many results count.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::duration;
use super::monitor::{Monitor, MonitorKind};
use super::reader::Reader;
use super::source::Located;
use super::spec::{DurationText, Spanned};

/// The shortest time that a bound on a check may be.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);

/// When checks are made and what they count for.
pub(super) struct Rhythm {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) fall: u32,
    pub(super) rise: u32,
}

impl Rhythm {
    pub(super) fn resolve(
        interval: Option<&Spanned<DurationText>>,
        timeout: Option<&Spanned<DurationText>>,
        fall: Option<&Spanned<i64>>,
        rise: Option<&Spanned<i64>>,
        reader: &mut Reader<'_>,
    ) -> Rhythm {
        let errors = reader.found.len();
        let count = |value: i64| u32::try_from(value).unwrap_or(1);
        let every = reader.duration("interval", interval, INTERVAL, Duration::from_secs(10));
        // The default gives way to a shorter interval.
        let default = Duration::from_secs(2).min(every);
        let most = *INTERVAL.end();
        let patience = reader.duration("timeout", timeout, SHORTEST..=most, default);
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
        Rhythm {
            interval: every,
            timeout: patience.min(every),
            fall: count(reader.integer("fall", fall, 1..=100, 3)),
            rise: count(reader.integer("rise", rise, 1..=100, 2)),
        }
    }

    pub(super) fn monitor(
        self,
        name: &Located<String>,
        kind: MonitorKind,
        port: Option<u16>,
    ) -> Monitor {
        let Rhythm { interval, timeout, fall, rise } = self;
        let (name, span) = (name.value.clone(), name.span.clone());
        Monitor { name, span, kind, port, interval, timeout, fall, rise }
    }
}
