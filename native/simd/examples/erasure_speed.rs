//! Throughput of parity encoding on one core, in GB (10⁹ bytes) of data per second, best of three rounds:
//! `cargo run --release -p packvault-simd --example erasure_speed`

use std::time::Instant;

use packvault_core::erasure::field;
use packvault_core::erasure::group::accumulate;
use packvault_simd::erasure::{MulAdd, kernels};

/// Bytes, as a default pack.
const MEMBER: usize = 16 << 20;
/// Data columns and parity rows.
const GROUPS: [(usize, usize); 4] = [(17, 3), (20, 1), (20, 4), (64, 8)];
/// Members in memory, used in turn: more than a cache holds.
const MEMBERS: usize = 8;

/// Seconds to encode one group whose members come one after the other, as an ingest seals its packs.
fn encode(mul_add: MulAdd, members: &[Vec<u8>], rows: &mut [Vec<u8>], k: usize) -> f64 {
    let mut rows: Vec<&mut [u8]> = rows.iter_mut().map(Vec::as_mut_slice).collect();
    let start = Instant::now();
    for column in 0..k {
        accumulate(mul_add, column, &members[column % members.len()], &mut rows);
    }
    start.elapsed().as_secs_f64()
}

fn main() {
    let members: Vec<Vec<u8>> =
        (0..MEMBERS).map(|m| (0..MEMBER).map(|i| (i.wrapping_mul(0x9E37_79B9) >> (m + 7)) as u8).collect()).collect();
    let mut all: Vec<(&str, MulAdd)> = kernels();
    all.push(("reference", field::mul_add));
    print!("{:12}", "GB/s");
    for (k, m) in GROUPS {
        print!("{:>12}", format!("({k},{m})"));
    }
    println!();
    for (name, mul_add) in all {
        print!("{name:12}");
        for (k, m) in GROUPS {
            let mut rows = vec![vec![0; MEMBER]; m];
            let best = (0..3).map(|_| encode(mul_add, &members, &mut rows, k)).fold(f64::INFINITY, f64::min);
            let data = u32::try_from(k * MEMBER).expect("a group of less than 4 GiB");
            print!("{:12.2}", f64::from(data) / best / 1e9);
        }
        println!();
    }
}
