//! The chunker's published vectors (docs/format.md §19) and its promises.

use packvault_core::chunk::cutter::{Cutter, Params, mask};
use packvault_core::chunk::gear;
use packvault_core::crypto::{hkdf_expand, sha256};
use proptest::prelude::*;

fn table() -> [u64; 256] {
    let mut bytes = [0; 2048];
    hkdf_expand(&sha256(b"packvault/v1/unencrypted"), b"packvault/v1/gear", &mut bytes);
    gear::table_from_bytes(&bytes)
}

fn cutter(min: usize, average: usize, max: usize) -> Cutter {
    Cutter::new(Params { min, average, max }, table(), gear::scan).unwrap()
}

/// SHA-256 of the text and a counter, again and again.
fn stream(len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 32);
    for i in 0_u32.. {
        if out.len() >= len {
            break;
        }
        out.extend_from_slice(&sha256(&[b"packvault chunker vector".as_slice(), &i.to_le_bytes()].concat()));
    }
    out.truncate(len);
    out
}

fn cuts(cutter: &Cutter, mut data: &[u8]) -> Vec<usize> {
    let mut out = Vec::new();
    while let Some(len) = cutter.next(data, true) {
        out.push(len);
        data = &data[len..];
    }
    out
}

/// Where chunks end.
fn ends(cutter: &Cutter, data: &[u8]) -> Vec<usize> {
    let mut at = 0;
    cuts(cutter, data)
        .iter()
        .map(|len| {
            at += len;
            at
        })
        .collect()
}

/// Whether cuts are the same however the bytes arrive.
fn arrival_does_not_matter(cutter: &Cutter, data: &[u8], pieces: &[usize]) -> bool {
    let (mut held, mut scanned, mut out) = (Vec::new(), 0, Vec::new());
    let mut rest = data;
    for size in pieces.iter().cycle() {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        held.extend_from_slice(piece);
        while let Some(len) = cutter.next_from(&held, &mut scanned, rest.is_empty()) {
            held.drain(..len);
            scanned = 0;
            out.push(len);
        }
        if rest.is_empty() {
            break;
        }
    }
    out == cuts(cutter, data)
}

/// A kernel that depends on where its search begins.
fn wrong_scan(table: &[u64; 256], data: &[u8], from: usize, to: usize, mask: u64) -> Option<usize> {
    gear::scan(table, data, from, to, mask).filter(|cut| cut - from != 7)
}

#[test]
fn a_kernel_that_looks_at_more_than_the_content_is_found_out() {
    // The planted fault of the properties below.
    let wrong = Cutter::new(Params { min: 256, average: 1024, max: 4096 }, table(), wrong_scan).unwrap();
    let right = cutter(256, 1024, 4096);
    let pieces: Vec<usize> = (1..90).map(|i| i * 37 % 501 + 1).collect();
    assert!(arrival_does_not_matter(&right, &stream(400_000), &pieces));
    assert!(!arrival_does_not_matter(&wrong, &stream(400_000), &pieces));
}

#[test]
fn published_vectors() {
    let table = table();
    assert_eq!(table[0], 0x421d_b470_90e7_2556);
    assert_eq!(table[1], 0x2ca2_fc25_66a6_bd64);
    assert_eq!(table[2], 0x6523_759c_dfa1_6cd9);
    assert_eq!(table[255], 0xc172_61c3_7570_12d3);
    assert_eq!((mask(20), mask(16), mask(11)), (0xff00_0000_0000_fff0, 0xf000_0000_0000_fff0, 0xffe0));
    assert_eq!(
        cuts(&cutter(2048, 8192, 32_768), &stream(131_072)),
        [17_739, 7_171, 12_791, 10_380, 9_162, 10_481, 11_108, 3_809, 11_153, 4_733, 10_120, 10_787, 8_513, 3_125]
    );
    assert_eq!(
        cuts(&cutter(65_536, 262_144, 1_048_576), &stream(4 << 20)),
        [
            162_314, 273_407, 370_045, 282_391, 267_616, 283_849, 354_969, 343_792, 580_922, 231_463, 271_607, 305_107,
            310_645, 156_177
        ]
    );
}

#[test]
fn data_without_variety_is_cut_at_the_largest_size() {
    let all = cuts(&cutter(256, 1024, 4096), &vec![0; 20_000]);
    assert!(all[..all.len() - 1].iter().all(|&len| len == 4096 || len == 256), "{all:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn how_bytes_arrive_does_not_matter(data in prop::collection::vec(any::<u8>(), 0..40_000), pieces in prop::collection::vec(1_usize..3000, 1..40)) {
        prop_assert!(arrival_does_not_matter(&cutter(256, 1024, 4096), &data, &pieces));
    }

    #[test]
    fn an_insertion_moves_cuts_only_near_it(seed in any::<u32>(), at in 50_000_usize..150_000, len in 1_usize..300) {
        let mut data = stream(400_000);
        data.iter_mut().enumerate().for_each(|(i, b)| *b ^= (seed >> (i % 4 * 8)) as u8);
        let cutter = cutter(256, 1024, 4096);
        let before = ends(&cutter, &data);
        let mut changed = data.clone();
        changed.splice(at..at, stream(len));
        let after = ends(&cutter, &changed);
        let same_head = before.iter().take_while(|e| **e < at).eq(after.iter().take_while(|e| **e < at));
        prop_assert!(same_head, "cuts before the insertion stay");
        let tail = |ends: &[usize], shift: usize| ends.iter().filter(|e| **e > at + 100_000 + shift).map(|e| e - shift).collect::<Vec<_>>();
        prop_assert_eq!(tail(&before, 0), tail(&after, len));
    }

    #[test]
    fn a_deletion_moves_cuts_only_near_it(seed in any::<u32>(), at in 50_000_usize..150_000, len in 1_usize..300) {
        let mut data = stream(400_000);
        data.iter_mut().enumerate().for_each(|(i, b)| *b ^= (seed >> (i % 4 * 8)) as u8);
        let before = ends(&cutter(256, 1024, 4096), &data);
        data.drain(at..at + len);
        let after = ends(&cutter(256, 1024, 4096), &data);
        let head = |ends: &[usize]| ends.iter().take_while(|e| **e < at).copied().collect::<Vec<_>>();
        prop_assert_eq!(head(&before), head(&after), "cuts before the deletion stay");
        let tail = |ends: &[usize], shift: usize| ends.iter().filter(|e| **e > at + 100_000 + shift).map(|e| e - shift).collect::<Vec<_>>();
        prop_assert_eq!(tail(&before, len), tail(&after, 0));
    }

    #[test]
    fn sizes_keep_their_bounds(data in prop::collection::vec(any::<u8>(), 1..60_000)) {
        let all = cuts(&cutter(512, 2048, 8192), &data);
        prop_assert!(all.iter().all(|&len| len <= 8192));
        prop_assert!(all[..all.len() - 1].iter().all(|&len| len >= 512));
        prop_assert_eq!(all.iter().sum::<usize>(), data.len());
    }
}
