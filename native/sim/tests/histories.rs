//! Many processes on one store in bad weather.

use packvault_sim::{history, run_all};

/// How many seeds a normal run plays.
const SEEDS: u64 = 2_000;

/// Seeds that found something once. A change of what is drawn gives a seed another history: tests of their own in `prune.rs` keep what
/// these found about repairs, cloned machines and restores beside a prune.
const REGRESSIONS: [u64; 10] = [392, 403, 736, 824, 909, 983, 1343, 1389, 1404, 2278];

#[test]
fn nothing_acknowledged_is_lost_whatever_happens() {
    let total = run_all(0..SEEDS).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(
        total.acknowledged > 9_000 && total.removed > 1_000 && total.rounds > 5_000 && total.failed > 5_000,
        "dull: {total:?}"
    );
    assert!(total.restored > 1_000 && total.verified > 500, "dull: {total:?}");
    // Long backups go on beside prunes: they bring forward what these condemn, and seldom come too late for that.
    assert!(total.held > 10_000 && total.forwarded > 500, "dull: {total:?}");
    assert!(total.long > 20 * total.cut_off, "long backups are cut off: {total:?}");
}

#[test]
fn what_was_found_once_stays_mended() {
    for seed in REGRESSIONS {
        history::run(seed).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
    }
}

#[test]
fn the_same_seed_has_the_same_trace() {
    for seed in 0..6 {
        assert_eq!(history::run(seed), history::run(seed), "seed {seed}");
    }
}
