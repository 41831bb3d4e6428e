//! Labels: what answers are counted as, by small numbers.
//!
//! A number means the same as long as the process lives, whatever is reloaded and whatever goes up
//! or down: who counts needs to know nothing of generations, and the same policy, pool and reason
//! go on being the same count.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use crate::numbers::Numbers;
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
    pub const NONE: LabelId = LabelId(Numbers::<Label>::NONE);

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
        LabelId(numbers().number(label))
    }
}

/// What the answers of some targets are counted as, as far as it was asked for: it grows, and what is
/// in it stays where it is.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    ways: SmallVec<[Way; 4]>,
    list: LabelList,
}

/// For each way a label for each target, the targets one after the other. Without an allocation for
/// one target that sends clients few ways: ten thousand of them are worked out at once.
pub type LabelList = SmallVec<[LabelId; 8]>;

impl Labels {
    /// Where those of a way begin in the list, when it is in it, for so many targets.
    pub fn find(&self, way: Way, targets: usize) -> Option<u32> {
        let number = self.ways.iter().position(|known| *known == way)?;
        Some((number * targets) as u32)
    }

    /// Adds a way that is not in it yet; returns where it begins. The targets are the same every
    /// time.
    pub fn add(&mut self, way: Way, model: &Model, targets: &[Target]) -> u32 {
        let begin = self.list.len() as u32;
        self.ways.push(way);
        self.list.extend(targets.iter().map(|target| LabelId::of(model, *target, way)));
        begin
    }

    /// All of them.
    pub fn list(&self) -> &[LabelId] {
        &self.list
    }
}

/// Every label so far; the index is its number. The first is that of what is not steered.
pub fn known() -> Vec<Label> {
    numbers().list().to_vec()
}

static KNOWN: LazyLock<Mutex<Numbers<Label>>> = LazyLock::new(|| {
    let alike = |word: &'static str| Label {
        policy: word.to_owned(),
        kind: word,
        pool: word.to_owned(),
        reason: word,
    };
    Mutex::new(Numbers::new(alike(""), alike("other"), LABELS))
});

fn numbers() -> MutexGuard<'static, Numbers<Label>> {
    // Nothing is half done when a thread dies here.
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}
