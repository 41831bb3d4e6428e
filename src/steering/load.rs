//! How load policies rate their targets: by the load that regions report, in proportion to weight.

use crate::steering::choice::{Rating, Ratings, Rule};

/// Ratings that are smaller by more than this are clearly better.
const MARGIN: f64 = 0.10;

/// Rates targets by load (0.0 idle, 1.0 full; `None` where nothing is reported) and weight (1 or
/// more): each by the load it would have with the largest of the weights, so that weights of 6
/// and 3 mean what 2 and 1 mean.
pub fn ratings(targets: &[(Option<f64>, u32)]) -> Ratings {
    let largest = targets.iter().map(|(_, weight)| *weight).max().unwrap_or(1);
    let rating = |(load, weight): &(Option<f64>, u32)| Rating {
        value: load.map(|load| load * (f64::from(largest) / f64::from((*weight).max(1)))),
        cost: 0.0,
    };
    Ratings {
        list: targets.iter().map(rating).collect(),
        rule: Rule { margin: MARGIN, band: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_of_twice_the_weight_may_be_twice_as_busy() {
        let best = |targets: &[(Option<f64>, u32)]| ratings(targets).best(|_| true);
        assert_eq!(best(&[(Some(0.5), 2), (Some(0.3), 1)]), Some(0));
        assert_eq!(best(&[(Some(0.5), 6), (Some(0.3), 3)]), Some(0));
        assert_eq!(best(&[(Some(0.7), 2), (Some(0.3), 1)]), Some(1));
        assert_eq!(best(&[(None, 9), (Some(0.9), 1)]), Some(1));
    }
}
