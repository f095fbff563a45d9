//! A process that dies at any operation of any verb loses nothing, and the next one finishes the work.

mod common;

use common::fixture::Shape;
use common::scenario::{Scenario, writers};
use common::{
    add_key, ingest, init, key_ids, open, open_with, options, passphrase, remove_key, try_init, verify, world,
};
use packvault_core::error::Code;
use packvault_core::verbs::Level;
use packvault_sim::{Fault, SimStore, When};

/// The ways in which a process can die at this operation.
fn ways(operation: &str) -> &'static [When] {
    let several = operation.contains(" delete ") && operation.contains(", ");
    if several { &[When::Before, When::After, When::Torn] } else { &[When::Before, When::After] }
}

/// Kills the verb at each of its mutating operations in turn. Returns how many deaths that were.
fn kill_everywhere(scenario: &Scenario, seed: u64) -> usize {
    let mutations: Vec<String> = scenario.rehearse(seed).into_iter().filter(|(_, m)| *m).map(|(o, _)| o).collect();
    let mut deaths = 0;
    for (at, operation) in mutations.iter().enumerate() {
        for &when in ways(operation) {
            let what = format!("seed {seed}, {when:?} {operation}");
            let (world, repo) = scenario.start(seed);
            world.link.arm(Some(Fault::Crash { at, when }));
            match (scenario.act)(&world, &repo) {
                // A hold is taken back when the backup was acknowledged.
                Ok(_) => assert!(operation.contains(" delete [\"snapshots/"), "{what}: nobody noticed"),
                Err(error) => assert_eq!(error.code, Code::Unavailable, "{what}"),
            }
            scenario.assert_nothing_lost(&what);
            if scenario.healable {
                let after = scenario.fixture.restarted(4);
                let repo = open(&after, scenario.fixture.encrypted).unwrap();
                let faults = verify(&after, &repo, Level::Full).errors;
                assert!(faults.iter().all(|f| f.repairable), "{what}: {faults:?}");
            }
            let next = scenario.fixture.restarted(5);
            let repo = open(&next, scenario.fixture.encrypted).unwrap();
            let new = (scenario.act)(&next, &repo).unwrap_or_else(|e| panic!("{what}: retry: {e}"));
            scenario.assert_converges(&new, &what);
            deaths += 1;
        }
    }
    deaths
}

#[test]
fn every_writer_may_die_at_every_operation() {
    for make in writers() {
        let scenario = make();
        let deaths = kill_everywhere(&scenario, 71);
        assert!(deaths >= 4, "{}: only {deaths} deaths", scenario.name);
    }
}

#[cfg(feature = "long")]
#[test]
fn every_writer_may_die_at_every_operation_under_more_seeds() {
    for seed in 700..710 {
        for make in writers() {
            kill_everywhere(&make(), seed);
        }
    }
}

#[test]
fn init_may_die_at_every_operation() {
    for encrypted in [true, false] {
        let mut deaths = 0;
        for at in 0.. {
            let mut reached = false;
            for when in [When::Before, When::After] {
                let store = SimStore::default();
                let first = world(81, &store);
                first.link.arm(Some(Fault::Crash { at, when }));
                let secret = if encrypted { passphrase("first") } else { common::secret(false) };
                if try_init(&first, options(true, None), secret).is_ok() {
                    continue;
                }
                reached = true;
                deaths += 1;
                let what = format!("encrypted {encrypted}, {when:?} operation {at}");
                let second = world(82, &store);
                let secret = || if encrypted { passphrase("first") } else { common::secret(false) };
                match try_init(&second, options(true, None), secret()) {
                    Ok(_) => {}
                    Err(e) => assert_eq!(e.code, Code::AlreadyExists, "{what}: {e}"),
                }
                let third = world(83, &store);
                let repo = open_with(&third, secret()).unwrap_or_else(|e| panic!("{what}: {e}"));
                let content = vec![7; 5_000];
                let snapshot = ingest(&third, &repo, std::slice::from_ref(&content)).unwrap();
                assert!(common::restore(&third, &repo, &snapshot.id, None, true).unwrap() == content, "{what}");
                common::repair(&third, &repo).unwrap();
                let found = verify(&third, &repo, Level::Full);
                assert!(found.ok, "{what}: {:?}", found.errors);
            }
            if !reached {
                break;
            }
        }
        assert_eq!(deaths, if encrypted { 8 } else { 4 });
    }
}

#[test]
fn adding_and_removing_a_key_may_die_at_every_operation() {
    let store = SimStore::default();
    let first = world(91, &store);
    let repo = try_init(&first, options(true, None), passphrase("first")).unwrap();
    let one = store.snapshot();
    let second_id = add_key(&first, &repo, "second").unwrap();
    let two = store.snapshot();
    for when in [When::Before, When::After] {
        for at in 0..2 {
            store.load(&one);
            let dying = world(92, &store);
            dying.link.arm(Some(Fault::Crash { at, when }));
            assert_eq!(add_key(&dying, &repo, "second").unwrap_err().code, Code::Unavailable);
            let next = world(93, &store);
            open_with(&next, passphrase("first")).unwrap();
            let id = add_key(&next, &repo, "third").unwrap();
            open_with(&next, passphrase("third")).unwrap();
            remove_key(&next, &repo, &id).unwrap();
            common::repair(&next, &repo).unwrap();
            let found = verify(&next, &repo, Level::Quick);
            assert!(found.ok, "{when:?} {at}: {:?}", found.errors);
        }
    }
    for when in [When::Before, When::After, When::Torn] {
        store.load(&two);
        let dying = world(94, &store);
        dying.link.arm(Some(Fault::Crash { at: 0, when }));
        assert_eq!(remove_key(&dying, &repo, &second_id).unwrap_err().code, Code::Unavailable);
        let next = world(95, &store);
        open_with(&next, passphrase("first")).unwrap();
        if key_ids(&next, &repo).unwrap().contains(&second_id) {
            assert!(when != When::After, "both copies are gone");
            open_with(&next, passphrase("second")).unwrap();
            remove_key(&next, &repo, &second_id).unwrap();
        }
        let error = open_with(&next, passphrase("second")).err().unwrap();
        assert_eq!(error.code, Code::WrongPassphrase);
        assert_eq!(key_ids(&next, &repo).unwrap().len(), 1);
        let found = verify(&next, &repo, Level::Quick);
        assert!(found.ok, "{when:?}: {:?}", found.errors);
    }
}

#[test]
fn a_first_backup_of_any_seed_may_die_anywhere() {
    // Other seeds, other interleavings of workers: one death each, spread over the verb.
    let content = Shape::new(7, None, true).len(120_000).contents()[0].clone();
    for seed in 100..130 {
        let store = SimStore::default();
        let first = world(seed, &store);
        let repo = init(&first, options(true, Some((2, 1))), true);
        first
            .link
            .arm(Some(Fault::Crash { at: (seed % 11) as usize, when: [When::Before, When::After][seed as usize % 2] }));
        let died = ingest(&first, &repo, std::slice::from_ref(&content)).is_err();
        let next = world(seed + 1_000, &store);
        let repo = open(&next, true).unwrap();
        assert!(verify(&next, &repo, Level::Full).errors.iter().all(|f| f.repairable), "seed {seed}");
        let snapshot = ingest(&next, &repo, std::slice::from_ref(&content)).unwrap();
        let got = common::restore(&next, &repo, &snapshot.id, None, true).unwrap();
        assert!(got == content, "seed {seed}, died {died}");
    }
}
