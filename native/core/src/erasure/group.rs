//! Encoding whole members and solving one stripe.

use super::matrix::{coefficient, inverse};
use crate::error::{Code, Error, Result};
use crate::kernels::MulAddFn;

/// Bytes that are worked on at once, so that they stay in the cache for all rows.
const STRIP: usize = 32 << 10;

/// Adds a member to all parity rows; each row is at least as long as the member. In GF(2^8) adding twice is removing, so this
/// also takes a member out: new = old − coefficient × member.
pub fn accumulate(mul_add: MulAddFn, column: usize, member: &[u8], rows: &mut [&mut [u8]]) {
    for (i, strip) in member.chunks(STRIP).enumerate() {
        for (row, shard) in rows.iter_mut().enumerate() {
            mul_add(&mut shard[i * STRIP..i * STRIP + strip.len()], strip, coefficient(row, column));
        }
    }
}

/// One stripe as it was read: blocks of one number. Shorter blocks count as filled up with zeros; `None` is a block that is
/// missing or wrong. A column that ends before the stripe is an empty block.
pub struct Stripe<'a> {
    /// Members, by column.
    pub data: Vec<Option<&'a [u8]>>,
    /// Parity, by row.
    pub parity: Vec<Option<&'a [u8]>>,
    /// Bytes of the longest block.
    pub len: usize,
}

impl Stripe<'_> {
    /// The missing data blocks, each `len` bytes, by column. `UNRECOVERABLE` when more are missing than parity blocks are there.
    pub fn solve(&self, mul_add: MulAddFn) -> Result<Vec<(usize, Vec<u8>)>> {
        let missing: Vec<usize> = (0..self.data.len()).filter(|&c| self.data[c].is_none()).collect();
        let rows: Vec<(usize, &[u8])> =
            self.parity.iter().enumerate().filter_map(|(r, b)| b.map(|b| (r, b))).take(missing.len()).collect();
        if rows.len() < missing.len() {
            return Err(Error::new(
                Code::Unrecoverable,
                format!("{} blocks of a stripe are lost and {} parity blocks are left.", missing.len(), rows.len()),
            ));
        }
        // What each parity block holds of the missing ones alone.
        let syndromes: Vec<Vec<u8>> = rows
            .iter()
            .map(|(row, block)| {
                let mut sum = vec![0; self.len];
                sum[..block.len()].copy_from_slice(block);
                for (column, data) in self.data.iter().enumerate() {
                    if let Some(data) = data {
                        mul_add(&mut sum, data, coefficient(*row, column));
                    }
                }
                sum
            })
            .collect();
        let numbers: Vec<usize> = rows.iter().map(|(row, _)| *row).collect();
        let inverse = inverse(&numbers, &missing).ok_or_else(|| Error::new(Code::Internal, "a parity system has no solution"))?;
        Ok(missing
            .iter()
            .zip(&inverse)
            .map(|(&column, factors)| {
                let mut out = vec![0; self.len];
                for (syndrome, &factor) in syndromes.iter().zip(factors) {
                    mul_add(&mut out, syndrome, factor);
                }
                (column, out)
            })
            .collect())
    }
}
