//! Cores: work on many numbers, divided among threads that end with it.

use std::thread;

/// So many numbers are worth a thread, at least: starting it takes as long as to work out a few dozen
/// answers, or a few hundred standings.
const MANY: usize = 512;

/// What `work` makes of each of some numbers, in their order, on all cores when they are many.
pub(super) fn on_all_cores<T: Send>(
    numbers: &[usize],
    work: impl Fn(&[usize]) -> Vec<T> + Sync,
) -> Vec<T> {
    if numbers.len() < MANY {
        return work(numbers);
    }
    // Asking reads files of the system: longer than a few answers take.
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (own, others) = numbers.split_at(numbers.len().div_ceil(threads));
    thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> =
            others.chunks(own.len()).map(|chunk| scope.spawn(move || work(chunk))).collect();
        let mut found = work(own);
        for thread in others {
            match thread.join() {
                Ok(others) => found.extend(others),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    })
}
