//! Copies that disagree, stand under another's name, are stale, foreign or too large; and losses of both copies.

mod common;

use common::museum::{Museum, PASSPHRASE};
use common::regions::{Kind, regions};
use common::{ingest, list, open_with, passphrase, repair, restore, verify, world};
use packvault_core::error::{Code, Error};
use packvault_core::format::config::Config;
use packvault_core::format::gc;
use packvault_core::format::{Kind as Sealed, names, record};
use packvault_core::verbs::Level;
use packvault_sim::SimStore;

fn code<T>(got: Result<T, Error>) -> Code {
    got.err().map_or(Code::Internal, |error| error.code)
}

/// The same config with something changed and a tag that fits.
fn config(museum: &Museum, change: impl FnOnce(&mut Config)) -> Vec<u8> {
    let mut config = museum.repo.config.clone();
    change(&mut config);
    config.encode(&museum.repo.ring).unwrap()
}

fn assert_whole(museum: &Museum, what: &str) {
    let one = museum.process(1);
    let repo = museum.open(&one).unwrap_or_else(|e| panic!("{what}: {e}"));
    for (id, content) in &museum.snapshots {
        assert!(restore(&one, &repo, id, None, true).unwrap() == *content, "{what}");
    }
}

fn assert_clean(museum: &Museum, what: &str) {
    let one = museum.process(2);
    let repo = museum.open(&one).unwrap_or_else(|e| panic!("{what}: {e}"));
    repair(&one, &repo).unwrap_or_else(|e| panic!("{what}: {e}"));
    let found = verify(&one, &repo, Level::Full);
    assert!(found.ok, "{what}: {:?}", found.errors);
    one.link.arm(None);
    repair(&one, &repo).unwrap();
    assert_eq!(one.link.mutations(), 0, "{what}");
    assert_whole(museum, what);
}

#[test]
fn of_two_configs_the_greater_revision_counts_and_is_put_in_both_places() {
    let museum = Museum::new(21);
    let newer = config(&museum, |c| (c.revision, c.pack_size) = (1, 131_072));
    for key in ["config.json", "config.copy.json"] {
        museum.store.load(&museum.objects);
        museum.store.plant(key, &newer);
        assert_eq!(museum.open(&museum.process(3)).unwrap().config.pack_size, 131_072, "{key}");
        assert_clean(&museum, key);
        assert_eq!(museum.store.snapshot()["config.json"], newer, "{key}");
        assert_eq!(museum.store.snapshot()["config.copy.json"], newer, "{key}");
    }
}

#[test]
fn two_configs_of_one_revision_that_differ_fail_closed() {
    let museum = Museum::new(22);
    museum.store.plant("config.copy.json", &config(&museum, |c| c.pack_size = 131_072));
    let before = museum.store.snapshot();
    assert_eq!(code(museum.open(&museum.process(3))), Code::Corrupt);
    assert!(museum.store.snapshot() == before);
}

#[test]
fn another_version_is_told_only_if_the_key_vouches_for_it() {
    let museum = Museum::new(23);
    for key in ["config.json", "config.copy.json"] {
        museum.store.load(&museum.objects);
        museum.store.plant(key, &config(&museum, |c| c.features.required.push("later".into())));
        assert_eq!(code(museum.open(&museum.process(3))), Code::FormatTooNew, "{key}");
        // A flipped bit makes a 3 of the version's 1.
        museum.store.load(&museum.objects);
        museum.store.damage(key, |bytes| {
            let at = bytes.windows(11).position(|w| w == b"\"packvault\"").unwrap() + 12;
            bytes[at] = b'3';
            true
        });
        assert_clean(&museum, key);
        assert!(museum.store.snapshot() == museum.objects, "{key}");
    }
    let both = config(&museum, |c| c.packvault = 0);
    museum.store.plant("config.json", &both);
    museum.store.plant("config.copy.json", &both);
    assert_eq!(code(museum.open(&museum.process(3))), Code::FormatTooOld);
}

#[test]
fn a_config_without_encryption_does_not_downgrade_anybody() {
    let museum = Museum::new(24);
    let store = SimStore::default();
    let other = common::init(&world(5, &store), common::options(true, None), false);
    let plain = other.config.encode(&other.ring).unwrap();
    museum.store.plant("config.json", &plain);
    assert_whole(&museum, "one copy is another repository's");
    museum.store.plant("config.copy.json", &plain);
    assert_eq!(code(museum.open(&museum.process(3))), Code::InvalidArgument);
}

#[test]
fn a_config_that_is_too_large_or_names_another_repository_does_not_keep_a_passphrase_out() {
    let museum = Museum::new(25);
    museum.store.damage("config.json", |bytes| {
        bytes.resize(2 << 20, b' ');
        true
    });
    open_with(&museum.process(3), passphrase(PASSPHRASE)).unwrap();
    assert_clean(&museum, "too large");
    // One digit of the id: no key file is that repository's.
    museum.store.damage("config.json", |bytes| {
        let at = bytes.windows(4).position(|w| w == b"\"id\"").unwrap() + 7;
        bytes[at] ^= 1;
        true
    });
    open_with(&museum.process(3), passphrase(PASSPHRASE)).unwrap();
    assert_clean(&museum, "another id");
}

#[test]
fn a_snapshot_whose_copies_differ_is_refused_and_told_and_left_as_it_is() {
    let museum = Museum::new(26);
    let keys: Vec<String> = museum.keys(Kind::Snapshot).into_iter().cloned().collect();
    // Of one that the checkpoint lists, the hash there tells which copy is right.
    museum.store.plant(&keys[0], &museum.forged_snapshot(&keys[0]));
    assert_clean(&museum, "a listed snapshot");
    assert!(museum.store.snapshot() == museum.objects);
    let key = keys.last().unwrap().clone();
    assert!(key.as_bytes().ends_with(b".b"));
    museum.store.plant(&key, &museum.forged_snapshot(&key));
    let id = names::parse_generational("snapshots", &key, &names::COPIES).map(|g| hex::encode(g.id)).unwrap();
    let one = museum.process(3);
    let repo = museum.open(&one).unwrap();
    let mut whole = 0;
    for (other, content) in &museum.snapshots {
        let got = restore(&one, &repo, other, None, true);
        if *other == id {
            assert_eq!(code(got), Code::Corrupt);
        } else {
            assert!(got.unwrap() == *content);
            whole += 1;
        }
    }
    assert_eq!(whole, 2);
    let before = museum.store.snapshot();
    repair(&one, &repo).unwrap();
    assert!(museum.store.snapshot() == before, "which one is right is for a person to judge");
    let found = verify(&one, &repo, Level::Quick);
    assert!(found.errors.iter().any(|f| f.key.as_ref() == Some(&key) && !f.repairable), "{:?}", found.errors);
}

#[test]
fn of_two_gc_records_that_differ_the_first_copy_wins() {
    let museum = Museum::new(27);
    let name = names::condemn(3);
    let stored = &museum.objects[&format!("{name}.a")];
    let body = record::open(&museum.repo.ring, Sealed::Condemn, &name, stored).unwrap();
    let previous = gc::decode("condemn", 3, &body).unwrap().header.previous;
    let other = gc::Condemn { packs: vec!["ab".repeat(32)], ..gc::Condemn::default() };
    let body = gc::encode("condemn", 3, &names::hash(&previous).unwrap(), &other).unwrap();
    let forged = record::seal(&museum.repo.ring, Sealed::Condemn, &name, 3, &[1; 32], &body).unwrap();
    museum.store.plant(&format!("{name}.b"), &forged);
    assert_clean(&museum, "the second copy differs");
    assert!(museum.store.snapshot() == museum.objects);
    museum.store.plant(&format!("{name}.a"), &forged);
    assert_clean(&museum, "the first copy differs");
    assert_eq!(museum.store.snapshot()[&format!("{name}.b")], forged);
}

#[test]
fn a_key_file_under_another_ones_name_destroys_neither() {
    let museum = Museum::new(28);
    let keys: Vec<String> = museum.keys(Kind::Key).into_iter().cloned().collect();
    let [a1, b1, a2, _] = &keys[..] else { panic!("two key files, twice: {keys:?}") };
    museum.store.plant(a1, &museum.objects[a2]);
    museum.store.plant(a2, &museum.objects[a1]);
    for text in [PASSPHRASE, "another"] {
        open_with(&museum.process(3), passphrase(text)).unwrap();
    }
    assert_clean(&museum, "swapped");
    assert!(museum.store.snapshot() == museum.objects);
    // Two intact key files of one id that differ: neither is overwritten.
    let one = museum.process(4);
    let forged = {
        let new = packvault_core::format::key::NewKey {
            id: names::id16(a1.trim_start_matches("keys/").trim_end_matches(".a")).unwrap(),
            repository: museum.repo.ring.id,
            label: "forged",
            created_at: String::new(),
            random: [1; 32],
            cost: common::KDF,
        };
        let master = museum.repo.ring.master().unwrap();
        packvault_core::format::key::KeyFile::create(&new, b"forged", master, &[2; 32]).unwrap()
    };
    museum.store.plant(b1, &forged);
    let before = museum.store.snapshot();
    let repo = museum.open(&one).unwrap();
    repair(&one, &repo).unwrap();
    assert!(museum.store.snapshot() == before);
    assert!(!verify(&one, &repo, Level::Quick).ok);
}

#[test]
fn damaged_key_files_never_keep_an_intact_one_from_opening() {
    let museum = Museum::new(29);
    let keys: Vec<String> = museum.keys(Kind::Key).into_iter().cloned().collect();
    // Which of the two files is the first passphrase's.
    museum.store.lose(&keys[0]);
    museum.store.lose(&keys[1]);
    let (own, other) = match open_with(&museum.process(3), passphrase(PASSPHRASE)) {
        Ok(_) => (&keys[2..], &keys[..2]),
        Err(_) => (&keys[..2], &keys[2..]),
    };
    museum.store.load(&museum.objects);
    for (field, range) in regions(&museum.repo, Kind::Key, &museum.objects[&own[0]]) {
        museum.store.load(&museum.objects);
        let flip = |key: &str| {
            museum.store.damage(key, |bytes| {
                bytes[range.start] ^= 2;
                true
            });
        };
        flip(&own[0]);
        open_with(&museum.process(4), passphrase(PASSPHRASE)).unwrap_or_else(|e| panic!("{field}: {e}"));
        flip(&own[1]);
        assert_eq!(code(open_with(&museum.process(5), passphrase(PASSPHRASE))), Code::WrongPassphrase, "{field}");
    }
    open_with(&museum.process(6), passphrase("another")).unwrap();
    for key in other {
        museum.store.damage(key, |bytes| {
            bytes.truncate(40);
            true
        });
    }
    assert_eq!(code(open_with(&museum.process(7), passphrase("another"))), Code::Corrupt, "all are damaged");
    museum.store.keys("keys/").iter().for_each(|key| museum.store.lose(key));
    assert_eq!(code(open_with(&museum.process(8), passphrase("another"))), Code::Corrupt, "none is there");
    assert_eq!(code(open_with(&museum.process(8), common::secret(false))), Code::PassphraseRequired);
}

#[test]
fn without_both_configs_there_is_no_repository_and_init_does_not_make_one() {
    let museum = Museum::new(30);
    museum.store.lose("config.json");
    assert_whole(&museum, "the copy serves");
    let init = || code(common::try_init(&museum.process(3), common::options(true, None), common::secret(true)));
    assert_eq!(init(), Code::AlreadyExists);
    museum.store.lose("config.copy.json");
    assert_eq!(code(museum.open(&museum.process(4))), Code::NotARepository);
    let before = museum.store.snapshot();
    assert_eq!(init(), Code::AlreadyExists, "there are backups");
    assert!(museum.store.snapshot() == before);
}

#[test]
fn a_snapshot_without_a_readable_copy_is_told_and_hides_no_other() {
    let museum = Museum::new(31);
    let keys: Vec<String> = museum.keys(Kind::Snapshot)[..2].iter().map(|k| (*k).clone()).collect();
    let id = names::parse_generational("snapshots", &keys[0], &names::COPIES).map(|g| hex::encode(g.id)).unwrap();
    for lost in [false, true] {
        museum.store.load(&museum.objects);
        for key in &keys {
            museum.store.damage(key, |bytes| {
                bytes[100] ^= 1;
                !lost
            });
        }
        let one = museum.process(3);
        let repo = museum.open(&one).unwrap();
        assert_eq!(list(&one, &repo).unwrap().len(), 2);
        for (other, content) in museum.snapshots.iter().filter(|(other, _)| *other != id) {
            assert!(restore(&one, &repo, other, None, true).unwrap() == *content);
        }
        let expected = if lost { Code::NotFound } else { Code::Corrupt };
        assert_eq!(code(restore(&one, &repo, &id, None, true)), expected);
        assert_eq!(code(restore(&one, &repo, "latest", None, true)), if lost { Code::Internal } else { Code::Corrupt });
        // The checkpoint lists the first snapshot, so that even its absence shows.
        let found = verify(&one, &repo, Level::Quick);
        assert!(found.errors.iter().any(|f| f.snapshot.as_ref().is_some_and(|s| s.contains(&id))), "lost {lost}");
        repair(&one, &repo).unwrap();
        ingest(&one, &repo, &[vec![5; 9_000]]).unwrap();
    }
}

#[test]
fn without_a_readable_gc_record_everything_restores_and_nothing_is_written() {
    let museum = Museum::new(32);
    for kind in [Kind::Checkpoint, Kind::Condemn] {
        museum.store.load(&museum.objects);
        for key in museum.keys(kind).into_iter().rev().take(2) {
            museum.store.damage(key, |bytes| {
                bytes[100] ^= 1;
                true
            });
        }
        let before = museum.store.snapshot();
        assert_whole(&museum, &format!("{kind:?}"));
        let one = museum.process(3);
        let repo = museum.open(&one).unwrap();
        assert_eq!(list(&one, &repo).unwrap().len(), 3);
        assert_eq!(verify(&one, &repo, Level::Full).errors.len(), 2, "both copies are told");
        assert_eq!(code(ingest(&one, &repo, &[vec![5; 9_000]])), Code::Corrupt);
        assert_eq!(code(repair(&one, &repo)), Code::Corrupt);
        assert_eq!(code(common::reindex(&one, &repo)), Code::Corrupt);
        assert!(museum.store.snapshot() == before);
    }
    // Two checkpoints without a readable copy are more than can be passed over.
    for key in museum.keys(Kind::Checkpoint) {
        museum.store.damage(key, |bytes| {
            bytes[100] ^= 1;
            true
        });
    }
    let one = museum.process(4);
    let repo = museum.open(&one).unwrap();
    assert_eq!(code(restore(&one, &repo, &museum.snapshots[0].0, None, true)), Code::Corrupt);
}

#[test]
fn of_a_group_any_two_may_be_lost_and_a_third_is_missed_loudly() {
    let museum = Museum::new(33);
    let one = museum.process(3);
    let repo = museum.open(&one).unwrap();
    let (w, r) = (one.clone(), repo.clone());
    let view = one.run(async move { r.view(&w).await }).unwrap();
    let group = view.index.groups().into_iter().find(|g| g.members.len() == 3).unwrap();
    let packs = group.members.iter().map(|m| names::pack(&m.name));
    let objects: Vec<String> = packs.chain(group.parity.iter().map(|p| names::parity(&p.name))).collect();
    let (mut whole, mut refused) = (0, 0);
    for pattern in 0_u32..32 {
        museum.store.load(&museum.objects);
        let lost: Vec<usize> = (0..5).filter(|i| pattern >> i & 1 == 1).collect();
        for &i in &lost {
            museum.store.lose(&objects[i]);
        }
        let data = lost.iter().filter(|&&i| i < 3).count();
        let one = museum.process(4);
        let repo = museum.open(&one).unwrap();
        let hopeless = data > 2 - (lost.len() - data);
        let got = museum.snapshots.iter().map(|(id, content)| match restore(&one, &repo, id, None, false) {
            Ok(got) => {
                assert!(got == *content, "lost {lost:?}");
                true
            }
            Err(error) => {
                assert!(error.code == Code::Corrupt && hopeless, "lost {lost:?}: {error}");
                false
            }
        });
        if got.collect::<Vec<_>>().into_iter().all(|whole| whole) {
            whole += 1;
        } else {
            refused += 1;
        }
        assert_eq!(verify(&one, &repo, Level::Quick).errors.iter().all(|f| f.repairable), !hopeless, "lost {lost:?}");
        if !hopeless {
            assert_clean(&museum, &format!("lost {lost:?}"));
        }
    }
    assert!(whole >= 16 && refused > 8, "{whole} {refused}");
}
