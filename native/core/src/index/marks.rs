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

    /// Adds a row.
    pub fn set(&self, number: usize) {
        let (word, bit) = (&self.0[number / 64], 1_u64 << (number % 64));
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
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
