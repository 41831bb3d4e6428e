//! What host names stand for: addresses, and how old they are. Pure; time is passed in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::answer::Answer;
use crate::wire::Name;

/// The addresses of a host name as they were found last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Sorted, IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// When they were found.
    pub at: SystemTime,
    /// When their time to live runs out.
    pub until: SystemTime,
}

impl Resolution {
    /// Whether it is not too old.
    pub fn is_believed(&self, ages: &Ages, now: SystemTime) -> bool {
        self.until + ages.stale > now
    }
}

/// What host names stand for now: those of which anything is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// By name in lower case.
    pub of: BTreeMap<Name, Resolution>,
}

impl Table {
    /// The addresses of a name.
    pub fn addresses(&self, name: &Name) -> &[IpAddr] {
        self.of.get(name).map_or(&[], |known| &known.addresses)
    }

    /// What is still believed.
    #[must_use]
    pub fn believed(mut self, ages: &Ages, now: SystemTime) -> Table {
        self.of.retain(|_, known| known.is_believed(ages, now));
        self
    }
}

/// How long what is found is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// How long addresses are kept after their time to live.
    pub stale: Duration,
    /// A name is looked up again no sooner than this …
    pub refresh_min: Duration,
    /// … and no later than this.
    pub refresh_max: Duration,
}

/// One name that is looked up again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What is known.
    pub known: Option<Resolution>,
    /// When it is to be looked up; `None` while it is.
    pub due: Option<SystemTime>,
    /// Look-ups in a row that brought nothing.
    pub failures: u32,
}

/// What a look-up brought: for each family an answer, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// IPv4.
    pub v4: Option<Answer>,
    /// IPv6.
    pub v6: Option<Answer>,
}

impl Entry {
    /// A name to be looked up at once, and what is known of it from before.
    pub fn new(known: Option<Resolution>, now: SystemTime) -> Entry {
        Entry { known, due: Some(now), failures: 0 }
    }

    /// The entry while it is looked up.
    #[must_use]
    pub fn asked(self) -> Entry {
        Entry { due: None, ..self }
    }

    /// The entry after a look-up.
    ///
    /// A family that could not be asked for keeps its addresses. So do both when there is no
    /// address at all any more: a name that vanished comes back more often than it is gone for
    /// good, and checks say whether its addresses still answer.
    #[must_use]
    pub fn next(self, found: &Found, ages: &Ages, now: SystemTime) -> Entry {
        let kept = |is_v4: bool| {
            let known = self.known.iter().flat_map(|known| &known.addresses);
            known.copied().filter(move |address| address.is_ipv4() == is_v4).collect::<Vec<_>>()
        };
        let family = |answer: &Option<Answer>, is_v4| match answer {
            Some(answer) => answer.addresses.clone(),
            None => kept(is_v4),
        };
        let any =
            |answer: &Option<Answer>| answer.as_ref().is_some_and(|a| !a.addresses.is_empty());
        if !any(&found.v4) && !any(&found.v6) {
            let failures = self.failures.saturating_add(1);
            let wait = ages.refresh_min.saturating_mul(2u32.saturating_pow(failures - 1));
            let due = Some(now + wait.min(ages.refresh_max));
            return Entry { failures, due, ..self };
        }
        let answers = [&found.v4, &found.v6].into_iter().flatten();
        let ttls = answers.filter(|answer| !answer.addresses.is_empty()).map(|answer| answer.ttl);
        let ttl = ttls.min().unwrap_or_default();
        let mut addresses = family(&found.v4, true);
        addresses.extend(family(&found.v6, false));
        let wait = ttl.clamp(ages.refresh_min, ages.refresh_max);
        let known = Some(Resolution { addresses, at: now, until: now + ttl.min(ages.refresh_max) });
        Entry { known, due: Some(now + wait), failures: 0 }
    }

    /// What is known and still believed.
    pub fn believed(&self, ages: &Ages, now: SystemTime) -> Option<&Resolution> {
        self.known.as_ref().filter(|known| known.is_believed(ages, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGES: Ages = Ages {
        stale: Duration::from_secs(3600),
        refresh_min: Duration::from_secs(5),
        refresh_max: Duration::from_secs(300),
    };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn answer(addresses: &[&str], ttl: u64) -> Option<Answer> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Some(Answer { addresses, ttl: Duration::from_secs(ttl) })
    }

    fn texts(entry: &Entry) -> Vec<String> {
        let known = entry.known.iter().flat_map(|known| &known.addresses);
        known.map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_is_looked_up_again_on_its_time_to_live_within_bounds() {
        for (ttl, due, until) in [(60, 60, 60), (0, 5, 0), (86_400, 300, 300)] {
            let found = Found { v4: answer(&["192.0.2.1"], ttl), v6: answer(&[], 9) };
            let entry = Entry::new(None, at(0)).asked().next(&found, &AGES, at(0));
            assert_eq!(entry.due, Some(at(due)));
            assert_eq!(entry.known.unwrap().until, at(until));
        }
    }

    #[test]
    fn a_family_that_could_not_be_asked_for_keeps_its_addresses() {
        let both = Found { v4: answer(&["192.0.2.1"], 60), v6: answer(&["2001:db8::1"], 60) };
        let entry = Entry::new(None, at(0)).next(&both, &AGES, at(0));
        let half = Found { v4: answer(&["192.0.2.2"], 60), v6: None };
        let entry = entry.next(&half, &AGES, at(60));
        assert_eq!(texts(&entry), ["192.0.2.2", "2001:db8::1"]);
        let one = Found { v4: answer(&["192.0.2.2"], 60), v6: answer(&[], 60) };
        assert_eq!(texts(&entry.next(&one, &AGES, at(120))), ["192.0.2.2"]);
    }

    #[test]
    fn while_nothing_is_found_it_is_asked_less_often_and_what_was_known_is_believed_for_a_time() {
        let found = Found { v4: answer(&["192.0.2.1"], 60), v6: answer(&[], 60) };
        let mut entry = Entry::new(None, at(0)).next(&found, &AGES, at(0));
        let nothing = Found { v4: answer(&[], 60), v6: None };
        let mut now = 60;
        for wait in [5, 10, 20, 40, 80, 160, 300, 300] {
            entry = entry.asked().next(&nothing, &AGES, at(now));
            assert_eq!(entry.due, Some(at(now + wait)));
            now += wait;
        }
        assert!(entry.believed(&AGES, at(60 + 3599)).is_some());
        assert!(entry.believed(&AGES, at(60 + 3600)).is_none());
        let entry = entry.next(&found, &AGES, at(now));
        assert_eq!((entry.failures, entry.due), (0, Some(at(now + 60))));
    }
}
