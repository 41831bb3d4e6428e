//! Response rate limiting: what becomes of an answer over UDP when its client had too many.
//!
//! Knows client prefixes, kinds of answers, cookies and their budgets; nothing of messages. What
//! it guards against is reflection: packets with a victim's address as their sender, whose
//! answers hit the victim. So budgets are a prefix's, and who proves its address (by a cookie, or
//! by asking over a stream) has none.
//!
//! Each thread keeps a table of its own, because threads share nothing that is written. The
//! threads of one address share its queries by sender address and port, so each gives out its
//! share of a budget: a client whose ports vary has the whole, one that asks from one port
//! meets one thread and has that thread's share. Never is it more than was configured.

mod exempt;
mod table;

use std::net::IpAddr;

use super::CookieState;
use crate::wire::Rcode;

pub use exempt::Exempt;
use table::{Budget, Charge, Table};

/// What the data plane limits, and how far; made for fast reading. Without limits by default.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Nanoseconds between two of a kind; 0 without a limit.
    answers: u64,
    nxdomains: u64,
    errors: u64,
    queries: u64,
    slip: u32,
    exempt: Option<Exempt>,
    /// Whether there is any limit: what every query looks at.
    are_on: bool,
}

/// How much goes to one client prefix (IPv4 /24, IPv6 /56) in a second; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Answers with data, NODATA and referrals, all names together.
    pub answers: u32,
    /// NXDOMAIN, for each zone.
    pub nxdomains: u32,
    /// All other response codes.
    pub errors: u32,
    /// Queries without a valid cookie before cookies are demanded.
    pub queries: u32,
}

/// What an answer is, as far as limits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Data, NODATA or a referral.
    Answer,
    /// A name that does not exist in the zone of this number.
    NxDomain(u32),
    /// A response code and nothing else.
    Error,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes out as it is.
    Pass,
    /// In its place goes an empty one with TC: who asked can ask again over TCP.
    Slip,
    /// In its place goes BADCOOKIE with a fresh cookie: who asked can ask again with that
    /// (RFC 7873 section 5.2.3).
    BadCookie,
    /// Nothing goes out.
    Drop,
}

/// How many answers a limiter took away since it was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limited {
    /// Answers over a limit, whatever became of them.
    pub all: u64,
    /// Those of them in whose place an empty answer or BADCOOKIE went out, and errors that were
    /// let through as they are.
    pub slipped: u64,
}

/// One thread's budgets.
#[derive(Debug)]
pub(super) struct Limiter {
    /// How many threads the queries are spread over.
    share: u64,
    seed: u64,
    /// Made when there is something to limit.
    table: Option<Table>,
    limited: Limited,
}

impl Limits {
    /// Limits at these rates. Every `slip`-th answer over a limit goes out empty with TC, the
    /// others are dropped; with 0 all are dropped.
    pub fn new(rates: Rates, slip: u32, exempt: Option<Exempt>) -> Limits {
        let interval = |rate: u32| SECOND.checked_div(rate.into()).unwrap_or(0);
        Limits {
            are_on: rates != Rates::default(),
            answers: interval(rates.answers),
            nxdomains: interval(rates.nxdomains),
            errors: interval(rates.errors),
            queries: interval(rates.queries),
            slip,
            exempt,
        }
    }

    /// Whether anything is limited.
    #[inline]
    pub(super) fn are_on(&self) -> bool {
        self.are_on
    }

    #[inline]
    fn interval(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Answer => self.answers,
            Kind::NxDomain(_) => self.nxdomains,
            Kind::Error => self.errors,
        }
    }
}

impl Kind {
    /// The kind of an answer with this code; `zone` is the number of the zone that a name is
    /// missing in.
    #[inline]
    pub(super) fn of(rcode: Rcode, zone: u32) -> Kind {
        match rcode {
            Rcode::NOERROR => Kind::Answer,
            Rcode::NXDOMAIN => Kind::NxDomain(zone),
            _ => Kind::Error,
        }
    }

    fn account(self) -> u64 {
        match self {
            Kind::Answer => 0,
            Kind::Error => 1,
            Kind::NxDomain(zone) => u64::from(zone) << 2 | 3,
        }
    }
}

/// The account of all queries without a valid cookie.
const QUERIES: u64 = 2;

const SECOND: u64 = 1_000_000_000;

/// So many answers may go out at once even where a second has fewer: a client's queries do not
/// come evenly, and fall on the threads by chance.
const LEAST_BURST: u64 = 4;

impl Limiter {
    /// For one of `share` threads; `seed` is a secret.
    pub(super) fn new(seed: u64, share: usize) -> Limiter {
        let share = u64::try_from(share).unwrap_or(u64::MAX).max(1);
        Limiter { share, seed, table: None, limited: Limited::default() }
    }

    /// What becomes of an answer to `client` at `now`, in milliseconds of Unix time.
    #[inline(never)]
    pub(super) fn judge(
        &mut self,
        limits: &Limits,
        client: IpAddr,
        kind: Kind,
        cookie: CookieState,
        now: u64,
    ) -> Verdict {
        if cookie == CookieState::Valid {
            return Verdict::Pass;
        }
        if let Some(exempt) = &limits.exempt
            && exempt.contains(client)
        {
            return Verdict::Pass;
        }
        let prefix = prefix(client);
        let seed = self.seed;
        let table = self.table.get_or_insert_with(|| Table::new(seed));
        let mut verdict = Verdict::Pass;
        if limits.queries != 0 {
            let budget = Budget::of(limits.queries, self.share);
            if let Charge::Over(_) = table.charge(prefix, QUERIES, budget, now) {
                verdict = instead(kind, cookie);
            }
        }
        let interval = limits.interval(kind);
        if interval != 0 {
            let budget = Budget::of(interval, self.share);
            if let Charge::Over(waiting) = table.charge(prefix, kind.account(), budget, now) {
                let slips = slips(waiting, limits.slip);
                self.limited.all += 1;
                self.limited.slipped += u64::from(slips);
                return if slips { instead(kind, cookie) } else { Verdict::Drop };
            }
        }
        if verdict != Verdict::Pass {
            self.limited.all += 1;
            self.limited.slipped += 1;
        }
        verdict
    }

    /// What was limited since this was last called.
    #[inline]
    pub(super) fn take_limited(&mut self) -> Limited {
        match self.limited.all {
            0 => Limited::default(),
            _ => std::mem::take(&mut self.limited),
        }
    }
}

impl Budget {
    /// One thread's share.
    #[inline]
    fn of(interval: u64, share: u64) -> Budget {
        let interval = interval.saturating_mul(share).min(u64::MAX / (2 * LEAST_BURST));
        Budget { interval, allowance: SECOND.max(LEAST_BURST * interval) }
    }
}

/// What goes out in the place of an answer. An error has nothing to take away; TC would only
/// bring it back over TCP.
#[inline]
fn instead(kind: Kind, cookie: CookieState) -> Verdict {
    match (kind, cookie) {
        (Kind::Error, _) => Verdict::Pass,
        (_, CookieState::ClientOnly | CookieState::Invalid) => Verdict::BadCookie,
        (_, CookieState::Absent | CookieState::Valid) => Verdict::Slip,
    }
}

/// Whether it is a limited answer's turn to slip; `waiting` counts those since the last that did.
#[inline]
fn slips(waiting: &mut u32, slip: u32) -> bool {
    if slip == 0 {
        return false;
    }
    *waiting += 1;
    if *waiting < slip {
        return false;
    }
    *waiting = 0;
    true
}

/// The number of a client's prefix: IPv4 /24, IPv6 /56.
#[inline]
fn prefix(client: IpAddr) -> u64 {
    match client {
        IpAddr::V4(address) => u64::from(u32::from(address) >> 8),
        // The network's 56 bits leave the top one free.
        IpAddr::V6(address) => (u128::from(address) >> 72) as u64 | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use CookieState::{Absent, ClientOnly, Valid};

    /// A thread's limiter, and what it limits.
    struct Bed {
        limits: Limits,
        limiter: Limiter,
    }

    impl Bed {
        fn new(rates: Rates, slip: u32) -> Bed {
            Bed { limits: Limits::new(rates, slip, None), limiter: Limiter::new(1, 1) }
        }

        fn judge(&mut self, client: &str, kind: Kind, cookie: CookieState, now: u64) -> Verdict {
            self.limiter.judge(&self.limits, client.parse().unwrap(), kind, cookie, now)
        }

        /// What becomes of so many answers at once.
        fn all(&mut self, count: usize, kind: Kind, cookie: CookieState, now: u64) -> Vec<Verdict> {
            (0..count).map(|_| self.judge("192.0.2.1", kind, cookie, now)).collect()
        }

        fn passed(&mut self, client: &str, kind: Kind, now: u64) -> usize {
            (0..100).filter(|_| self.judge(client, kind, Absent, now) == Verdict::Pass).count()
        }
    }

    const ALL_TEN: Rates = Rates { answers: 10, nxdomains: 10, errors: 10, queries: 0 };

    #[test]
    fn a_prefix_gets_its_rate_however_many_addresses_it_has() {
        let mut bed = Bed::new(ALL_TEN, 0);
        assert_eq!(bed.passed("192.0.2.1", Kind::Answer, 5000), 10);
        assert_eq!(bed.passed("192.0.2.255", Kind::Answer, 5000), 0);
        assert_eq!(bed.passed("192.0.3.1", Kind::Answer, 5000), 10);
        assert_eq!(bed.passed("2001:db8::1", Kind::Answer, 5000), 10);
        assert_eq!(bed.passed("2001:db8:0:ff:ffff::", Kind::Answer, 5000), 0);
        assert_eq!(bed.passed("2001:db8:0:100::", Kind::Answer, 5000), 10);
        let seconds = 6..100;
        assert!(seconds.into_iter().all(|s| bed.passed("192.0.2.9", Kind::Answer, s * 1000) == 10));
    }

    #[test]
    fn kinds_and_zones_have_budgets_of_their_own() {
        let mut bed = Bed::new(Rates { answers: 8, nxdomains: 5, errors: 6, queries: 0 }, 0);
        for (kind, rate) in [
            (Kind::NxDomain(0), 5),
            (Kind::Answer, 8),
            (Kind::NxDomain(7), 5),
            (Kind::Error, 6),
            (Kind::Answer, 0),
            (Kind::NxDomain(0), 0),
        ] {
            assert_eq!(bed.passed("192.0.2.1", kind, 0), rate, "{kind:?}");
        }
    }

    #[test]
    fn a_kind_without_a_rate_is_not_limited() {
        let mut bed = Bed::new(Rates { errors: 5, ..Rates::default() }, 0);
        assert!(bed.limits.are_on());
        assert_eq!(bed.passed("192.0.2.1", Kind::Answer, 0), 100);
        assert_eq!(bed.passed("192.0.2.1", Kind::Error, 0), 5);
        assert!(!Limits::default().are_on());
        assert!(!Limits::new(Rates::default(), 2, None).are_on());
    }

    #[test]
    fn every_so_many_th_answer_over_the_limit_slips() {
        use Verdict::{Drop, Slip};
        for (slip, expected) in [
            (0, [Drop; 6]),
            (1, [Slip; 6]),
            (2, [Drop, Slip, Drop, Slip, Drop, Slip]),
            (3, [Drop, Drop, Slip, Drop, Drop, Slip]),
        ] {
            let mut bed = Bed::new(ALL_TEN, slip);
            assert_eq!(bed.all(10, Kind::Answer, Absent, 0), [Verdict::Pass; 10]);
            assert_eq!(bed.all(6, Kind::Answer, Absent, 0), expected);
            let slipped = expected.iter().filter(|verdict| **verdict == Slip).count() as u64;
            assert_eq!(bed.limiter.take_limited(), Limited { all: 6, slipped });
            assert_eq!(bed.limiter.take_limited(), Limited::default());
        }
    }

    #[test]
    fn an_error_that_slips_goes_out_as_it_is() {
        use Verdict::{Drop, Pass};
        let mut bed = Bed::new(ALL_TEN, 2);
        bed.all(10, Kind::Error, Absent, 0);
        assert_eq!(bed.all(4, Kind::Error, ClientOnly, 0), [Drop, Pass, Drop, Pass]);
        assert_eq!(bed.limiter.take_limited(), Limited { all: 4, slipped: 2 });
    }

    #[test]
    fn a_valid_cookie_has_no_limit_and_an_unproven_one_slips_as_badcookie() {
        use Verdict::{BadCookie, Drop};
        let mut bed = Bed::new(Rates { queries: 5, ..ALL_TEN }, 2);
        assert_eq!(bed.all(1000, Kind::Answer, Valid, 0), [Verdict::Pass; 1000]);
        // None of that was charged.
        let mut bed = Bed { limits: Limits::new(ALL_TEN, 2, None), ..bed };
        assert_eq!(bed.all(10, Kind::Answer, ClientOnly, 0), [Verdict::Pass; 10]);
        assert_eq!(bed.all(4, Kind::Answer, ClientOnly, 0), [Drop, BadCookie, Drop, BadCookie]);
    }

    #[test]
    fn above_a_rate_of_queries_cookies_are_demanded_of_whoever_has_none() {
        use Verdict::{BadCookie, Pass, Slip};
        let mut bed = Bed::new(Rates { queries: 5, ..Rates::default() }, 2);
        assert_eq!(bed.all(5, Kind::Answer, Absent, 0), [Pass; 5]);
        assert_eq!(bed.all(5, Kind::NxDomain(1), Absent, 0), [Slip; 5]);
        assert_eq!(bed.all(5, Kind::Answer, ClientOnly, 0), [BadCookie; 5]);
        assert_eq!(bed.all(5, Kind::Error, Absent, 0), [Pass; 5]);
        assert_eq!(bed.limiter.take_limited(), Limited { all: 10, slipped: 10 });
        assert_eq!(bed.all(5, Kind::Answer, Absent, 1000), [Pass; 5]);
        // What is sent to demand one is limited as the answer would have been.
        let mut bed = Bed::new(Rates { queries: 5, ..ALL_TEN }, 0);
        assert_eq!(bed.all(10, Kind::Answer, Absent, 0)[5..], [Slip; 5]);
        assert_eq!(bed.all(5, Kind::Answer, Absent, 0), [Verdict::Drop; 5]);
    }

    #[test]
    fn exempt_clients_are_neither_limited_nor_charged() {
        let mut bed = Bed::new(ALL_TEN, 0);
        bed.limits.exempt = Exempt::new(&["192.0.2.128/25".parse().unwrap()]);
        assert_eq!(bed.passed("192.0.2.128", Kind::Answer, 0), 100);
        assert_eq!(bed.passed("192.0.2.127", Kind::Answer, 0), 10);
        assert_eq!(bed.passed("192.0.2.128", Kind::Answer, 0), 100);
    }

    #[test]
    fn threads_give_out_no_more_than_one_would() {
        for (rate, threads) in [(1, 1), (5, 8), (200, 4), (1000, 16), (1, 32)] {
            let rates = Rates { answers: rate, ..Rates::default() };
            let limits = Limits::new(rates, 0, None);
            let mut sharing: Vec<Limiter> =
                (0..threads).map(|thread| Limiter::new(thread as u64, threads)).collect();
            let client = "192.0.2.1".parse().unwrap();
            let mut second = |second: u64| {
                let mut passed = 0;
                for ms in 0..1000 {
                    for limiter in &mut sharing {
                        let now = 1_000_000_000 + second * 1000 + ms;
                        let verdict = limiter.judge(&limits, client, Kind::Answer, Absent, now);
                        passed += u32::from(verdict == Verdict::Pass);
                    }
                }
                passed
            };
            let threads = threads as u32;
            let burst = rate.max(4 * threads);
            let first = second(0);
            assert!((burst..=burst + rate + threads).contains(&first), "{rate} {threads}: {first}");
            let later: u32 = (1..=10).map(&mut second).sum();
            assert!(later <= 10 * rate + threads, "{rate} {threads}: {later}");
            assert!(later + threads >= 10 * rate, "{rate} {threads}: {later}");
        }
    }

    #[test]
    fn the_table_is_made_with_the_first_answer_that_can_be_limited() {
        let mut bed = Bed::new(ALL_TEN, 0);
        bed.judge("192.0.2.1", Kind::Answer, Valid, 0);
        assert!(bed.limiter.table.is_none());
        bed.judge("192.0.2.1", Kind::Answer, Absent, 0);
        assert!(bed.limiter.table.is_some());
    }
}
