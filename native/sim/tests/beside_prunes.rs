//! Restores and checks beside prunes: a restore that holds goes on, whatever the prunes delete, and a check takes nothing for damage that is
//! gone because nobody needs it.

mod common;

use std::sync::{Arc, Mutex};

use common::fixture::{Fixture, Shape};
use common::pruner::{Pruner, Wish};
use common::{ingest, keep_only, looks_after_holds, open, prune, restore_long, try_verify, verify, world};
use packvault_core::error::{Code, Result};
use packvault_core::verbs::{Level, VerifyResult};
use packvault_sim::{Fault, Lies, Random, When};

/// Three snapshots of content that changes much, and the first one's id and content.
fn changing(seed: u64) -> (Fixture, String, Vec<u8>) {
    let mut fixture = Shape::new(seed, Some((3, 1)), true).len(300_000).make();
    let repo = fixture.open();
    let other = Random::new(seed + 1).text(200_000);
    let snapshot = ingest(&fixture.world, &repo, std::slice::from_ref(&other)).unwrap();
    let (id, content) = fixture.acknowledged[0].clone();
    fixture.acknowledged = vec![(snapshot.id, other)];
    (fixture, id, content)
}

/// Restores the first snapshot while prunes of another process forget all but the last, just before these operations. Without `at`: nobody does.
fn restore_beside(
    seed: u64,
    at: &[usize],
    ordered: bool,
    fault: Option<Fault>,
) -> (Result<Vec<u8>>, Vec<u8>, Vec<String>) {
    let (fixture, id, content) = changing(seed);
    let reader = fixture.restarted(seed);
    let repo = open(&reader, true).unwrap();
    reader.link.arm(fault);
    for (number, at) in at.iter().enumerate() {
        reader.link.before(*at, move |store| {
            let other = world(900 + number as u64, store);
            let repo = open(&other, true).unwrap();
            prune(&other, &repo, keep_only(1)).unwrap();
        });
    }
    let from = fixture.store.trace().len();
    let got = restore_long(&reader, &repo, &id, ordered);
    let own = format!("{} ", reader.link.number());
    let mut trace = fixture.store.trace().split_off(from);
    if at.is_empty() {
        trace.retain(|line| line.starts_with(&own));
        assert!(!fixture.store.keys("snapshots/").iter().any(|key| key.contains(".hold")), "taken back");
    }
    fixture.assert_whole("after a restore beside prunes");
    (got, content, trace)
}

#[test]
fn a_restore_goes_on_when_its_snapshot_is_forgotten() {
    for (seed, ordered) in [(171, true), (172, false)] {
        let (got, content, operations) = restore_beside(seed, &[], ordered, None);
        assert!(got.unwrap() == content);
        let held = looks_after_holds(&operations)[0];
        assert!(held < operations.len() / 4, "{operations:?}");
        for at in held + 1..operations.len() {
            let (got, content, _) = restore_beside(seed, &[at], ordered, None);
            assert!(got.unwrap_or_else(|e| panic!("seed {seed}, before operation {at}: {e}")) == content, "at {at}");
        }
        for at in 0..=held {
            let (got, content, _) = restore_beside(seed, &[at], ordered, None);
            match got {
                Ok(bytes) => assert!(bytes == content, "seed {seed}, at {at}"),
                Err(e) => assert!(matches!(e.code, Code::NotFound | Code::Conflict), "seed {seed}, at {at}: {e}"),
            }
        }
    }
}

#[test]
fn a_restore_renews_its_hold() {
    let seed = 173;
    let (_, _, operations) = restore_beside(seed, &[], true, None);
    let held = looks_after_holds(&operations)[0];
    let mut renewed = 0;
    for second in held + 14..operations.len() {
        let (got, content, trace) = restore_beside(seed, &[held + 1, second], true, None);
        assert!(got.unwrap_or_else(|e| panic!("prunes before {} and {second}: {e}", held + 1)) == content);
        let holds = trace.iter().filter(|line| line.contains("put snapshots/") && line.contains(".hold")).count();
        renewed += usize::from(holds > 1);
    }
    assert!(renewed > 5, "{renewed}");
}

#[test]
fn a_restore_that_may_not_hold_says_that_its_snapshot_was_removed() {
    let seed = 174;
    let (_, _, operations) = restore_beside(seed, &[], true, None);
    let hold = operations.iter().position(|line| line.contains(".hold")).unwrap();
    let mut conflicts = 0;
    for code in [Code::PermissionDenied, Code::Unsupported, Code::OutOfSpace] {
        let fault = Fault::Fail { at: hold, when: When::Before, code };
        let (got, content, _) = restore_beside(seed, &[], true, Some(fault));
        assert!(got.unwrap() == content, "{code:?}");
        for at in hold + 1..operations.len() - 2 {
            let (got, content, trace) = restore_beside(seed, &[at], true, Some(fault));
            match got {
                Ok(bytes) => assert!(bytes == content),
                Err(error) => {
                    assert_eq!(error.code, Code::Conflict, "{code:?}, before operation {at}: {error}");
                    conflicts += 1;
                }
            }
            assert_eq!(trace.iter().filter(|line| line.contains("1 put snapshots/")).count(), 1, "it asks once");
        }
    }
    // The planted fault of the tests above: without a hold many end so.
    assert!(conflicts > 10, "{conflicts}");
}

/// Verifies while a prune of another process runs just before an operation. `None`: there is no such operation.
fn verify_beside(at: usize, level: Level, lies: &Lies) -> Option<Vec<String>> {
    let (fixture, _, _) = changing(181);
    let judge = fixture.restarted(182);
    let repo = open(&judge, true).unwrap();
    judge.link.arm(None);
    let pruned = Arc::new(Mutex::new(false));
    let (done, lies) = (pruned.clone(), lies.clone());
    judge.link.before(at, move |store| {
        let other = world(183, store);
        let repo = open(&other, true).unwrap();
        prune(&other, &repo, keep_only(1)).unwrap();
        *done.lock().unwrap() = true;
        store.lie(lies);
    });
    let found = verify(&judge, &repo, level);
    assert_eq!(found.ok, found.errors.is_empty());
    let all = found.errors.into_iter().map(|fault| fault.error).collect();
    (*pruned.lock().unwrap()).then_some(all)
}

#[test]
fn a_verify_beside_a_prune_calls_nothing_damaged_that_the_prune_removed() {
    for level in [Level::Quick, Level::Standard, Level::Full] {
        for at in 0.. {
            let Some(found) = verify_beside(at, level, &Lies::default()) else {
                assert!(at > 15, "{level:?}: {at} operations");
                break;
            };
            assert_eq!(found, Vec::<String>::new(), "{level:?}, before operation {at}");
        }
    }
    // The planted fault: one that does not see that rounds have moved.
    let blind = Lies { hidden: Some("gc/".into()), ..Lies::default() };
    let found =
        (4..30).filter_map(|at| verify_beside(at, Level::Full, &blind)).filter(|found| !found.is_empty()).count();
    assert!(found > 3, "{found}");
}

#[test]
fn a_verify_beside_a_backup_calls_nothing_damaged_that_is_new() {
    for at in 0.. {
        let (fixture, _, _) = changing(191);
        let judge = fixture.restarted(192);
        let repo = open(&judge, true).unwrap();
        judge.link.arm(None);
        judge.link.before(at, move |store| {
            let other = world(193, store);
            let repo = open(&other, true).unwrap();
            ingest(&other, &repo, &[Random::new(194).text(90_000)]).unwrap();
        });
        let found = verify(&judge, &repo, Level::Full);
        assert!(found.ok, "before operation {at}: {:?}", found.errors);
        if judge.link.operations() < at {
            assert!(at > 15, "{at} operations");
            break;
        }
    }
}

/// Verifies a repository with a damaged pack while so many rounds come, one whenever it has listed its idx.
fn verify_overtaken(most: usize) -> Result<VerifyResult> {
    let (fixture, _, _) = changing(184);
    let judge = fixture.restarted(185);
    let repo = open(&judge, true).unwrap();
    let pack = fixture.store.keys("packs/data/").pop().unwrap();
    fixture.store.damage(&pack, |bytes| {
        bytes.truncate(bytes.len() - 1);
        true
    });
    judge.link.arm(None);
    let (pruner, mut rounds) = (Pruner::new(&repo, 186), 0);
    judge.link.watch(move |what, store| {
        if what.starts_with("list index/") && rounds < most {
            assert!(pruner.round(store, &Wish::default()));
            rounds += 1;
        }
    });
    try_verify(&judge, &repo, Level::Full)
}

#[test]
fn a_verify_that_rounds_overtake_again_and_again_says_so_instead_of_guessing() {
    for most in [0, 1, 3] {
        let found = verify_overtaken(most).unwrap();
        assert_eq!(found.errors.len(), 1, "{most} rounds: {:?}", found.errors);
        assert!(!found.ok && found.packs_checked > 5, "{most} rounds: {found:?}");
    }
    let error = verify_overtaken(1_000).unwrap_err();
    assert_eq!(error.code, Code::Conflict, "{error}");
}
