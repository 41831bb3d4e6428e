//! How busy a target says it is: where the number is read, and what is made of many of them.
//!
//! A load is a part of what the target can do: 0.0 is idle, 1.0 is all of it. What is done about
//! a high one is not known here.

use hyper::header::HeaderName;

use super::formula::Formula;

/// The weight of the newest reading in the moving average.
const NEWEST: f32 = 0.3;

/// After so many checks in a row without a reading, the load is not known any more.
const MISSES: u8 = 3;

/// Where a target says how busy it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// The page, when it is not the one that is checked.
    pub page: Option<LoadPage>,
    /// How the number is read from a page.
    pub meter: Meter,
}

/// A page that is asked, with GET, when a check has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadPage {
    /// Path and query, from the first `/`.
    pub path: String,
    /// The port, when it is not the one that is checked.
    pub port: Option<u16>,
    /// Whether it is asked in clear text although the check is made over TLS.
    pub is_clear: bool,
}

/// How a load is read from a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Meter {
    /// The number at a JSON pointer (RFC 6901).
    Json(String),
    /// The number in a header.
    Header(HeaderName),
    /// What a formula makes of the numbers at JSON pointers, in the order of its names.
    Formula(Vec<String>, Formula),
    /// HAProxy's statistics as CSV: the sessions of this backend and those that wait, as a part
    /// of what its servers that are up may have (`maxconn`), or of its own `fullconn`.
    Haproxy(String),
    /// nginx's `stub_status`: active connections, as a part of so many.
    Nginx(u32),
    /// Envoy's statistics, as text or JSON: a counter or gauge of this name, as a part of so many.
    Envoy(String, u32),
}

impl Meter {
    /// The load that a reading stands for. What is above 1.0 counts as 1.0.
    ///
    /// # Errors
    /// In words, when it cannot be a load. A target's own word that is above 2.0 is more likely a
    /// percentage than twice of all it can do, and must not move its clients away.
    pub(super) fn level(&self, reading: f64) -> Result<f32, String> {
        let is_counted = matches!(self, Meter::Haproxy(_) | Meter::Nginx(_) | Meter::Envoy(..));
        if !reading.is_finite() {
            return Err("the load is not a number; does the formula divide by zero?".into());
        }
        if reading < 0.0 || (reading > 2.0 && !is_counted) {
            let hint = if reading > 2.0 { "; divide a percentage by 100" } else { "" };
            return Err(format!("a load of {reading} is not from 0.0 to 1.0{hint}"));
        }
        Ok(reading.min(1.0) as f32)
    }
}

/// The moving average of a target's load.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Level {
    average: Option<f32>,
    misses: u8,
}

impl Level {
    /// As it was known before.
    pub(super) fn known(average: Option<f32>) -> Level {
        Level { average, misses: 0 }
    }

    /// After one more check, which gave this reading or none.
    #[must_use]
    pub(super) fn next(self, reading: Option<f32>) -> Level {
        match (reading, self.average) {
            (Some(newest), Some(average)) => {
                Level::known(Some(average + NEWEST * (newest - average)))
            }
            (Some(newest), None) => Level::known(Some(newest)),
            (None, average) => {
                let misses = self.misses.saturating_add(1);
                Level { average: average.filter(|_| misses < MISSES), misses }
            }
        }
    }

    /// Checks in a row that gave no reading.
    pub(super) fn misses(self) -> u8 {
        self.misses
    }

    /// 0.0 to 1.0; `None` when it is not known.
    pub(super) fn average(self) -> Option<f32> {
        self.average
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_above_one_is_one_and_a_percentage_is_refused() {
        let meter = Meter::Json("/load".into());
        assert_eq!(meter.level(0.73), Ok(0.73));
        assert_eq!(meter.level(1.4), Ok(1.0));
        for wrong in [45.2, -0.1, f64::NAN, f64::INFINITY] {
            assert!(meter.level(wrong).is_err(), "{wrong}");
        }
        assert!(meter.level(45.2).unwrap_err().ends_with("divide a percentage by 100"));
        assert_eq!(Meter::Nginx(100).level(7.5), Ok(1.0), "counted, and so what it says");
    }

    #[test]
    fn one_reading_moves_the_average_by_a_part_and_the_first_by_all() {
        let first = Level::default().next(Some(0.5));
        assert_eq!(first.average(), Some(0.5));
        let second = first.next(Some(1.0)).average().unwrap();
        assert!((second - 0.65).abs() < 1e-6, "{second}");
    }

    #[test]
    fn a_load_that_is_not_said_any_more_is_forgotten_after_three_checks() {
        let mut level = Level::known(Some(0.9)).next(None).next(None);
        assert_eq!(level.average(), Some(0.9));
        level = level.next(None);
        assert_eq!(level.average(), None);
        assert_eq!(level.next(Some(0.2)).average(), Some(0.2));
        let again = Level::known(Some(0.9)).next(None).next(None).next(Some(0.9)).next(None);
        assert_eq!(again.average(), Some(0.9), "a reading starts the count anew");
    }
}
