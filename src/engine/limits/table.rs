//! Who used up which budget: a table of fixed size for one thread.
//!
//! Knows numbers for clients and accounts, budgets and time; nothing of addresses, messages or
//! response codes.
//!
//! Each (client, account) has a debt, as in the generic cell rate algorithm (ITU-T I.371): a
//! response adds one interval to it, time pays it off, and what would bring it over the
//! allowance is over the limit and adds nothing. A debt is kept as the moment at which it is
//! paid, so nothing has to be swept: an entry that is paid is free.
//!
//! A key has [`WAYS`] places in one cache line. A new one takes the place with the least debt,
//! and starts without any. So whoever is not in the table is never over a limit, and a flood of
//! clients that send one packet each throws out each other, not the few that are at their limit.

/// Places for a key: so many fill a cache line.
const WAYS: usize = 4;

/// Cache lines, a power of two. One MiB holds the debts of 65,536 (client, account).
const SETS: usize = 1 << 14;

/// Debts of clients, by account.
#[derive(Debug)]
pub(super) struct Table {
    hash: Hash,
    /// Time as the table counts it, in nanoseconds: it stands still while the clock goes back,
    /// so that no debt lies further ahead than it was made.
    time: u64,
    /// When it was asked last, by the clock, in milliseconds.
    asked: u64,
    sets: Box<[Set; SETS]>,
}

/// How much a client may have of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// Nanoseconds that pay for one.
    pub(super) interval: u64,
    /// The largest debt in nanoseconds; at least one interval.
    pub(super) allowance: u64,
}

/// What a charge came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Charge<'t> {
    /// It is within the budget.
    Within,
    /// It is not. The number is the caller's, 0 at first, and stays with the client.
    Over(&'t mut u32),
}

#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Set([Entry; WAYS]);

/// The debt of one client in one account; all zero where none is.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// The part of the key's hash that does not choose the set.
    tag: u32,
    /// The caller's number.
    over: u32,
    /// When the debt is paid, in the table's time.
    paid: u64,
}

impl Table {
    /// Allocates an empty table; `seed` is a secret that decides who shares a set with whom.
    pub(super) fn new(seed: u64) -> Table {
        let sets = vec![Set::default(); SETS].into_boxed_slice();
        let Ok(sets) = sets.try_into() else { unreachable!("as many sets as were made") };
        Table { hash: Hash::new(seed), time: 0, asked: 0, sets }
    }

    /// Charges one to an account of a client; `now` is in milliseconds.
    #[inline]
    pub(super) fn charge(
        &mut self,
        client: u64,
        account: u64,
        budget: Budget,
        now: u64,
    ) -> Charge<'_> {
        let passed = now.saturating_sub(self.asked).saturating_mul(1_000_000);
        self.time = self.time.saturating_add(passed);
        self.asked = now;

        let hash = self.hash.of(client, account);
        let (set, tag) = (hash as usize % SETS, (hash >> 32) as u32);
        let entry = self.sets[set].entry(tag);
        // A reload may have made the allowance smaller than the debt.
        let debt = entry.paid.saturating_sub(self.time).min(budget.allowance);
        let more = debt + budget.interval;
        let within = more <= budget.allowance;
        entry.paid = self.time.saturating_add(if within { more } else { debt });
        if within { Charge::Within } else { Charge::Over(&mut entry.over) }
    }
}

impl Set {
    /// The entry with this tag, or a new one in place of the one with the least debt.
    #[inline]
    fn entry(&mut self, tag: u32) -> &mut Entry {
        let (mut index, mut least) = (0, u64::MAX);
        for (at, entry) in self.0.iter().enumerate() {
            if entry.tag == tag {
                return &mut self.0[at];
            }
            if entry.paid < least {
                (index, least) = (at, entry.paid);
            }
        }
        let entry = &mut self.0[index];
        *entry = Entry { tag, over: 0, paid: 0 };
        entry
    }
}

/// A hash of two numbers, drawn from a family of which a random member maps any two keys to any
/// two values equally often: who does not know the seed cannot choose keys that meet.
/// Pair-multiply-shift: M. Thorup, "High Speed Hashing for Integers and Strings", section 3.5.
#[derive(Debug)]
struct Hash([u128; 3]);

impl Hash {
    fn new(mut seed: u64) -> Hash {
        let mut draw = || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            u128::from(mix(seed))
        };
        Hash([(); 3].map(|()| draw() << 64 | draw()))
    }

    #[inline]
    fn of(&self, client: u64, account: u64) -> u64 {
        let [a, b, c] = self.0;
        let product = a.wrapping_add(account.into()).wrapping_mul(b.wrapping_add(client.into()));
        // Keys in a row lie at equal distances, which may fall on few sets.
        mix((product.wrapping_add(c) >> 64) as u64)
    }
}

/// One to one, and no pattern of bits survives: the output of SplitMix64 (Steele, Lea, Flood,
/// "Fast Splittable Pseudorandom Number Generators", 2014).
#[inline]
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten a second, as many at once.
    const TEN: Budget = Budget { interval: 100_000_000, allowance: 1_000_000_000 };

    fn within(table: &mut Table, client: u64, now: u64) -> bool {
        table.charge(client, 0, TEN, now) == Charge::Within
    }

    #[test]
    fn a_client_gets_its_allowance_at_once_and_then_its_rate() {
        let mut table = Table::new(1);
        let mut passed = |now| (0..100).filter(|_| within(&mut table, 7, now)).count();
        assert_eq!(passed(1000), 10);
        assert_eq!(passed(1099), 0);
        assert_eq!(passed(1100), 1);
        assert_eq!(passed(1350), 2);
        assert_eq!(passed(1399), 0);
        assert_eq!(passed(1400), 1);
        // Rest is not saved up beyond the allowance.
        assert_eq!(passed(1_000_000), 10);
        // Over an hour, asked without pause, it is the rate.
        assert_eq!(
            (0..3_600_000).filter(|ms| within(&mut table, 8, 2_000_000 + ms)).count(),
            36_009
        );
    }

    #[test]
    fn what_is_over_the_limit_adds_nothing() {
        let mut table = Table::new(1);
        assert_eq!((0..10_000).filter(|_| within(&mut table, 7, 0)).count(), 10);
        assert!(within(&mut table, 7, 100));
    }

    #[test]
    fn clients_and_accounts_have_budgets_of_their_own() {
        let mut table = Table::new(1);
        while within(&mut table, 7, 0) {}
        assert!(within(&mut table, 8, 0));
        assert_eq!(table.charge(7, 1, TEN, 0), Charge::Within);
    }

    #[test]
    fn the_number_beside_a_debt_stays_with_its_client() {
        let mut table = Table::new(1);
        for round in 0..5 {
            for client in [7, 8] {
                while within(&mut table, client, 0) {}
                match table.charge(client, 0, TEN, 0) {
                    Charge::Over(number) => {
                        assert_eq!(*number, round);
                        *number += 1;
                    }
                    Charge::Within => panic!("the budget is used up"),
                }
            }
        }
    }

    #[test]
    fn a_clock_that_jumps_locks_no_one_out() {
        let year = 365 * 24 * 3_600_000;
        let mut table = Table::new(1);
        for start in [50 * year, 49 * year, 60 * year, 0, 3 * year] {
            // Whatever the jump, a tenth of a second later there is one more.
            while within(&mut table, 7, start) {}
            assert!(within(&mut table, 7, start + 100));
        }
        assert!((0..1000).all(|_| within(&mut table, 7, u64::MAX)), "the end of time");
        assert!(within(&mut table, 7, 0));
    }

    #[test]
    fn a_smaller_allowance_holds_at_once() {
        let mut table = Table::new(1);
        let slow = Budget { interval: 1 << 40, allowance: 1 << 42 };
        while table.charge(7, 0, slow, 0) == Charge::Within {}
        assert!(!within(&mut table, 7, 0));
        assert!(within(&mut table, 7, 100));
    }

    #[test]
    fn a_flood_of_clients_throws_out_neither_who_is_limited_nor_limits_who_is_not() {
        let mut table = Table::new(0x5eed);
        let size = size_of_val(&*table.sets);
        assert_eq!(size, 1 << 20);
        let (mut victim, mut innocent) = (0, 0);
        // 300 million packets a second of as many clients, for ten milliseconds.
        for packet in 0..3_000_000u64 {
            let now = packet / 300_000;
            assert!(within(&mut table, 1 << 32 | packet, now), "one packet is never too many");
            if packet % 1000 == 0 {
                victim += u32::from(within(&mut table, 7, now));
                innocent += u32::from(packet % 500_000 != 0 || within(&mut table, 8, now));
            }
        }
        assert_eq!((victim, innocent), (10, 3000));
        assert_eq!(size_of_val(&*table.sets), size);
    }

    #[test]
    fn keys_spread_over_all_sets_however_regular_they_are() {
        for seed in 0..32 {
            let hash = Hash::new(seed);
            let spread = |key: &dyn Fn(u64) -> (u64, u64)| {
                let mut sets = vec![0u32; SETS];
                for number in 0..SETS as u64 {
                    let (client, account) = key(number);
                    sets[hash.of(client, account) as usize % SETS] += 1;
                }
                let most = sets.iter().max().copied().unwrap_or_default();
                let empty = sets.iter().filter(|count| **count == 0).count();
                // Thrown at random, 37 % of the sets stay empty.
                assert!(most <= 16 && empty < SETS / 2, "{most} in one set, {empty} empty");
            };
            spread(&|number| (number, 0));
            spread(&|number| (number << 40, 3));
            spread(&|number| (7, number));
            spread(&|number| (number * 0x1_0001, number));
        }
    }
}
