//! Rows of an index, a bit each, marked by several workers at once.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Index;

/// A set of row numbers of one index.
pub struct Marks(Vec<AtomicU64>);

impl Marks {
    /// No row of this index.
    #[must_use]
    pub fn new(index: &Index) -> Self {
        Self((0..index.table().len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Adds a row. Whether it was not there.
    #[must_use]
    pub fn set(&self, number: usize) -> bool {
        let (word, bit) = (&self.0[number / 64], 1_u64 << (number % 64));
        word.load(Ordering::Relaxed) & bit == 0 && word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Adds what another one has, of the same index.
    pub fn join(&self, other: &Self) {
        for (word, more) in self.0.iter().zip(&other.0) {
            word.fetch_or(more.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// The rows, in ascending order.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let bits = bits.load(Ordering::Relaxed);
            (0..64).filter(move |bit| bits >> bit & 1 != 0).map(move |bit| word * 64 + bit)
        })
    }
}
