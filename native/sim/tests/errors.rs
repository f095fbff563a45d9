//! A store that fails at any operation, with any code, or whose answer is lost: the verb fails with that code and never calls it
//! corruption, nothing is lost, and the next try succeeds.

mod common;

use common::scenario::{Scenario, reading, writers};
use common::{add_key, init, key_ids, open, open_with, options, passphrase, remove_key, secret, try_init, world};
use packvault_core::error::{Code, Result};
use packvault_sim::{Fault, SimStore, When};

/// Every error that says nothing about what is stored.
const CODES: [Code; 5] =
    [Code::PermissionDenied, Code::OutOfSpace, Code::RateLimited, Code::Unavailable, Code::Unauthenticated];

/// Every way in which this operation can fail without a crash.
fn failures(changes: bool, several: bool) -> Vec<(When, Code)> {
    let mut all: Vec<(When, Code)> = CODES.iter().map(|code| (When::Before, *code)).collect();
    if changes {
        all.push((When::After, Code::Unavailable));
    }
    if several {
        all.push((When::Torn, Code::Unavailable));
    }
    all
}

/// What a verb may do about an error instead of failing: who may not delete leaves an idx that says nothing where it is; a restore goes without
/// a hold where it may not put one; and that a hold is taken back is a courtesy.
fn tolerated(operation: &str, code: Code, reads: bool) -> bool {
    if operation.contains(".hold") {
        let refused = matches!(code, Code::PermissionDenied | Code::OutOfSpace);
        return operation.contains(" delete [\"snapshots/") || reads && refused;
    }
    operation.contains(" delete [\"index/") && code == Code::PermissionDenied
}

/// Lets each operation of the verb fail in each way. Returns how many failures that were.
fn fail_everywhere(scenario: &Scenario, seed: u64) -> usize {
    let mut count = 0;
    for (at, (operation, changes)) in scenario.rehearse(seed).into_iter().enumerate() {
        let several = operation.contains(" delete ") && operation.contains(", ");
        for (when, code) in failures(changes, several) {
            let what = format!("{}, seed {seed}, {when:?} {code:?} at {at}: {operation}", scenario.name);
            let (world, repo) = scenario.start(seed);
            world.link.arm(Some(Fault::Fail { at, when, code }));
            match (scenario.act)(&world, &repo) {
                Ok(_) => {
                    let reads = scenario.name == "list, verify, restore";
                    assert!(tolerated(&operation, code, reads), "{what}: nobody noticed");
                }
                Err(error) => assert_eq!(error.code, code, "{what}: {error}"),
            }
            world.link.arm(None);
            // Which code it was makes no difference to the store: the whole check is made once for each operation.
            let thorough = code == Code::Unavailable;
            if thorough {
                scenario.assert_nothing_lost(&what);
            }
            let new = (scenario.act)(&world, &repo).unwrap_or_else(|e| panic!("{what}: next try: {e}"));
            if thorough {
                scenario.assert_converges(&new, &what);
            }
            count += 1;
        }
    }
    count
}

#[test]
fn every_writer_passes_every_error_on_and_succeeds_when_it_is_over() {
    let counts: Vec<usize> = writers().into_iter().map(|make| fail_everywhere(&make(), 171)).collect();
    assert!(counts.iter().sum::<usize>() > 900, "{counts:?}");
}

#[cfg(feature = "long")]
#[test]
fn every_writer_passes_every_error_on_under_more_seeds() {
    for seed in 720..724 {
        for make in writers() {
            fail_everywhere(&make(), seed);
        }
    }
}

#[test]
fn reading_verbs_pass_every_error_on() {
    assert!(fail_everywhere(&reading(), 173) > 200);
}

#[test]
fn a_backup_whose_producer_fails_leaves_nothing_visible() {
    let fixture = common::fixture::Shape::new(175, Some((2, 1)), true).len(150_000).make();
    let content = packvault_sim::Random::new(9).text(400_000);
    for after in [0, 1, 60_000, 200_000, 399_999] {
        let world = fixture.restarted(after as u64);
        let repo = fixture.open();
        let error = packvault_core::error::Error::new(Code::PermissionDenied, "the producer failed");
        let source = packvault_sim::Items::new(&world, std::slice::from_ref(&content), 30_000).failing(after, error);
        let got = world.run(common::ingesting_from(&world, &repo, source, 1));
        assert_eq!(got.unwrap_err().code, Code::PermissionDenied);
        assert_eq!(common::list(&world, &repo).unwrap().len(), 2);
        fixture.assert_whole("after a producer failed");
        assert_eq!(world.blocks.held(), 0, "no block leaks");
    }
}

fn first<T>(what: &str, code: Code, got: Result<T>) {
    match got {
        Ok(_) => panic!("{what}: nobody noticed"),
        Err(error) => assert_eq!(error.code, code, "{what}: {error}"),
    }
}

#[test]
fn init_passes_every_error_on() {
    let rehearsal = world(181, &SimStore::default());
    init(&rehearsal, options(true, None), true);
    for at in 0..rehearsal.link.operations() {
        for (when, code) in failures(true, false) {
            let store = SimStore::default();
            let one = world(181, &store);
            one.link.arm(Some(Fault::Fail { at, when, code }));
            let what = format!("{when:?} {code:?} at {at}");
            first(&what, code, try_init(&one, options(true, None), secret(true)));
            one.link.arm(None);
            match try_init(&one, options(true, None), secret(true)) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.code, Code::AlreadyExists, "{what}: {error}"),
            }
            let repo = open(&one, true).unwrap();
            let snapshot = common::ingest(&one, &repo, &[vec![1; 9_000]]).unwrap();
            assert!(common::restore(&one, &repo, &snapshot.id, None, true).unwrap() == vec![1; 9_000], "{what}");
        }
    }
}

#[test]
fn keys_pass_every_error_on() {
    let store = SimStore::default();
    let one = world(191, &store);
    let repo = try_init(&one, options(true, None), passphrase("first")).unwrap();
    let before = store.snapshot();
    let id = add_key(&one, &repo, "second").unwrap();
    let after = store.snapshot();
    for (when, code) in failures(true, false) {
        for at in 0..2 {
            store.load(&before);
            one.link.arm(Some(Fault::Fail { at, when, code }));
            first("add", code, add_key(&one, &repo, "second"));
            one.link.arm(None);
            let third = add_key(&one, &repo, "third").unwrap();
            assert!(key_ids(&one, &repo).unwrap().contains(&third));
        }
    }
    store.load(&after);
    one.link.arm(None);
    common::remove_key(&one, &repo, &id).unwrap();
    for at in 0..one.link.operations() {
        for (when, code) in failures(at == 5, at == 5) {
            store.load(&after);
            one.link.arm(Some(Fault::Fail { at, when, code }));
            first(&format!("remove, {when:?} {code:?} at {at}"), code, remove_key(&one, &repo, &id));
            one.link.arm(None);
            if key_ids(&one, &repo).unwrap().contains(&id) {
                remove_key(&one, &repo, &id).unwrap();
            }
            assert_eq!(key_ids(&one, &repo).unwrap().len(), 1);
        }
    }
    open_with(&one, passphrase("first")).unwrap();
}
