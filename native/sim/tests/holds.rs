//! Long backups beside prunes: they hold what they rely on and go on, whatever the prunes delete; and nothing is kept for long for the dead.

mod common;

use std::sync::{Arc, Mutex};

use common::play::{Play, Steps};
use common::pruner::{Pruner, Wish};
use common::{ingest_long, keep_only, looks_after_holds, open, prune};
use packvault_core::error::{Code, Result};
use packvault_core::verbs::prune as prune_verbs;
use packvault_sim::{Fault, Lies, SimStore, When};

const ITEMS: usize = 4;

fn play() -> Play {
    Play::new(151, 300_000)
}

/// What the backup asks of the store when nobody disturbs it.
fn rehearse(play: &Play, seed: u64) -> Vec<String> {
    let (world, repo) = play.start(seed);
    let from = play.fixture.store.trace().len();
    ingest_long(&world, &repo, &play.content, ITEMS).unwrap();
    assert!(!play.fixture.store.keys("snapshots/").iter().any(|key| key.contains(".hold")), "taken back");
    play.fixture.store.trace().split_off(from)
}

/// What the backups of many plays came to.
#[derive(Debug, Default)]
struct Count {
    acknowledged: usize,
    refused: usize,
    forwarded: usize,
}

/// Runs the backup beside a round whose steps come before these operations.
fn beside(play: &Play, seed: u64, at: [usize; 3], fault: bool, count: &mut Count) -> std::result::Result<(), String> {
    let what = format!("seed {seed}, the steps of a round before operations {at:?}");
    let store = &play.fixture.store;
    let (world, repo) = play.start(seed);
    let pruner = Pruner::new(&repo, seed);
    if fault {
        *pruner.hides_condemned.lock().unwrap() = Some(Vec::new());
    }
    let steps = Steps::new(pruner, &play.wish);
    steps.arm(&world, at);
    let from = store.trace().len();
    let got = ingest_long(&world, &repo, &play.content, ITEMS);
    let forwarded = store.trace()[from..].iter().any(|line| line.contains(" get packs/data/"));
    steps.finish(store);
    let id = match got {
        Ok(snapshot) => {
            count.acknowledged += 1;
            count.forwarded += usize::from(forwarded);
            Some(snapshot.id)
        }
        Err(error) if error.code == Code::Conflict => {
            count.refused += 1;
            None
        }
        Err(error) => return Err(format!("{what}: {error}")),
    };
    // Whatever nobody named in time goes with the next round.
    Pruner::new(&repo, seed + 1).round(store, &Wish { orphans: true, ..Wish::default() });
    play.check(id).map_err(|error| format!("{what}: {error}"))
}

/// Rounds whose condemn comes before each operation of the backup, and the other two steps a little or much later.
fn beside_rounds(play: &Play, seed: u64, fault: bool) -> std::result::Result<Count, String> {
    let most = rehearse(play, seed).len();
    let mut count = Count::default();
    for first in 0..=most {
        for (second, third) in [(0, 0), (0, 3), (0, 12), (3, 9), (12, 2), (20, 30)] {
            let refused = count.refused;
            beside(play, seed, [first, first + second, first + second + third], fault, &mut count)?;
            let slow = second + third == 50;
            assert!(!slow || count.refused == refused, "a round that leaves time for a hold, from operation {first}");
        }
    }
    Ok(count)
}

#[test]
fn long_backups_beside_a_round_at_every_operation_lose_nothing() {
    let play = play();
    for seed in [161, 162] {
        let count = beside_rounds(&play, seed, false).unwrap();
        assert!(count.acknowledged > 2 * count.refused, "seed {seed}: {count:?}");
        assert!(count.forwarded > 20, "seed {seed}: {count:?}");
    }
}

#[test]
fn a_backup_that_goes_on_with_the_old_view_is_found_out() {
    // The planted fault of the test above.
    let error = beside_rounds(&play(), 161, true).unwrap_err();
    assert!(error.contains("CORRUPT"), "{error}");
}

/// Who plays a whole round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Pruner,
    /// A planted fault: it keeps nothing for holds.
    PrunerThatIgnoresHolds,
    Verb,
}

/// The backup while a whole round runs just before each of its looks for rounds. Whether each was acknowledged.
fn whole_rounds(play: &Play, by: By) -> Vec<bool> {
    let looks = looks_after_holds(&rehearse(play, 163));
    // Before the first item there is nothing to hold.
    assert_eq!(looks.len(), ITEMS - 1, "{looks:?}");
    let beside = |at: &usize| {
        let (world, repo) = play.start(163);
        let mut pruner = Pruner::new(&repo, 164);
        pruner.ignores_holds = by == By::PrunerThatIgnoresHolds;
        let wish = play.wish.clone();
        world.link.before(*at, move |store: &SimStore| {
            if by == By::Verb {
                let other = common::world(168, store);
                let repo = open(&other, true).unwrap();
                let w = other.clone();
                other.run(async move { prune_verbs::forget(&w, &repo, &wish.forget, keep_only(1)).await }).unwrap();
            } else {
                assert!(pruner.round(store, &wish));
            }
        });
        let got = ingest_long(&world, &repo, &play.content, ITEMS);
        let done = got.is_ok();
        let refused = got.as_ref().err().is_none_or(|error| error.code == Code::Conflict);
        assert!(refused, "a round before operation {at}: {got:?}");
        let id = got.ok().map(|snapshot| snapshot.id);
        play.check(id).unwrap_or_else(|error| panic!("a round before operation {at}: {error}"));
        done
    };
    looks.iter().map(beside).collect()
}

#[test]
fn what_is_held_outlives_a_whole_round() {
    let play = play();
    for by in [By::Pruner, By::Verb] {
        assert_eq!(whole_rounds(&play, by), vec![true; ITEMS - 1], "every hold was kept");
    }
    assert!(whole_rounds(&play, By::PrunerThatIgnoresHolds).contains(&false));
}

/// Two whole rounds, before the looks for rounds after the second hold and after the next one that comes with other items; with `blind`, looks
/// show nothing in between.
fn two_rounds(play: &Play, blind: bool) -> Result<String> {
    let (world, repo) = play.start(165);
    let (pruner, wish) = (Pruner::new(&repo, 166), play.wish.clone());
    // The hold that met the first round is put again, unless nobody looks.
    let second = if blind { 3 } else { 4 };
    let looks = Arc::new(Mutex::new(0));
    let (counted, mut after_hold) = (looks.clone(), false);
    world.link.watch(move |what, store| {
        if after_hold && what.starts_with("list gc/") {
            let mut looks = counted.lock().unwrap();
            *looks += 1;
            if *looks == 2 {
                assert!(pruner.round(store, &wish));
                store.lie(Lies { hidden: blind.then(|| "gc/".to_owned()), ..Lies::default() });
            } else if *looks == second {
                assert!(pruner.round(store, &Wish { orphans: true, ..Wish::default() }));
                store.lie(Lies::default());
            }
        }
        after_hold = what.starts_with("put snapshots/") && what.contains(".hold");
    });
    let got = ingest_long(&world, &repo, &play.content, ITEMS + 2);
    assert!(*looks.lock().unwrap() >= second, "both rounds took place");
    let id = got.as_ref().ok().map(|snapshot| snapshot.id.clone());
    play.check(id).unwrap_or_else(|error| panic!("{error}"));
    got.map(|snapshot| snapshot.id)
}

#[test]
fn a_hold_is_renewed_under_the_newest_round() {
    let play = play();
    two_rounds(&play, false).unwrap();
    // The planted fault: a backup that does not look for rounds after a hold goes on holding under a generation that counts no more.
    assert_eq!(two_rounds(&play, true).unwrap_err().code, Code::Conflict);
}

#[test]
fn a_hold_of_somebody_dead_ends_with_a_round() {
    let play = play();
    let mutations = {
        let (world, repo) = play.start(175);
        ingest_long(&world, &repo, &play.content, ITEMS).unwrap();
        world.link.mutations()
    };
    let mut left = 0;
    for at in 0..mutations {
        let (world, repo) = play.start(175);
        world.link.arm(Some(Fault::Crash { at, when: When::After }));
        let got = ingest_long(&world, &repo, &play.content, ITEMS);
        // The last mutation takes the hold back, and nobody minds.
        assert_eq!(got.is_ok(), at + 1 == mutations, "the writer died at mutation {at}");
        let holds = || play.fixture.store.keys("snapshots/").iter().filter(|key| key.contains(".hold")).count();
        left += usize::from(holds() > 0);
        for number in 0..3 {
            play.fixture.store.leap(3 * 86_400_000);
            let other = play.fixture.restarted(176 + number);
            let repo = open(&other, true).unwrap();
            prune(&other, &repo, keep_only(1_000)).unwrap();
        }
        assert_eq!(holds(), 0, "the writer died at mutation {at}");
        play.check(None).unwrap_or_else(|error| panic!("the writer died at mutation {at}: {error}"));
    }
    assert!(left > 4, "{left}");
}
