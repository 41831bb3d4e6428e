//! Composites: checks that go by what others found.
//!
//! Pure: verdicts go in, a verdict comes out. Each part is a check of its own, at its own
//! interval, with its own thresholds; so a composite needs none.

use super::check::Identity;
use super::failure::Failure;
use super::verdict::Verdict;

/// What a composite goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composite {
    /// How many parts must be up.
    pub needed: usize,
    /// The checks it goes by.
    pub parts: Vec<Identity>,
}

/// Parts that are named in a failure.
const NAMED: usize = 4;

impl Composite {
    /// What follows from the verdicts of the parts. Unknown as long as the parts that are not
    /// checked yet may still decide either way.
    pub fn verdict(&self, parts: impl IntoIterator<Item = Verdict>) -> Verdict {
        let (mut up, mut unknown) = (0, 0);
        for part in parts {
            match part {
                Verdict::Up => up += 1,
                Verdict::Unknown => unknown += 1,
                Verdict::Down => {}
            }
        }
        if up >= self.needed {
            Verdict::Up
        } else if up + unknown >= self.needed {
            Verdict::Unknown
        } else {
            Verdict::Down
        }
    }

    /// Why it is down, from the parts that are and why they are, if that is known.
    pub fn failure<'f>(
        &self,
        down: impl IntoIterator<Item = (&'f Identity, Option<String>)>,
    ) -> Failure {
        let mut named = Vec::new();
        let mut more = 0;
        for (part, why) in down {
            match why {
                _ if named.len() == NAMED => more += 1,
                Some(why) => named.push(format!("{part} ({why})")),
                None => named.push(part.to_string()),
            }
        }
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Failure::Parts { needed: self.needed, of: self.parts.len(), down: named.join(", ") + &more }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Verdict::{Down, Unknown, Up};

    fn identity(monitor: &str) -> Identity {
        Identity { target: "192.0.2.1:80".into(), monitor: monitor.into(), fingerprint: 0 }
    }

    fn composite(needed: usize, parts: usize) -> Composite {
        Composite { needed, parts: (0..parts).map(|n| identity(&format!("m{n}"))).collect() }
    }

    #[test]
    fn all_parts_one_part_or_some_of_them_are_needed() {
        let all = composite(2, 2);
        assert_eq!(all.verdict([Up, Up]), Up);
        assert_eq!(all.verdict([Up, Down]), Down);
        let any = composite(1, 2);
        assert_eq!(any.verdict([Down, Up]), Up);
        assert_eq!(any.verdict([Down, Down]), Down);
        let two = composite(2, 3);
        assert_eq!(two.verdict([Up, Down, Up]), Up);
        assert_eq!(two.verdict([Down, Down, Up]), Down);
    }

    #[test]
    fn a_part_that_is_not_checked_yet_decides_nothing() {
        assert_eq!(composite(2, 2).verdict([Up, Unknown]), Unknown);
        assert_eq!(composite(2, 2).verdict([Down, Unknown]), Down);
        assert_eq!(composite(1, 2).verdict([Up, Unknown]), Up);
        assert_eq!(composite(1, 2).verdict([Down, Unknown]), Unknown);
    }

    proptest! {
        #[test]
        fn unknown_means_that_the_parts_may_still_decide_either_way(
            needed in 1usize..6,
            parts in proptest::collection::vec(prop_oneof![Just(Up), Just(Down), Just(Unknown)], 5),
        ) {
            let composite = composite(needed.min(5), 5);
            let as_if = |verdict| {
                composite.verdict(parts.iter().map(|p| if *p == Unknown { verdict } else { *p }))
            };
            let (best, worst) = (as_if(Up), as_if(Down));
            let expected = if best == worst { best } else { Unknown };
            prop_assert_eq!(composite.verdict(parts.iter().copied()), expected);
        }
    }

    #[test]
    fn a_failure_names_the_parts_that_are_down_and_why() {
        let (tcp, deep) = (identity("tcp"), identity("deep"));
        let all = Composite { needed: 3, parts: vec![tcp.clone(), deep.clone(), identity("web")] };
        let failure = all.failure([(&tcp, Some("refused".into())), (&deep, None)]);
        assert_eq!(
            failure.to_string(),
            "wanted 3 of 3 parts up, down: tcp of 192.0.2.1:80 (refused), deep of 192.0.2.1:80"
        );
    }

    #[test]
    fn a_failure_of_many_parts_stays_a_line() {
        let many = composite(1, 9);
        let text = many.failure(many.parts.iter().map(|part| (part, None))).to_string();
        assert!(text.ends_with("m3 of 192.0.2.1:80 and 5 more"), "{text}");
    }
}
