//! Pools that are to be empty for a time: `[[maintenance]]`.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

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
    /// From when on it is empty, for the first time where it is weekly.
    pub from: SystemTime,
    /// When its clients begin to come back: after `from`.
    pub until: SystemTime,
    /// How long its clients take to leave before, and to come back after: up to a day.
    pub over: Duration,
    /// Whether it comes again every week; then all of it takes less than one.
    pub is_weekly: bool,
    /// Why.
    pub reason: Option<String>,
    /// The name of the pool, where it is written.
    pub span: Span,
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// From the first day of 1970 on.
const DAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
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
        let is_weekly = spec.every.is_some();
        let from = match (&spec.from, &spec.every) {
            (Some(from), None) => time("from", from, reader),
            (None, Some(every)) => weekly(every, reader),
            _ => {
                let message = "a maintenance has `from` or `every`: one of them";
                let help = "write `from` for once, or `every = \"sun 02:00\"` for each week";
                reader.invalid(&spec.pool.range, message, help);
                None
            }
        };
        let until = match (&spec.until, &spec.length) {
            (Some(until), None) if is_weekly => {
                let message = "what comes again every week does not end at a moment";
                reader.invalid(&until.range, message, "write `for = \"2h\"` in place of `until`");
                None
            }
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
        if let (Some(length), Ok(empty)) = (&spec.length, until.duration_since(from))
            && is_weekly
            && empty + 2 * over >= WEEK
        {
            let message = "with `over` before and after, this takes a week or longer";
            let help =
                "make it shorter; a pool that is to be away for good has `state = \"drain\"`";
            reader.invalid(&length.range, message, help);
            return None;
        }
        let span = reader.span(&spec.pool.range);
        Some(Maintenance { pool, from, until, over, is_weekly, reason: spec.reason, span })
    }

    /// When its clients begin to leave, for the first time.
    fn begin(&self) -> SystemTime {
        self.from - self.over
    }

    /// When all are back, for the first time.
    fn end(&self) -> SystemTime {
        self.until + self.over
    }

    /// Whether the pool keeps less than all its clients.
    fn is_under_way(&self, now: SystemTime) -> bool {
        let Ok(since) = now.duration_since(self.begin()) else { return false };
        let since = match self.is_weekly {
            true => Duration::from_secs(since.as_secs() % WEEK.as_secs()),
            false => since,
        };
        self.begin() + since < self.end()
    }

    /// When its clients begin to leave, from a moment on, to another.
    fn begins_in(&self, from: SystemTime, to: SystemTime) -> impl Iterator<Item = SystemTime> {
        let gone = from.duration_since(self.begin()).unwrap_or_default();
        let weeks = gone.as_secs().div_ceil(WEEK.as_secs());
        let first = self.begin() + Duration::from_secs(weeks * WEEK.as_secs());
        let times = if self.is_weekly { usize::MAX } else { 0 };
        let all = std::iter::successors(Some(first), |begin| Some(*begin + WEEK));
        all.take(times).take_while(move |begin| *begin < to)
    }
}

/// The first time of a day of the week and a time of day from 1970 on.
fn weekly(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<SystemTime> {
    let found = first_of_week(&text.value);
    if found.is_none() {
        let message = format!("`every` cannot be `{}`", text.value);
        let help = "write a day of the week and a time in UTC, such as \"sun 02:00\"";
        reader.invalid(&text.range, message, help);
    }
    found
}

fn first_of_week(text: &str) -> Option<SystemTime> {
    let (day, time) = text.split_once(' ')?;
    let (hour, minute) = time.split_once(':')?;
    let number = |text: &str, below: u64| {
        let is_written = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse::<u64>().ok().filter(|number| is_written && *number < below)
    };
    let day = DAYS.iter().position(|name| *name == day)? as u64;
    let minutes = (day * 24 + number(hour, 24)?) * 60 + number(minute, 60)?;
    // A week later, so that there is a time before it.
    Some(UNIX_EPOCH + WEEK + Duration::from_secs(minutes * 60))
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
    let moment: Timestamp = text.parse().ok()?;
    (moment >= Timestamp::UNIX_EPOCH).then(|| moment.into())
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
    begins(&under).into_iter().find_map(|begin| {
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

/// Lints for times that change nothing, or not by themselves: of a pool that is given to nobody
/// anyway, as `idle` says, and those that meet another time of the same pool.
pub(super) fn needless(
    windows: &[Maintenance],
    idle: impl Fn(usize) -> Option<&'static str>,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        if let Some(state) = idle(window.pool) {
            let message =
                format!("this maintenance changes nothing: the pool has `state = \"{state}\"`");
            let d = Diagnostic::lint("idle-maintenance", message).at(&window.span, "");
            found.push(d.help("remove it, or the pool's `state`"));
        }
        let meets = |other: &&Maintenance| {
            let pair = [window, *other];
            let both = |begin| pair.iter().all(|window| window.is_under_way(begin));
            other.pool == window.pool && begins(&pair).into_iter().any(both)
        };
        if let Some(other) = windows[..index].iter().find(meets) {
            let message = "two maintenances of one pool meet";
            let d = Diagnostic::lint("overlapping-maintenance", message).at(&window.span, "this");
            let help = "what leaves the pool less counts; make one of them longer, or move one";
            found.push(d.and(&other.span, "and this").help(help));
        }
    }
    found
}

/// Moments enough to see all that meet. Windows are intervals: those that meet at some moment meet
/// at the begin of one of them; of a weekly one each begin within another counts, and among weekly
/// ones those of one week.
fn begins(windows: &[&Maintenance]) -> Vec<SystemTime> {
    let last = windows.iter().map(|window| window.begin()).max();
    let mut begins: Vec<SystemTime> = windows.iter().map(|window| window.begin()).collect();
    for weekly in windows.iter().filter(|window| window.is_weekly) {
        for once in windows.iter().filter(|window| !window.is_weekly) {
            begins.extend(weekly.begins_in(once.begin(), once.end()));
        }
        // When all have begun for the first time.
        begins.extend(last.into_iter().flat_map(|last| weekly.begins_in(last, last + WEEK)));
    }
    begins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_the_week_is_that_of_the_calendar() {
        let seconds = |text: &str| {
            Some(first_of_week(text)?.duration_since(UNIX_EPOCH + WEEK).unwrap().as_secs())
        };
        assert_eq!(seconds("thu 00:00"), Some(0));
        assert_eq!(seconds("sun 02:30"), Some((3 * 24 + 2) * 3600 + 1800));
        assert_eq!(seconds("wed 23:59"), Some(7 * 86_400 - 60));
        for wrong in ["sunday 02:00", "Sun 02:00", "sun 2:00", "sun 24:00", "sun 02:60", "sun"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

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
