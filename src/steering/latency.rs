//! Latency estimates.
//!
//! An estimate is a network part, fixed at load (a measured table or the distance), and a server
//! part that health checks measure. Estimates are compared in milliseconds.

use ipnet::IpNet;

use crate::geo::{Coordinates, Location};
use crate::steering::choice::{Rating, Ratings, Rule};
use crate::steering::model::{LatencyTable, Model, PoolId};
use crate::steering::plan::Paths;

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

/// Estimates that are smaller by more than so many milliseconds are clearly better.
const MARGIN_MS: f64 = 10.0;

/// Rates the candidates of a policy: each by the lowest of its pools' estimates, and by what that
/// pool costs. `ms` is the estimate of a pool in milliseconds, from its network part. `within` is
/// the policy's band.
pub fn ratings<'p>(
    model: &Model,
    within: Option<f64>,
    candidates: impl Iterator<Item = &'p Paths>,
    ms: impl Fn(PoolId, u16) -> f64,
) -> Ratings {
    let rating = |paths: &Paths| {
        let known =
            paths.iter().filter_map(|(pool, network)| Some((*pool, ms(*pool, (*network)?))));
        match known.min_by(|a, b| a.1.total_cmp(&b.1)) {
            Some((pool, ms)) => Rating { value: Some(ms), cost: model.pool(pool).cost },
            None => Rating { value: None, cost: 0.0 },
        }
    };
    let rule = Rule { margin: MARGIN_MS, band: within };
    Ratings { list: candidates.map(rating).collect(), rule }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::matching::Match;
    use crate::steering::model::LatencyRow;

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
