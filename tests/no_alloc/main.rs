//! A query allocates nothing, whatever its answer. A program of its own, because the allocator of a
//! program is one for all its tests.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails
#![allow(unsafe_code)] // an allocator is unsafe by its trait

mod engine;
#[path = "../support/mod.rs"]
mod support;
mod transport;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The system's allocator, which counts what is asked of it.
struct Counting;

thread_local! {
    /// What this thread asked.
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Whether this thread is one of those that `ASKED` is about.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// What all threads asked that are watched.
static ASKED: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    COUNT.set(COUNT.get() + 1);
    if WATCHED.get() {
        ASKED.fetch_add(1, Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator as it came; the counts are numbers that need no
// allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// How often `work` allocates or frees on this thread, and what it gives back.
fn cost<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = COUNT.get();
    let made = work();
    (COUNT.get() - before, made)
}

#[test]
fn the_count_counts() {
    assert_eq!(cost(|| drop(std::hint::black_box(vec![1, 2, 3]))).0, 2);
}
