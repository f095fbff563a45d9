//! Damage of every kind: never a wrong byte, and repair gives back all that parity covers.

mod common;

use common::fixture::{Fixture, Shape};
use common::{ingest, reindex, repair, restore, try_verify, verify};
use packvault_core::error::Code;
use packvault_core::verbs::{Level, RepairResult};
use packvault_sim::Random;

fn fixture(seed: u64, parity: Option<(u8, u8)>, encrypted: bool) -> Fixture {
    Shape::new(seed, parity, encrypted).make()
}

fn flip_all(bytes: &mut [u8], from: usize, len: usize) {
    bytes.iter_mut().skip(from).take(len).for_each(|b| *b ^= 0x5A);
}

#[test]
fn two_lost_packs_a_lost_idx_and_a_damaged_pack_are_found_and_repaired() {
    for encrypted in [true, false] {
        let f = fixture(3, Some((5, 3)), encrypted);
        let packs = f.store.keys("packs/data/");
        assert!(packs.len() > 6);
        f.store.damage(&packs[0], |_| false);
        f.store.damage(&packs[1], |_| false);
        f.store.damage(&packs[2], |bytes| {
            flip_all(bytes, 1000, 50);
            true
        });
        let idx = f.store.keys("index/");
        f.store.damage(&idx[0], |_| false);
        let repo = common::open(&f.world, encrypted).unwrap();
        assert!(!verify(&f.world, &repo, Level::Full).ok);
        let done = repair(&f.world, &repo).unwrap();
        assert!(done.index_rebuilt, "{done:?}");
        assert_eq!(done.packs_lost, Vec::<String>::new());
        assert!(done.packs_repaired >= 2, "{done:?}");
        let after = verify(&f.world, &repo, Level::Full);
        assert!(after.ok, "{:?}", after.errors);
        f.assert_whole("after repair");
        f.world.link.arm(None);
        assert_eq!(repair(&f.world, &repo).unwrap(), RepairResult::default());
        assert_eq!(f.world.link.mutations(), 0, "a second repair writes nothing");
    }
}

#[test]
fn restores_heal_any_two_lost_packs_of_a_group() {
    let f = fixture(5, Some((4, 2)), true);
    let before = f.store.snapshot();
    let packs = f.store.keys("packs/data/");
    for i in 0..packs.len() {
        for j in i + 1..packs.len() {
            f.store.load(&before);
            f.store.damage(&packs[i], |_| false);
            f.store.damage(&packs[j], |bytes| {
                bytes.truncate(bytes.len() / 2);
                true
            });
            f.assert_whole(&format!("packs {i} and {j}"));
        }
    }
}

#[test]
fn beyond_parity_the_loss_is_withdrawn_and_the_next_backup_heals_it() {
    let f = fixture(9, Some((4, 1)), true);
    for pack in f.store.keys("packs/data/").iter().take(5) {
        f.store.damage(pack, |_| false);
    }
    let repo = common::open(&f.world, true).unwrap();
    let done = repair(&f.world, &repo).unwrap();
    assert!(!done.packs_lost.is_empty() && !done.snapshots_damaged.is_empty(), "{done:?}");
    let error = restore(&f.world, &repo, "latest", None, true).unwrap_err();
    assert_eq!(error.code, Code::Corrupt, "{error}");
    // Nothing is deduplicated against the hole.
    for (_, content) in &f.acknowledged {
        ingest(&f.world, &repo, std::slice::from_ref(content)).unwrap();
    }
    let got = restore(&f.world, &repo, "latest", None, true).unwrap();
    assert!(got == f.acknowledged[1].1);
    let after = verify(&f.world, &repo, Level::Full);
    assert!(after.ok, "{:?}", after.errors);
    assert_eq!(repair(&f.world, &repo).unwrap().snapshots_damaged, Vec::<String>::new());
}

#[test]
fn without_any_idx_everything_is_found_again() {
    for parity in [None, Some((4, 2))] {
        let f = fixture(11, parity, true);
        for idx in f.store.keys("index/") {
            f.store.damage(&idx, |_| false);
        }
        let repo = common::open(&f.world, true).unwrap();
        reindex(&f.world, &repo).unwrap();
        f.assert_whole("after reindex");
        assert!(verify(&f.world, &repo, Level::Full).ok);
    }
}

#[test]
fn a_pack_without_table_head_or_tail_gives_every_other_frame() {
    let f = fixture(13, None, true);
    for pack in f.store.keys("packs/data/") {
        f.store.damage(&pack, |bytes| {
            let len = bytes.len();
            flip_all(bytes, 40, 32);
            flip_all(bytes, len - 120, 48);
            flip_all(bytes, len - 40, 40);
            true
        });
    }
    for idx in f.store.keys("index/") {
        f.store.damage(&idx, |_| false);
    }
    let repo = common::open(&f.world, true).unwrap();
    repair(&f.world, &repo).unwrap();
    let got = restore(&f.world, &repo, "latest", None, true).unwrap();
    assert!(got == f.acknowledged[1].1);
}

#[test]
fn no_flipped_byte_anywhere_is_ever_restored() {
    let f = fixture(17, None, true);
    let before = f.store.snapshot();
    let mut random = Random::new(17);
    let (mut healed, mut refused) = (0, 0);
    for round in 0..300 {
        f.store.load(&before);
        let keys = f.store.keys("");
        let key = keys[random.below(keys.len())].clone();
        f.store.damage(&key, |bytes| {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            true
        });
        let Ok(repo) = common::open(&f.world, true) else {
            refused += 1;
            continue;
        };
        for (id, item) in &f.acknowledged {
            match restore(&f.world, &repo, id, None, true) {
                Ok(got) => {
                    assert!(got == *item, "round {round}: wrong bytes after damage to {key}");
                    healed += 1;
                }
                Err(e) => {
                    assert!(
                        matches!(e.code, Code::Corrupt | Code::Unrecoverable | Code::FormatTooNew | Code::NotFound),
                        "{key}: {e}"
                    );
                    refused += 1;
                }
            }
        }
    }
    assert!(healed > 100 && refused > 50, "the dead counter: {healed} {refused}");
}

#[test]
fn lost_copies_are_put_back() {
    let f = fixture(19, None, true);
    let before = f.store.snapshot();
    for key in f
        .store
        .keys("")
        .into_iter()
        .filter(|k| k.as_bytes().ends_with(b".a") || k.as_bytes().ends_with(b".b") || k.starts_with("config"))
    {
        f.store.damage(&key, |_| false);
        let repo = common::open(&f.world, true).unwrap();
        let found = verify(&f.world, &repo, Level::Quick);
        assert_eq!(found.errors.len(), 1, "{key}: {:?}", found.errors);
        assert!(found.errors[0].repairable);
        let done = repair(&f.world, &repo).unwrap();
        assert_eq!(done.snapshots_restored + done.copies_restored, 1);
        assert_eq!(f.store.snapshot(), before, "{key}");
    }
}

#[test]
fn a_store_that_does_not_answer_is_not_damage() {
    let f = fixture(23, Some((4, 2)), true);
    let repo = common::open(&f.world, true).unwrap();
    for prefix in ["packs/", "index/", "snapshots/", "gc/"] {
        f.store.fail_reads(Some((prefix, Code::Unavailable)));
        let fresh = common::open(&f.world, true).unwrap();
        assert_eq!(repair(&f.world, &fresh).unwrap_err().code, Code::Unavailable, "{prefix}");
        let got = try_verify(&f.world, &fresh, Level::Full);
        assert_eq!(got.unwrap_err().code, Code::Unavailable, "{prefix}");
        f.store.fail_reads(None);
    }
    assert!(verify(&f.world, &repo, Level::Full).ok);
}
