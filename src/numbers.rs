//! Small numbers for what is counted: one means the same as long as the process lives.
//!
//! Knows nothing of what is counted, and never forgets a number that it gave out.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// Things and their numbers, from 0 on without gaps.
#[derive(Debug)]
pub struct Numbers<T> {
    numbers: HashMap<T, u16, RandomState>,
    list: Vec<T>,
    most: usize,
}

impl<T: Clone + Eq + Hash> Numbers<T> {
    /// The number of nothing.
    pub const NONE: u16 = 0;

    /// The number of all things together that came when there were no numbers left.
    pub const OTHER: u16 = 1;

    /// Gives out `most` numbers, 2 to 65,536, the first two of which are taken: `none` and `other`
    /// stand for them in the list.
    pub fn new(none: T, other: T, most: usize) -> Numbers<T> {
        Numbers { numbers: HashMap::default(), list: vec![none, other], most }
    }

    /// The number of a thing, below `most`.
    pub fn number(&mut self, thing: T) -> u16 {
        if let Some(number) = self.numbers.get(&thing) {
            return *number;
        }
        if self.list.len() >= self.most {
            return Self::OTHER;
        }
        let number = self.list.len() as u16; // less than `most`
        self.list.push(thing.clone());
        self.numbers.insert(thing, number);
        number
    }

    /// Everything that has a number; the index is the number.
    pub fn list(&self) -> &[T] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_things_have_one_number_and_those_that_find_none_are_counted_together() {
        let mut numbers = Numbers::new("", "other", 4);
        assert_eq!([numbers.number("a"), numbers.number("b"), numbers.number("a")], [2, 3, 2]);
        let other = Numbers::<&str>::OTHER;
        assert_eq!([numbers.number("c"), numbers.number("d")], [other, other]);
        assert_eq!(numbers.number("b"), 3);
        assert_eq!(numbers.list(), ["", "other", "a", "b"]);
    }
}
