//! The two hot loops that a vector unit can take over. `packvault-simd` offers faster versions of the same signatures;
//! both must give the same result for every input.

use crate::{chunk, erasure};

/// Finds the smallest `p` in `from..to` whose gear hash over `data[p - 64..p]` has no bit of `mask` set.
/// `64 <= from`, `to <= data.len() + 1`.
pub type ScanFn = fn(table: &[u64; 256], data: &[u8], from: usize, to: usize, mask: u64) -> Option<usize>;

/// `acc[i] ^= coefficient * data[i]` over GF(2^8) for every `i < data.len()`; `acc` is at least as long as `data`.
pub type MulAddFn = fn(acc: &mut [u8], data: &[u8], coefficient: u8);

/// The kernels that an engine uses.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// Content-defined cutting.
    pub scan: ScanFn,
    /// Erasure coding.
    pub mul_add: MulAddFn,
}

impl Kernels {
    /// The portable reference.
    #[must_use]
    pub fn scalar() -> Self {
        Self { scan: chunk::gear::scan, mul_add: erasure::field::mul_add }
    }
}
