//! Every vector kernel gives the bytes of the scalar reference.

use packvault_core::erasure::field;
use packvault_simd::erasure::{MulAdd, kernels, mul_add};
use proptest::prelude::*;

/// Every kernel of this CPU, and the dispatcher.
fn all() -> Vec<(&'static str, MulAdd)> {
    let mut all = kernels();
    all.push(("dispatched", mul_add));
    all
}

/// Bytes that repeat late, other ones for every seed.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(step).collect()
}

/// Runs a kernel on parts of buffers that start at the offsets; gives back the whole accumulator, to show stray writes.
fn run(
    kernel: MulAdd,
    (acc_at, data_at): (usize, usize),
    len: usize,
    spare: usize,
    coefficient: u8,
    seed: u64,
) -> Vec<u8> {
    let mut acc = bytes(seed, acc_at + len + spare + 64);
    let data = bytes(!seed, data_at + len);
    let end = acc_at + len + spare;
    kernel(&mut acc[acc_at..end], &data[data_at..], coefficient);
    acc
}

/// The first coefficient for which a kernel differs from the reference.
fn wrong_coefficient(kernel: MulAdd) -> Option<u8> {
    let data: Vec<u8> = (0..=255).collect();
    (0..=255).find(|&coefficient| {
        let (mut expected, mut acc) = ([0x3C; 256], [0x3C; 256]);
        field::mul_add(&mut expected, &data, coefficient);
        kernel(&mut acc, &data, coefficient);
        acc != expected
    })
}

#[test]
fn every_coefficient_and_byte_gives_the_same_product() {
    for (name, kernel) in all() {
        assert_eq!(wrong_coefficient(kernel), None, "{name}");
    }
}

#[test]
fn a_kernel_that_is_wrong_for_one_byte_is_found_out() {
    // The planted fault of the tests above and below.
    fn wrong(acc: &mut [u8], data: &[u8], coefficient: u8) {
        field::mul_add(acc, data, coefficient);
        if coefficient == 0x9C && data.len() > 200 {
            acc[200] ^= 1;
        }
    }
    assert_eq!(wrong_coefficient(wrong), Some(0x9C));
    assert_ne!(run(wrong, (1, 2), 300, 0, 0x9C, 5), run(field::mul_add, (1, 2), 300, 0, 0x9C, 5));
}

#[test]
fn every_short_length_at_every_misalignment_gives_the_same_bytes() {
    for (name, kernel) in all() {
        for len in 0..=200 {
            for at in 0..64 {
                for coefficient in [0, 1, 0x8E] {
                    let places = (at, (at * 7 + len) % 64);
                    let expected = run(field::mul_add, places, len, 3, coefficient, len as u64);
                    let got = run(kernel, places, len, 3, coefficient, len as u64);
                    assert_eq!(got, expected, "{name}, {len} bytes at {places:?}, coefficient {coefficient}");
                }
            }
        }
    }
}

#[test]
fn an_accumulator_that_is_too_short_is_refused() {
    let mut kernels = all();
    kernels.push(("reference", field::mul_add));
    for (name, kernel) in kernels {
        for coefficient in [0, 1, 2] {
            let refused = std::panic::catch_unwind(|| kernel(&mut [0; 99], &[0; 100], coefficient)).is_err();
            assert!(refused, "{name}, coefficient {coefficient}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_call_gives_the_same_bytes(
        at in (0_usize..130, 0_usize..130), len in 0_usize..9_000, spare in 0_usize..70, coefficient: u8, seed: u64,
    ) {
        let expected = run(field::mul_add, at, len, spare, coefficient, seed);
        for (name, kernel) in all() {
            prop_assert_eq!(&run(kernel, at, len, spare, coefficient, seed), &expected, "{}", name);
        }
    }

    #[test]
    fn adding_twice_changes_nothing(len in 0_usize..5_000, coefficient: u8, seed: u64) {
        let data = bytes(seed, len);
        for (name, kernel) in all() {
            let mut acc = bytes(!seed, len);
            kernel(&mut acc, &data, coefficient);
            kernel(&mut acc, &data, coefficient);
            prop_assert_eq!(acc, bytes(!seed, len), "{}", name);
        }
    }
}
