//! Census: all clients of the world, by class and place, and where answers send them.
//!
//! Compiled tables are counted range by range, so that the counts are exact; a million ranges take
//! a moment. Knows nothing of how many people stand behind an address.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::geo::{Atlas, LocationId, RangeMap};
use crate::steering::answers::Outcome;
use crate::steering::compile::CompiledTarget;
use crate::steering::model::{Model, PoolId};
use crate::steering::resolve::{Item, Resolved, Ring};
use crate::steering::served::Panic;
use crate::steering::share::Share;
use crate::steering::table::ClassTable;

/// Clients of one place that are treated alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kin {
    /// Their class.
    pub class: u32,
    /// Their place, in the atlas they were counted with.
    pub location: LocationId,
}

/// How many addresses: of IPv4, and networks of 64 bits of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Size {
    /// IPv4 addresses.
    pub v4: f64,
    /// IPv6 networks of length 64.
    pub v6: f64,
}

/// The share of people who come over IPv6, where their place has any: what large sites see.
const OVER_IPV6: f64 = 0.4;

impl Size {
    /// The part, from 0 to 1, of the people of a place with `all` these addresses who are behind
    /// `self`: most are behind IPv4, the others behind IPv6, as far as there are any of either.
    pub fn part_of(self, all: Size) -> f64 {
        let over_v6 = match (all.v4 > 0.0, all.v6 > 0.0) {
            (true, true) => OVER_IPV6,
            (true, false) => 0.0,
            (false, _) => 1.0,
        };
        let part = |size: f64, all: f64| if all > 0.0 { size / all } else { 0.0 };
        (1.0 - over_v6) * part(self.v4, all.v4) + over_v6 * part(self.v6, all.v6)
    }
}

impl std::ops::AddAssign for Size {
    fn add_assign(&mut self, other: Size) {
        self.v4 += other.v4;
        self.v6 += other.v6;
    }
}

/// Where an answer sends clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outlet {
    /// To members of a pool.
    Pool(PoolId),
    /// To the addresses of `on_all_down`.
    Substitute,
    /// Nowhere: NODATA or SERVFAIL.
    Nothing,
}

impl Outlet {
    /// Where a record sends whoever takes it.
    pub fn of(item: Item) -> Outlet {
        match item {
            Item::Member(pool, _) => Outlet::Pool(pool),
            Item::Address(_) => Outlet::Substitute,
        }
    }

    /// What people read.
    pub fn name(self, model: &Model) -> &str {
        match self {
            Outlet::Pool(pool) => &model.pool(pool).name,
            Outlet::Substitute => "(all down)",
            Outlet::Nothing => "(nothing)",
        }
    }
}

/// Address space that no client on the Internet has (RFC 6890, RFC 5771, RFC 1112): first address
/// and length.
const UNUSED_V4: [(u32, u8); 9] = [
    (0x0000_0000, 8),
    (0x0a00_0000, 8),
    (0x6440_0000, 10),
    (0x7f00_0000, 8),
    (0xa9fe_0000, 16),
    (0xac10_0000, 12),
    (0xc0a8_0000, 16),
    (0xc612_0000, 15),
    (0xe000_0000, 3),
];

/// Global unicast (RFC 4291 section 2.4), all that has been given out.
const USED_V6: (u128, u8) = (0x2000 << 112, 3);

/// Counts the clients of a target.
pub fn count(target: &CompiledTarget, atlas: &Atlas) -> HashMap<Kin, Size, RandomState> {
    let (v4, v6) = classes(target.table.as_deref());
    sizes(&v4.join(atlas.v4(), kin), &v6.join(atlas.v6(), kin))
}

/// Counts the clients of each place.
pub fn count_places(atlas: &Atlas) -> HashMap<LocationId, Size, RandomState> {
    let place = |class: &Option<u32>, location: &LocationId| class.map(|_| *location);
    let (v4, v6) = classes(None);
    sizes(&v4.join(atlas.v4(), place), &v6.join(atlas.v6(), place))
}

/// Counts the clients of two targets together, such as one before and after a change: each client
/// by what it is in the one and in the other.
pub fn count_pairs(
    old: (&CompiledTarget, &Atlas),
    new: (&CompiledTarget, &Atlas),
) -> HashMap<(Kin, Kin), Size, RandomState> {
    let both = |old: &Option<Kin>, new: &Option<Kin>| old.zip(*new);
    let ((old4, old6), (new4, new6)) =
        (classes(old.0.table.as_deref()), classes(new.0.table.as_deref()));
    let (old4, new4) = (old4.join(old.1.v4(), kin), new4.join(new.1.v4(), kin));
    let (old6, new6) = (old6.join(old.1.v6(), kin), new6.join(new.1.v6(), kin));
    sizes(&old4.join(&new4, both), &old6.join(&new6, both))
}

/// As [`outlets`] for what is answered now, where `panic` says that nothing is up: then what is
/// named is answered as if it were up, and nobody is sent to a pool.
pub fn outlets_now(outcome: &Outcome, panic: Option<Panic>) -> HashMap<Outlet, f64, RandomState> {
    match panic {
        Some(_) => HashMap::from_iter([(Outlet::Substitute, 1.0)]),
        None => outlets(outcome),
    }
}

/// The share of clients, from 0 to 1, that an answer sends to each outlet.
pub fn outlets(outcome: &Outcome) -> HashMap<Outlet, f64, RandomState> {
    let mut found = HashMap::default();
    match outcome {
        Outcome::ServFail => {
            found.insert(Outlet::Nothing, 1.0);
        }
        Outcome::Resolved(resolved) => spread(resolved, 1.0, &mut found),
    }
    found
}

fn spread(resolved: &Resolved, share: f64, found: &mut HashMap<Outlet, f64, RandomState>) {
    match resolved {
        Resolved::NoData => *found.entry(Outlet::Nothing).or_default() += share,
        Resolved::Ring(Ring { items, is_fixed, .. }) => {
            // Clients take the first, and each that turns is equally often that.
            let items = if *is_fixed { &items[..1] } else { items };
            let each = share / items.len() as f64;
            for item in items {
                *found.entry(Outlet::of(*item)).or_default() += each;
            }
        }
        Resolved::Draw(parts) => {
            let all: f64 = parts.iter().map(|(weight, _)| draw_weight(*weight, parts)).sum();
            for (weight, part) in parts {
                spread(part, share * draw_weight(*weight, parts) / all, found);
            }
        }
        Resolved::Split(parts) => {
            let mut below = 0;
            for (bound, part) in parts {
                spread(
                    part,
                    share * f64::from(bound - below) / f64::from(Share::FULL.bound()),
                    found,
                );
                below = *bound;
            }
        }
        Resolved::Hash(parts) => {
            let weights: Vec<u32> = parts.iter().map(|(candidate, _)| candidate.weight).collect();
            let equal = weights.iter().all(|weight| *weight == 0);
            let weight = |weight: u32| if equal { 1.0 } else { f64::from(weight) };
            let all: f64 = weights.iter().map(|w| weight(*w)).sum();
            for (candidate, part) in parts {
                spread(part, share * weight(candidate.weight) / all, found);
            }
        }
    }
}

/// Equal shares where nobody has a weight.
fn draw_weight(weight: u32, parts: &[(u32, Resolved)]) -> f64 {
    if parts.iter().all(|(weight, _)| *weight == 0) { 1.0 } else { f64::from(weight) }
}

fn kin(class: &Option<u32>, location: &LocationId) -> Option<Kin> {
    class.map(|class| Kin { class, location: *location })
}

/// The classes of all addresses that clients have, by a target's table; `None` for the others.
fn classes(
    table: Option<&ClassTable>,
) -> (RangeMap<u32, Option<u32>>, RangeMap<u128, Option<u32>>) {
    let (v4, v6) = match table {
        Some(table) => (table.v4(), table.v6()),
        None => (RangeMap::uniform(0), RangeMap::uniform(Some(0))),
    };
    let unused = UNUSED_V4.map(|(first, length)| (first, length, false));
    let used_v4 = RangeMap::from_prefixes(true, unused);
    let used_v6 = RangeMap::from_prefixes(false, [(USED_V6.0, USED_V6.1, true)]);
    (
        v4.join(&used_v4, |class, used| used.then_some(*class)),
        v6.join(&used_v6, |class, used| class.filter(|_| *used)),
    )
}

fn sizes<K: std::hash::Hash + Eq + Copy>(
    v4: &RangeMap<u32, Option<K>>,
    v6: &RangeMap<u128, Option<K>>,
) -> HashMap<K, Size, RandomState> {
    let mut sizes: HashMap<K, Size, RandomState> = HashMap::default();
    for range in v4.iter() {
        if let Some(key) = range.value {
            sizes.entry(*key).or_default().v4 += f64::from(range.last - range.first) + 1.0;
        }
    }
    for range in v6.iter() {
        if let Some(key) = range.value {
            let networks = ((range.last - range.first) >> 64) as f64;
            sizes.entry(*key).or_default().v6 += networks + 1.0;
        }
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::resolve::Source;
    use crate::steering::way::Reason;

    fn ring(pools: &[u32]) -> Resolved {
        let items = pools.iter().map(|pool| Item::Member(PoolId(*pool), 0)).collect();
        let (source, reason) = (Source::Pool(PoolId(0)), Reason::FirstChoice);
        Resolved::Ring(Ring { items, take: 1, is_fixed: false, source, reason })
    }

    #[test]
    fn draws_and_rings_send_their_shares() {
        let draw = Resolved::Draw(vec![(3, ring(&[0])), (1, ring(&[0, 1])), (0, ring(&[2]))]);
        let found = outlets(&Outcome::Resolved(draw));
        assert_eq!(found[&Outlet::Pool(PoolId(0))], 0.875);
        assert_eq!(found[&Outlet::Pool(PoolId(1))], 0.125);
        let nobody = Resolved::Draw(vec![(0, ring(&[0])), (0, Resolved::NoData)]);
        assert_eq!(outlets(&Outcome::Resolved(nobody))[&Outlet::Nothing], 0.5);
        assert_eq!(outlets(&Outcome::ServFail)[&Outlet::Nothing], 1.0);
    }

    #[test]
    fn private_and_unassigned_addresses_have_no_clients() {
        let target = CompiledTarget {
            target: crate::steering::model::Target::Pool(PoolId(0)),
            table: None,
            classes: Vec::new(),
            is_dynamic: false,
        };
        let found = count(&target, &Atlas::compile(&[], &[]));
        let all = found[&Kin { class: 0, location: LocationId(0) }];
        let unused: f64 = UNUSED_V4.iter().map(|(_, length)| f64::from(32 - length).exp2()).sum();
        assert_eq!(all.v4, 32.0_f64.exp2() - unused);
        assert_eq!(all.v6, 61.0_f64.exp2());
    }
}
