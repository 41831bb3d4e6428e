//! The choice that does not flap: one candidate stays in force until another is clearly better,
//! for a while.
//!
//! Knows ratings, and not what they measure: milliseconds in latency policies, loads in load
//! policies.

/// Better by more than this part of the rating in force, beside the margin of the rule, …
const MARGIN_SHARE: f64 = 0.10;
/// … in so many evaluations in a row, before a choice changes.
const STREAK: u8 = 3;

/// What the candidates of one choice are told apart by.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratings {
    /// One for each candidate.
    pub list: Vec<Rating>,
    /// How they are compared.
    pub rule: Rule,
}

/// How good one candidate is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rating {
    /// The smaller the better; `None` where it is not known: such candidates come last.
    pub value: Option<f64>,
    /// What decides within the band of the rule.
    pub cost: f64,
}

/// How ratings are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// A candidate is clearly better when its rating is smaller by more than this, and by more
    /// than a tenth.
    pub margin: f64,
    /// Among candidates whose ratings are no farther than this from the smallest, the cheapest is
    /// the best; without a band costs do not count.
    pub band: Option<f64>,
}

/// A choice in force among candidates, and who challenges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    choice: usize,
    challenger: usize,
    streak: u8,
    /// Whether its rating was known when it was made; else it is made anew as soon as one is.
    is_founded: bool,
}

/// The choice of one class of clients in one policy.
///
/// Health does not move the first choice, only ratings do; while it is down another stands in,
/// held by the same rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    first: Held,
    stand_in: Option<Held>,
}

impl Choice {
    /// The start: the best candidate. There is at least one.
    pub fn new(ratings: &Ratings) -> Choice {
        let first = Held::new(ratings.best(|_| true).unwrap_or(0), ratings);
        Choice { first, stand_in: None }
    }

    /// The candidate preferred while it is up.
    pub fn first(self) -> usize {
        self.first.choice
    }

    /// The candidate in force when only those of `up` may be taken; `None` when none may.
    ///
    /// Where neither the first choice nor the stand-in may (one type alone is down there, or
    /// all are drained), the best by `fixed` is taken: ratings without what moves. What is
    /// answered moves with choices and health only.
    pub fn pick(self, fixed: &Ratings, up: impl Fn(usize) -> bool) -> Option<usize> {
        if up(self.first.choice) {
            return Some(self.first.choice);
        }
        match self.stand_in {
            Some(held) if up(held.choice) => Some(held.choice),
            _ => fixed.best(up),
        }
    }

    /// Whether a candidate is the first choice or the one that stands in for it.
    pub fn holds(self, candidate: usize) -> bool {
        self.first.choice == candidate
            || self.stand_in.is_some_and(|stand_in| stand_in.choice == candidate)
    }

    /// A change of health, between evaluations: a stand-in is named where one is needed.
    pub fn settle(self, ratings: &Ratings, up: impl Fn(usize) -> bool) -> Choice {
        let stand_in = if up(self.first.choice) {
            None
        } else {
            self.stand_in
                .filter(|held| up(held.choice))
                .or_else(|| ratings.best(up).map(|best| Held::new(best, ratings)))
        };
        Choice { stand_in, ..self }
    }

    /// One evaluation: counts who is better, changes a choice after three in a row.
    pub fn next(self, ratings: &Ratings, up: impl Fn(usize) -> bool) -> Choice {
        let first = self.first.next(ratings, |_| true);
        let settled = Choice { first, ..self }.settle(ratings, &up);
        Choice { stand_in: settled.stand_in.map(|held| held.next(ratings, up)), ..settled }
    }
}

impl Held {
    fn new(choice: usize, ratings: &Ratings) -> Held {
        let is_founded = ratings.value(choice).is_some();
        Held { choice, challenger: choice, streak: 0, is_founded }
    }

    fn next(self, ratings: &Ratings, up: impl Fn(usize) -> bool) -> Held {
        let Some(best) = ratings.best(&up) else {
            return Held { streak: 0, ..self };
        };
        if !self.is_founded && ratings.value(best).is_some() {
            return Held::new(best, ratings);
        }
        if !ratings.is_clearly_better(best, self.choice, up) {
            return Held { challenger: self.choice, streak: 0, ..self };
        }
        let streak = if best == self.challenger { self.streak + 1 } else { 1 };
        if streak >= STREAK {
            return Held::new(best, ratings);
        }
        Held { challenger: best, streak, ..self }
    }
}

impl Ratings {
    /// The best candidate among those of `up`; unknown ones come last, the first of equals wins.
    pub fn best(&self, up: impl Fn(usize) -> bool) -> Option<usize> {
        let known = |index: &usize| self.list[*index].value.unwrap_or(f64::INFINITY);
        let up: Vec<usize> = (0..self.list.len()).filter(|index| up(*index)).collect();
        let lowest = up.iter().copied().min_by(|a, b| known(a).total_cmp(&known(b)))?;
        let Some(band) = self.rule.band else { return Some(lowest) };
        let reach = known(&lowest) + band;
        let cost = |index: &usize| self.list[*index].cost;
        up.into_iter()
            .filter(|index| known(index) <= reach)
            .min_by(|a, b| cost(a).total_cmp(&cost(b)).then_with(|| known(a).total_cmp(&known(b))))
    }

    fn value(&self, index: usize) -> Option<f64> {
        self.list[index].value
    }

    /// Whether the best candidate is so much better than the one in force that it may challenge
    /// it. A cheaper one need only be within the band, which the one in force leaves for a costlier
    /// one when it is clearly beyond: between the two nothing moves.
    fn is_clearly_better(&self, best: usize, held: usize, up: impl Fn(usize) -> bool) -> bool {
        let (Some(new), Some(old)) = (self.value(best), self.value(held)) else {
            return self.value(best).is_some();
        };
        let (cost, paid) = (self.list[best].cost, self.list[held].cost);
        let surplus = match self.rule.band {
            Some(_) if cost < paid => return true,
            Some(band) if cost > paid => {
                let values = (0..self.list.len()).filter(|index| up(*index));
                let lowest = values.filter_map(|index| self.value(index)).fold(new, f64::min);
                old - (lowest + band)
            }
            _ => old - new,
        };
        surplus > self.rule.margin && surplus > old * MARGIN_SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: fn(usize) -> bool = |_| true;

    fn ratings<const N: usize>(values: [Option<f64>; N]) -> Ratings {
        let list = values.map(|value| Rating { value, cost: 0.0 });
        Ratings { list: list.into(), rule: Rule { margin: 10.0, band: None } }
    }

    /// With a band of 15: rating and cost of each.
    fn priced<const N: usize>(list: [(f64, f64); N]) -> Ratings {
        let list = list.map(|(value, cost)| Rating { value: Some(value), cost });
        Ratings { list: list.into(), rule: Rule { margin: 10.0, band: Some(15.0) } }
    }

    #[test]
    fn a_choice_moves_only_after_three_clearly_better_evaluations_in_a_row() {
        let even = ratings([Some(50.0), Some(52.0)]);
        let better = ratings([Some(70.0), Some(52.0)]);
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
        let mut choice = Choice::new(&ratings([Some(50.0), Some(60.0)]));
        for better in [[Some(50.0), Some(41.0)], [Some(200.0), Some(185.0)]] {
            for _ in 0..10 {
                choice = choice.next(&ratings(better), ALL);
            }
            assert_eq!(choice.first(), 0);
        }
    }

    #[test]
    fn while_the_first_choice_is_down_a_stand_in_is_held_and_the_first_comes_back() {
        let quiet = ratings([Some(10.0), Some(40.0), Some(42.0)]);
        let without_first = |index| index != 0;
        let choice = Choice::new(&quiet).next(&quiet, without_first);
        assert_eq!(choice.pick(&quiet, without_first), Some(1));
        let noisy = ratings([Some(10.0), Some(44.0), Some(42.0)]);
        let choice = choice.next(&noisy, without_first);
        assert_eq!(choice.pick(&noisy, without_first), Some(1));
        assert_eq!(choice.pick(&noisy, |_| false), None);
        assert_eq!(choice.pick(&noisy, ALL), Some(0));
    }

    #[test]
    fn where_nobody_stands_in_the_best_without_what_moves_is_taken() {
        let fixed = ratings([Some(10.0), Some(40.0), Some(42.0)]);
        // One type alone is down at the first choice: no stand-in was named.
        let without_first = |index| index != 0;
        for noise in [0.0, 30.0] {
            let moving = ratings([Some(10.0), Some(40.0 + noise), Some(42.0)]);
            let choice = Choice::new(&fixed).next(&moving, ALL);
            assert_eq!(choice.pick(&fixed, without_first), Some(1));
        }
    }

    #[test]
    fn unknown_ratings_come_last_and_ties_go_to_the_first() {
        assert_eq!(Choice::new(&ratings([None, Some(300.0)])).first(), 1);
        assert_eq!(Choice::new(&ratings([None, None])).first(), 0);
        assert_eq!(Choice::new(&ratings([Some(5.0), Some(5.0)])).first(), 0);
    }

    #[test]
    fn a_choice_made_while_nothing_was_known_is_made_anew_at_once() {
        let blind = Choice::new(&ratings([None, None]));
        assert_eq!(blind.next(&ratings([Some(9.0), Some(2.0)]), ALL).first(), 1);
        let founded = Choice::new(&ratings([Some(9.0), None]));
        assert_eq!(founded.next(&ratings([Some(9.0), Some(2.0)]), ALL).first(), 0);
    }

    #[test]
    fn within_the_band_the_cheapest_is_the_best_and_among_equally_cheap_ones_the_smallest() {
        assert_eq!(priced([(50.0, 2.0), (65.0, 1.0)]).best(ALL), Some(1));
        assert_eq!(priced([(50.0, 2.0), (66.0, 1.0)]).best(ALL), Some(0));
        assert_eq!(priced([(50.0, 2.0), (60.0, 1.0), (55.0, 1.0)]).best(ALL), Some(2));
        // The band is that of the best of those that may be taken.
        assert_eq!(priced([(10.0, 9.0), (50.0, 2.0), (60.0, 1.0)]).best(|i| i > 0), Some(2));
    }

    #[test]
    fn a_cheaper_one_is_taken_inside_the_band_and_left_only_clearly_beyond_it() {
        let inside = priced([(50.0, 2.0), (64.0, 1.0)]);
        let outside = priced([(50.0, 2.0), (66.0, 1.0)]);
        let beyond = priced([(50.0, 2.0), (76.0, 1.0)]);
        let thrice = |choice: Choice, ratings: &Ratings| {
            assert_eq!(choice.next(ratings, ALL).next(ratings, ALL).first(), choice.first());
            choice.next(ratings, ALL).next(ratings, ALL).next(ratings, ALL)
        };
        let choice = Choice::new(&outside);
        assert_eq!(choice.first(), 0);
        let choice = thrice(choice, &inside);
        assert_eq!(choice.first(), 1);
        let choice = thrice(choice, &outside);
        assert_eq!(choice.first(), 1);
        assert_eq!(thrice(choice, &beyond).first(), 0);
    }

    #[test]
    fn noise_at_the_edge_of_the_band_moves_nothing_back_and_forth() {
        let mut choice = Choice::new(&priced([(50.0, 2.0), (60.0, 1.0)]));
        let mut moves = 0;
        for step in 0..1000 {
            let noise = f64::from(step * 7919 % 19) - 9.0;
            let next = choice.next(&priced([(50.0, 2.0), (65.0 + noise, 1.0)]), ALL);
            moves += u32::from(next.first() != choice.first());
            choice = next;
        }
        assert_eq!(moves, 0);
    }
}
