//! Latency estimates and the choice that does not flap.
//!
//! An estimate is a network part, fixed at load (a measured table or the distance), and a server
//! part that health checks measure. Estimates are compared in milliseconds.

use ipnet::IpNet;

use crate::geo::{Coordinates, Location};
use crate::steering::model::{LatencyTable, PoolId};

/// Milliseconds that stay when there is no distance (fit to measured cloud-region medians).
const BASE_MS: f64 = 8.0;
/// Milliseconds for each kilometre of great circle (the same fit).
const MS_PER_KM: f64 = 0.0155;
/// Estimates from distance are rounded to so many milliseconds, so that neighbouring places
/// share a class: the fit is no finer than that.
const DISTANCE_STEP_MS: f64 = 5.0;

/// The round trip in milliseconds that so many kilometres of great circle take.
pub fn of_distance(km: f64) -> f64 {
    BASE_MS + MS_PER_KM * km
}

/// A row that stands on so many measurements counts as much as what is known without it.
const HALF_BELIEVED: f64 = 10.0;

/// The network part in whole milliseconds for one client and pool: the most specific row, else
/// from the distance; `None` when neither is known. `around` is as in [`Match::covers`](crate::steering::matching::Match::covers).
///
/// A row that says how many measurements it stands on is believed as far as that goes: with `n`
/// of them it counts `n / (n + 10)`, and the rest is what the next broader row that matches says
/// in the same way, in the end the distance.
pub fn network_ms(
    table: &LatencyTable,
    location: &Location,
    around: Option<IpNet>,
    pool: PoolId,
    at: Option<Coordinates>,
) -> Option<u16> {
    let of_pool = table.rows.iter().filter(|row| row.pool == pool);
    let mut rows: Vec<_> = of_pool.filter(|row| row.clients.covers(location, around)).collect();
    rows.sort_by_key(|row| row.clients.specificity());
    let from_distance = || {
        let km = location.coordinates?.distance_km(at?);
        Some((of_distance(km) / DISTANCE_STEP_MS).round() * DISTANCE_STEP_MS)
    };
    let ms = rows.into_iter().fold(from_distance(), |broader, row| {
        Some(match (broader, row.samples) {
            (Some(broader), Some(samples)) => {
                let belief = f64::from(samples) / (f64::from(samples) + HALF_BELIEVED);
                broader + belief * (row.ms - broader)
            }
            _ => row.ms,
        })
    });
    Some(ms?.round().clamp(0.0, f64::from(u16::MAX)) as u16)
}

/// The lowest of some pools' network parts, in milliseconds.
pub fn nearest(paths: &[(PoolId, Option<u16>)]) -> Option<f64> {
    paths.iter().filter_map(|(_, ms)| *ms).min().map(f64::from)
}

/// Better by more than so many milliseconds …
const MARGIN_MS: f64 = 10.0;
/// … and by more than this part of the estimate in force …
const MARGIN_SHARE: f64 = 0.10;
/// … in so many evaluations in a row, before a choice changes.
const STREAK: u8 = 3;

/// The estimates of one choice in milliseconds, one for each candidate, `None` where unknown.
pub type Estimates = [Option<f64>];

/// A choice in force among candidates, and who challenges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    choice: usize,
    challenger: usize,
    streak: u8,
}

/// The choice of one class of clients in one latency policy.
///
/// Health does not move the first choice, only estimates do; while it is down another stands in,
/// held by the same rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    first: Held,
    stand_in: Option<Held>,
}

impl Choice {
    /// The start: the lowest estimate, the first of equals. `estimates` is not empty.
    pub fn new(estimates: &Estimates) -> Choice {
        Choice { first: Held::new(lowest(estimates, |_| true).unwrap_or(0)), stand_in: None }
    }

    /// The candidate preferred while it is up.
    pub fn first(self) -> usize {
        self.first.choice
    }

    /// The candidate in force when only those of `up` may be taken; `None` when none may.
    ///
    /// Where neither the first choice nor the stand-in may (one type alone is down there, or
    /// all are drained), the lowest of `network` is taken: estimates without their server parts.
    /// Those are fixed at load, so that what is answered moves with choices and health only.
    pub fn pick(self, network: &Estimates, up: impl Fn(usize) -> bool) -> Option<usize> {
        if up(self.first.choice) {
            return Some(self.first.choice);
        }
        match self.stand_in {
            Some(held) if up(held.choice) => Some(held.choice),
            _ => lowest(network, up),
        }
    }

    /// Whether a candidate is the first choice or the one that stands in for it.
    pub fn holds(self, candidate: usize) -> bool {
        self.first.choice == candidate
            || self.stand_in.is_some_and(|stand_in| stand_in.choice == candidate)
    }

    /// A change of health, between evaluations: a stand-in is named where one is needed.
    pub fn settle(self, estimates: &Estimates, up: impl Fn(usize) -> bool) -> Choice {
        let stand_in = if up(self.first.choice) {
            None
        } else {
            self.stand_in
                .filter(|held| up(held.choice))
                .or_else(|| lowest(estimates, up).map(Held::new))
        };
        Choice { stand_in, ..self }
    }

    /// One evaluation: counts who is better, changes a choice after three in a row.
    pub fn next(self, estimates: &Estimates, up: impl Fn(usize) -> bool) -> Choice {
        let first = self.first.next(estimates, |_| true);
        let settled = Choice { first, ..self }.settle(estimates, &up);
        Choice { stand_in: settled.stand_in.map(|held| held.next(estimates, up)), ..settled }
    }
}

impl Held {
    fn new(choice: usize) -> Held {
        Held { choice, challenger: choice, streak: 0 }
    }

    fn next(self, estimates: &Estimates, up: impl Fn(usize) -> bool) -> Held {
        let Some(best) = lowest(estimates, up) else {
            return Held { streak: 0, ..self };
        };
        if !is_clearly_better(estimates[best], estimates[self.choice]) {
            return Held::new(self.choice);
        }
        let streak = if best == self.challenger { self.streak + 1 } else { 1 };
        if streak >= STREAK {
            return Held::new(best);
        }
        Held { choice: self.choice, challenger: best, streak }
    }
}

fn is_clearly_better(new: Option<f64>, held: Option<f64>) -> bool {
    match (new, held) {
        (Some(new), Some(held)) => held - new > MARGIN_MS && held - new > held * MARGIN_SHARE,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// The candidate with the lowest estimate among those of `up`; unknown ones come last, the first
/// of equals wins.
fn lowest(estimates: &Estimates, up: impl Fn(usize) -> bool) -> Option<usize> {
    let known = |index: &usize| estimates[*index].unwrap_or(f64::INFINITY);
    (0..estimates.len()).filter(|index| up(*index)).min_by(|a, b| known(a).total_cmp(&known(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::matching::Match;
    use crate::steering::model::LatencyRow;

    const ALL: fn(usize) -> bool = |_| true;

    #[test]
    fn a_choice_moves_only_after_three_clearly_better_evaluations_in_a_row() {
        let even = [Some(50.0), Some(52.0)];
        let better = [Some(70.0), Some(52.0)];
        let mut choice = Choice::new(&even);
        for _ in 0..2 {
            choice = choice.next(&better, ALL);
            assert_eq!(choice.first(), 0);
        }
        choice = choice.next(&even, ALL).next(&better, ALL).next(&better, ALL);
        assert_eq!(choice.first(), 0, "the streak was broken");
        choice = choice.next(&better, ALL);
        assert_eq!(choice.first(), 1);
    }

    #[test]
    fn small_gains_never_move_it() {
        let mut choice = Choice::new(&[Some(50.0), Some(60.0)]);
        for estimates in [[Some(50.0), Some(41.0)], [Some(200.0), Some(185.0)]] {
            for _ in 0..10 {
                choice = choice.next(&estimates, ALL);
            }
            assert_eq!(choice.first(), 0);
        }
    }

    #[test]
    fn while_the_first_choice_is_down_a_stand_in_is_held_and_the_first_comes_back() {
        let estimates = [Some(10.0), Some(40.0), Some(42.0)];
        let without_first = |index| index != 0;
        let choice = Choice::new(&estimates).next(&estimates, without_first);
        assert_eq!(choice.pick(&estimates, without_first), Some(1));
        let noisy = [Some(10.0), Some(44.0), Some(42.0)];
        let choice = choice.next(&noisy, without_first);
        assert_eq!(choice.pick(&noisy, without_first), Some(1));
        assert_eq!(choice.pick(&noisy, |_| false), None);
        assert_eq!(choice.pick(&noisy, ALL), Some(0));
    }

    #[test]
    fn where_nobody_stands_in_the_nearest_is_taken_and_noise_does_not_move_it() {
        let network = [Some(10.0), Some(40.0), Some(42.0)];
        // One type alone is down at the first choice: no stand-in was named.
        let without_first = |index| index != 0;
        for noise in [0.0, 30.0] {
            let estimates = [Some(10.0), Some(40.0 + noise), Some(42.0)];
            let choice = Choice::new(&network).next(&estimates, ALL);
            assert_eq!(choice.pick(&network, without_first), Some(1));
        }
    }

    #[test]
    fn unknown_estimates_come_last_and_ties_go_to_the_first() {
        assert_eq!(Choice::new(&[None, Some(300.0)]).first(), 1);
        assert_eq!(Choice::new(&[None, None]).first(), 0);
        assert_eq!(Choice::new(&[Some(5.0), Some(5.0)]).first(), 0);
    }

    #[test]
    fn a_row_wins_over_the_distance_and_a_narrow_row_over_a_broad_one() {
        let berlin = Location {
            country: Some(crate::geo::Country(*b"DE")),
            continent: Some(crate::geo::Continent::EU),
            coordinates: Some(Coordinates { latitude: 52.5, longitude: 13.4 }),
            ..Location::default()
        };
        let dublin = Some(Coordinates { latitude: 53.3, longitude: -6.3 });
        let client = Some("192.0.2.1/32".parse().unwrap());
        let row = |clients, ms| LatencyRow { clients, pool: PoolId(0), ms, samples: None };
        let mut table = LatencyTable::default();
        assert_eq!(network_ms(&table, &berlin, client, PoolId(0), dublin), Some(30));
        table.rows = vec![
            row(Match::Country(crate::geo::Country(*b"DE")), 21.4),
            row(Match::Continent(crate::geo::Continent::EU), 99.0),
        ];
        assert_eq!(network_ms(&table, &berlin, client, PoolId(0), dublin), Some(21));
        assert_eq!(network_ms(&table, &berlin, client, PoolId(1), dublin), Some(30));
        assert_eq!(network_ms(&table, &Location::default(), client, PoolId(1), dublin), None);
    }

    #[test]
    fn few_measurements_move_the_estimate_a_little_and_many_make_it() {
        let germany = Match::Country(crate::geo::Country(*b"DE"));
        let berlin = Location {
            country: Some(crate::geo::Country(*b"DE")),
            coordinates: Some(Coordinates { latitude: 52.5, longitude: 13.4 }),
            asn: Some(64500),
            ..Location::default()
        };
        let dublin = Some(Coordinates { latitude: 53.3, longitude: -6.3 });
        let estimate = |rows: &[(Match, f64, u32)], at| {
            let rows = rows.iter().map(|(clients, ms, samples)| LatencyRow {
                clients: clients.clone(),
                pool: PoolId(0),
                ms: *ms,
                samples: Some(*samples),
            });
            let table = LatencyTable { rows: rows.collect() };
            network_ms(&table, &berlin, None, PoolId(0), at)
        };
        // 30 by distance.
        assert_eq!(estimate(&[(germany.clone(), 50.0, 10)], dublin), Some(40));
        assert_eq!(estimate(&[(germany.clone(), 50.0, 100_000)], dublin), Some(50));
        let narrow = (Match::Asn(64500), 60.0, 10);
        assert_eq!(estimate(&[narrow.clone(), (germany.clone(), 50.0, 10)], dublin), Some(50));
        assert_eq!(estimate(&[narrow], None), Some(60), "all that is known");
    }
}
