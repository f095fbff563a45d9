//! Content-defined cutting: finding where the gear hash has no bit of a mask set.
//!
//! The hash's low 16 bits depend on the last 16 bytes only, so that a vector unit can compute them for 64 positions at once, by table
//! lookup and four shift-and-add doublings. Positions whose low bits pass are rare; those get the full 64-bit test.

use std::sync::OnceLock;

/// Finds the smallest `p` in `from..to` whose gear hash over `data[p - 64..p]` has no bit of `mask` set.
pub type Scan = fn(table: &[u64; 256], data: &[u8], from: usize, to: usize, mask: u64) -> Option<usize>;

/// Bytes that the hash depends on.
const WINDOW: usize = 64;

/// Fewer bits than this in the low 16 let too many positions through.
#[cfg(target_arch = "x86_64")]
const LEAST_BITS: u32 = 8;

/// The best kernel of this CPU. `64 <= from`, `to <= data.len() + 1`.
#[must_use]
pub fn scan(table: &[u64; 256], data: &[u8], from: usize, to: usize, mask: u64) -> Option<usize> {
    static BEST: OnceLock<Scan> = OnceLock::new();
    BEST.get_or_init(|| kernels()[0].1)(table, data, from, to, mask)
}

/// Every kernel that this CPU can run, best first.
#[must_use]
pub fn kernels() -> Vec<(&'static str, Scan)> {
    let mut all: Vec<(&'static str, Scan)> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
    {
        all.push(("AVX-512 VBMI", vbmi::scan));
    }
    all.push(("portable", portable));
    all
}

/// One byte at a time.
fn portable(table: &[u64; 256], data: &[u8], from: usize, to: usize, mask: u64) -> Option<usize> {
    if from >= to {
        return None;
    }
    let step = |hash: u64, byte: u8| (hash << 1).wrapping_add(table[usize::from(byte)]);
    let mut hash = data[from - WINDOW..from].iter().fold(0, |hash, &byte| step(hash, byte));
    if hash & mask == 0 {
        return Some(from);
    }
    let rest = &data[from..to - 1];
    let (blocks, tail) = rest.as_chunks::<8>();
    for (number, block) in blocks.iter().enumerate() {
        for (at, &byte) in block.iter().enumerate() {
            hash = step(hash, byte);
            if hash & mask == 0 {
                return Some(from + number * 8 + at + 1);
            }
        }
    }
    for (at, &byte) in tail.iter().enumerate() {
        hash = step(hash, byte);
        if hash & mask == 0 {
            return Some(from + blocks.len() * 8 + at + 1);
        }
    }
    None
}

#[cfg(target_arch = "x86_64")]
mod vbmi {
    use std::arch::x86_64::{
        __m512i, _mm_cvtsi32_si128, _mm512_add_epi16, _mm512_loadu_si512, _mm512_mask_blend_epi8, _mm512_movepi8_mask,
        _mm512_permutex2var_epi8, _mm512_permutex2var_epi16, _mm512_set1_epi16, _mm512_setzero_si512, _mm512_sll_epi16,
        _mm512_testn_epi16_mask,
    };

    use super::{LEAST_BITS, WINDOW, portable};

    /// Positions that one step tests.
    const STEP: usize = 64;

    pub fn scan(table: &[u64; 256], data: &[u8], from: usize, to: usize, mask: u64) -> Option<usize> {
        if (mask & 0xFFFF).count_ones() < LEAST_BITS || from <= WINDOW || to.saturating_sub(from) < 4 * STEP {
            return portable(table, data, from, to, mask);
        }
        assert!(to <= data.len() + 1, "the range ends behind the data");
        // SAFETY: `kernels` offers this function only where the CPU has these features.
        unsafe { run(table, data, from, to, mask) }
    }

    /// The low 16 bits of the table, as two tables of bytes, each in four registers.
    struct Tables {
        low: [__m512i; 4],
        high: [__m512i; 4],
        interleave: [__m512i; 2],
        /// Lanes moved up by 1, 2, 4, 8, filled from the vector before.
        moved: [__m512i; 4],
    }

    /// Sums over 1, 2, 4 and 8 bytes of the last 32 positions: what the next step needs of this one.
    type Carry = [__m512i; 4];

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn run(table: &[u64; 256], data: &[u8], from: usize, to: usize, mask: u64) -> Option<usize> {
        let tables = Tables::new(table);
        let wanted = _mm512_set1_epi16((mask as u16).cast_signed());
        let mut carry = [_mm512_setzero_si512(); 4];
        // Byte `at + i` is the last one of the hash at position `at + i + 1`.
        let mut at = from - 1;
        let _ = tables.step(load(&data[at - STEP..]), &mut carry);
        while at + STEP < to && at + STEP <= data.len() {
            let (first, second) = tables.step(load(&data[at..]), &mut carry);
            let hits = u64::from(_mm512_testn_epi16_mask(first, wanted))
                | u64::from(_mm512_testn_epi16_mask(second, wanted)) << 32;
            let mut left = hits;
            while left != 0 {
                let p = at + left.trailing_zeros() as usize + 1;
                if full(table, data, p) & mask == 0 {
                    return Some(p);
                }
                left &= left - 1;
            }
            at += STEP;
        }
        portable(table, data, at + 1, to, mask)
    }

    fn full(table: &[u64; 256], data: &[u8], p: usize) -> u64 {
        data[p - WINDOW..p].iter().fold(0, |hash: u64, &byte| (hash << 1).wrapping_add(table[usize::from(byte)]))
    }

    #[target_feature(enable = "avx512f")]
    fn load(bytes: &[u8]) -> __m512i {
        assert!(bytes.len() >= STEP, "a step reads 64 bytes");
        // SAFETY: the assertion; the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    impl Tables {
        #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
        fn new(table: &[u64; 256]) -> Self {
            let (mut low, mut high) = ([0_u8; 256], [0_u8; 256]);
            for (i, entry) in table.iter().enumerate() {
                low[i] = *entry as u8;
                high[i] = (*entry >> 8) as u8;
            }
            let interleave = |from: usize| {
                let mut order = [0_u8; 64];
                for lane in 0..32 {
                    order[2 * lane] = (from + lane) as u8;
                    order[2 * lane + 1] = (from + lane + 64) as u8;
                }
                order
            };
            let moved = |by: usize| {
                let mut order = [0_u8; 64];
                for lane in 0..32 {
                    // Lanes 0..32 are the vector before, 32..64 this one.
                    order[2 * lane..2 * lane + 2].copy_from_slice(&((32 + lane - by) as u16).to_le_bytes());
                }
                order
            };
            let quarters = |t: &[u8; 256]| [load(&t[..]), load(&t[64..]), load(&t[128..]), load(&t[192..])];
            Self {
                low: quarters(&low),
                high: quarters(&high),
                interleave: [load(&interleave(0)), load(&interleave(32))],
                moved: [load(&moved(1)), load(&moved(2)), load(&moved(4)), load(&moved(8))],
            }
        }

        /// The low 16 bits of the hash behind each of 64 bytes.
        #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
        fn step(&self, bytes: __m512i, carry: &mut Carry) -> (__m512i, __m512i) {
            let upper = _mm512_movepi8_mask(bytes);
            let look = |t: &[__m512i; 4]| {
                _mm512_mask_blend_epi8(
                    upper,
                    _mm512_permutex2var_epi8(t[0], bytes, t[1]),
                    _mm512_permutex2var_epi8(t[2], bytes, t[3]),
                )
            };
            let (low, high) = (look(&self.low), look(&self.high));
            let first = self.double(_mm512_permutex2var_epi8(low, self.interleave[0], high), carry);
            let second = self.double(_mm512_permutex2var_epi8(low, self.interleave[1], high), carry);
            (first, second)
        }

        /// From one byte's value to the sum over 16 bytes: h16(p) = Σ value(p − i) << i.
        #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
        fn double(&self, values: __m512i, carry: &mut Carry) -> __m512i {
            let mut sum = values;
            for (level, order) in self.moved.iter().enumerate() {
                let before = _mm512_permutex2var_epi16(carry[level], *order, sum);
                carry[level] = sum;
                sum = _mm512_add_epi16(sum, _mm512_sll_epi16(before, _mm_cvtsi32_si128(1 << level)));
            }
            sum
        }
    }
}
