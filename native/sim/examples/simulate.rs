//! Plays many histories: `simulate FROM COUNT`. Prints what they came to; for one that fails, the command that plays it again, and then the smallest
//! cast that still fails.

use packvault_sim::history::{self, Cast};
use packvault_sim::{Outcome, Rates, SimStore};

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let (from, count) = (numbers.first().copied().unwrap_or(0), numbers.get(1).copied().unwrap_or(1));
    let mut total = Outcome::default();
    let mut failures = 0;
    for seed in from..from + count {
        match history::run(seed) {
            Ok(outcome) => total.add(&outcome),
            Err(violation) => {
                failures += 1;
                println!("seed {seed}: {violation}\n  again: npm run simulate -- --from {seed} --seeds 1");
                println!("  smallest cast that fails: {:?}", shrink(seed));
            }
        }
    }
    println!(
        "{count} histories from seed {from}: {} backups acknowledged, {} snapshots removed, {} rounds, {} calls failed by weather, {} restores, {} checks, \
         {} long backups with {} holds and {} chunks brought forward, {} cut off; {failures} failures",
        total.acknowledged,
        total.removed,
        total.rounds,
        total.failed,
        total.restored,
        total.verified,
        total.long,
        total.held,
        total.forwarded,
        total.cut_off
    );
    std::process::exit(i32::from(failures > 0));
}

/// Takes away one thing after the other for as long as the history still fails.
fn shrink(seed: u64) -> Cast {
    let mut cast = Cast::of(seed);
    loop {
        let smaller = candidates(cast).into_iter().find(|c| history::run_with(seed, *c, &SimStore::default()).is_err());
        match smaller {
            Some(next) => cast = next,
            None => return cast,
        }
    }
}

fn candidates(cast: Cast) -> Vec<Cast> {
    let less = |n: usize, least: usize| n.saturating_sub(1).max(least);
    let rates = cast.rates;
    let all = [
        Cast { readers: less(cast.readers, 0), ..cast },
        Cast { repairers: less(cast.repairers, 0), ..cast },
        Cast { writers: less(cast.writers, 1), ..cast },
        Cast { pruners: less(cast.pruners, 0), ..cast },
        Cast { turns: less(cast.turns, 1), ..cast },
        Cast { parity: None, ..cast },
        Cast { rates: Rates { crash: 0, ..rates }, ..cast },
        Cast { rates: Rates { late: 0, ..rates }, ..cast },
        Cast { rates: Rates { fail: 0, ..rates }, ..cast },
        Cast { rates: Rates { pause: 0, ..rates }, ..cast },
        Cast { rates: Rates { twice: 0, ..rates }, ..cast },
        Cast { rates: Rates { page: 0, ..rates }, ..cast },
    ];
    all.into_iter().filter(|smaller| *smaller != cast).collect()
}
