//! How many transfers run at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Transfers that may run at once.
#[derive(Debug, Default)]
pub struct Slots {
    most: usize,
    taken: Arc<AtomicUsize>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Slot(Arc<AtomicUsize>);

impl Slots {
    /// So many.
    pub fn new(most: usize) -> Slots {
        Slots { most, taken: Arc::default() }
    }

    /// Counts those that `before` gave away too: they run on.
    pub fn follow(&mut self, before: &Slots) {
        self.taken = Arc::clone(&before.taken);
    }

    /// A slot, if one is free.
    pub fn take(&self) -> Option<Slot> {
        let more = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Slot(Arc::clone(&self.taken)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_again_when_its_transfer_is_gone() {
        let slots = Slots::new(2);
        let first = slots.take();
        let second = slots.take();
        assert!(first.is_some() && second.is_some() && slots.take().is_none());
        drop(first);
        assert!(slots.take().is_some());
        assert!(Slots::default().take().is_none());
    }

    #[test]
    fn transfers_that_go_on_after_a_reload_are_counted() {
        let before = Slots::new(1);
        let running = before.take();
        let mut slots = Slots::new(1);
        slots.follow(&before);
        drop(before);
        assert!(running.is_some() && slots.take().is_none());
        drop(running);
        assert!(slots.take().is_some());
    }
}
