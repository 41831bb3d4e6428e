//! What no change may break: `[safety]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::duration;
use super::reader::Reader;
use super::spec::Spanned;
use super::spec::safety::SafetySpec;

/// What no change may break, be it of files, of health, or an operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Safety {
    /// So many pools stay in use for each record: 0 (no rule) to 100.
    pub never_below: usize,
    /// How much of a pool's clients may be moved away in which time; `None` is no rule.
    pub max_shift: Option<MaxShift>,
}

/// How much of a pool's clients may be moved away in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxShift {
    /// 1 to 99.
    pub percent: u8,
    /// In any time of this length: whole seconds, 1 s to a day.
    pub window: Duration,
}

const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

impl Safety {
    pub(super) fn resolve(spec: SafetySpec, reader: &mut Reader<'_>) -> Safety {
        let never_below = reader.integer("never_below", spec.never_below.as_ref(), 0..=100, 0);
        let written = spec.max_shift.filter(|text| !text.value.is_empty());
        Safety {
            never_below: usize::try_from(never_below).unwrap_or(0),
            max_shift: written.and_then(|text| max_shift(&text, reader)),
        }
    }
}

fn max_shift(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<MaxShift> {
    let read = || {
        let (percent, window) = text.value.split_once("%/")?;
        let percent = percent.parse().ok().filter(|percent| (1..=99).contains(percent))?;
        let window = duration::parse(window).filter(|window| WINDOW.contains(window))?;
        (window.subsec_millis() == 0).then_some(MaxShift { percent, window })
    };
    let shift = read();
    if shift.is_none() {
        let message = format!("`max_shift` cannot be `{}`", text.value);
        let help = "write a part from 1% to 99% and a time from 1s to 1d, such as \"20%/5m\"";
        reader.invalid(&text.range, message, help);
    }
    shift
}
