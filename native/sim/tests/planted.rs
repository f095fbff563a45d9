//! Planted faults: a check that cannot fail is a defect, so each oracle of these tests is shown something that it must refuse. (Others
//! stand beside their tests: `rounds.rs`, `worlds.rs`, `memory.rs`, `matrix.rs`.)

mod common;

use common::fixture::{Shape, whole};
use common::scenario::{first_ingest, repair_copies};
use common::{ingest, init, open, options, repair, restore, verify, world};
use packvault_core::erasure::field;
use packvault_core::error::Code;
use packvault_core::verbs::Level;
use packvault_sim::{Fault, Lies, Random, SimStore, When};

fn losing(prefix: &str) -> Lies {
    Lies { lost_puts: Some(prefix.to_owned()), ..Lies::default() }
}

#[test]
fn a_store_that_acknowledges_before_it_has_stored_is_found_out() {
    let scenario = first_ingest();
    for prefix in ["packs/data/", "index/", "snapshots/"] {
        let (one, repo) = scenario.start(1);
        scenario.fixture.store.lie(losing(prefix));
        let new = (scenario.act)(&one, &repo).unwrap();
        scenario.fixture.store.lie(Lies::default());
        let next = scenario.fixture.restarted(2);
        let repo = open(&next, true).unwrap();
        let error = whole(&next, &repo, &new).unwrap_err();
        assert!(error.contains("not listed") || error.contains("CORRUPT"), "{prefix}: {error}");
        // Without a snapshot there is nothing to miss; else verify says so, too.
        assert_eq!(verify(&next, &repo, Level::Quick).ok, prefix == "snapshots/", "{prefix}");
    }
    // Parity is not missed by a restore, but by verify.
    let (one, repo) = scenario.start(1);
    scenario.fixture.store.lie(losing("packs/parity/"));
    let new = (scenario.act)(&one, &repo).unwrap();
    scenario.fixture.store.lie(Lies::default());
    whole(&one, &repo, &new).unwrap();
    assert!(!verify(&one, &repo, Level::Quick).ok);
}

#[test]
fn a_repair_that_never_comes_to_an_end_is_found_out() {
    let scenario = repair_copies();
    let (one, repo) = scenario.start(3);
    scenario.fixture.store.lie(losing("config.copy.json"));
    repair(&one, &repo).unwrap();
    one.link.arm(None);
    repair(&one, &repo).unwrap();
    assert_eq!(one.link.mutations(), 1, "what was put back is not there");
    scenario.fixture.store.lie(Lies::default());
    let stuck = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scenario.fixture.store.lie(losing("config.copy.json"));
        scenario.assert_converges(&Vec::new(), "planted");
    }));
    assert!(stuck.is_err(), "the oracle of convergence sees it");
}

#[test]
fn a_store_that_calls_silence_absence_is_found_out() {
    // The oracle of errors compares codes; a store that lies about its own makes a verb believe in damage.
    let fixture = Shape::new(5, Some((2, 1)), true).len(150_000).make();
    let repo = fixture.open();
    fixture.store.fail_reads(Some(("packs/data/", Code::NotFound)));
    assert!(!verify(&fixture.world, &repo, Level::Full).ok);
    fixture.store.fail_reads(Some(("packs/data/", Code::Unavailable)));
    assert_eq!(common::try_verify(&fixture.world, &repo, Level::Full).err().map(|e| e.code), Some(Code::Unavailable));
    fixture.store.fail_reads(None);
}

#[test]
fn a_death_that_leaves_half_an_object_is_found_out() {
    // Puts are whole. A store that left a part of one would be seen by verify at every place.
    let scenario = first_ingest();
    let mutations: Vec<String> = scenario.rehearse(7).into_iter().filter(|(_, m)| *m).map(|(o, _)| o).collect();
    let mut torn = 0;
    for (at, operation) in mutations.iter().enumerate() {
        let (one, repo) = scenario.start(7);
        one.link.arm(Some(Fault::Crash { at: at + 1, when: When::Before }));
        let done = (scenario.act)(&one, &repo);
        let key = operation.split(' ').nth(2).unwrap().to_owned();
        scenario.fixture.store.damage(&key, |bytes| {
            bytes.truncate(bytes.len() / 2);
            true
        });
        let next = scenario.fixture.restarted(8);
        let repo = open(&next, true).unwrap();
        // A pack that no idx names yet is nobody's.
        let named = mutations[..=at].iter().any(|o| o.contains(" index/"));
        let seen = !verify(&next, &repo, Level::Quick).ok;
        assert!(seen || !named, "{operation} (finished: {})", done.is_ok());
        torn += usize::from(seen);
    }
    assert!(torn >= 3, "{torn}");
}

/// Multiplies wrongly by all but 0 and 1.
fn wrong_mul_add(acc: &mut [u8], data: &[u8], coefficient: u8) {
    field::mul_add(acc, data, if coefficient > 1 { coefficient ^ 0x40 } else { coefficient });
}

/// Cuts one byte late.
fn wrong_scan(table: &[u64; 256], data: &[u8], from: usize, to: usize, mask: u64) -> Option<usize> {
    packvault_core::chunk::gear::scan(table, data, from, to, mask).map(|cut| (cut + 1).min(to - 1))
}

#[test]
fn a_wrong_erasure_kernel_never_gives_wrong_bytes_and_is_found_out() {
    let content = vec![Random::new(9).text(180_000)];
    let mut kernels = world(9, &SimStore::default()).kernels;
    kernels.mul_add = wrong_mul_add;
    for (writes, reads) in [(true, false), (false, true)] {
        let store = SimStore::default();
        let mut one = world(9, &store);
        let right = one.kernels;
        one.kernels = if writes { kernels } else { right };
        let repo = init(&one, options(true, Some((4, 2))), true);
        let snapshot = ingest(&one, &repo, &content).unwrap();
        let packs = store.keys("packs/data/");
        store.lose(&packs[0]);
        store.lose(&packs[1]);
        one.kernels = if reads { kernels } else { right };
        let repo = open(&one, true).unwrap();
        match restore(&one, &repo, &snapshot.id, None, true) {
            Ok(_) => panic!("the wrong kernel was not needed"),
            Err(error) => assert_eq!(error.code, Code::Corrupt, "{error}"),
        }
        assert!(verify(&one, &repo, Level::Quick).errors.iter().any(|f| !f.repairable));
    }
}

#[test]
fn a_wrong_cutting_kernel_is_found_out_by_what_is_stored_twice() {
    let store = SimStore::default();
    let mut one = world(11, &store);
    let repo = init(&one, options(true, None), true);
    let content = vec![Random::new(11).text(300_000)];
    ingest(&one, &repo, &content).unwrap();
    one.kernels.scan = wrong_scan;
    let repo = open(&one, true).unwrap();
    let again = ingest(&one, &repo, &content).unwrap();
    assert!(again.new_chunks > again.reused_chunks, "{again:?}");
    assert!(restore(&one, &repo, &again.id, None, true).unwrap() == content[0], "still never a wrong byte");
}
