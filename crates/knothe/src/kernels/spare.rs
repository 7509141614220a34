//! Memory that is used again: what a step has needed for the tables of its tiles, the next one needs as well, and new memory costs a fault a page.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Real;

/// Numbers that are kept, at most: the memory of larger steps is kept in part.
const MOST: usize = 1 << 24;

/// A vector whose memory, when it is dropped, is for those after it.
#[derive(Debug)]
pub(super) struct Table<T: Real>(Vec<T>);

impl<T: Real> Table<T> {
    /// An empty one with room for so many numbers.
    pub fn with_capacity(count: usize) -> Self {
        Table(if count == 0 { Vec::new() } else { T::spare().take(count) })
    }

    pub fn zeros(count: usize) -> Self {
        let mut table = Table::with_capacity(count);
        table.append(count, T::of(0.0));
        table
    }

    /// So many equal numbers at the end.
    pub fn append(&mut self, count: usize, number: T) {
        self.0.resize(self.0.len() + count, number);
    }
}

impl<T: Real> Default for Table<T> {
    fn default() -> Self {
        Table(Vec::new())
    }
}

impl<T: Real> Drop for Table<T> {
    fn drop(&mut self) {
        if self.0.capacity() > 0 {
            T::spare().give(std::mem::take(&mut self.0));
        }
    }
}

impl<T: Real> Deref for Table<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Real> DerefMut for Table<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

/// Memory that nobody uses at present.
pub(crate) struct Spare<T>(Mutex<Kept<T>>);

struct Kept<T> {
    /// Empty vectors.
    by_capacity: BTreeMap<usize, Vec<Vec<T>>>,
    /// The sum of the capacities.
    numbers: usize,
}

impl<T: Real> Spare<T> {
    pub const fn new() -> Self {
        Spare(Mutex::new(Kept { by_capacity: BTreeMap::new(), numbers: 0 }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The smallest with room for so many numbers, if it is not far too large, or else a new one.
    fn take(&self, count: usize) -> Vec<T> {
        let mut kept = self.kept();
        let found = kept.by_capacity.range_mut(count..=2 * count).find_map(|(_, vectors)| vectors.pop());
        kept.numbers -= found.as_ref().map_or(0, Vec::capacity);
        found.unwrap_or_else(|| Vec::with_capacity(count))
    }

    fn give(&self, mut vector: Vec<T>) {
        vector.clear();
        let mut kept = self.kept();
        if kept.numbers + vector.capacity() > MOST {
            // Perhaps of sizes that nobody asks for any more.
            *kept = Kept { by_capacity: BTreeMap::new(), numbers: 0 };
        }
        if vector.capacity() <= MOST {
            kept.numbers += vector.capacity();
            kept.by_capacity.entry(vector.capacity()).or_default().push(vector);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_to_who_can_use_it() {
        let spare = Spare::new();
        let mut first: Vec<f64> = Vec::with_capacity(100);
        first.push(1.0);
        spare.give(first);
        assert_eq!(spare.take(40).capacity(), 40, "the other is far too large");
        let found = spare.take(60);
        assert!(found.capacity() == 100 && found.is_empty());
        assert_eq!(spare.take(60).capacity(), 60, "the other is taken");
    }

    #[test]
    fn no_more_is_kept_than_the_most() {
        let spare = Spare::<f64>::new();
        for _ in 0..3 {
            spare.give(Vec::with_capacity(MOST / 2));
        }
        assert_eq!(spare.kept().numbers, MOST / 2);
        spare.give(Vec::with_capacity(MOST + 1));
        assert_eq!(spare.kept().numbers, 0);
    }
}
