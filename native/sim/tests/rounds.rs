//! Writers and readers beside deletion rounds: what was acknowledged stays, whenever the round begins and ends.

mod common;

use common::fixture::whole;
use common::play::{Play, Steps};
use common::pruner::{Pruner, Wish};
use common::{ingest, list, open, repair, restore, verify};
use packvault_core::error::{Code, Error};
use packvault_core::verbs::Level;
use packvault_sim::{Fault, Lies, SimStore, When};

fn play() -> Play {
    Play::new(51, 150_000)
}

/// Operations of a backup that nobody disturbs.
fn operations(play: &Play, seed: u64) -> usize {
    let (world, repo) = play.start(seed);
    let snapshot = ingest(&world, &repo, std::slice::from_ref(&play.content)).unwrap();
    assert!(snapshot.reused_chunks > snapshot.new_chunks, "most is there already");
    world.link.operations()
}

/// Runs the backup beside a round. Whether it was acknowledged.
fn beside(play: &Play, seed: u64, at: [usize; 3], lies: &Lies) -> Result<bool, String> {
    let what = format!("seed {seed}, the steps of a round before operations {at:?}");
    let store = &play.fixture.store;
    let (world, repo) = play.start(seed);
    let steps = Steps::new(Pruner::new(&repo, seed), &play.wish);
    steps.arm(&world, at);
    store.lie(lies.clone());
    let got = ingest(&world, &repo, std::slice::from_ref(&play.content));
    store.lie(Lies::default());
    steps.finish(store);
    let id = match got {
        Ok(snapshot) => Some(snapshot.id),
        Err(error) => {
            assert_eq!(error.code, Code::Conflict, "{what}: {error}");
            None
        }
    };
    let acknowledged = id.is_some();
    // Whatever nobody named in time goes with the next round.
    Pruner::new(&repo, seed + 1).round(store, &Wish { orphans: true, ..Wish::default() });
    play.check(id).map_err(|error| format!("{what}: {error}"))?;
    Ok(acknowledged)
}

/// All choices of three operations in order; with `every` above 1 only each so many-th of the middle ones.
fn choices(most: usize, every: usize) -> impl Iterator<Item = [usize; 3]> {
    let ends = (0..=most).flat_map(move |from| (from..=most).map(move |to| (from, to)));
    ends.flat_map(move |(from, to)| {
        (from..=to).filter(move |mid| (from + to + mid) % every == 0).map(move |mid| [from, mid, to])
    })
}

fn beside_rounds(play: &Play, seed: u64, every: usize, lies: &Lies) -> Result<(usize, usize), String> {
    let (mut acknowledged, mut refused) = (0, 0);
    for at in choices(operations(play, seed), every) {
        *(if beside(play, seed, at, lies)? { &mut acknowledged } else { &mut refused }) += 1;
    }
    Ok((acknowledged, refused))
}

#[test]
fn what_is_acknowledged_beside_a_round_outlives_it() {
    let play = play();
    for seed in [61, 62] {
        let (acknowledged, refused) = beside_rounds(&play, seed, 5, &Lies::default()).unwrap();
        assert!(acknowledged > 20, "seed {seed}: {acknowledged} acknowledged, {refused} refused");
        assert!(refused > 0, "a round that deletes what was relied on is met by some of {acknowledged}");
    }
}

#[cfg(feature = "long")]
#[test]
fn at_every_choice_of_operations_and_more_seeds() {
    let play = play();
    for seed in 600..606 {
        let (acknowledged, refused) = beside_rounds(&play, seed, 1, &Lies::default()).unwrap();
        assert!(acknowledged > 100 && refused > 0, "seed {seed}: {acknowledged} acknowledged, {refused} refused");
    }
}

#[test]
fn a_writer_that_does_not_look_for_rounds_is_found_out() {
    // The planted fault of the test above.
    let blind = Lies { hidden: Some("gc/".into()), ..Lies::default() };
    let error = beside_rounds(&play(), 61, 5, &blind).unwrap_err();
    assert!(error.contains("CORRUPT") || error.contains("not listed"), "{error}");
}

#[test]
fn a_backup_that_starts_again_stores_nothing_twice() {
    let play = play();
    let most = operations(&play, 76);
    let packs = |from: usize| {
        let (world, repo) = play.start(76);
        Steps::new(Pruner::new(&repo, 77), &Wish::default()).arm(&world, [from; 3]);
        let snapshot = ingest(&world, &repo, std::slice::from_ref(&play.content)).unwrap();
        play.check(Some(snapshot.id)).unwrap();
        play.fixture.store.keys("packs/data/").len()
    };
    let undisturbed = packs(most + 1);
    for from in 0..most {
        assert_eq!(packs(from), undisturbed, "a round that deletes nothing, at operation {from}");
    }
}

#[test]
fn an_idx_that_an_open_round_may_leave_out_is_not_relied_on() {
    let play = play();
    let (world, repo) = play.start(78);
    let store = &play.fixture.store;
    // What a backup of the same data left that died before its snapshot.
    let operations = {
        ingest(&world, &repo, std::slice::from_ref(&play.content)).unwrap();
        world.link.mutations()
    };
    let (world, repo) = play.start(78);
    world.link.arm(Some(Fault::Crash { at: operations - 2, when: When::Before }));
    ingest(&world, &repo, std::slice::from_ref(&play.content)).unwrap_err();
    let left: Vec<_> = store.snapshot().into_iter().filter(|(key, _)| !play.before.contains_key(key)).collect();
    assert!(left.iter().any(|(key, _)| key.starts_with("index/")));
    for at in 0..operations + 4 {
        let (world, repo) = play.start(79);
        let steps = Steps::new(Pruner::new(&repo, 80), &Wish::default());
        steps.step(store);
        steps.step(store);
        for (key, bytes) in &left {
            store.plant(key, bytes);
        }
        let last = steps.clone();
        world.link.before(at, move |store: &SimStore| last.step(store));
        let snapshot = ingest(&world, &repo, std::slice::from_ref(&play.content)).unwrap();
        steps.finish(store);
        Pruner::new(&repo, 81).round(store, &Wish { orphans: true, ..Wish::default() });
        play.check(Some(snapshot.id)).unwrap_or_else(|error| panic!("checkpoint at operation {at}: {error}"));
    }
}

#[test]
fn a_writer_whose_own_packs_are_condemned_stores_them_again() {
    let play = play();
    let most = operations(&play, 63);
    let (mut acknowledged, mut refused, mut redone) = (0, 0, 0);
    for first in 0..most {
        for second in first..most + 12 {
            let what = format!("rounds at operations {first} and {second}");
            let (world, repo) = play.start(63);
            let pruner = Pruner::new(&repo, 64);
            for (at, wish) in [(first, play.wish.clone()), (second, Wish::default())] {
                let pruner = pruner.clone();
                let wish = Wish { orphans: true, ..wish };
                world.link.before(at, move |store: &SimStore| {
                    pruner.round(store, &wish);
                });
            }
            let id = match ingest(&world, &repo, std::slice::from_ref(&play.content)) {
                Ok(snapshot) => {
                    acknowledged += 1;
                    redone += usize::from(world.link.operations() > most);
                    Some(snapshot.id)
                }
                Err(error) => {
                    assert_eq!(error.code, Code::Conflict, "{what}: {error}");
                    refused += 1;
                    None
                }
            };
            play.check(id).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
    assert!(acknowledged > 20 && redone > 10 && refused > 0, "{acknowledged} {redone} {refused}");
}

#[test]
fn a_restore_goes_on_while_a_round_moves_and_deletes() {
    let play = play();
    let (kept, content) = play.fixture.acknowledged[0].clone();
    let gone = play.wish.forget[0].clone();
    let (world, repo) = play.start(65);
    restore(&world, &repo, &kept, None, true).unwrap();
    let most = world.link.operations();
    let mut forgotten = 0;
    for at in 0..most {
        for id in [&kept, &gone] {
            let (world, repo) = play.start(65);
            let pruner = Pruner::new(&repo, 66);
            let wish = play.wish.clone();
            world.link.before(at, move |store: &SimStore| assert!(pruner.round(store, &wish)));
            match restore(&world, &repo, id, None, true) {
                Ok(got) if *id == kept => assert!(got == content, "at {at}"),
                Ok(_) => {}
                Err(error) => {
                    // Not there when it began, or removed while it read.
                    assert_eq!(id, &gone, "at {at}: {error}");
                    assert!(matches!(error.code, Code::NotFound | Code::Conflict), "at {at}: {error}");
                    forgotten += 1;
                }
            }
        }
    }
    assert!(forgotten > 2, "{forgotten}");
}

#[test]
fn after_a_round_backups_rely_on_what_the_checkpoint_lists() {
    let play = play();
    let (world, repo) = play.start(67);
    assert!(Pruner::new(&repo, 68).round(&play.fixture.store, &play.wish));
    let (_, content) = &play.fixture.acknowledged[0];
    // The repository object has seen the idx before the checkpoint listed them.
    let again = ingest(&world, &repo, std::slice::from_ref(content)).unwrap();
    assert_eq!((again.new_chunks, again.stored_size), (0, 0));
    assert_eq!(list(&world, &repo).unwrap().len(), 2);
    assert!(verify(&world, &repo, Level::Full).ok);
}

#[test]
fn repair_copies_forward_what_only_a_condemned_pack_holds() {
    let play = play();
    let (world, repo) = play.start(69);
    let store = &play.fixture.store;
    // A condemned pack that a snapshot needs, and the idx that named it is lost: the prune refuses until repair has been here.
    let (id, _) = play.fixture.acknowledged[0].clone();
    let forget = Wish { forget: vec![id.clone()], orphans: false };
    let pruner = Pruner::new(&repo, 70);
    pruner.condemn(store, &forget);
    let rely = ingest(&world, &repo, std::slice::from_ref(&play.content)).unwrap();
    for key in store.keys("index/") {
        store.lose(&key);
    }
    assert_eq!(pruner.checkpoint(store).err(), Some("a chunk is named by no idx".to_owned()));
    let again = play.fixture.restarted(71);
    let repo = open(&again, true).unwrap();
    let done = repair(&again, &repo).unwrap();
    assert!(done.index_rebuilt && done.snapshots_damaged.is_empty(), "{done:?}");
    let checkpoint = pruner.checkpoint(store).unwrap();
    pruner.delete(store, &checkpoint);
    let world = play.fixture.restarted(72);
    let repo = open(&world, true).unwrap();
    whole(&world, &repo, &[(rely.id, play.content.clone())]).unwrap();
    assert!(verify(&world, &repo, Level::Full).ok);
    world.link.arm(None);
    repair(&world, &repo).unwrap();
    assert_eq!(world.link.mutations(), 0);
}

#[test]
fn a_round_whose_first_copy_was_never_written_keeps_nobody_busy() {
    let play = play();
    let (world, repo) = play.start(73);
    let store = &play.fixture.store;
    Pruner::new(&repo, 74).condemn(store, &play.wish);
    let [first, second] = [".a", ".b"].map(|suffix| format!("gc/{:016}.condemn{suffix}", 2));
    // Whole: whoever meets it completes it.
    store.lose(&first);
    let decided = ingest(&world, &repo, std::slice::from_ref(&play.content)).unwrap();
    assert!(store.keys("gc/").contains(&first));
    whole(&world, &repo, &[(decided.id, play.content.clone())]).unwrap();
    // Damaged: it was never decided.
    store.lose(&first);
    store.damage(&second, |bytes| {
        bytes[90] ^= 1;
        true
    });
    let again = play.fixture.restarted(75);
    let repo = open(&again, true).unwrap();
    let snapshot = ingest(&again, &repo, std::slice::from_ref(&play.content)).unwrap();
    whole(&again, &repo, &[(snapshot.id, play.content.clone())]).unwrap();
    assert!(!store.keys("gc/").contains(&first));
}

#[test]
fn a_round_that_began_without_the_checkpoint_before_it_fails_closed() {
    let play = play();
    let (world, repo) = play.start(77);
    let store = &play.fixture.store;
    let pruner = Pruner::new(&repo, 78);
    assert!(pruner.round(store, &play.wish));
    pruner.condemn(store, &Wish::default());
    for key in store.keys("gc/").into_iter().filter(|key| key.contains("2.checkpoint")) {
        store.lose(&key);
    }
    let fresh = open(&world, true).unwrap();
    let refused = |error: Error| assert_eq!(error.code, Code::Corrupt, "{error}");
    refused(ingest(&world, &fresh, std::slice::from_ref(&play.content)).unwrap_err());
    refused(list(&world, &fresh).unwrap_err());
}
