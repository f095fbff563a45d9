//! Several processes, several workers, one seed: the same trace every time, and nobody in another's way.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::fixture::{Shape, whole};
use common::{ingest, ingesting, init, list, open, options, repair, restore, secret, verify, world};
use futures_util::future::join;
use packvault_core::error::Code;
use packvault_core::format::names;
use packvault_core::verbs::{Level, init as init_verb, repair as repair_verb};
use packvault_sim::{Lies, Random, SimStore, SimWorld};

/// A life of a repository: init, two backups by several workers, damage, repair, restore. All that was asked of the store, and what is in it.
fn life(seed: u64, threads: usize, disturb: impl Fn(&mut SimWorld)) -> (Vec<String>, BTreeMap<String, Vec<u8>>) {
    let store = SimStore::default();
    let mut one = world(seed, &store);
    one.threads = threads;
    let repo = init(&one, options(seed.is_multiple_of(2), Some((3, 2))), !seed.is_multiple_of(3));
    let mut content = Random::new(seed).text(300_000);
    ingest(&one, &repo, &[content.clone()]).unwrap();
    disturb(&mut one);
    content.splice(5_000..5_000, Random::new(seed).text(9_000));
    let second = ingest(&one, &repo, &[content.clone(), vec![1; 70_000]]).unwrap();
    store.lose(&store.keys("packs/data/")[seed as usize % 4]);
    assert!(restore(&one, &repo, &second.id, Some("item 0"), true).unwrap() == content, "seed {seed}");
    repair(&one, &repo).unwrap();
    assert!(verify(&one, &repo, Level::Full).ok, "seed {seed}");
    (store.trace(), store.snapshot())
}

#[test]
fn the_same_seed_gives_the_same_trace_and_the_same_bytes() {
    let mut traces = std::collections::BTreeSet::new();
    for seed in 0..24 {
        for threads in [1, 3, 5] {
            let first = life(seed, threads, |_| {});
            assert!(first == life(seed, threads, |_| {}), "seed {seed}, {threads} workers");
            assert!(
                traces.insert(first.0),
                "seed {seed}, {threads} workers: other seeds and workers give other traces"
            );
        }
    }
}

#[test]
fn a_world_with_something_unseeded_in_it_is_found_out() {
    // The planted fault of the test above: a clock that no seed rules.
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let unseeded = |w: &mut SimWorld| {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        w.clock.fetch_add(run.cast_signed() as i64, Ordering::Relaxed);
    };
    assert!(life(3, 3, unseeded) != life(3, 3, unseeded));
}

#[cfg(feature = "long")]
#[test]
fn the_same_seed_gives_the_same_trace_over_many_seeds() {
    for seed in 1_000..1_200 {
        let threads = 1 + seed as usize % 6;
        assert!(life(seed, threads, |_| {}) == life(seed, threads, |_| {}), "seed {seed}, {threads} workers");
    }
}

/// Two inits race. How many won.
fn race(seed: u64, lies: Lies) -> usize {
    let store = SimStore::default();
    store.lie(lies);
    let (one, two) = {
        let one = world(seed, &store);
        let two = one.beside(seed + 1_000, 2);
        (one, two)
    };
    let (a, b) = (one.clone(), two.clone());
    let both = async move {
        let first = init_verb::init(&a, secret(true), options(true, None), "one");
        let second = init_verb::init(&b, secret(true), options(true, None), "two");
        Ok(join(first, second).await)
    };
    let (first, second) = one.run(both).unwrap();
    for error in [first.as_ref().err(), second.as_ref().err()].into_iter().flatten() {
        assert_eq!(error.code, Code::AlreadyExists, "seed {seed}: {error}");
    }
    usize::from(first.is_ok()) + usize::from(second.is_ok())
}

#[test]
fn of_two_racing_inits_one_wins_and_its_repository_is_whole() {
    for seed in 0..200 {
        assert_eq!(race(seed, Lies::default()), 1, "seed {seed}");
    }
}

#[test]
fn a_store_whose_creates_overwrite_is_found_out() {
    // The planted fault of the test above.
    let broken = Lies { broken_create: true, ..Lies::default() };
    assert!((0..200).any(|seed| race(seed, broken.clone()) == 2));
}

#[test]
fn two_writers_at_once_are_both_acknowledged_and_both_restore() {
    let shape = Shape::new(11, Some((2, 1)), true).len(120_000);
    let fixture = shape.make();
    let before = fixture.objects();
    for seed in 0..40 {
        fixture.store.load(&before);
        let one = fixture.restarted(seed);
        let two = one.beside(seed + 500, 2);
        let (first, second) = (open(&one, true).unwrap(), open(&two, true).unwrap());
        // Much of the data is new and the same in both.
        let shared = Random::new(seed).text(90_000);
        let contents = [[shared.clone(), vec![1; 5_000]].concat(), [vec![2; 20_000], shared].concat()];
        let a = ingesting(&one, &first, &contents[..1]);
        let b = ingesting(&two, &second, &contents[1..]);
        let (a, b) = one.run(async move { Ok(Box::pin(join(a, b)).await) }).unwrap();
        let mut all = fixture.acknowledged.clone();
        all.extend([a.unwrap().id, b.unwrap().id].into_iter().zip(contents));
        let after = fixture.restarted(seed + 900);
        let repo = open(&after, true).unwrap();
        whole(&after, &repo, &all).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = verify(&after, &repo, Level::Full);
        assert!(found.ok, "seed {seed}: {:?}", found.errors);
        assert_eq!(list(&after, &repo).unwrap().len(), 4, "seed {seed}");
    }
}

#[test]
fn a_backup_beside_a_repair_is_whole_and_so_is_what_was_repaired() {
    let fixture = Shape::new(13, Some((3, 2)), false).len(150_000).make();
    let packs = fixture.store.keys("packs/data/");
    fixture.store.lose(&packs[0]);
    fixture.store.lose(&fixture.store.keys("index/")[1]);
    fixture.store.lose(fixture.store.keys("packs/parity/").last().unwrap());
    let before = fixture.objects();
    for seed in 0..30 {
        fixture.store.load(&before);
        let one = fixture.restarted(seed);
        let two = one.beside(seed + 500, 2);
        let (first, second) = (open(&one, false).unwrap(), open(&two, false).unwrap());
        let content = Random::new(seed).text(80_000);
        let writing = ingesting(&one, &first, std::slice::from_ref(&content));
        let mending = async move { repair_verb::repair(&two, &second).await };
        let (written, mended) = one.run(async move { Ok(Box::pin(join(writing, mending)).await) }).unwrap();
        mended.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let mut all = fixture.acknowledged.clone();
        all.push((written.unwrap().id, content));
        let after = fixture.restarted(seed + 900);
        let repo = open(&after, false).unwrap();
        whole(&after, &repo, &all).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = verify(&after, &repo, Level::Full);
        assert!(found.ok, "seed {seed}: {:?}", found.errors);
    }
}

#[test]
fn names_are_never_used_again() {
    // Two machines with the same random state store different data: no object of one takes the place of the other's.
    let store = SimStore::default();
    let repo = init(&world(1, &store), options(true, Some((2, 1))), true);
    let before = store.snapshot();
    let clone = |content: u8| {
        store.load(&before);
        let machine = world(99, &store);
        ingest(&machine, &repo, &[Random::new(u64::from(content)).text(100_000)]).unwrap();
        let packs = store.snapshot();
        packs.into_iter().filter(|(key, _)| names::parse_pack(key).is_some()).collect::<BTreeMap<_, _>>()
    };
    let (one, other) = (clone(1), clone(2));
    let salts = |packs: &BTreeMap<String, Vec<u8>>| packs.values().map(|p| p[8..40].to_vec()).collect::<Vec<_>>();
    assert!(one.keys().all(|key| !other.contains_key(key)));
    assert!(salts(&one).iter().all(|salt| !salts(&other).contains(salt)), "no key is used for other data");
}
