//! Compares mask layouts: speed of the scan, and new bytes after small edits. `cargo run --release -p packvault-simd --example masks FILE`
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::collections::HashSet;
use std::fmt::Write;
use std::time::Instant;

use packvault_core::chunk::cutter::{Cutter, Params};
use packvault_core::chunk::gear;
use packvault_core::crypto::{hkdf_expand, sha256};
use packvault_core::kernels::ScanFn;

const PARAMS: Params = Params { min: 64 << 10, average: 256 << 10, max: 1 << 20 };
const EDITS: usize = 200;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// `low` of the bits stand below bit 16, the others at the top.
fn layout(bits: u32, low: u32) -> u64 {
    let low = low.min(bits);
    let top = if bits == low { 0 } else { u64::MAX << (64 - (bits - low)) };
    top | ((1_u64 << low) - 1) << (16 - low)
}

fn edited(data: &[u8], random: &mut Random) -> Vec<u8> {
    let mut places: Vec<usize> = (0..EDITS).map(|_| random.below(data.len())).collect();
    places.sort_unstable();
    let mut out = Vec::with_capacity(data.len() + EDITS * 512);
    let mut at = 0;
    for place in places {
        out.extend_from_slice(&data[at..place.max(at)]);
        at = place.max(at);
        let len = random.below(512) + 1;
        match random.below(3) {
            0 => at = (at + len).min(data.len()),
            1 => out.extend((0..len).map(|_| random.below(256) as u8)),
            _ => {
                out.extend((0..len).map(|_| random.below(256) as u8));
                at = (at + len).min(data.len());
            }
        }
    }
    out.extend_from_slice(&data[at..]);
    out
}

fn cuts<'a>(cutter: &Cutter, mut data: &'a [u8]) -> Vec<&'a [u8]> {
    let mut out = Vec::new();
    while let Some(len) = cutter.next(data, true) {
        let (chunk, rest) = data.split_at(len);
        out.push(chunk);
        data = rest;
    }
    out
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: masks FILE");
    let data = std::fs::read(path).expect("the file can be read");
    let mut bytes = [0; 2048];
    hkdf_expand(&sha256(b"packvault/v1/unencrypted"), b"packvault/v1/gear", &mut bytes);
    let table = gear::table_from_bytes(&bytes);
    println!(
        "{} bytes, {EDITS} edits; bits below bit 16 | GB/s by kernel | chunks, mean, sd | new bytes %",
        data.len()
    );
    for low in [0, 11, 12, 13, 14, 15] {
        let kernels: Vec<(&str, ScanFn)> = packvault_simd::cut::kernels();
        let mut speeds = String::new();
        for (name, scan) in &kernels {
            let cutter = Cutter::with_masks(PARAMS, table, *scan, layout(20, low), layout(16, low)).expect("valid");
            let best = (0..3)
                .map(|_| {
                    let start = Instant::now();
                    assert!(!cuts(&cutter, &data).is_empty());
                    start.elapsed().as_secs_f64()
                })
                .fold(f64::MAX, f64::min);
            let _ = write!(speeds, "{name} {:.2}  ", data.len() as f64 / best / 1e9);
        }
        let cutter = Cutter::with_masks(PARAMS, table, kernels[0].1, layout(20, low), layout(16, low)).expect("valid");
        let chunks = cuts(&cutter, &data);
        let known: HashSet<[u8; 32]> = chunks.iter().map(|c| *blake3::hash(c).as_bytes()).collect();
        let mean = data.len() as f64 / chunks.len() as f64;
        let sd = (chunks.iter().map(|c| (c.len() as f64 - mean).powi(2)).sum::<f64>() / chunks.len() as f64).sqrt();
        let mut fresh = 0.0;
        for seed in 1..=3 {
            let second = edited(&data, &mut Random(seed));
            let new: usize = cuts(&cutter, &second)
                .iter()
                .filter(|c| !known.contains(blake3::hash(c).as_bytes()))
                .map(|c| c.len())
                .sum();
            fresh += new as f64 / data.len() as f64 * 100.0 / 3.0;
        }
        println!("{low:>2} | {speeds}| {} {:.0} KiB {:.0} KiB | {fresh:.2}", chunks.len(), mean / 1024.0, sd / 1024.0);
    }
}
