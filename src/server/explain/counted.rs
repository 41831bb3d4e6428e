//! What an answer is counted as: where it may send a client, and why.

use super::facts::CountedFacts;
use crate::steering::answers::Outcome;
use crate::steering::census::Outlet;
use crate::steering::evaluate::Evaluation;
use crate::steering::model::{Model, Record};
use crate::steering::resolve::{Resolved, Ring};
use crate::steering::spread;
use crate::steering::way::Way;

/// Each way that the answer of a record may go, once; `key` is what hashes tell the client apart
/// by.
pub(super) fn ways(
    model: &Model,
    record: &Record,
    key: u64,
    evaluation: &Evaluation,
) -> Vec<CountedFacts> {
    let nothing = if evaluation.all_down.is_some() { Way::FAILED } else { Way::NO_DATA };
    let mut found = Vec::new();
    match &evaluation.outcome {
        Outcome::ServFail => found.push(nothing),
        Outcome::Resolved(resolved) => {
            let seed = spread::seed(record.owner.to_lower().as_wire());
            collect(resolved, (seed, key), nothing, &mut found);
        }
    }
    let fact = |way: Way| CountedFacts {
        pool: way.outlet.name(model).to_owned(),
        reason: way.reason.as_str(),
    };
    found.into_iter().map(fact).collect()
}

fn collect(resolved: &Resolved, hashed: (u64, u64), nothing: Way, found: &mut Vec<Way>) {
    let mut add = |way: Way| {
        if !found.contains(&way) {
            found.push(way);
        }
    };
    match resolved {
        Resolved::NoData => add(nothing),
        Resolved::Ring(Ring { items, is_fixed, reason, .. }) => {
            let first = if *is_fixed { 1 } else { items.len() };
            let ways = items.iter().take(first).map(|item| Outlet::of(*item));
            ways.for_each(|outlet| add(Way { outlet, reason: *reason }));
        }
        Resolved::Draw(list) => {
            list.iter().for_each(|(_, part)| collect(part, hashed, nothing, found));
        }
        Resolved::Hash(list) => {
            let (seed, key) = hashed;
            let won = spread::rendezvous(seed, key, list.iter().map(|(candidate, _)| *candidate));
            collect(&list[won].1, hashed, nothing, found);
        }
        Resolved::Split(list) => {
            let (seed, key) = hashed;
            let portion = u16::from(spread::portion(seed, key));
            if let Some((_, part)) = list.iter().find(|(bound, _)| portion < *bound) {
                collect(part, hashed, nothing, found);
            }
        }
    }
}
