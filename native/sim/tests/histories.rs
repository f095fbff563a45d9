//! Many processes on one store in bad weather.

use packvault_sim::{history, run_all};

/// How many seeds a normal run plays.
const SEEDS: u64 = 2_000;

/// Seeds that found something once.
const REGRESSIONS: [u64; 8] = [
    // A repair called packs lost that a round had deleted meanwhile.
    909, 1343, 1389, 1404, // A cloned machine took one snapshot id twice.
    2278, // A restore whose snapshot was removed called the repository damaged.
    392, 736, 824,
];

#[test]
fn nothing_acknowledged_is_lost_whatever_happens() {
    let total = run_all(0..SEEDS).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(
        total.acknowledged > 10_000 && total.removed > 1_000 && total.rounds > 5_000 && total.failed > 5_000,
        "dull: {total:?}"
    );
    assert!(total.restored > 1_000, "dull: {total:?}");
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
