//! The time, as far as answers depend on it.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock that is read when the time is first asked for, and then stands still: all messages of a
/// batch come at one time, and most answers need none.
#[derive(Debug, Default)]
pub struct Clock(Cell<u64>);

impl Clock {
    /// A clock that has not been read.
    pub fn new() -> Clock {
        Clock::default()
    }

    /// A clock that stands at a time, in milliseconds of Unix time.
    pub fn at(now: u64) -> Clock {
        Clock(Cell::new(now))
    }

    /// The time in milliseconds of Unix time; 0 while the system's clock stands before the epoch.
    #[inline]
    pub fn now(&self) -> u64 {
        match self.0.get() {
            UNREAD => self.read(),
            now => now,
        }
    }

    /// The next time that is asked for is read anew.
    #[inline]
    pub fn forget(&self) {
        self.0.set(UNREAD);
    }

    #[cold]
    fn read(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Holds for half a billion years.
        let now = since.as_millis() as u64;
        self.0.set(now);
        now
    }
}

/// Nobody asked yet.
const UNREAD: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_stands_still_until_it_is_told_to_forget() {
        let clock = Clock::at(7);
        assert_eq!(clock.now(), 7);
        clock.forget();
        let now = clock.now();
        assert!(now > 1_700_000_000_000);
        assert_eq!(clock.now(), now);
    }
}
