//! Touched: what is to be looked at anew, bindings or pools.

/// Some of them by number, each once.
#[derive(Debug, Clone, Default)]
pub(super) struct Touched {
    list: Vec<usize>,
    /// By number, whether it is in the list.
    marks: Vec<bool>,
}

impl Touched {
    /// All of `count`.
    pub(super) fn all(count: usize) -> Touched {
        Touched { list: (0..count).collect(), marks: vec![true; count] }
    }

    /// None of `count`.
    pub(super) fn none(count: usize) -> Touched {
        Touched { list: Vec::new(), marks: vec![false; count] }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn insert(&mut self, number: usize) {
        if !std::mem::replace(&mut self.marks[number], true) {
            self.list.push(number);
        }
    }

    /// Takes all out, in rising order.
    pub(super) fn take(&mut self) -> Vec<usize> {
        let mut list = std::mem::take(&mut self.list);
        for number in &list {
            self.marks[*number] = false;
        }
        list.sort_unstable();
        list
    }
}

impl<'a> Extend<&'a usize> for Touched {
    fn extend<T: IntoIterator<Item = &'a usize>>(&mut self, numbers: T) {
        numbers.into_iter().for_each(|number| self.insert(*number));
    }
}
