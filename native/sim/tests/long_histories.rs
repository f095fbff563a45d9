//! Many processes on one store in bad weather, for long.

use packvault_sim::run_all;

/// Seeds that the normal run does not play.
const SEEDS: std::ops::Range<u64> = 100_000..110_000;

#[test]
fn long_nothing_acknowledged_is_lost_whatever_happens() {
    run_all(SEEDS).unwrap_or_else(|violation| panic!("{violation}"));
}
