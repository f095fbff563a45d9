//! Every byte of everything small, flipped: each bit pattern is met by open, list, restore, verify and repair.

mod common;

use common::museum::Museum;
use common::regions::Kind;
use common::{list, repair, restore, try_verify};
use packvault_core::error::Code;
use packvault_core::verbs::Level;

/// One flipped byte: everything restores, verify finds it, repair puts the object back.
fn flip(museum: &Museum, key: &str, at: usize, mask: u8) {
    let what = format!("byte {at} of {key} ^ {mask:02x}");
    museum.store.load(&museum.objects);
    museum.store.damage(key, |bytes| {
        bytes[at] ^= mask;
        true
    });
    let one = museum.process(at as u64);
    let repo = museum.open(&one).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(list(&one, &repo).unwrap().len(), 3, "{what}");
    let idx = Kind::of(key) == Some(Kind::Idx);
    let (id, content) = &museum.snapshots[at % 3];
    match restore(&one, &repo, id, None, true) {
        Ok(got) => assert!(got == *content, "{what}: WRONG BYTES"),
        Err(error) => assert!(idx && error.code == Code::Corrupt, "{what}: {error}"),
    }
    assert!(!try_verify(&one, &repo, Level::Quick).unwrap().ok, "{what}: not found");
    repair(&one, &repo).unwrap_or_else(|e| panic!("{what}: {e}"));
    if idx {
        let repo = museum.open(&one).unwrap();
        assert!(restore(&one, &repo, id, None, true).unwrap() == *content, "{what}, after repair");
    } else {
        assert!(museum.store.snapshot() == museum.objects, "{what}: repair put back other bytes");
    }
}

#[test]
fn every_byte_of_every_small_object() {
    let museum = Museum::new(41);
    let mut flips = 0;
    for kind in [Kind::Config, Kind::Key, Kind::Snapshot, Kind::Condemn, Kind::Checkpoint] {
        let keys = museum.keys(kind);
        for (number, key) in [keys[0], keys[keys.len() - 1]].into_iter().enumerate() {
            for at in 0..museum.objects[key].len() {
                flip(&museum, key, at, 1 << ((at + number) % 8));
                flips += 1;
            }
        }
    }
    assert!(flips > 4_000, "{flips}");
}

#[test]
fn every_byte_of_an_idx() {
    let museum = Museum::new(42);
    let keys = museum.keys(Kind::Idx);
    let key = keys[keys.len() - 1];
    for at in 0..museum.objects[key].len() {
        flip(&museum, key, at, 1 << (at % 8));
    }
}

#[test]
fn every_byte_of_the_ends_of_a_pack_and_a_parity_object() {
    let museum = Museum::new(43);
    for kind in [Kind::Pack, Kind::Parity] {
        let key = museum.keys(kind)[0];
        let len = museum.objects[key].len();
        for at in (0..200).chain(len - 1_200..len) {
            museum.store.load(&museum.objects);
            museum.store.damage(key, |bytes| {
                bytes[at] ^= 1 << (at % 8);
                true
            });
            let one = museum.process(at as u64);
            let repo = museum.open(&one).unwrap();
            let (id, content) = &museum.snapshots[at % 3];
            assert!(restore(&one, &repo, id, None, false).unwrap() == *content, "byte {at} of {key}");
            assert!(!try_verify(&one, &repo, Level::Standard).unwrap().ok, "byte {at} of {key}: not found");
            repair(&one, &repo).unwrap();
            assert!(try_verify(&one, &repo, Level::Standard).unwrap().ok, "byte {at} of {key}: not repaired");
        }
    }
}
