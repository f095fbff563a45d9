//! Multiply-and-add over GF(2^8), polynomial 0x11D: the inner loop of the erasure code.
//!
//! Multiplication by a constant is linear over GF(2). Two ways to use that: look up the products of both halves of
//! every byte with a byte shuffle (J. S. Plank, K. M. Greenan, E. L. Miller, "Screaming Fast Galois Field Arithmetic
//! Using Intel SIMD Instructions", FAST 2013), or apply the constant's 8×8 bit matrix with GFNI's affine instruction
//! (Intel SDM, GF2P8AFFINEQB). GFNI's own multiplication is of no use: its polynomial is 0x11B.

use std::sync::OnceLock;

/// `acc[i] ^= coefficient * data[i]` for every `i < data.len()`; what `acc` holds beyond stays. Panics if `acc` is the
/// shorter one.
pub type MulAdd = fn(acc: &mut [u8], data: &[u8], coefficient: u8);

/// `acc[i] ^= coefficient * data[i]` with the best kernel that this CPU has. Gives the same bytes as the scalar
/// reference (`packvault_core::erasure::field::mul_add`). Panics if `acc` is shorter than `data`.
pub fn mul_add(acc: &mut [u8], data: &[u8], coefficient: u8) {
    static BEST: OnceLock<MulAdd> = OnceLock::new();
    BEST.get_or_init(|| kernels()[0].1)(acc, data, coefficient);
}

/// Every kernel that this CPU can run, by name, best first: for tests and measurements.
#[must_use]
pub fn kernels() -> Vec<(&'static str, MulAdd)> {
    let mut kernels = arch::kernels();
    kernels.push(("portable", portable));
    kernels
}

/// Carry-less product of two bytes, reduced.
const fn mul(a: u8, b: u8) -> u8 {
    let (mut product, mut power, mut bit) = (0, a, 0);
    while bit < 8 {
        if b >> bit & 1 != 0 {
            product ^= power;
        }
        power = power << 1 ^ if power & 0x80 != 0 { 0x1D } else { 0 };
        bit += 1;
    }
    product
}

/// For every coefficient its products with 0 to 15, then with 0, 16, 32, … 240.
static NIBBLES: [[[u8; 16]; 2]; 256] = {
    let mut tables = [[[0; 16]; 2]; 256];
    let mut coefficient = 0;
    while coefficient < 256 {
        let mut nibble = 0;
        while nibble < 16 {
            tables[coefficient][0][nibble] = mul(coefficient as u8, nibble as u8);
            tables[coefficient][1][nibble] = mul(coefficient as u8, (nibble as u8) << 4);
            nibble += 1;
        }
        coefficient += 1;
    }
    tables
};

/// Works on any CPU, and on what a vector kernel leaves at the end.
fn portable(acc: &mut [u8], data: &[u8], coefficient: u8) {
    let acc = &mut acc[..data.len()];
    let [low, high] = &NIBBLES[usize::from(coefficient)];
    match coefficient {
        0 => {}
        1 => acc.iter_mut().zip(data).for_each(|(a, d)| *a ^= d),
        _ => acc.iter_mut().zip(data).for_each(|(a, d)| *a ^= low[usize::from(d & 15)] ^ high[usize::from(d >> 4)]),
    }
}

#[cfg(target_arch = "x86_64")]
mod arch {
    use std::arch::is_x86_feature_detected as has;
    use std::arch::x86_64::{
        __m128i, __m256i, __m512i, _mm_and_si128, _mm_loadu_si128, _mm_set1_epi8, _mm_shuffle_epi8, _mm_srli_epi64,
        _mm_storeu_si128, _mm_xor_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_loadu_si256,
        _mm256_set1_epi8, _mm256_shuffle_epi8, _mm256_srli_epi64, _mm256_storeu_si256, _mm256_xor_si256,
        _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8,
        _mm512_set1_epi64, _mm512_storeu_si512, _mm512_xor_si512,
    };

    use super::{MulAdd, NIBBLES, mul, portable};

    pub fn kernels() -> Vec<(&'static str, MulAdd)> {
        let mut kernels: Vec<(&'static str, MulAdd)> = Vec::new();
        if has!("avx512f") && has!("avx512bw") && has!("gfni") {
            // SAFETY: the CPU has what `gfni` needs.
            kernels.push(("avx512-gfni", |acc, data, coefficient| unsafe { gfni(acc, data, coefficient) }));
        }
        if has!("avx2") {
            // SAFETY: the CPU has what `avx2` needs.
            kernels.push(("avx2", |acc, data, coefficient| unsafe { avx2(acc, data, coefficient) }));
        }
        if has!("ssse3") {
            // SAFETY: the CPU has what `ssse3` needs.
            kernels.push(("ssse3", |acc, data, coefficient| unsafe { ssse3(acc, data, coefficient) }));
        }
        kernels
    }

    /// For every coefficient the matrix that GF2P8AFFINEQB multiplies each byte by. Bit i of a result is the parity of
    /// the byte and the matrix' byte 7 − i; so bit j of that byte is bit i of coefficient × 2^j.
    static AFFINE: [i64; 256] = {
        let mut matrices = [0; 256];
        let mut coefficient = 0;
        while coefficient < 256 {
            let mut bit = 0;
            while bit < 64 {
                let (i, j) = (7 - bit / 8, bit % 8);
                matrices[coefficient] |= ((mul(coefficient as u8, 1 << j) >> i & 1) as i64) << bit;
                bit += 1;
            }
            coefficient += 1;
        }
        matrices
    };

    /// Starts with what is before the first aligned 64 bytes of `acc`: stores that straddle cache lines cost up to half
    /// of the speed.
    #[target_feature(enable = "avx512f,avx512bw,gfni")]
    fn gfni(acc: &mut [u8], data: &[u8], coefficient: u8) {
        let matrix = _mm512_set1_epi64(AFFINE[usize::from(coefficient)]);
        let acc = &mut acc[..data.len()];
        let head = acc.as_ptr().align_offset(64).min(data.len());
        let ((acc_head, acc), (data_head, data)) = (acc.split_at_mut(head), data.split_at(head));
        let ((acc, acc_tail), (data, data_tail)) = (acc.as_chunks_mut::<64>(), data.as_chunks::<64>());
        match coefficient {
            0 => return,
            1 => {
                for (a, d) in acc.iter_mut().zip(data) {
                    store512(a, _mm512_xor_si512(load512(a), load512(d)));
                }
            }
            _ => {
                for (a, d) in acc.iter_mut().zip(data) {
                    let product = _mm512_gf2p8affine_epi64_epi8::<0>(load512(d), matrix);
                    store512(a, _mm512_xor_si512(load512(a), product));
                }
            }
        }
        gfni_few(acc_head, data_head, matrix);
        gfni_few(acc_tail, data_tail, matrix);
    }

    /// Fewer than 64 bytes.
    #[target_feature(enable = "avx512f,avx512bw,gfni")]
    fn gfni_few(acc: &mut [u8], data: &[u8], matrix: __m512i) {
        assert!(acc.len() == data.len() && data.len() < 64);
        let mask = (1_u64 << data.len()) - 1;
        // SAFETY: the mask keeps the loads and the store within the two slices, which are equally long.
        unsafe {
            let product =
                _mm512_gf2p8affine_epi64_epi8::<0>(_mm512_maskz_loadu_epi8(mask, data.as_ptr().cast()), matrix);
            let sum = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, acc.as_ptr().cast()), product);
            _mm512_mask_storeu_epi8(acc.as_mut_ptr().cast(), mask, sum);
        }
    }

    #[target_feature(enable = "avx512f")]
    fn load512(from: &[u8; 64]) -> __m512i {
        // SAFETY: the 64 bytes are there, and need not be aligned.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f")]
    fn store512(to: &mut [u8; 64], value: __m512i) {
        // SAFETY: the 64 bytes are there, and need not be aligned.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), value) }
    }

    #[target_feature(enable = "avx2")]
    fn avx2(acc: &mut [u8], data: &[u8], coefficient: u8) {
        let (acc, (data, data_tail)) = (&mut acc[..data.len()], data.as_chunks::<32>());
        let (acc, acc_tail) = acc.as_chunks_mut::<32>();
        let [low, high] = NIBBLES[usize::from(coefficient)].each_ref().map(|t| _mm256_broadcastsi128_si256(load128(t)));
        let nibble = _mm256_set1_epi8(15);
        match coefficient {
            0 => return,
            1 => {
                for (a, d) in acc.iter_mut().zip(data) {
                    store256(a, _mm256_xor_si256(load256(a), load256(d)));
                }
            }
            _ => {
                for (a, d) in acc.iter_mut().zip(data) {
                    let d = load256(d);
                    let low = _mm256_shuffle_epi8(low, _mm256_and_si256(d, nibble));
                    let high = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi64::<4>(d), nibble));
                    store256(a, _mm256_xor_si256(load256(a), _mm256_xor_si256(low, high)));
                }
            }
        }
        portable(acc_tail, data_tail, coefficient);
    }

    #[target_feature(enable = "avx2")]
    fn load256(from: &[u8; 32]) -> __m256i {
        // SAFETY: the 32 bytes are there, and need not be aligned.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    fn store256(to: &mut [u8; 32], value: __m256i) {
        // SAFETY: the 32 bytes are there, and need not be aligned.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), value) }
    }

    #[target_feature(enable = "ssse3")]
    fn ssse3(acc: &mut [u8], data: &[u8], coefficient: u8) {
        let (acc, (data, data_tail)) = (&mut acc[..data.len()], data.as_chunks::<16>());
        let (acc, acc_tail) = acc.as_chunks_mut::<16>();
        let [low, high] = NIBBLES[usize::from(coefficient)].each_ref().map(|t| load128(t));
        let nibble = _mm_set1_epi8(15);
        match coefficient {
            0 => return,
            1 => {
                for (a, d) in acc.iter_mut().zip(data) {
                    store128(a, _mm_xor_si128(load128(a), load128(d)));
                }
            }
            _ => {
                for (a, d) in acc.iter_mut().zip(data) {
                    let d = load128(d);
                    let low = _mm_shuffle_epi8(low, _mm_and_si128(d, nibble));
                    let high = _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi64::<4>(d), nibble));
                    store128(a, _mm_xor_si128(load128(a), _mm_xor_si128(low, high)));
                }
            }
        }
        portable(acc_tail, data_tail, coefficient);
    }

    #[target_feature(enable = "sse2")]
    fn load128(from: &[u8; 16]) -> __m128i {
        // SAFETY: the 16 bytes are there, and need not be aligned.
        unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
    }

    #[target_feature(enable = "sse2")]
    fn store128(to: &mut [u8; 16], value: __m128i) {
        // SAFETY: the 16 bytes are there, and need not be aligned.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), value) }
    }
}

#[cfg(target_arch = "aarch64")]
mod arch {
    use std::arch::aarch64::{uint8x16_t, vandq_u8, vdupq_n_u8, veorq_u8, vld1q_u8, vqtbl1q_u8, vshrq_n_u8, vst1q_u8};
    use std::arch::is_aarch64_feature_detected as has;

    use super::{MulAdd, NIBBLES, portable};

    pub fn kernels() -> Vec<(&'static str, MulAdd)> {
        let mut kernels: Vec<(&'static str, MulAdd)> = Vec::new();
        if has!("neon") {
            // SAFETY: the CPU has what `neon` needs.
            kernels.push(("neon", |acc, data, coefficient| unsafe { neon(acc, data, coefficient) }));
        }
        kernels
    }

    #[target_feature(enable = "neon")]
    fn neon(acc: &mut [u8], data: &[u8], coefficient: u8) {
        let (acc, (data, data_tail)) = (&mut acc[..data.len()], data.as_chunks::<16>());
        let (acc, acc_tail) = acc.as_chunks_mut::<16>();
        let [low, high] = NIBBLES[usize::from(coefficient)].each_ref().map(|t| load(t));
        let nibble = vdupq_n_u8(15);
        match coefficient {
            0 => return,
            1 => {
                for (a, d) in acc.iter_mut().zip(data) {
                    store(a, veorq_u8(load(a), load(d)));
                }
            }
            _ => {
                for (a, d) in acc.iter_mut().zip(data) {
                    let d = load(d);
                    let low = vqtbl1q_u8(low, vandq_u8(d, nibble));
                    let high = vqtbl1q_u8(high, vshrq_n_u8::<4>(d));
                    store(a, veorq_u8(load(a), veorq_u8(low, high)));
                }
            }
        }
        portable(acc_tail, data_tail, coefficient);
    }

    #[target_feature(enable = "neon")]
    fn load(from: &[u8; 16]) -> uint8x16_t {
        // SAFETY: the 16 bytes are there, and need not be aligned.
        unsafe { vld1q_u8(from.as_ptr()) }
    }

    #[target_feature(enable = "neon")]
    fn store(to: &mut [u8; 16], value: uint8x16_t) {
        // SAFETY: the 16 bytes are there, and need not be aligned.
        unsafe { vst1q_u8(to.as_mut_ptr(), value) }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod arch {
    pub fn kernels() -> Vec<(&'static str, super::MulAdd)> {
        Vec::new()
    }
}
