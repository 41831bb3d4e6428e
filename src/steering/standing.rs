//! Which pools and members may be given to clients, from verdicts and the operator's word.

use smallvec::{SmallVec, smallvec};

use crate::health::{CheckId, Verdict};
use crate::steering::model::{Member, MemberData, Pool, PoolState};
use crate::steering::share::Share;
use crate::steering::way::Reason;
use crate::wire::Type;

/// How far down the list of scruples an answer had to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resort {
    /// Pools that are up, each for its share of the clients.
    Healthy,
    /// Pools that are up, whatever their share.
    Whole,
    /// Drained pools too, as long as they are healthy.
    Drained,
    /// As if every check had succeeded; what the operator took out stays out.
    Unchecked,
    /// As if every member were up.
    Everything,
}

/// The state of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The state the operator gave it.
    pub state: PoolState,
    /// The part of its clients that it keeps; who asks for an offer sees to that.
    pub share: Share,
    /// What takes the others from it.
    pub taken_by: Reason,
    /// Whether enough of its members are up.
    pub healthy: bool,
    /// Whether there is nothing to give: its host names have no address yet.
    pub is_void: bool,
    /// For each member, whether its check leaves it up.
    pub members: SmallVec<[bool; 8]>,
    /// For each member, how much of its weight is left, in percent: less than 100 while it is
    /// warned of.
    pub left: SmallVec<[u8; 8]>,
}

/// What a pool has for one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// Not to be given out now, for this type at least.
    Down,
    /// It is up and has no member of the type.
    NoData,
    /// Indexes of the members that are up: at least one.
    Members(Few<usize>),
}

/// A list that is seldom longer than two: the members that a pool has for one type. As long as it is
/// not, it costs no allocation: ten thousand answers are worked out at once.
pub type Few<T> = SmallVec<[T; 2]>;

impl Standing {
    /// The standing of a pool that keeps all its clients; `state` is the operator's word in force for it.
    pub fn of(pool: &Pool, state: PoolState, verdict: impl Fn(CheckId) -> Verdict) -> Standing {
        let checked = |member: &Member| member.check.is_none_or(|check| verdict(check).is_usable());
        let counted = pool.members.iter().filter(|member| member.data.is_counted());
        let up = counted.clone().filter(|member| checked(member)).count();
        let all = counted.count();
        let is_void = all == 0 && !pool.hosts.is_empty();
        let healthy = !is_void && (up >= pool.min_healthy || all == 0);
        let members = pool.members.iter().map(checked).collect();
        let left = smallvec![100; pool.members.len()];
        let (share, taken_by) = (Share::FULL, Reason::Drain);
        Standing { state, share, taken_by, healthy, is_void, members, left }
    }

    /// The same with warnings: what is `left` of the weight of a check's members, in percent.
    #[must_use]
    pub fn warned(mut self, pool: &Pool, left: impl Fn(CheckId) -> u8) -> Standing {
        self.left = pool.members.iter().map(|member| member.check.map_or(100, &left)).collect();
        self
    }

    /// Whether the pool may be given to clients at this resort, those of its share at least.
    pub fn is_up(&self, resort: Resort) -> bool {
        use PoolState::{Auto, Drain, Up};
        match (resort, self.state) {
            _ if self.is_void => false,
            (Resort::Everything, _) | (_, Up) => true,
            (Resort::Healthy | Resort::Whole | Resort::Drained, Auto) => self.healthy,
            (Resort::Drained, Drain) => self.healthy,
            (Resort::Unchecked, Auto) => true,
            _ => false,
        }
    }

    /// Whether [`Standing::offer`] is anything but [`Offer::Down`].
    pub fn is_offered(&self, pool: &Pool, resort: Resort, rtype: Option<Type>) -> bool {
        let mut members = of_type(pool, rtype).peekable();
        self.is_up(resort)
            && (members.peek().is_none() || members.any(|index| self.answers(index, resort)))
    }

    /// What the pool offers clients who ask for `rtype`; `None` stands for any type that no pool
    /// of the policy has as its own.
    pub fn offer(&self, pool: &Pool, resort: Resort, rtype: Option<Type>) -> Offer {
        if !self.is_up(resort) {
            return Offer::Down;
        }
        let mut members = of_type(pool, rtype).peekable();
        if members.peek().is_none() {
            return Offer::NoData;
        }
        let up: Few<usize> = members.filter(|index| self.answers(*index, resort)).collect();
        if up.is_empty() { Offer::Down } else { Offer::Members(up) }
    }

    /// What is left of a member's weight, in percent. Where the checks do not count, neither do
    /// their warnings.
    pub fn left(&self, member: usize, resort: Resort) -> u8 {
        let is_heard = resort < Resort::Unchecked && self.state != PoolState::Up;
        if is_heard { self.left[member] } else { 100 }
    }

    /// What is left of the pool's weight, in percent: less than 100 only while every member that
    /// is up is warned of. The same for all types, as the decision for a pool is.
    pub fn pool_left(&self, pool: &Pool, resort: Resort) -> u8 {
        let up = (0..pool.members.len())
            .filter(|index| pool.members[*index].data.is_counted() && self.answers(*index, resort));
        up.map(|index| self.left(index, resort)).max().unwrap_or(100)
    }

    /// Why it answers a client who prefers it.
    pub fn why_given(&self) -> Reason {
        match self.state {
            PoolState::Up if !self.healthy => Reason::Override,
            _ => Reason::FirstChoice,
        }
    }

    /// Why it does not answer a client who prefers it, when it does not.
    pub fn why_not(&self) -> Reason {
        match self.state {
            PoolState::Down => Reason::Override,
            PoolState::Drain => Reason::Drain,
            _ if self.is_up(Resort::Healthy) && !self.share.is_full() => self.taken_by,
            _ => Reason::Failover,
        }
    }

    /// Those of some members that stand in one answer together: the ones that are not warned of,
    /// or all where each is.
    pub fn unwarned(&self, mut members: Few<usize>, resort: Resort) -> Few<usize> {
        let is_fine = |index: usize| self.left(index, resort) == 100;
        if members.iter().any(|index| is_fine(*index)) {
            members.retain(|index| is_fine(*index));
        }
        members
    }

    /// Whether a member is among the answers, as far as its check matters.
    fn answers(&self, member: usize, resort: Resort) -> bool {
        resort >= Resort::Unchecked || self.state == PoolState::Up || self.members[member]
    }
}

/// The members that have something for a type: those of the type, and aliases.
fn of_type(pool: &Pool, rtype: Option<Type>) -> impl Iterator<Item = usize> + '_ {
    let has_it =
        move |data: &MemberData| matches!(data, MemberData::Alias(_)) || data.rtype() == rtype;
    (0..pool.members.len()).filter(move |index| has_it(&pool.members[*index].data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::model::Balance;

    fn pool(min_healthy: usize, members: &[&str]) -> Pool {
        let members = (0..).zip(members).map(|(check, address)| Member {
            name: (*address).to_owned(),
            data: MemberData::Address(address.parse().unwrap()),
            weight: 1,
            check: Some(CheckId(check)),
        });
        Pool {
            name: "pool".into(),
            site: String::new(),
            members: members.collect(),
            hosts: Vec::new(),
            balance: Balance::RoundRobin,
            answers: 8,
            min_healthy,
            state: PoolState::Auto,
            coordinates: None,
            ramp: Default::default(),
            capacity: 0,
            cost: 0.0,
        }
    }

    fn with_down(pool: &Pool, state: PoolState, down: &[u32]) -> Standing {
        Standing::of(pool, state, |check| {
            if down.contains(&check.0) { Verdict::Down } else { Verdict::Unknown }
        })
    }

    #[test]
    fn a_pool_is_up_while_enough_members_are() {
        let pool = pool(2, &["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        let standing = with_down(&pool, PoolState::Auto, &[0]);
        assert_eq!(
            standing.offer(&pool, Resort::Healthy, Some(Type::A)),
            Offer::Members(smallvec![1, 2])
        );
        let standing = with_down(&pool, PoolState::Auto, &[0, 1]);
        assert_eq!(standing.offer(&pool, Resort::Healthy, Some(Type::A)), Offer::Down);
        assert_eq!(
            standing.offer(&pool, Resort::Unchecked, Some(Type::A)),
            Offer::Members(smallvec![0, 1, 2])
        );
    }

    #[test]
    fn a_type_without_members_is_no_data_and_one_with_all_down_is_down() {
        let mut pool = pool(1, &["192.0.2.1", "2001:db8::1"]);
        let standing = with_down(&pool, PoolState::Auto, &[1]);
        assert_eq!(standing.offer(&pool, Resort::Healthy, Some(Type::AAAA)), Offer::Down);
        assert_eq!(standing.offer(&pool, Resort::Healthy, Some(Type::HTTPS)), Offer::NoData);
        pool.members.push(Member {
            name: "HTTPS".into(),
            data: MemberData::Data { rtype: Type::HTTPS, rdata: Box::new([0, 1, 0]) },
            weight: 1,
            check: None,
        });
        let standing = with_down(&pool, PoolState::Auto, &[0, 1]);
        assert_eq!(standing.offer(&pool, Resort::Healthy, Some(Type::HTTPS)), Offer::Down);
    }

    #[test]
    fn a_warning_leaves_a_member_up_and_is_heard_only_where_its_check_is() {
        let pool = pool(1, &["192.0.2.1", "192.0.2.2"]);
        let left = |check: CheckId| if check.0 == 0 { 50 } else { 100 };
        let healthy = Resort::Healthy;
        let standing = with_down(&pool, PoolState::Auto, &[]).warned(&pool, left);
        let all = Offer::Members(smallvec![0, 1]);
        assert_eq!(standing.offer(&pool, healthy, Some(Type::A)), all);
        assert_eq!(standing.unwarned(smallvec![0, 1], healthy)[..], [1]);
        assert_eq!(standing.unwarned(smallvec![0], healthy)[..], [0]);
        assert_eq!(standing.unwarned(smallvec![0, 1], Resort::Unchecked)[..], [0, 1]);
        assert_eq!(standing.pool_left(&pool, healthy), 100);
        let alone = with_down(&pool, PoolState::Auto, &[1]).warned(&pool, left);
        assert_eq!(alone.pool_left(&pool, healthy), 50);
        let forced = with_down(&pool, PoolState::Up, &[]).warned(&pool, left);
        assert_eq!(forced.left(0, healthy), 100);
    }

    #[test]
    fn the_operators_word_is_stronger_than_the_checks() {
        let pool = pool(1, &["192.0.2.1"]);
        let up_but_failing = with_down(&pool, PoolState::Up, &[0]);
        assert_eq!(
            up_but_failing.offer(&pool, Resort::Healthy, Some(Type::A)),
            Offer::Members(smallvec![0])
        );
        let taken_down = with_down(&pool, PoolState::Down, &[]);
        assert!(!taken_down.is_up(Resort::Unchecked));
        assert!(taken_down.is_up(Resort::Everything));
        let drained = with_down(&pool, PoolState::Drain, &[]);
        assert!(!drained.is_up(Resort::Healthy));
        assert!(drained.is_up(Resort::Drained));
        assert!(!with_down(&pool, PoolState::Drain, &[0]).is_up(Resort::Drained));
    }
}
