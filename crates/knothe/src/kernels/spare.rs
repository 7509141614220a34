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
    /// One with room for so many numbers, and with some of another table.
    fn taken(count: usize) -> Self {
        Table(if count == 0 { Vec::new() } else { T::spare().take(count) })
    }

    /// An empty one with room for so many numbers.
    pub fn with_capacity(count: usize) -> Self {
        let mut table = Table::taken(count);
        table.0.clear();
        table
    }

    /// So many numbers, each of which is yet to be written: they are those of another table.
    pub fn unwritten(count: usize) -> Self {
        let mut table = Table::taken(count);
        table.0.resize(count, T::of(0.0));
        if cfg!(test) {
            table.fill(T::of(f64::NAN));
        }
        table
    }

    pub fn zeros(count: usize) -> Self {
        let mut table = Table::with_capacity(count);
        table.append(count, T::of(0.0));
        table
    }

    /// So many equal numbers at the end.
    pub fn append(&mut self, count: usize, number: T) {
        self.reserve(count);
        self.0.resize(self.0.len() + count, number);
    }

    /// Some numbers at the end.
    pub fn extend(&mut self, numbers: impl ExactSizeIterator<Item = T>) {
        self.reserve(numbers.len());
        self.0.extend(numbers);
    }

    /// A slice at the end.
    pub fn extend_from_slice(&mut self, numbers: &[T]) {
        self.reserve(numbers.len());
        self.0.extend_from_slice(numbers);
    }

    /// Room for so many numbers more, which comes from the spare memory as well: so no more goes back there than was taken.
    fn reserve(&mut self, more: usize) {
        if self.0.capacity() < self.0.len() + more {
            let mut larger = Table::with_capacity(self.0.len() + more);
            larger.0.extend_from_slice(&self.0);
            *self = larger;
        }
    }

    /// The vector, to be given back by [`reuse`], or dropped.
    pub fn into_vec(mut self) -> Vec<T> {
        *T::spare().kept().lent.entry(self.0.capacity()).or_default() += 1;
        std::mem::take(&mut self.0)
    }
}

/// Makes the memory of a vector that was a table that of tables to come; of others there would be ever more.
pub(super) fn reuse<T: Real>(vector: Vec<T>) {
    let was_table = T::spare().kept().lent.get_mut(&vector.capacity()).is_some_and(|lent| {
        let some = *lent > 0;
        *lent -= usize::from(some);
        some
    });
    if was_table {
        drop(Table(vector));
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
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Real> DerefMut for Table<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

/// Memory that nobody uses at present.
pub(crate) struct Spare<T>(Mutex<Kept<T>>);

struct Kept<T> {
    /// Vectors, with the numbers of those who had them.
    by_capacity: BTreeMap<usize, Vec<Vec<T>>>,
    /// The sum of the capacities.
    numbers: usize,
    /// How many vectors of a capacity are out of tables.
    lent: BTreeMap<usize, usize>,
}

impl<T: Real> Spare<T> {
    pub const fn new() -> Self {
        Spare(Mutex::new(Kept { by_capacity: BTreeMap::new(), numbers: 0, lent: BTreeMap::new() }))
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

    fn give(&self, vector: Vec<T>) {
        let mut kept = self.kept();
        if kept.numbers + vector.capacity() > MOST {
            // Perhaps of sizes that nobody asks for any more.
            kept.by_capacity.clear();
            kept.numbers = 0;
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
        assert!(found.capacity() == 100 && found == [1.0]);
        assert_eq!(spare.take(60).capacity(), 60, "the other is taken");
    }

    #[test]
    fn a_table_grows_in_spare_memory() {
        // Larger than any of another test.
        const LARGE: usize = 1_000_003;
        let kept = || f64::spare().kept().by_capacity.range(LARGE..).map(|(_, vectors)| vectors.len()).sum::<usize>();
        let grow = || {
            let mut table = Table::default();
            (1..4).for_each(|k| table.append(LARGE, f64::from(k)));
            assert!(table.len() == 3 * LARGE && table[0] == 1.0 && table[LARGE] == 2.0 && table[3 * LARGE - 1] == 3.0);
        };
        grow();
        let before = kept();
        grow();
        assert_eq!(kept(), before);
    }

    #[test]
    fn only_what_was_a_table_comes_back() {
        // Capacities that no other test has, and of which none takes the second for something smaller.
        let kept = |capacity: usize| f64::spare().kept().by_capacity.get(&capacity).map_or(0, Vec::len);
        reuse(Vec::<f64>::with_capacity(10_007));
        assert_eq!(kept(10_007), 0);
        let vector = Table::<f64>::zeros(400_009).into_vec();
        let capacity = vector.capacity();
        let before = kept(capacity);
        reuse(vector);
        reuse(Vec::<f64>::with_capacity(capacity));
        assert_eq!(kept(capacity), before + 1);
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
