//! What a steered name is to those who cannot steer: one answer for everybody, as static data.
//!
//! A secondary gets it in a zone transfer. It is what `on_all_down = "all"` stands for: every
//! member of every pool that a policy may give its clients, as if all were up. Health, places and
//! weights say nothing in it; what the operator gives to nobody (a pool that is down or drained in
//! the file, a weight of 0) is only in it when there is nothing else.

use crate::steering::model::{
    Destination, Kind, Member, MemberData, Model, PolicyId, PoolId, PoolState, Record, Target,
};
use crate::wire::Type;

/// One record of a steered name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedRecord {
    /// The type.
    pub rtype: Type,
    /// Time to live in seconds.
    pub ttl: u32,
    /// The data in wire form, without compression.
    pub rdata: Box<[u8]>,
}

/// The records of a steered name, by type, each once. A name whose first choice is an alias has
/// that one CNAME alone (RFC 2181 section 10.1); aliases of other choices are left out.
pub fn records(model: &Model, record: &Record) -> Vec<FixedRecord> {
    let pools = pools(model, record.target);
    let alias =
        first_pool(model, record.target, &pools).filter(|pool| model.pool(*pool).is_alias());
    let mut records: Vec<FixedRecord> = Vec::new();
    let members = pools.iter().flat_map(|pool| given(&model.pool(*pool).members));
    let members: Vec<&Member> = match alias {
        Some(pool) => given(&model.pool(pool).members).into_iter().take(1).collect(),
        None => members.filter(|member| member.data.rtype().is_some()).collect(),
    };
    for member in members {
        let (rtype, rdata) = data(&member.data);
        let record = FixedRecord { rtype, ttl: record.ttl, rdata };
        if !records.contains(&record) {
            records.push(record);
        }
    }
    records.sort_by_key(|record| record.rtype);
    records
}

/// Type and data of a member.
fn data(data: &MemberData) -> (Type, Box<[u8]>) {
    match data {
        MemberData::Address(std::net::IpAddr::V4(address)) => (Type::A, address.octets().into()),
        MemberData::Address(std::net::IpAddr::V6(address)) => (Type::AAAA, address.octets().into()),
        MemberData::Alias(target) => (Type::CNAME, target.as_wire().into()),
        MemberData::Data { rtype, rdata } => (*rtype, rdata.clone()),
    }
}

/// The pools that clients may be given, in the order of mention; all when that is none.
fn pools(model: &Model, target: Target) -> Vec<PoolId> {
    let mut pools = Vec::new();
    collect(model, target, &mut pools);
    let is_given =
        |pool: &PoolId| matches!(model.pool(*pool).state, PoolState::Auto | PoolState::Up);
    if pools.iter().any(is_given) {
        pools.retain(is_given);
        return pools;
    }
    model.pools_under(target)
}

fn collect(model: &Model, target: Target, pools: &mut Vec<PoolId>) {
    match target {
        Target::Pool(pool) if pools.contains(&pool) => {}
        Target::Pool(pool) => pools.push(pool),
        Target::Policy(policy) => {
            for target in targets(model, policy) {
                collect(model, target, pools);
            }
        }
    }
}

/// The targets of a policy that get clients while all are up.
fn targets(model: &Model, policy: PolicyId) -> Vec<Target> {
    let policy = model.policy(policy);
    match &policy.kind {
        Kind::Weighted { targets, .. } => {
            let weighted = targets.iter().filter(|(_, weight)| *weight > 0);
            weighted.map(|(target, _)| *target).collect()
        }
        _ => policy.targets(),
    }
}

/// The pool that stands for all where there can be only one: where most clients go, as far as
/// the policy says without knowing them.
fn first_pool(model: &Model, target: Target, pools: &[PoolId]) -> Option<PoolId> {
    let first = match target {
        Target::Pool(pool) => Some(pool),
        Target::Policy(id) => {
            let targets = match &model.policy(id).kind {
                Kind::Geo { default: Some(Destination::Targets(targets)), .. } => targets.clone(),
                Kind::Weighted { targets, .. } => {
                    let mut targets = targets.clone();
                    targets.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight)); // stable
                    targets.into_iter().map(|(target, _)| target).collect()
                }
                _ => targets(model, id),
            };
            targets.into_iter().find_map(|target| first_pool(model, target, pools))
        }
    };
    first.filter(|pool| pools.contains(pool))
}

/// The members that have a weight; all when none has.
fn given(members: &[Member]) -> Vec<&Member> {
    let is_given = |member: &&Member| member.weight > 0;
    if members.iter().any(|member| member.weight > 0) {
        members.iter().filter(is_given).collect()
    } else {
        members.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::model::{Balance, OnAllDown, Policy, Pool, Spread};
    use crate::wire::Name;

    fn member(text: &str) -> Member {
        let data = match text.parse() {
            Ok(address) => MemberData::Address(address),
            Err(_) => MemberData::Alias(text.parse::<Name>().unwrap()),
        };
        Member { name: text.to_owned(), data, weight: 1, check: None }
    }

    fn pool(members: &[&str]) -> Pool {
        Pool {
            name: members.join(" "),
            site: String::new(),
            members: members.iter().map(|text| member(text)).collect(),
            hosts: Vec::new(),
            balance: Balance::RoundRobin,
            answers: 1,
            min_healthy: 1,
            state: PoolState::Auto,
            coordinates: None,
            ramp: Default::default(),
            capacity: 0,
            cost: 0.0,
        }
    }

    /// The fixed answer of the first policy, or of the first pool where there is none.
    fn fixed(pools: Vec<Pool>, kind: Option<Kind>) -> Vec<String> {
        let policy = |kind| Policy { name: "p".to_owned(), site: String::new(), kind, take: 1 };
        let target = match kind {
            Some(_) => Target::Policy(PolicyId(0)),
            None => Target::Pool(PoolId(0)),
        };
        let model =
            Model { pools, policies: kind.map(policy).into_iter().collect(), records: Vec::new() };
        let record = Record {
            owner: "www.example.".parse().unwrap(),
            target,
            ttl: 30,
            ttl_min: None,
            on_all_down: OnAllDown::NoData,
            site: String::new(),
        };
        let text = |record: &FixedRecord| match record.rtype {
            Type::CNAME => format!("CNAME {}", Name::from_wire(&record.rdata).unwrap()),
            rtype => format!("{rtype} {:?}", record.rdata),
        };
        records(&model, &record).iter().map(text).collect()
    }

    fn pools(of: &[u32]) -> Vec<Target> {
        of.iter().map(|pool| Target::Pool(PoolId(*pool))).collect()
    }

    #[test]
    fn all_members_of_all_pools_are_in_it_once_whatever_the_cap_on_answers() {
        let both =
            vec![pool(&["192.0.2.1", "::1", "192.0.2.2"]), pool(&["192.0.2.2", "192.0.2.3"])];
        let failover = Kind::Failover { targets: pools(&[0, 1]) };
        let expected = [
            "A [192, 0, 2, 1]",
            "A [192, 0, 2, 2]",
            "A [192, 0, 2, 3]",
            "AAAA [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]",
        ];
        assert_eq!(fixed(both, Some(failover)), expected);
    }

    #[test]
    fn what_the_operator_gives_to_nobody_is_not_in_it_unless_it_is_all_there_is() {
        let failover = || Some(Kind::Failover { targets: pools(&[0, 1]) });
        let mut two = vec![pool(&["192.0.2.1", "192.0.2.2"]), pool(&["192.0.2.3"])];
        two[0].members[1].weight = 0;
        two[1].state = PoolState::Drain;
        assert_eq!(fixed(two.clone(), failover()), ["A [192, 0, 2, 1]"]);
        two[0].state = PoolState::Down;
        assert_eq!(fixed(two, failover()), ["A [192, 0, 2, 1]", "A [192, 0, 2, 3]"]);
        let two = vec![pool(&["192.0.2.1"]), pool(&["192.0.2.3"])];
        let targets = pools(&[0, 1]).into_iter().zip([0, 5]).collect();
        let canary = Kind::Weighted { targets, spread: Spread::Query };
        assert_eq!(fixed(two, Some(canary)), ["A [192, 0, 2, 3]"]);
    }

    #[test]
    fn an_alias_stands_alone_and_is_that_of_the_default_or_the_largest_share() {
        assert_eq!(fixed(vec![pool(&["a.test.", "b.test."])], None), ["CNAME a.test."]);
        let two = || vec![pool(&["a.test."]), pool(&["b.test."])];
        let geo = Kind::Geo {
            rules: vec![crate::steering::model::Rule {
                matches: Vec::new(),
                to: Destination::Targets(pools(&[0])),
                site: String::new(),
            }],
            default: Some(Destination::Targets(pools(&[1]))),
            on_down: crate::steering::model::OnDown::Climb,
        };
        assert_eq!(fixed(two(), Some(geo)), ["CNAME b.test."]);
        let targets = pools(&[0, 1]).into_iter().zip([1, 9]).collect();
        let share = Kind::Weighted { targets, spread: Spread::Client };
        assert_eq!(fixed(two(), Some(share)), ["CNAME b.test."]);
        let mixed = vec![pool(&["192.0.2.1"]), pool(&["b.test."])];
        let failover = Kind::Failover { targets: pools(&[0, 1]) };
        assert_eq!(fixed(mixed, Some(failover)), ["A [192, 0, 2, 1]"]);
    }
}
