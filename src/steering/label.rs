//! Labels: what answers are counted as, by small numbers.
//!
//! A number means the same as long as the process lives, whatever is reloaded and whatever goes up
//! or down: who counts needs to know nothing of generations, and the same policy, pool and reason
//! go on being the same count.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::steering::model::{Model, Target};
use crate::steering::way::Way;

/// So many numbers there are; a power of two.
pub const LABELS: usize = 1 << 13;

/// The number of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LabelId(u16);

/// What an answer is counted as.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// The policy that the record uses; empty where it uses a pool.
    pub policy: String,
    /// The word for the policy's kind in the file, or `pool`.
    pub kind: &'static str,
    /// The pool that clients are sent to, or what people read in its place.
    pub pool: String,
    /// Why there.
    pub reason: &'static str,
}

impl LabelId {
    /// That of what is not steered.
    pub const NONE: LabelId = LabelId(0);

    /// That of all labels that came when there were no numbers left.
    const OTHER: LabelId = LabelId(1);

    /// Below [`LABELS`].
    #[inline(always)]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The number of what is steered so, for a record that uses `target`.
    pub fn of(model: &Model, target: Target, way: Way) -> LabelId {
        let (policy, kind) = match target {
            Target::Pool(_) => ("", "pool"),
            Target::Policy(id) => (&*model.policy(id).name, model.policy(id).kind_name()),
        };
        let label = Label {
            policy: policy.to_owned(),
            kind,
            pool: way.outlet.name(model).to_owned(),
            reason: way.reason.as_str(),
        };
        // Nothing is half done when a thread dies here.
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).number(label)
    }
}

/// Every label so far; the index is its number. The first is that of what is not steered.
pub fn known() -> Vec<Label> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).list.clone()
}

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(|| Mutex::new(Known::new(LABELS)));

struct Known {
    numbers: HashMap<Label, LabelId, RandomState>,
    list: Vec<Label>,
    most: usize,
}

impl Known {
    fn new(most: usize) -> Known {
        let alike = |word: &'static str| Label {
            policy: word.to_owned(),
            kind: word,
            pool: word.to_owned(),
            reason: word,
        };
        // In the order of `LabelId::NONE` and `LabelId::OTHER`.
        Known { numbers: HashMap::default(), list: vec![alike(""), alike("other")], most }
    }

    fn number(&mut self, label: Label) -> LabelId {
        if let Some(number) = self.numbers.get(&label) {
            return *number;
        }
        if self.list.len() == self.most {
            return LabelId::OTHER;
        }
        let number = LabelId(self.list.len() as u16); // less than LABELS
        self.list.push(label.clone());
        self.numbers.insert(label, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(pool: &str) -> Label {
        Label { policy: "p".into(), kind: "geo", pool: pool.into(), reason: "failover" }
    }

    #[test]
    fn equal_labels_are_one_and_those_that_find_no_room_are_counted_together() {
        let mut known = Known::new(4);
        let (a, b) = (known.number(label("a")), known.number(label("b")));
        assert_eq!([a.number(), b.number()], [2, 3]);
        assert_eq!(known.number(label("a")), a);
        assert_eq!(known.number(label("c")), LabelId::OTHER);
        assert_eq!(known.number(label("d")), LabelId::OTHER);
        assert_eq!(known.number(label("b")), b);
        assert_eq!(known.list[usize::from(LabelId::OTHER.number())].pool, "other");
        assert_eq!(known.list.len(), 4);
    }
}
