//! Prune and forget, one process at a time.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::{ingest, init, keep, options, prune, restore, world};
use packvault_core::error::{Code, Result};
use packvault_core::verbs::prune as prune_verbs;
use packvault_core::verbs::{
    Level, PruneOptions, Repository, SnapshotFilter, VerifyOptions, rounds, snapshots, verify,
};
use packvault_sim::{Random, SimStore, SimWorld};

fn assert_sound(world: &SimWorld, repo: &Arc<Repository>, what: &str) {
    let (w, r) = (world.clone(), repo.clone());
    let full = VerifyOptions { level: Level::Full, sample: None };
    let found = world.run(async move { verify::verify(&w, &r, full).await }).unwrap();
    assert!(found.ok, "{what}: {:?}", found.errors);
}

/// Ids and contents, oldest first.
type Made = Vec<(String, Vec<u8>)>;

/// A repository with a few snapshots, a minute apart, of content that changes more and more.
fn history(seed: u64, store: &SimStore, parity: Option<(u8, u8)>, count: u64) -> (SimWorld, Arc<Repository>, Made) {
    let world = world(seed, store);
    let repo = init(&world, options(true, parity), true);
    let mut random = Random::new(seed);
    let mut content = vec![0; 500_000];
    random.fill(&mut content);
    let mut made = Vec::new();
    for _ in 0..count {
        let at = random.below(400_000);
        random.fill(&mut content[at..at + 90_000]);
        let id = ingest(&world, &repo, std::slice::from_ref(&content)).unwrap().id;
        made.push((id, content.clone()));
        world.clock.fetch_add(60_000, Ordering::Relaxed);
    }
    (world, repo, made)
}

#[test]
fn what_a_policy_keeps_is_whole_and_the_rest_is_gone() {
    for (seed, parity) in [(1, None), (2, Some((4, 2))), (3, Some((17, 3)))] {
        let store = SimStore::default();
        let (world, repo, made) = history(seed, &store, parity, 6);
        let before = store.keys("packs/data/").len();
        let dry = prune(&world, &repo, PruneOptions { dry_run: true, ..keep(2) }).unwrap();
        assert_eq!(store.keys("gc/").len(), 0, "a dry run writes nothing");
        let done = prune(&world, &repo, keep(2)).unwrap();
        assert_eq!(done, dry, "seed {seed}");
        assert_eq!(done.removed_snapshots, 4);
        assert!(done.freed_bytes > 0 && store.keys("packs/data/").len() < before, "seed {seed}: {done:?}");
        let fresh = common::open(&world, true).unwrap();
        for opened in [&repo, &fresh] {
            for (id, content) in &made[4..] {
                assert!(restore(&world, opened, id, None, true).unwrap() == *content, "seed {seed}");
            }
            assert_eq!(restore(&world, opened, &made[0].0, None, true).unwrap_err().code, Code::NotFound);
            assert_sound(&world, opened, &format!("seed {seed}"));
        }
        // The parity group of what was moved may be put together with others by the next round, not by the same.
        let again = prune(&world, &fresh, keep(2)).unwrap();
        assert_eq!((again.removed_snapshots, again.removed_packs), (0, 0), "seed {seed}");
        assert_sound(&world, &fresh, &format!("seed {seed}, pruned again"));
        world.link.arm(None);
        prune(&world, &fresh, keep(2)).unwrap();
        assert_eq!(world.link.mutations(), 0, "seed {seed}: converged");
    }
}

#[test]
fn backups_after_a_prune_deduplicate_against_what_stayed() {
    let store = SimStore::default();
    let (world, repo, made) = history(5, &store, Some((4, 2)), 5);
    prune(&world, &repo, keep(1)).unwrap();
    let again = ingest(&world, &repo, &[made[4].1.clone()]).unwrap();
    assert_eq!(again.new_chunks, 0);
    ingest(&world, &repo, &[made[0].1.clone()]).unwrap();
    prune(&world, &repo, keep(2)).unwrap();
    assert!(restore(&world, &repo, "latest", None, true).unwrap() == made[0].1);
    assert_sound(&world, &repo, "after the second round");
}

#[test]
fn forgetting_by_id_removes_just_that() {
    let store = SimStore::default();
    let (world, repo, made) = history(7, &store, None, 3);
    let (w, r, id) = (world.clone(), repo.clone(), made[1].0[..12].to_owned());
    let done = world.run(async move { prune_verbs::forget(&w, &r, &[id], PruneOptions::default()).await }).unwrap();
    assert_eq!(done.removed_snapshots, 1);
    let (w, r) = (world.clone(), repo.clone());
    let left = world.run(async move { snapshots::list(&w, &r, &SnapshotFilter::default()).await }).unwrap();
    assert_eq!(left.iter().map(|s| &s.id).collect::<Vec<_>>(), [&made[0].0, &made[2].0]);
    let (w, r) = (world.clone(), repo.clone());
    let unknown =
        world.run(async move { prune_verbs::forget(&w, &r, &["ffff".into()], PruneOptions::default()).await });
    assert_eq!(unknown.unwrap_err().code, Code::NotFound);
    assert_sound(&world, &repo, "after forget");
}

#[test]
fn a_policy_that_keeps_nothing_is_refused() {
    let store = SimStore::default();
    let (world, repo, _) = history(9, &store, None, 2);
    for options in [PruneOptions::default(), keep(0)] {
        assert_eq!(prune(&world, &repo, options).unwrap_err().code, Code::InvalidArgument);
    }
}

/// Restores a snapshot while another process prunes to two snapshots just before operation `at`. `None`: there was no such operation.
fn restore_beside_a_prune(at: usize, of: usize) -> Option<(Result<Vec<u8>>, Vec<u8>)> {
    let store = SimStore::default();
    let (_, _, made) = history(11, &store, Some((4, 2)), 4);
    let reader = world(12, &store);
    let repo = common::open(&reader, true).unwrap();
    reader.link.arm(None);
    let pruned = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let done = pruned.clone();
    reader.link.before(at, move |store| {
        let other = world(13, store);
        let repo = common::open(&other, true).unwrap();
        prune(&other, &repo, PruneOptions { max_unused: 0.0, ..keep(2) }).unwrap();
        done.store(true, Ordering::Relaxed);
    });
    let got = restore(&reader, &repo, &made[of].0, None, true);
    pruned.load(Ordering::Relaxed).then(|| (got, made[of].1.clone()))
}

#[test]
fn a_restore_beside_a_prune_gives_what_stays_and_names_what_was_removed() {
    let (mut operations, mut conflicts) = (0, 0);
    for at in 0.. {
        let Some((got, content)) = restore_beside_a_prune(at, 2) else { break };
        assert!(got.unwrap_or_else(|e| panic!("before operation {at}: {e}")) == content, "before operation {at}");
        operations += 1;
    }
    assert!(operations > 10);
    for at in 0.. {
        let Some((got, content)) = restore_beside_a_prune(at, 0) else { break };
        match got {
            Ok(bytes) => assert!(bytes == content, "before operation {at}"),
            Err(e) if e.code == Code::NotFound => assert!(at < 6, "before operation {at}: {e}"),
            Err(e) => {
                assert_eq!(e.code, Code::Conflict, "before operation {at}: {e}");
                conflicts += 1;
            }
        }
    }
    assert!(conflicts > 0);
}

#[test]
fn a_repair_beside_a_prune_calls_nothing_lost_that_the_prune_deleted() {
    let mut operations = 0;
    for at in 0.. {
        let store = SimStore::default();
        let _made = history(21, &store, None, 4);
        let repairer = world(22, &store);
        let repo = common::open(&repairer, true).unwrap();
        repairer.link.arm(None);
        let pruned = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let done = pruned.clone();
        repairer.link.before(at, move |store| {
            let other = world(23, store);
            let repo = common::open(&other, true).unwrap();
            prune(&other, &repo, PruneOptions { max_unused: 0.0, ..keep(1) }).unwrap();
            done.store(true, Ordering::Relaxed);
        });
        let found = common::repair(&repairer, &repo).unwrap_or_else(|e| panic!("before operation {at}: {e}"));
        if !pruned.load(Ordering::Relaxed) {
            break;
        }
        assert_eq!(found.packs_lost, Vec::<String>::new(), "before operation {at}");
        assert_eq!(found.snapshots_damaged, Vec::<String>::new(), "before operation {at}");
        let fresh = common::open(&world(24, &store), true).unwrap();
        assert_sound(&world(24, &store), &fresh, &format!("before operation {at}"));
        operations += 1;
    }
    assert!(operations > 10);
}

#[test]
fn machines_with_one_random_state_take_other_names_for_other_content() {
    let start = SimStore::default();
    init(&world(31, &start), options(true, None), true);
    let back_up = |content: Vec<u8>| {
        let store = SimStore::default();
        store.load(&start.snapshot());
        let clone = world(32, &store);
        let repo = common::open(&clone, true).unwrap();
        let id = ingest(&clone, &repo, &[content]).unwrap().id;
        (id, store.keys("index/"), store.keys("packs/"))
    };
    let (one, other) = (back_up(vec![1; 5_000]), back_up(vec![2; 5_000]));
    assert_ne!(one.0, other.0, "snapshot ids");
    assert_ne!(one.1, other.1, "idx");
    assert_ne!(one.2, other.2, "packs");
}

#[test]
fn old_rounds_keep_their_headers_only() {
    let store = SimStore::default();
    let (world, repo, mut made) = history(17, &store, None, 1);
    // Each round forgets ids enough to make its records worth shortening.
    let mut random = Random::new(18);
    for round in 1..=12 {
        for _ in 0..24 {
            let mut content = vec![0; 2_000];
            random.fill(&mut content);
            let id = ingest(&world, &repo, std::slice::from_ref(&content)).unwrap().id;
            made.push((id, content));
            world.clock.fetch_add(60_000, Ordering::Relaxed);
        }
        prune(&world, &repo, keep(2)).unwrap();
        let (w, r) = (world.clone(), repo.clone());
        let now = world.run(async move { rounds::read(&w, &r.ring, None).await }).unwrap();
        assert_eq!((now.n, now.r), (round, round));
        for ((at, checkpoint), size) in now.stored {
            assert_eq!(size <= 1 << 10, at + 8 <= round, "round {round}: {at} {checkpoint}: {size} bytes");
        }
    }
    let mut previous = [0; 32];
    for round in 1..=12 {
        let (w, r) = (world.clone(), repo.clone());
        let record = world.run(async move { rounds::read_record(&w, &r.ring, round, true).await }).unwrap();
        assert_eq!(record.header.previous, hex::encode(previous), "the chain of headers is whole");
        assert_eq!(record.rest.is_some(), round > 4, "round {round}");
        previous = record.hash;
    }
    assert_sound(&world, &repo, "after twelve rounds");
    let (id, content) = made.last().unwrap();
    assert_eq!(restore(&world, &repo, id, None, true).unwrap(), *content);
}
