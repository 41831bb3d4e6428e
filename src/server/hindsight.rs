//! What the history says of an earlier time: what checks had said of a target, what operators had
//! ordered, and which generation was in force. Pure; entries are passed in.

use crate::admin::message::{millis, time, utc};
use crate::admin::{Entry, Override, OverrideState};
use crate::health::{State, Verdict};

/// The entries before and after a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hindsight<'a> {
    /// Oldest first, none later than the moment.
    before: &'a [Entry],
    after: &'a [Entry],
}

impl<'a> Hindsight<'a> {
    /// Looks back to `at`, in milliseconds since 1970. `entries` are the oldest first.
    ///
    /// # Errors
    ///
    /// When they do not reach back so far; what is said says how far they do.
    pub(super) fn new(entries: &'a [Entry], at: u64) -> Result<Hindsight<'a>, String> {
        // The clock may have been set back between two entries; the last that can be meant counts.
        let first_after = entries.iter().rposition(|entry| entry.at <= at).map_or(0, |it| it + 1);
        let (before, after) = entries.split_at(first_after);
        match (before.first(), after.first()) {
            (Some(_), _) => Ok(Hindsight { before, after }),
            (None, Some(oldest)) => Err(format!(
                "the history does not reach back to {}: it begins at {}",
                utc(at),
                utc(oldest.at)
            )),
            (None, None) => Err("the history is empty".to_owned()),
        }
    }

    /// The generation that the last reload or rollback before put in force, and when.
    pub(super) fn generation(&self) -> Option<(u64, u64)> {
        let is_done = |entry: &&Entry| {
            matches!((&*entry.kind, &*entry.state), ("reload" | "rollback", "done"))
        };
        let entry = self.before.iter().rfind(is_done)?;
        Some((entry.subject.strip_prefix("generation ")?.parse().ok()?, entry.at))
    }

    /// What a monitor had said of a target. `now` is what it says today.
    pub(super) fn verdict(
        &self,
        target: &str,
        monitor: &str,
        now: Option<State>,
        at: u64,
    ) -> State {
        let who = format!("monitor {monitor}");
        let is_it =
            |entry: &&Entry| entry.kind == "verdict" && entry.subject == target && entry.who == who;
        if let Some(now) = now.filter(|now| now.verdict != Verdict::Unknown)
            && millis(now.since) <= at
        {
            return now;
        }
        let told = self.before.iter().rfind(is_it);
        let start = self.before.iter().rfind(|entry| entry.kind == "start");
        match (told, start, self.after.iter().find(is_it)) {
            // A start tells who is down, and nothing of the others.
            (Some(told), Some(start), _) if told.number < start.number => settled("up", start.at),
            (Some(told), ..) => settled(&told.state, told.at),
            (None, Some(start), _) => settled("up", start.at),
            // Only changes are told: it was the other thing.
            (None, None, Some(next)) => {
                settled(if next.state == "up" { "down" } else { "up" }, self.begin())
            }
            (None, None, None) => State::unknown(time(at)),
        }
    }

    /// The operator's word about a pool that was in force. `now` is the one that is today.
    pub(super) fn word(&self, pool: &str, now: Option<&Override>, at: u64) -> Option<Override> {
        if let Some(now) = now.filter(|now| now.since <= at) {
            return Some(now.clone());
        }
        let is_it = |entry: &&Entry| entry.kind == "override" && entry.subject == pool;
        let entry = self.before.iter().rfind(is_it)?;
        let state = match &*entry.state {
            "up" => OverrideState::Up,
            "down" => OverrideState::Down,
            "drain" => OverrideState::Drain,
            _ => return None,
        };
        Some(Override {
            pool: pool.to_owned(),
            state,
            who: entry.who.clone(),
            reason: entry.why.clone(),
            since: entry.at,
            until: None,
            over_seconds: 0,
            from: 1.0,
        })
    }

    /// Pools that kept a part of their clients, or kept them by a safety rule: how much is not
    /// known.
    pub(super) fn in_between(&self, pool: &str) -> Option<String> {
        let last = |kind: &str| {
            self.before.iter().rfind(|entry| entry.kind == kind && entry.subject == pool)
        };
        let is_whole = |why: &str| why.starts_with("100 %") || why.starts_with("0 %");
        let part = last("share").filter(|entry| !entry.why.as_deref().is_none_or(is_whole));
        let held = last("safety").filter(|entry| entry.state == "held");
        let (entry, what) = match (part, held) {
            (_, Some(held)) => (held, "was held by a safety rule"),
            (Some(part), None) => (part, "kept a part of its clients"),
            (None, None) => return None,
        };
        Some(format!(
            "pool {pool} {what} from {}; how large a part then is not known, and not looked at",
            utc(entry.at)
        ))
    }

    /// When the oldest entry was made.
    fn begin(&self) -> u64 {
        self.before.first().map_or(0, |entry| entry.at)
    }
}

fn settled(state: &str, since: u64) -> State {
    let verdict = match state {
        "down" => Verdict::Down,
        "up" => Verdict::Up,
        _ => Verdict::Unknown,
    };
    State::settled(verdict, time(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: u64, kind: &str, subject: &str, state: &str, who: &str) -> Entry {
        let why = (kind == "share").then(|| who.to_owned());
        Entry {
            number: at,
            at,
            kind: kind.into(),
            subject: subject.into(),
            state: state.into(),
            who: who.into(),
            why,
            text: String::new(),
        }
    }

    fn entries() -> Vec<Entry> {
        vec![
            entry(10, "verdict", "a:80", "down", "monitor web"),
            entry(20, "override", "eu", "drain", "uid 0"),
            entry(25, "share", "eu", "drain", "40 % of its clients"),
            entry(30, "verdict", "a:80", "up", "monitor web"),
            entry(40, "start", "version 1", "up", "the server"),
            entry(50, "reload", "generation 7", "done", "uid 0"),
            entry(60, "verdict", "b:80", "down", "monitor web"),
            entry(70, "override", "eu", "restore", "uid 0"),
            entry(80, "reload", "generation 7", "refused", "uid 0"),
        ]
    }

    #[test]
    fn what_was_told_last_was_in_force() {
        let entries = entries();
        let back = |at| Hindsight::new(&entries, at).unwrap();
        let verdict = |target, at| back(at).verdict(target, "web", None, at).verdict;
        assert_eq!(verdict("a:80", 15), Verdict::Down);
        assert_eq!(verdict("a:80", 35), Verdict::Up);
        // Of the one only its fall is told; who never fell is not spoken of.
        assert_eq!((verdict("b:80", 35), verdict("b:80", 65)), (Verdict::Up, Verdict::Down));
        assert_eq!((verdict("c:80", 35), verdict("c:80", 45)), (Verdict::Unknown, Verdict::Up));
        assert_eq!(back(25).word("eu", None, 25).unwrap().state, OverrideState::Drain);
        assert_eq!((back(15).word("eu", None, 15), back(70).word("eu", None, 70)), (None, None));
        assert_eq!((back(45).generation(), back(90).generation()), (None, Some((7, 50))));
        assert!(back(26).in_between("eu").unwrap().contains("kept a part"));
        assert_eq!(back(24).in_between("eu"), None);
    }

    #[test]
    fn what_stands_since_then_is_known_without_the_history() {
        let entries = entries();
        let back = Hindsight::new(&entries, 45).unwrap();
        let now = State::settled(Verdict::Down, time(42));
        assert_eq!(back.verdict("c:80", "web", Some(now), 45), now);
        let later = State::settled(Verdict::Down, time(46));
        assert_eq!(back.verdict("c:80", "web", Some(later), 45).verdict, Verdict::Up);
    }

    #[test]
    fn what_lies_before_the_history_is_refused() {
        let said = Hindsight::new(&entries(), 5).unwrap_err();
        assert!(said.contains("it begins at 1970-01-01 00:00:00Z"), "{said}");
        assert!(Hindsight::new(&[], 5).is_err());
    }
}
