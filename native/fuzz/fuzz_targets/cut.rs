//! Every vector kernel gives what the scalar reference gives: cuts and products.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::chunk::{cutter::mask, gear};
use packvault_core::erasure::field;
use packvault_fuzz::Input;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let mut state = u64::from(input.byte()) | 1;
    let table: [u64; 256] = std::array::from_fn(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ state >> 29
    });
    let bits = u32::from(input.byte() % 24) + 1;
    let free = u64::from_le_bytes(std::array::from_fn(|_| input.byte()));
    let (skip, short, coefficient) = (input.below(400), input.below(400), input.byte());
    let rest = input.0;
    if rest.len() >= 64 {
        let from = (64 + skip).min(rest.len());
        let to = (rest.len() + 1).saturating_sub(short);
        for mask in [mask(bits), free] {
            let right = gear::scan(&table, rest, from, to, mask);
            for (name, scan) in packvault_simd::cut::kernels() {
                assert_eq!(scan(&table, rest, from, to, mask), right, "{name}");
            }
        }
    }
    let (acc, data) = rest.split_at(rest.len() - rest.len() / 2);
    let mut right = acc.to_vec();
    field::mul_add(&mut right, data, coefficient);
    for (name, kernel) in packvault_simd::erasure::kernels() {
        let mut got = acc.to_vec();
        kernel(&mut got, data, coefficient);
        assert_eq!(got, right, "{name}");
    }
});
