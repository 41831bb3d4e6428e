//! Pools that are to be empty for a time: `[[maintenance]]`.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use toml::value::{Datetime, Offset};

use super::diagnostic::Diagnostic;
use super::names::{Names, Target};
use super::reader::Reader;
use super::source::Span;
use super::spec::maintenance::MaintenanceSpec;
use super::spec::{Spanned, TimeText};

/// A time in which a pool is given to nobody.
#[derive(Debug, Clone, PartialEq)]
pub struct Maintenance {
    /// Index of the pool.
    pub pool: usize,
    /// From when on it is empty.
    pub from: SystemTime,
    /// When its clients begin to come back: after `from`.
    pub until: SystemTime,
    /// How long its clients take to leave before, and to come back after: up to a day.
    pub over: Duration,
    /// Why.
    pub reason: Option<String>,
    /// The name of the pool, where it is written.
    pub span: Span,
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const LENGTH: RangeInclusive<Duration> = SECOND..=Duration::from_secs(30 * 86_400);

impl Maintenance {
    /// `None` when it cannot be used; that is reported.
    pub(super) fn resolve(
        spec: MaintenanceSpec,
        names: &Names,
        reader: &mut Reader<'_>,
    ) -> Option<Maintenance> {
        let pool = match names.target(&spec.pool, reader).map(|named| named.target) {
            Some(Target::Pool(pool)) => Some(pool),
            Some(Target::Policy(_)) => {
                let message = format!("`{}` is a policy", spec.pool.value);
                reader.invalid(&spec.pool.range, message, "name one of its pools");
                None
            }
            None => None,
        };
        let from = time("from", &spec.from, reader);
        let until = match (&spec.until, &spec.length) {
            (Some(until), None) => time("until", until, reader),
            (None, Some(_)) => {
                let length = reader.duration("for", spec.length.as_ref(), LENGTH, SECOND);
                from.map(|from| from + length)
            }
            _ => {
                let message = "a maintenance has `until` or `for`: one of them";
                reader.invalid(&spec.pool.range, message, "write `for = \"2h\"`, or `until`");
                None
            }
        };
        let over =
            reader.duration("over", spec.over.as_ref(), Duration::ZERO..=DAY, 60 * 10 * SECOND);
        let (pool, from, until) = (pool?, from?, until?);
        if until <= from {
            let range = spec.until.as_ref().map_or(&spec.pool.range, |until| &until.range);
            reader.invalid(range, "this is not after `from`", "");
            return None;
        }
        let span = reader.span(&spec.pool.range);
        Some(Maintenance { pool, from, until, over, reason: spec.reason, span })
    }

    /// When its clients begin to leave.
    fn begin(&self) -> SystemTime {
        self.from - self.over
    }

    /// Whether the pool keeps less than all its clients.
    fn is_under_way(&self, now: SystemTime) -> bool {
        self.begin() <= now && now < self.until + self.over
    }
}

fn time(key: &str, text: &Spanned<TimeText>, reader: &mut Reader<'_>) -> Option<SystemTime> {
    let found = moment(&text.value.0);
    if found.is_none() {
        let message = format!("`{key}` is no moment");
        let help = "write a date, a time and the zone, such as 2026-12-01T22:00:00Z or \
                    2026-12-01T23:00:00+01:00";
        reader.invalid(&text.range, message, help);
    }
    found
}

/// A moment between 1970 and 9999: a date, a time and the zone, as files and commands have it.
pub fn moment(text: &str) -> Option<SystemTime> {
    let written: Datetime = text.parse().ok()?;
    let (date, time, offset) = (written.date?, written.time?, written.offset?);
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    // Howard Hinnant's days_from_civil: years begin in March, eras have 400 of them.
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let year = i64::from(date.year) - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let second = time.second.map_or(0, i64::from);
    let of_day = i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + second;
    let seconds = u64::try_from(days * 86_400 + of_day - minutes * 60).ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, time.nanosecond.unwrap_or(0)))
}

/// Lints for records that maintenance would leave with nothing: one for each moment in which all
/// their pools are away.
pub(super) fn together(
    record: (&str, &Span),
    pools: &[usize],
    windows: &[Maintenance],
) -> Option<Diagnostic> {
    let (name, span) = record;
    let under: Vec<&Maintenance> =
        windows.iter().filter(|window| pools.contains(&window.pool)).collect();
    // Windows are intervals: all that meet at some moment meet at the begin of one of them.
    under.iter().find_map(|window| {
        let begin = window.begin();
        let met: Vec<_> = under.iter().filter(|other| other.is_under_way(begin)).collect();
        let is_away = |pool: &usize| met.iter().any(|other| other.pool == *pool);
        if !pools.iter().all(is_away) {
            return None;
        }
        let message = format!("all pools of {name} are in maintenance at the same time");
        let d = Diagnostic::lint("maintenance-of-all", message).at(span, "");
        let d = met.iter().fold(d, |d, other| d.and(&other.span, "in one of these"));
        Some(d.help("its clients then stay with a pool that is worked on; move one of them"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        let seconds = |text: &str| {
            let moment = moment(text)?;
            Some(moment.duration_since(UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T12:10:15Z"), Some(951_826_215));
        assert_eq!(seconds("2026-03-01T01:00:00+01:00"), Some(1_772_323_200));
        assert_eq!(seconds("2026-02-28T19:00:00-05:00"), Some(1_772_323_200));
        assert_eq!(seconds("2026-03-01T00:00:00"), None);
        assert_eq!(seconds("1969-12-31T23:59:59Z"), None);
    }
}
