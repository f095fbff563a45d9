//! Many processes on one store in bad weather.

use packvault_sim::history;

/// How many seeds a normal run plays.
const SEEDS: u64 = 60;

#[test]
fn nothing_acknowledged_is_lost_whatever_happens() {
    let mut total = history::Outcome::default();
    for seed in 0..SEEDS {
        let outcome = history::run(seed).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        total.acknowledged += outcome.acknowledged;
        total.removed += outcome.removed;
        total.rounds += outcome.rounds;
        total.failed += outcome.failed;
        total.restored += outcome.restored;
    }
    assert!(
        total.acknowledged > 100 && total.removed > 20 && total.rounds > 50 && total.failed > 20,
        "dull: {total:?}"
    );
}

#[test]
fn the_same_seed_has_the_same_trace() {
    for seed in 0..6 {
        assert_eq!(history::run(seed), history::run(seed), "seed {seed}");
    }
}
