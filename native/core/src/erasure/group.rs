//! Encoding whole members, and computing the lost blocks of one stripe.

use super::field::mul;
use super::matrix::{coefficient, inverse};
use crate::error::{Code, Error, Result};
use crate::format::limits::{GROUP_DATA, GROUP_PARITY};
use crate::format::parity::BLOCK;
use crate::kernels::MulAddFn;

/// Bytes of a column that are worked on at once. As much of nine columns is in a first-level cache of 48 KiB, and the
/// next parts come from memory meanwhile: measured, 4 KiB is up to 1.6 times as fast as 32 KiB.
const STRIP: usize = 4 << 10;

/// Adds a member to the parity rows, row 0 first. Each row is at least as long as the member; what it holds beyond
/// stays. Rows start as zeros. A member may come in pieces: each with the parts of the rows at the same offset.
///
/// Panics if a row is too short, or for a column or row beyond the limits.
pub fn accumulate(mul_add: MulAddFn, column: usize, member: &[u8], rows: &mut [&mut [u8]]) {
    for (number, strip) in member.chunks(STRIP).enumerate() {
        let at = number * STRIP;
        for (row, shard) in rows.iter_mut().enumerate() {
            mul_add(&mut shard[at..at + strip.len()], strip, coefficient(row, column));
        }
    }
}

/// Takes a member out of the parity rows: new = old − coefficient × member. The rows are then those of the group with
/// this column empty, though as long as before. In GF(2^8) subtracting is adding; panics as [`accumulate`] does.
pub fn remove(mul_add: MulAddFn, column: usize, member: &[u8], rows: &mut [&mut [u8]]) {
    accumulate(mul_add, column, member, rows);
}

/// Bytes of block `number` of a column of `size` bytes: 0 where the column ends before it.
#[must_use]
pub fn block_len(size: u64, number: u64) -> usize {
    size.saturating_sub(number.saturating_mul(BLOCK as u64)).min(BLOCK as u64) as usize
}

/// A place in a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The block of a data column.
    Data(usize),
    /// The block of a parity row.
    Parity(usize),
}

/// Why blocks could not be computed. Nothing has been written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SolveError {
    /// More data blocks are missing than parity blocks are there.
    #[error("{missing} data blocks of a stripe are lost and {available} parity blocks are left")]
    TooManyErasures {
        /// Data blocks that are missing.
        missing: usize,
        /// Parity blocks that are there.
        available: usize,
    },
    /// The caller's mistake: what was given is not a stripe of the format, or what is wanted is not in it.
    #[error("this is no stripe: {0}")]
    Misfit(&'static str),
}

impl From<SolveError> for Error {
    fn from(error: SolveError) -> Self {
        match error {
            SolveError::TooManyErasures { missing, available } => Self::new(
                Code::Unrecoverable,
                format!(
                    "{missing} data blocks of a stripe are lost and {available} parity blocks are left, too few to compute them. \
                     Nothing was changed. Bring back a lost object from a copy of the repository."
                ),
            )
            .with("missing", missing.to_string())
            .with("available", available.to_string()),
            SolveError::Misfit(_) => Self::new(Code::Internal, error.to_string()),
        }
    }
}

/// One stripe as it was read: the blocks with one number. `None` is a block that is missing or wrong. A shorter data
/// block counts as filled up with zeros. A column that ends before the stripe, or was removed, is an empty block: it
/// can't be lost.
#[derive(Clone, Debug)]
pub struct Stripe<'a> {
    /// Members, by column.
    pub data: Vec<Option<&'a [u8]>>,
    /// Parity, by row: `len` bytes each.
    pub parity: Vec<Option<&'a [u8]>>,
    /// Bytes of the longest block: at most 65,536 in a group, though nothing here depends on that.
    pub len: usize,
}

impl Stripe<'_> {
    /// Stripe `number` of a group with rows of `shard_len` bytes, `rows` of them, and members of these sizes, of which
    /// nothing has been read: every block is missing but those that are known to be empty.
    #[must_use]
    pub fn unread(number: u64, shard_len: u64, sizes: &[u64], rows: usize) -> Self {
        let block = |size: u64| if block_len(size, number) == 0 { Some([].as_slice()) } else { None };
        Self {
            data: sizes.iter().map(|&size| block(size)).collect(),
            parity: vec![block(shard_len); rows],
            len: block_len(shard_len, number),
        }
    }

    /// Fills each slice with the start of the block at its place, whether that is missing or not. A slice holds as much
    /// of the block as the caller needs, at most `len` bytes. Only the parity blocks that the missing data needs are
    /// used, the first ones that are there.
    ///
    /// Each wanted block is one combination of the blocks that are there (the solved system, multiplied out), so
    /// nothing is allocated but a few factors, and what is not wanted is not computed.
    pub fn restore(&self, mul_add: MulAddFn, wanted: &mut [(Place, &mut [u8])]) -> std::result::Result<(), SolveError> {
        self.check(wanted)?;
        let system = System::of(self);
        let recipes: Vec<Recipe> =
            wanted.iter().map(|(place, _)| system.recipe(*place)).collect::<std::result::Result<_, _>>()?;
        for (_, out) in &mut *wanted {
            out.fill(0);
        }
        for at in (0..self.len).step_by(STRIP) {
            for (column, block) in self.data.iter().enumerate() {
                add_strip(mul_add, *block, at, wanted, |i| recipes[i].data[column]);
            }
            for (row, block) in self.parity.iter().enumerate() {
                add_strip(mul_add, *block, at, wanted, |i| recipes[i].parity[row]);
            }
        }
        Ok(())
    }

    /// The missing data blocks, each `len` bytes, by column. `UNRECOVERABLE` when more are missing than parity blocks
    /// are there.
    pub fn solve(&self, mul_add: MulAddFn) -> Result<Vec<(usize, Vec<u8>)>> {
        let missing = (0..self.data.len()).filter(|&column| self.data[column].is_none());
        let mut found: Vec<(usize, Vec<u8>)> = missing.map(|column| (column, vec![0; self.len])).collect();
        let mut wanted: Vec<(Place, &mut [u8])> =
            found.iter_mut().map(|(column, block)| (Place::Data(*column), block.as_mut_slice())).collect();
        self.restore(mul_add, &mut wanted)?;
        Ok(found)
    }

    fn check(&self, wanted: &[(Place, &mut [u8])]) -> std::result::Result<(), SolveError> {
        let fits = |place: &Place| match *place {
            Place::Data(column) => column < self.data.len(),
            Place::Parity(row) => row < self.parity.len(),
        };
        if self.data.len() > GROUP_DATA || self.parity.len() > GROUP_PARITY {
            Err(SolveError::Misfit("it has too many columns or rows"))
        } else if self.data.iter().flatten().any(|block| block.len() > self.len) {
            Err(SolveError::Misfit("a data block is longer than the others"))
        } else if self.parity.iter().flatten().any(|block| block.len() != self.len) {
            Err(SolveError::Misfit("a parity block has another length"))
        } else if wanted.iter().any(|(place, out)| !fits(place) || out.len() > self.len) {
            Err(SolveError::Misfit("more is wanted than it holds"))
        } else {
            Ok(())
        }
    }
}

/// Adds the strip of a block that starts at `at` to every wanted slice that reaches there.
fn add_strip(
    mul_add: MulAddFn,
    block: Option<&[u8]>,
    at: usize,
    wanted: &mut [(Place, &mut [u8])],
    factor: impl Fn(usize) -> u8,
) {
    for (i, (_, out)) in wanted.iter_mut().enumerate() {
        let end = block.map_or(0, <[u8]>::len).min(out.len()).min(at + STRIP);
        if let Some(block) = block.filter(|_| at < end) {
            mul_add(&mut out[at..end], &block[at..end], factor(i));
        }
    }
}

/// Factors of the blocks of a stripe whose sum is one block. Missing blocks have factor 0.
struct Recipe {
    data: [u8; GROUP_DATA],
    parity: [u8; GROUP_PARITY],
}

/// What a stripe's missing data follows from.
struct System {
    columns: usize,
    there: Vec<bool>,
    /// Columns of missing data.
    missing: Vec<usize>,
    /// Rows of all parity that is there.
    rows: Vec<usize>,
}

impl System {
    fn of(stripe: &Stripe) -> Self {
        let there: Vec<bool> = stripe.data.iter().chain(&stripe.parity).map(Option::is_some).collect();
        let columns = stripe.data.len();
        Self {
            columns,
            missing: (0..columns).filter(|&column| !there[column]).collect(),
            rows: (0..stripe.parity.len()).filter(|&row| there[columns + row]).collect(),
            there,
        }
    }

    fn recipe(&self, place: Place) -> std::result::Result<Recipe, SolveError> {
        let mut recipe = Recipe { data: [0; GROUP_DATA], parity: [0; GROUP_PARITY] };
        match place {
            Place::Data(column) if self.there[column] => recipe.data[column] = 1,
            Place::Data(column) => self.add_missing(&mut recipe, |missing| u8::from(missing == column))?,
            Place::Parity(row) if self.there[self.columns + row] => recipe.parity[row] = 1,
            Place::Parity(row) => {
                for column in (0..self.columns).filter(|&column| self.there[column]) {
                    recipe.data[column] = coefficient(row, column);
                }
                self.add_missing(&mut recipe, |missing| coefficient(row, missing))?;
            }
        }
        Ok(recipe)
    }

    /// Adds the sum of all missing columns, each times `weight`. With S the missing columns, A their coefficients in
    /// the rows used, and P those rows less the data that is there: S = A⁻¹ P. So row r counts with f = Σ weight × A⁻¹,
    /// and each column that is there with f × its coefficient in r.
    fn add_missing(&self, recipe: &mut Recipe, weight: impl Fn(usize) -> u8) -> std::result::Result<(), SolveError> {
        let Some(rows) = self.rows.get(..self.missing.len()) else {
            return Err(SolveError::TooManyErasures { missing: self.missing.len(), available: self.rows.len() });
        };
        let inverse = inverse(rows, &self.missing).ok_or(SolveError::Misfit("its system has no solution"))?;
        for (r, &row) in rows.iter().enumerate() {
            let factor =
                self.missing.iter().zip(&inverse).fold(0, |sum, (&column, line)| sum ^ mul(weight(column), line[r]));
            recipe.parity[row] ^= factor;
            for column in (0..self.columns).filter(|&column| self.there[column]) {
                recipe.data[column] ^= mul(factor, coefficient(row, column));
            }
        }
        Ok(())
    }
}
