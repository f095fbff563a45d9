//! The cut rule (docs/format.md §19): normalized chunking (Xia et al., "`FastCDC`", 2016) with a warm window.

use super::gear::WINDOW;
use crate::error::{Error, Result};
use crate::kernels::ScanFn;

/// Chunk sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// No chunk but an item's last is shorter.
    pub min: usize,
    /// Nominal size.
    pub average: usize,
    /// No chunk is longer.
    pub max: usize,
}

impl Params {
    /// 256 ≤ min < average < max ≤ 16 MiB.
    pub fn check(&self) -> Result<()> {
        if 256 <= self.min && self.min < self.average && self.average < self.max && self.max <= 16 << 20 {
            Ok(())
        } else {
            Err(Error::invalid("chunking: 256 <= min < average < max <= 16777216 bytes."))
        }
    }

    /// Masks for lengths below the average, and from it on: floor(log2(average)) + 2 and − 2 bits.
    #[must_use]
    pub fn masks(&self) -> (u64, u64) {
        let bits = self.average.ilog2();
        (mask(bits + 2), mask(bits - 2))
    }
}

/// A mask of `bits` one bits: up to 12 of them from bit 15 downwards, where a vector unit finds candidates from the last 16 bytes
/// alone (docs/adr/0001-mask-layout.md), the others from bit 63 downwards.
#[must_use]
pub fn mask(bits: u32) -> u64 {
    let low = bits.min(12);
    let high = bits - low;
    let low_mask = ((1_u64 << low) - 1) << (16 - low);
    if high == 0 { low_mask } else { low_mask | (u64::MAX << (64 - high)) }
}

/// Cuts streams into chunks.
pub struct Cutter {
    params: Params,
    table: Box<[u64; 256]>,
    strict: u64,
    loose: u64,
    scan: ScanFn,
}

impl Cutter {
    /// A cutter with this gear table.
    pub fn new(params: Params, table: [u64; 256], scan: ScanFn) -> Result<Self> {
        let (strict, loose) = params.masks();
        Self::with_masks(params, table, scan, strict, loose)
    }

    /// With masks of the caller's, to compare layouts.
    pub fn with_masks(params: Params, table: [u64; 256], scan: ScanFn, strict: u64, loose: u64) -> Result<Self> {
        params.check()?;
        Ok(Self { params, table: Box::new(table), strict, loose, scan })
    }

    /// Length of the chunk at the front of `data`, which starts where the last chunk ended. `None`: more data is needed.
    /// With `end` nothing follows, and what is left is a chunk. `None` then means that `data` is empty.
    #[must_use]
    pub fn next(&self, data: &[u8], end: bool) -> Option<usize> {
        self.next_from(data, &mut 0, end)
    }

    /// Like [`Cutter::next`], for data that grows: `scanned` remembers what needs no second look. Set it to 0 after a cut.
    #[must_use]
    pub fn next_from(&self, data: &[u8], scanned: &mut usize, end: bool) -> Option<usize> {
        let Params { min, average, max } = self.params;
        let to = (data.len() + 1).min(max);
        let from = min.max(*scanned).max(WINDOW);
        let strict_to = to.min(average);
        let cut = (from < strict_to)
            .then(|| (self.scan)(&self.table, data, from, strict_to, self.strict))
            .flatten()
            .or_else(|| {
                let from = from.max(average);
                (from < to).then(|| (self.scan)(&self.table, data, from, to, self.loose)).flatten()
            });
        if cut.is_some() {
            return cut;
        }
        *scanned = to.max(from);
        if data.len() >= max { Some(max) } else { (end && !data.is_empty()).then_some(data.len()) }
    }
}
