//! What a table takes of memory: all that the allocator gave out for it and has not got back.
#![allow(unsafe_code)] // an allocator is unsafe by its trait

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, which keeps account of what is in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `make` makes, and the octets that it takes.
pub(crate) fn of<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = IN_USE.load(Relaxed);
    let made = make();
    (made, IN_USE.load(Relaxed) - before)
}

/// A piece as the C library has it: with what it is rounded up to, and the size in front.
fn size(pointer: *mut u8) -> usize {
    // SAFETY: the pointer is null or came from the allocator and was not given back.
    match unsafe { libc::malloc_usable_size(pointer.cast()) } {
        0 => 0,
        usable => usable + size_of::<usize>(),
    }
}

// SAFETY: every call goes to the system's allocator as it came; the account is a number that needs
// no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        let pointer = unsafe { System.alloc(layout) };
        IN_USE.fetch_add(size(pointer), Relaxed);
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(size(pointer), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}
