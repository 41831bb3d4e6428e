//! How each kind of policy chooses for one client, and why.

use ipnet::IpNet;

use super::pool::by_share;
use super::{Chosen, Found, Walk, nowhere};
use crate::steering::choice::{Choice, Rating, Ratings};
use crate::steering::model::{
    Destination, Kind, LatencyTable, OnDown, Policy, PolicyId, PoolId, Rule, Spread, Target,
};
use crate::steering::plan::Paths;
use crate::steering::preference::{biased_km, distance_km};
use crate::steering::resolve::Resolved;
use crate::steering::spread::{self, Candidate};
use crate::steering::standing::Resort;
use crate::steering::trace::{Considered, Fate};
use crate::steering::way::Reason;
use crate::steering::{latency, load};

impl Walk<'_> {
    pub(super) fn weighted(&self, targets: &[(Target, u32)], spread: Spread) -> Chosen {
        let looked: Vec<_> = targets.iter().map(|(target, _)| self.target(*target)).collect();
        let weights = self.weights(targets, |index| looked[index].0.is_some());
        let preferred = targets.iter().position(|(_, weight)| *weight > 0);
        let mut up = targets.iter().zip(&looked).filter(|(_, (found, _))| found.is_some());
        let stands_in = up.all(|((_, weight), _)| *weight == 0);
        let why_not = preferred.filter(|_| stands_in).map(|index| looked[index].1.why_not);
        let total: u64 = weights.iter().copied().map(u64::from).sum();
        let mut branches = Vec::new();
        let mut considered = Vec::new();
        for (((target, weight), (found, trace)), share) in targets.iter().zip(looked).zip(weights) {
            let fate = match &found {
                None => Fate::PassedOver(self.passed_over(&trace)),
                Some(_) => Fate::Shares(f64::from(share) / total as f64),
            };
            let by = match self.left(*target) {
                100 => format!("weight {weight}"),
                left => format!("weight {weight}, warned: {left} % of it left"),
            };
            considered.push(Considered { by, fate, trace });
            if let (Some(resolved), 1..) = (found, share) {
                let seed = spread::seed(self.model().target_name(*target).as_bytes());
                branches.push((Candidate { seed, weight: share }, resolved));
            }
        }
        let note = match spread {
            Spread::Query => "drawn by weight for each query",
            Spread::Client => "the same for the same client network, by weighted hash",
        };
        let found = by_share(spread, branches);
        let found = match why_not {
            Some(reason) => found.map(|found| found.because(reason)),
            None => found,
        };
        (found, note.to_owned(), considered, preferred.unwrap_or(0))
    }

    /// The weights in force of a weighted policy's targets: 0 for what is not up; where nothing
    /// that is up has a weight, equal ones.
    pub(super) fn weights(
        &self,
        targets: &[(Target, u32)],
        is_up: impl Fn(usize) -> bool,
    ) -> Vec<u32> {
        let up = targets.iter().enumerate().map(|(index, (target, weight))| {
            if is_up(index) { (*weight, self.left(*target)) } else { (0, 100) }
        });
        let weights = spread::lowered(&up.collect::<Vec<_>>());
        if weights.iter().any(|weight| *weight > 0) {
            return weights;
        }
        (0..targets.len()).map(|index| u32::from(is_up(index))).collect()
    }

    /// What is left of a target's weight, in percent.
    pub(super) fn left(&self, target: Target) -> u8 {
        match target {
            Target::Pool(id) => {
                let standing = &self.view.standings[id.0 as usize];
                standing.pool_left(self.model().pool(id), self.resort)
            }
            Target::Policy(_) => 100,
        }
    }

    pub(super) fn geo(
        &self,
        policy: &Policy,
        rules: &[Rule],
        default: Option<&Destination>,
        on_down: OnDown,
    ) -> Chosen {
        let around = Some(IpNet::from(self.asker.client.address));
        let mut matching = Vec::new();
        for rule in rules {
            let covering = rule.matches.iter().filter(|m| m.covers(self.asker.location, around));
            if let Some(narrowest) = covering.max_by_key(|m| m.specificity()) {
                matching.push((narrowest, format!("rule {narrowest} ({})", rule.site), &rule.to));
            }
        }
        matching.sort_by_key(|(narrowest, ..)| std::cmp::Reverse(narrowest.specificity()));
        let mut ladder: Vec<(String, &Destination)> =
            matching.into_iter().map(|(_, by, to)| (by, to)).collect();
        ladder.extend(default.map(|to| ("default".to_owned(), to)));
        let Some((rung, _)) = ladder.first() else {
            let considered =
                vec![Considered { by: "no rule".into(), fate: Fate::Taken, trace: nowhere() }];
            let note = "no rule matches and there is no default".to_owned();
            return (Some(Resolved::NoData), note, considered, 0);
        };
        let note = format!("{rung} matches");
        if on_down != OnDown::Climb {
            ladder.truncate(1);
        }
        let mut order = Vec::new();
        for (by, to) in ladder {
            match to {
                Destination::None => order.push((by, None)),
                Destination::Targets(list) => {
                    order.extend(list.iter().map(|target| (by.clone(), Some(*target))));
                }
            }
        }
        if on_down == OnDown::Nearest {
            let mut pools: Vec<(Target, i8)> = Vec::new();
            for target in policy.targets() {
                for pool in self.model().pools_under(target) {
                    if !pools.contains(&(Target::Pool(pool), 0)) {
                        pools.push((Target::Pool(pool), 0));
                    }
                }
            }
            order.extend(self.by_distance(&pools));
        }
        // What was considered before is not considered again, and nothing follows a NODATA.
        let mut seen = Vec::new();
        order.retain(|(_, target)| {
            let fresh = !seen.contains(target) && !seen.contains(&None);
            seen.push(*target);
            fresh
        });
        let (found, considered) = self.first(order);
        (found, note, considered, 0)
    }

    /// The targets of a policy that joins some, the best first.
    pub(super) fn in_order(&self, kind: &Kind) -> Vec<(String, Target)> {
        match kind {
            Kind::Nearest { targets } => {
                let order = self.by_distance(targets).into_iter();
                order.filter_map(|(by, target)| Some((by, target?))).collect()
            }
            Kind::Failover { targets } => {
                let order = targets.iter().enumerate();
                order.map(|(index, t)| (format!("target {}", index + 1), *t)).collect()
            }
            Kind::RoundRobin { targets, .. } => in_round(targets),
            Kind::Weighted { .. } | Kind::Geo { .. } => Vec::new(),
            Kind::Latency { .. } | Kind::Load { .. } => Vec::new(),
        }
    }

    /// Targets in order of biased distance, for [`Walk::first`].
    pub(super) fn by_distance(&self, targets: &[(Target, i8)]) -> Vec<(String, Option<Target>)> {
        let client = self.asker.location.coordinates;
        let mut order: Vec<(f64, String, Target)> = Vec::new();
        for (target, bias) in targets {
            let km = client.and_then(|client| distance_km(self.model(), *target, client));
            let by = match (km, bias) {
                (None, _) => "distance unknown".to_owned(),
                (Some(km), 0) => format!("{km:.0} km"),
                (Some(km), bias) => format!("{km:.0} km, bias {bias}"),
            };
            order.push((km.map_or(f64::INFINITY, |km| biased_km(km, *bias)), by, *target));
        }
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        order.into_iter().map(|(_, by, target)| (by, Some(target))).collect()
    }

    pub(super) fn latency(
        &self,
        id: PolicyId,
        targets: &[Target],
        table: &LatencyTable,
        within: Option<f64>,
    ) -> Chosen {
        let around = Some(IpNet::from(self.asker.client.address));
        let path = |pool: PoolId| {
            let (at, location) = (self.model().pool(pool).coordinates, self.asker.location);
            (pool, latency::network_ms(table, location, around, pool, at))
        };
        let pools = |target: &Target| self.model().pools_under(*target).into_iter();
        let paths: Vec<Paths> =
            targets.iter().map(|target| pools(target).map(path).collect()).collect();
        let moving = |pool: PoolId, ms| f64::from(ms) + self.view.server_ms[pool.0 as usize];
        let ratings = latency::ratings(self.model(), within, paths.iter(), moving);
        let fixed = latency::ratings(self.model(), within, paths.iter(), |_, ms| f64::from(ms));
        let by = |index: usize| match (ratings.list[index], within) {
            (Rating { value: None, .. }, _) => "no estimate".to_owned(),
            (Rating { value: Some(ms), .. }, None) => format!("{ms:.0} ms"),
            (Rating { value: Some(ms), cost }, Some(_)) => format!("{ms:.0} ms, cost {cost}"),
        };
        let (found, pick, considered, preferred) =
            self.best(id, targets, &paths, (&ratings, &fixed), by);
        let note = match (pick, within) {
            (Pick::Explored, _) => format!(
                "by exploration: for this hour this network is in the {:.1} % of clients who measure \
                 another target than the best",
                self.model().policy(id).explore().ratio() * 100.0
            ),
            (Pick::Fixed, _) => {
                "the nearest by the network alone, while the choice cannot answer".to_owned()
            }
            (Pick::Held, None) => {
                "the lowest estimate, kept until another is clearly better".to_owned()
            }
            (Pick::Held, Some(ms)) => format!(
                "the cheapest within {ms:.0} ms of the lowest estimate, kept until another is \
                 clearly better"
            ),
        };
        (found, note, considered, preferred)
    }

    pub(super) fn load(&self, id: PolicyId, weighted: &[(Target, u32)]) -> Chosen {
        let targets: Vec<Target> = weighted.iter().map(|(target, _)| *target).collect();
        let pools = |target: &Target| self.model().pools_under(*target).into_iter();
        let paths: Vec<Paths> =
            targets.iter().map(|target| pools(target).map(|pool| (pool, None)).collect()).collect();
        let loads: Vec<(Option<f64>, u32)> = weighted
            .iter()
            .map(|(target, weight)| (self.view.mean_load(pools(target)), *weight))
            .collect();
        let unknown = loads.iter().map(|(_, weight)| (None, *weight)).collect::<Vec<_>>();
        let (ratings, fixed) = (load::ratings(&loads), load::ratings(&unknown));
        let by = |index: usize| match loads[index] {
            (None, _) => "no load reported".to_owned(),
            (Some(load), 1) => format!("load {load:.2}"),
            (Some(load), weight) => format!("load {load:.2}, weight {weight}"),
        };
        let (found, pick, considered, preferred) =
            self.best(id, &targets, &paths, (&ratings, &fixed), by);
        let note = match pick {
            Pick::Fixed => "the first that is up, while the choice cannot answer",
            // Nobody explores by load.
            Pick::Held | Pick::Explored => {
                "the smallest load by weight, kept until another is clearly smaller"
            }
        };
        (found, note.to_owned(), considered, preferred)
    }

    /// The target that a held choice comes to, how, and the one that it prefers.
    fn best(
        &self,
        id: PolicyId,
        targets: &[Target],
        paths: &[Paths],
        (ratings, fixed): (&Ratings, &Ratings),
        by: impl Fn(usize) -> String,
    ) -> (Found, Pick, Vec<Considered>, usize) {
        let looked: Vec<_> = targets.iter().map(|target| self.target(*target)).collect();
        let choice = self.view.choice(id, paths).unwrap_or_else(|| Choice::new(ratings));
        let explored = self.explored(id, targets, (choice, fixed));
        let explored = explored.filter(|index| looked[*index].0.is_some());
        let own = || choice.pick(fixed, |index| looked[index].0.is_some());
        let picked = explored.or_else(own);
        let pick = match picked {
            _ if explored.is_some() => Pick::Explored,
            Some(index) if !choice.holds(index) => Pick::Fixed,
            _ => Pick::Held,
        };
        let mut found = None;
        let mut considered = Vec::new();
        for (index, (resolved, trace)) in looked.into_iter().enumerate() {
            let fate = match (&resolved, picked == Some(index)) {
                (_, true) => Fate::Taken,
                (None, _) => Fate::PassedOver(self.passed_over(&trace)),
                (Some(_), false) => Fate::NotNeeded,
            };
            if picked == Some(index) {
                found = resolved;
            }
            considered.push(Considered { by: by(index), fate, trace });
        }
        let preferred = choice.first();
        let found = match picked {
            _ if explored.is_some() => found.map(|found| found.because(Reason::Explore)),
            Some(index) if index != preferred => {
                found.map(|found| found.because(considered[preferred].trace.why_not))
            }
            _ => found,
        };
        (found, pick, considered, preferred)
    }

    /// The target that this client explores, as far as health lets it.
    fn explored(
        &self,
        id: PolicyId,
        targets: &[Target],
        (choice, fixed): (Choice, &Ratings),
    ) -> Option<usize> {
        if self.resort != Resort::Healthy {
            return None;
        }
        let turn = self.view.explorers(id)?.turn(self.portion)?;
        let is_up = |pool: PoolId| self.view.standings[pool.0 as usize].is_up(Resort::Healthy);
        let up = |index: usize| self.model().pools_under(targets[index]).into_iter().any(is_up);
        let own = choice.pick(fixed, up)?;
        let others: Vec<usize> = (0..targets.len()).filter(|i| *i != own && up(*i)).collect();
        (!others.is_empty()).then(|| others[turn % others.len()])
    }
}

/// How a target came to be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pick {
    /// The choice holds it.
    Held,
    /// By the ratings without what moves, which come second.
    Fixed,
    /// To measure it.
    Explored,
}

/// The targets of a round-robin policy, for [`Walk::in_order`].
pub(super) fn in_round(targets: &[Target]) -> Vec<(String, Target)> {
    targets.iter().map(|target| ("member of the round".to_owned(), *target)).collect()
}
