//! What steered records answer now.

use std::sync::Arc;

use crate::steering::answers::{Answers, Look};
use crate::steering::served::{Client, Served, Spin};
use crate::wire::Type;
use crate::zone::RecordId;

/// The state of every steered record, worked out when health changed. Immutable; replaced whole.
#[derive(Debug, Default, Clone)]
pub struct Live {
    pub(super) slots: Arc<[Slot]>,
    pub(super) answers: Vec<Arc<Answers>>,
}

/// What is one record's own among the many that share its answers.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// Which answers it shares.
    pub answers: u32,
    /// Which of the targets that share them is its own.
    pub target: u32,
    /// The hash seed of its name.
    pub seed: u64,
}

impl Live {
    /// What a question of `qtype` about `record` from `client` goes through.
    pub fn look(&self, record: RecordId, qtype: Type, client: Client) -> Look<'_> {
        let slot = self.slots[record.0 as usize];
        self.answers[slot.answers as usize].look(qtype, client, slot.seed)
    }

    /// The answer of `record` to a question of `qtype` (not ANY) from `client`.
    #[inline(always)]
    pub fn serve(
        &self,
        record: RecordId,
        qtype: Type,
        client: Client,
        spin: &mut Spin,
    ) -> Served<'_> {
        let slot = &self.slots[record.0 as usize];
        self.answers[slot.answers as usize].serve(qtype, client, (record, slot), spin)
    }
}
