//! Every kernel finds what the scalar reference finds.

use packvault_core::chunk::cutter::mask;
use packvault_core::chunk::gear;
use packvault_simd::cut::kernels;
use proptest::prelude::*;

fn table(seed: u64) -> [u64; 256] {
    let mut state = seed;
    std::array::from_fn(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ state >> 29
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_data_masks_and_ranges(
        seed in any::<u64>(),
        data in prop::collection::vec(any::<u8>(), 64..20_000),
        from in 64_usize..1000,
        cut in 0_usize..400,
        bits in 1_u32..22,
        free in any::<u64>(),
    ) {
        let table = table(seed);
        let to = (data.len() + 1).saturating_sub(cut);
        let from = from.min(data.len());
        for mask in [mask(bits), free & free.rotate_left(7), 0, u64::MAX] {
            let right = gear::scan(&table, &data, from, to, mask);
            for (name, scan) in kernels() {
                prop_assert_eq!(scan(&table, &data, from, to, mask), right, "{} seed {} mask {:x}", name, seed, mask);
            }
        }
    }
}

#[test]
fn every_start_and_end_around_a_step() {
    let table = table(5);
    let data: Vec<u8> = (0..900_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for from in 64..200 {
        for to in [from, from + 1, from + 255, from + 256, from + 257, 700, data.len(), data.len() + 1] {
            for bits in [8, 10] {
                let right = gear::scan(&table, &data, from, to, mask(bits));
                for (name, scan) in kernels() {
                    assert_eq!(scan(&table, &data, from, to, mask(bits)), right, "{name} {from}..{to}");
                }
            }
        }
    }
}

#[test]
fn a_kernel_that_is_one_off_at_the_end_of_a_step_is_found_out() {
    // The planted fault of the tests of this file.
    fn wrong(table: &[u64; 256], data: &[u8], from: usize, to: usize, mask: u64) -> Option<usize> {
        gear::scan(table, data, from, to, mask).filter(|cut| (cut - from) % 256 != 255)
    }
    let table = table(5);
    let data: Vec<u8> = (0..900_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let differs = |from| gear::scan(&table, &data, from, 900, mask(8)) != wrong(&table, &data, from, 900, mask(8));
    assert!((64..600).any(differs));
}

#[test]
fn constant_data_never_differs() {
    let table = table(9);
    for byte in [0, 1, 128, 255] {
        let data = vec![byte; 5000];
        let right = gear::scan(&table, &data, 64, 5001, mask(20));
        for (name, scan) in kernels() {
            assert_eq!(scan(&table, &data, 64, 5001, mask(20)), right, "{name} {byte}");
        }
    }
}
