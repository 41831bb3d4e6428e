//! What the operator wrote, as runtime data: members in pools, policies over targets, records.
//!
//! Built by `server::build` from the configuration and not changed afterwards. References are
//! indexes and were checked there: no target dangles and no policy reaches itself.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::geo::Coordinates;
use crate::health::CheckId;
use crate::steering::matching::Match;
use crate::steering::share::Share;
use crate::wire::{Name, Type};

/// An index into [`Model::pools`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(pub u32);

/// An index into [`Model::policies`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyId(pub u32);

/// What a record, a rule or a policy may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Target {
    Pool(PoolId),
    Policy(PolicyId),
}

/// Everything that steers.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// The regions.
    pub pools: Vec<Pool>,
    /// The choices among them.
    pub policies: Vec<Policy>,
    /// The steered names; the index is the [`RecordId`](crate::zone::RecordId).
    pub records: Vec<Record>,
}

/// A region: its load balancers.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its name in the file.
    pub name: String,
    /// `file:line` of its table.
    pub site: String,
    /// At least one; none only while its host names have no address.
    pub members: Vec<Member>,
    /// The host names behind some of its members; see [`Pool::hosts_of`].
    pub hosts: Vec<Host>,
    /// How one answer is made of the members that are up.
    pub balance: Balance,
    /// At most so many addresses in one answer: 1 or more.
    pub answers: usize,
    /// So many members must be up for the pool to be up: 1 or more.
    pub min_healthy: usize,
    /// What the operator's file says of its state.
    pub state: PoolState,
    /// Where it is, if it was said.
    pub coordinates: Option<Coordinates>,
    /// How long its clients take to return after it came back up; zero: they return at once.
    pub ramp: Duration,
    /// How much it can serve, in any unit; 0 is not limited.
    pub capacity: u64,
    /// What serving from it costs, in any unit: finite and not negative.
    pub cost: f64,
}

/// A host name that stands for members: one for each of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// In lower case.
    pub name: Name,
    /// As it was resolved last.
    pub addresses: Vec<IpAddr>,
}

/// One load balancer.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its address, name or data as the file has it; also its identity for hashing.
    pub name: String,
    /// What a client is told.
    pub data: MemberData,
    /// Its share under [`Balance::Weighted`] and [`Balance::Sticky`].
    pub weight: u32,
    /// The check that watches it; without one it is up.
    pub check: Option<CheckId>,
}

/// What a member puts into an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberData {
    /// An A or AAAA record.
    Address(IpAddr),
    /// A CNAME record, whatever type was asked for.
    Alias(Name),
    /// A record of any other type; up while its pool is, and not counted in `min_healthy`.
    Data {
        /// The type.
        rtype: Type,
        /// The data in wire form, without compression.
        rdata: Box<[u8]>,
    },
}

/// How a pool's members share its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// All that are up, the order rotating by one with every query.
    RoundRobin,
    /// One, drawn by weight for every query; as many as [`Pool::answers`] with it, behind it.
    Weighted,
    /// The same, with the same first for the same client (weighted rendezvous hashing).
    Sticky,
}

/// `state` of a pool in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PoolState {
    /// Its checks decide.
    #[default]
    Auto,
    /// Up, and all its members with it, whatever the checks say.
    Up,
    /// Down.
    Down,
    /// Given to nobody while any other choice is up.
    Drain,
}

/// Addresses in one answer of a policy that takes several targets, at most.
const JOINED_ANSWERS: usize = 8;

/// A choice among targets.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name in the file.
    pub name: String,
    /// `file:line` of its table.
    pub site: String,
    /// How it chooses.
    pub kind: Kind,
    /// So many of the best targets that are up stand in one answer: 1 or more. More than 1 only
    /// for failover and nearest.
    pub take: usize,
}

/// How a policy chooses (steering.md, "Policies").
#[derive(Debug, Clone)]
pub enum Kind {
    /// The first that is up.
    Failover {
        /// In order of preference.
        targets: Vec<Target>,
    },
    /// All members that are up, rotating.
    RoundRobin {
        /// Whose members are joined.
        targets: Vec<Target>,
        /// At most so many addresses in one answer.
        answers: usize,
    },
    /// One, by weight.
    Weighted {
        /// Targets and their weights, at least one above 0.
        targets: Vec<(Target, u32)>,
        /// Drawn anew, or fixed for a client.
        spread: Spread,
    },
    /// By where the client is.
    Geo {
        /// Most specific first among those that match.
        rules: Vec<Rule>,
        /// Where clients go whom no rule matches.
        default: Option<Destination>,
        /// What happens when the matched destination is down.
        on_down: OnDown,
    },
    /// By distance; a bias of 1 to 99 draws clients nearer, of -1 to -99 pushes them off.
    Nearest {
        /// Targets and their biases.
        targets: Vec<(Target, i8)>,
    },
    /// By estimated round-trip time.
    Latency {
        /// In the order that decides between equals.
        targets: Vec<Target>,
        /// Measured times; empty where none were given.
        table: LatencyTable,
        /// Among targets whose estimates are no more than so many milliseconds over the lowest,
        /// the cheapest is taken.
        within: Option<f64>,
        /// The part of the clients who are sent to another target, to measure it.
        explore: Share,
    },
    /// By the load that regions report, in proportion to weight.
    Load {
        /// Targets and their weights of 1 or more, in the order that decides between equals.
        targets: Vec<(Target, u32)>,
    },
}

/// Whether a weighted choice is made for each query or for each client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spread {
    /// Drawn anew for each query.
    Query,
    /// By hash of record name and client network: the same on every server.
    Client,
}

/// One rule of a geo policy.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Any of these matches.
    pub matches: Vec<Match>,
    /// Where its clients go.
    pub to: Destination,
    /// `file:line`.
    pub site: String,
}

/// Measured round-trip times: which clients, which pool, how long.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LatencyTable {
    /// In the order of the file.
    pub rows: Vec<LatencyRow>,
}

/// One measured time.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyRow {
    /// The clients.
    pub clients: Match,
    /// The pool they reach.
    pub pool: PoolId,
    /// The round trip in milliseconds, finite and not negative.
    pub ms: f64,
    /// How many measurements it stands on, 1 or more; without a word it is believed as it is.
    pub samples: Option<u32>,
}

/// Where a geo rule sends its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The first of these that is up.
    Targets(Vec<Target>),
    /// Nowhere: a deliberate NODATA.
    None,
}

/// `on_down` of a geo policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnDown {
    /// The next broader rule that matches, in the end the default.
    Climb,
    /// The closest pool of the policy that is up.
    Nearest,
    /// Never another rule.
    Fence,
}

/// A name bound to a target.
#[derive(Debug, Clone)]
pub struct Record {
    /// The owner name.
    pub owner: Name,
    /// What answers for it.
    pub target: Target,
    /// Time to live of its answers in seconds.
    pub ttl: u32,
    /// The least time to live while a change is near, in seconds; `None`: always `ttl`.
    pub ttl_min: Option<u32>,
    /// What to say when nothing is up.
    pub on_all_down: OnAllDown,
    /// `file:line`.
    pub site: String,
}

/// `on_all_down` of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OnAllDown {
    /// As if every member were up.
    All,
    /// The last answer in which one was up; before there was one, as `All`.
    LastKnown,
    /// No data.
    NoData,
    /// SERVFAIL.
    ServFail,
    /// These addresses.
    Addresses(Vec<IpAddr>),
}

impl Model {
    /// The pool of an index.
    pub fn pool(&self, id: PoolId) -> &Pool {
        &self.pools[id.0 as usize]
    }

    /// The policy of an index.
    pub fn policy(&self, id: PolicyId) -> &Policy {
        &self.policies[id.0 as usize]
    }

    /// The name of a target.
    pub fn target_name(&self, target: Target) -> &str {
        match target {
            Target::Pool(id) => &self.pool(id).name,
            Target::Policy(id) => &self.policy(id).name,
        }
    }

    /// The pools a target leads to, each once, in the order of mention.
    pub fn pools_under(&self, target: Target) -> Vec<PoolId> {
        let mut found = Vec::new();
        self.walk(target, &mut |target| {
            if let Target::Pool(id) = target
                && !found.contains(&id)
            {
                found.push(id);
            }
        });
        found
    }

    /// The policies a target leads to, itself included, each once.
    pub fn policies_under(&self, target: Target) -> Vec<PolicyId> {
        let mut found = Vec::new();
        self.walk(target, &mut |target| {
            if let Target::Policy(id) = target
                && !found.contains(&id)
            {
                found.push(id);
            }
        });
        found
    }

    /// The types a record can answer, in rising order, and whether some of its pools are
    /// aliases, which answer every type.
    pub fn record_types(&self, record: &Record) -> (Vec<Type>, bool) {
        let pools = self.pools_under(record.target);
        let mut types: BTreeSet<Type> =
            pools.iter().flat_map(|pool| self.pool(*pool).types()).collect();
        if let OnAllDown::Addresses(addresses) = &record.on_all_down {
            types.extend(addresses.iter().filter_map(|a| MemberData::Address(*a).rtype()));
        }
        (types.into_iter().collect(), pools.iter().any(|pool| self.pool(*pool).is_alias()))
    }

    fn walk(&self, target: Target, visit: &mut impl FnMut(Target)) {
        visit(target);
        if let Target::Policy(id) = target {
            for next in self.policy(id).targets() {
                self.walk(next, visit);
            }
        }
    }
}

impl Policy {
    /// Every target it names, in the order of the file; a geo policy's default last.
    pub fn targets(&self) -> Vec<Target> {
        match &self.kind {
            Kind::Failover { targets }
            | Kind::RoundRobin { targets, .. }
            | Kind::Latency { targets, .. } => targets.clone(),
            Kind::Weighted { targets, .. } | Kind::Load { targets } => {
                targets.iter().map(|(target, _)| *target).collect()
            }
            Kind::Nearest { targets } => targets.iter().map(|(target, _)| *target).collect(),
            Kind::Geo { rules, default, .. } => rules
                .iter()
                .map(|rule| &rule.to)
                .chain(default)
                .flat_map(|to| match to {
                    Destination::Targets(targets) => &targets[..],
                    Destination::None => &[],
                })
                .copied()
                .collect(),
        }
    }

    /// The part of its clients who are sent to another target than the best, to measure it.
    pub fn explore(&self) -> Share {
        match self.kind {
            Kind::Latency { explore, .. } => explore,
            _ => Share::NONE,
        }
    }

    /// At most so many addresses in one of its answers, where it joins several targets.
    pub fn answers(&self) -> usize {
        match self.kind {
            Kind::RoundRobin { answers, .. } => answers,
            _ if self.joins() => JOINED_ANSWERS,
            _ => usize::MAX,
        }
    }

    /// Whether the members of several of its targets may stand in one answer.
    pub fn joins(&self) -> bool {
        matches!(self.kind, Kind::RoundRobin { .. }) || self.take > 1
    }

    /// The word for its kind in the file.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Failover { .. } => "failover",
            Kind::RoundRobin { .. } => "round-robin",
            Kind::Weighted { spread: Spread::Query, .. } => "weighted",
            Kind::Weighted { spread: Spread::Client, .. } => "sticky",
            Kind::Geo { .. } => "geo",
            Kind::Nearest { .. } => "nearest",
            Kind::Latency { .. } => "latency",
            Kind::Load { .. } => "load",
        }
    }
}

impl Pool {
    /// Whether its members are aliases (then all of them are).
    pub fn is_alias(&self) -> bool {
        self.members.iter().any(|member| matches!(member.data, MemberData::Alias(_)))
    }

    /// The types its members have, aliases aside, in rising order. A host name may have addresses
    /// of both families at any time.
    pub fn types(&self) -> Vec<Type> {
        let mut types: Vec<Type> =
            self.members.iter().filter_map(|member| member.data.rtype()).collect();
        if !self.hosts.is_empty() {
            types.extend([Type::A, Type::AAAA]);
        }
        types.sort_unstable();
        types.dedup();
        types
    }

    /// The host names that an address is one of.
    pub fn hosts_of(&self, address: IpAddr) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(move |host| host.addresses.contains(&address))
    }
}

impl MemberData {
    /// The type of its record; `None` for an alias, which answers every type.
    pub fn rtype(&self) -> Option<Type> {
        match self {
            MemberData::Address(IpAddr::V4(_)) => Some(Type::A),
            MemberData::Address(IpAddr::V6(_)) => Some(Type::AAAA),
            MemberData::Alias(_) => None,
            MemberData::Data { rtype, .. } => Some(*rtype),
        }
    }

    /// Whether a check can watch it and `min_healthy` counts it.
    pub fn is_counted(&self) -> bool {
        !matches!(self, MemberData::Data { .. })
    }
}
