//! Records and bodies: what was encoded is decoded, what was changed is refused, and no bytes make a reader panic.

mod common;

use std::collections::BTreeMap;

use common::{cases, ring, ring_of};
use packvault_core::error::Code;
use packvault_core::format::config::ChunkIdKind;
use packvault_core::format::gc::{self, Checkpoint, Condemn, Deleted, Listed};
use packvault_core::format::idx::{Group, Idx, PackEntry, Part, Withdrawal};
use packvault_core::format::key::KeyFile;
use packvault_core::format::list::{self, Ref};
use packvault_core::format::pack::Entry;
use packvault_core::format::parity::{self, Description};
use packvault_core::format::snapshot::{Item, Snapshot};
use packvault_core::format::{Kind, config::Config, names, record, time};
use proptest::prelude::*;

const KINDS: [Kind; 6] = [Kind::Idx, Kind::Snapshot, Kind::Hold, Kind::Condemn, Kind::Checkpoint, Kind::Lock];

fn entry(size: u64) -> impl Strategy<Value = Entry> {
    (any::<[u8; 32]>(), 72..size as u32 / 2, 72_u32..2_000, 0_u32..=16 << 20, 1_u8..=3, 0_u8..=2)
        .prop_map(|(id, offset, length, raw_len, kind, codec)| Entry { id, offset, length, raw_len, kind, codec })
}

fn pack() -> impl Strategy<Value = PackEntry> {
    (any::<[u8; 32]>(), any::<[u8; 32]>(), 10_000_u64..1 << 30).prop_flat_map(|(name, salt, size)| {
        prop::collection::vec(entry(size), 0..6).prop_map(move |entries| PackEntry { name, salt, size, entries })
    })
}

fn part(most: u64) -> impl Strategy<Value = Part> {
    (any::<[u8; 32]>(), 1..=most).prop_map(|(name, size)| Part { name, size })
}

fn group() -> impl Strategy<Value = Group> {
    (1_u64..1 << 30).prop_flat_map(|shard_len| {
        (prop::collection::vec(part(shard_len), 1..=64), prop::collection::vec(part(1 << 30), 1..=8))
            .prop_map(move |(members, parity)| Group { shard_len, members, parity })
    })
}

fn idx() -> impl Strategy<Value = Idx> {
    let withdrawal = (any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(pack, chunk)| Withdrawal { pack, chunk });
    let parts = (
        prop::collection::vec(pack(), 0..5),
        prop::collection::vec(group(), 0..3),
        prop::collection::vec(withdrawal, 0..4),
    );
    parts.prop_map(|(packs, groups, withdrawals)| Idx { packs, groups, withdrawals })
}

fn hex_hash() -> impl Strategy<Value = String> {
    any::<[u8; 32]>().prop_map(hex::encode)
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let item = ("[^\\x00]{1,20}", any::<u64>(), any::<u64>(), hex_hash(), prop::option::of(hex_hash()));
    let items = prop::collection::btree_map("[^\\x00]{1,20}", item, 1..5);
    let tags = prop::collection::btree_map(".{0,12}", ".{0,12}", 0..4);
    (any::<[u8; 16]>(), items, tags, any::<u64>()).prop_map(|(id, items, tags, size)| Snapshot {
        version: 1,
        id: hex::encode(id),
        created_at: time::format(size.cast_signed() % 1_000_000),
        tags,
        original_size: size,
        stored_size: size / 2,
        chunk_count: size / 3,
        new_chunks: size / 5,
        reused_chunks: size / 7,
        items: items
            .into_iter()
            .map(|(name, (label, size, chunk_count, root, sha256))| Item {
                name,
                label,
                kind: 0,
                size,
                chunk_count,
                root,
                sha256,
            })
            .collect(),
        engine: "test".into(),
        features: Vec::new(),
    })
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let listed = |name: &'static str| {
        (hex_hash(), prop::option::of(".{0,9}")).prop_map(move |(sha256, time)| Listed {
            key: name.into(),
            sha256,
            time,
        })
    };
    let hashes = || prop::collection::vec(hex_hash(), 0..4);
    (
        prop::collection::vec(listed("snapshots/x"), 0..4),
        prop::collection::vec(listed("index/x"), 0..4),
        hashes(),
        hashes(),
        hashes(),
    )
        .prop_map(|(snapshots, idx, packs, parity, forgotten)| Checkpoint {
            snapshots,
            idx,
            deleted: Deleted { packs, parity },
            forgotten,
            ..Checkpoint::default()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(100)))]

    #[test]
    fn a_record_opens_under_its_own_name_kind_and_repository_only(body in prop::collection::vec(any::<u8>(), 0..2_000), kind in prop::sample::select(KINDS.to_vec()), encrypted: bool, random: [u8; 32]) {
        let ring = ring(encrypted);
        let stored = record::seal(&ring, kind, "index/a", 3, &random, &body).unwrap();
        prop_assert_eq!(record::open(&ring, kind, "index/a", &stored).unwrap(), body);
        prop_assert!(record::open(&ring, kind, "index/b", &stored).is_err());
        prop_assert!(record::open(&ring_of([2; 16], encrypted, ChunkIdKind::Blake3), kind, "index/a", &stored).is_err());
        prop_assert!(record::open(&common::ring(!encrypted), kind, "index/a", &stored).is_err());
        for other in KINDS.into_iter().filter(|other| *other != kind) {
            prop_assert!(record::open(&ring, other, "index/a", &stored).is_err());
        }
    }

    #[test]
    fn any_flipped_bit_and_any_cut_of_a_record_is_refused(body in prop::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, bit in 0_u8..8, encrypted: bool) {
        let ring = ring(encrypted);
        let stored = record::seal(&ring, Kind::Idx, "index/a", 3, &[9; 32], &body).unwrap();
        let at = at.index(stored.len());
        let mut flipped = stored.clone();
        flipped[at] ^= 1 << bit;
        prop_assert_eq!(record::open(&ring, Kind::Idx, "index/a", &flipped).unwrap_err().code, Code::Corrupt);
        prop_assert_eq!(record::open(&ring, Kind::Idx, "index/a", &stored[..at]).unwrap_err().code, Code::Corrupt);
        let longer = [stored.as_slice(), &[0]].concat();
        prop_assert!(record::open(&ring, Kind::Idx, "index/a", &longer).is_err());
    }

    #[test]
    fn two_seals_of_one_body_share_no_salt(body in prop::collection::vec(any::<u8>(), 0..100), a: [u8; 32], b: [u8; 32]) {
        prop_assume!(a != b);
        let seal = |random, generation| record::seal(&ring(true), Kind::Idx, "index/a", generation, random, &body).unwrap()[8..40].to_vec();
        prop_assert_ne!(seal(&a, 1), seal(&b, 1));
        prop_assert_ne!(seal(&a, 1), seal(&a, 2));
    }

    #[test]
    fn an_idx_is_decoded_as_it_was_and_split_without_loss(idx in idx(), target in 100_usize..20_000) {
        let body = idx.encode();
        prop_assert!(body.len() <= idx.raw_len());
        prop_assert_eq!(Idx::decode(&body).unwrap(), idx.clone());
        let parts = idx.clone().split(target);
        let single = |part: &Idx| part.packs.len() + part.groups.len() + part.withdrawals.len() == 1;
        prop_assert!(parts.iter().all(|part| !part.is_empty() && (part.encode().len() <= target || single(part))));
        let mut all = Idx::default();
        for mut part in parts {
            all.packs.append(&mut part.packs);
            all.groups.append(&mut part.groups);
            all.withdrawals.append(&mut part.withdrawals);
        }
        prop_assert_eq!(all, idx);
    }

    #[test]
    fn an_idx_that_is_cut_or_changed_is_refused_or_another_one(idx in idx(), at: prop::sample::Index, byte: u8) {
        let body = idx.encode();
        let at = at.index(body.len());
        prop_assert!(at < 8 || Idx::decode(&body[..at]).is_ok_and(|cut| cut != idx) || Idx::decode(&body[..at]).is_err());
        let mut changed = body.clone();
        changed[at] = byte;
        let _ = Idx::decode(&changed);
    }

    #[test]
    fn a_description_is_read_from_the_whole_object_and_from_its_end(sizes in prop::collection::vec(1_u64..200_000, 1..=64), m in 1_usize..=8, encrypted: bool, row: prop::sample::Index) {
        let ring = ring(encrypted);
        let shard_len = *sizes.iter().max().unwrap();
        let hashes = |len: u64, seed: u8| (0..len.div_ceil(65_536)).map(|i| [seed ^ i as u8; 16]).collect::<Vec<_>>();
        let description = Description {
            shard_len,
            members: sizes.iter().enumerate().map(|(i, &size)| Part { name: [i as u8; 32], size }).collect(),
            member_blocks: sizes.iter().enumerate().map(|(i, &size)| hashes(size, i as u8)).collect(),
            shard_blocks: (0..m).map(|i| hashes(shard_len, 100 + i as u8)).collect(),
        };
        let row = row.index(m) as u8;
        let mut memory = vec![0; parity::max_object_len(shard_len as usize, sizes.len(), m)];
        let len = parity::seal(&ring, &description, row, 5, &[1; 32], &mut memory).unwrap();
        let stored = &memory[..len];
        prop_assert_eq!(len, description.object_len());
        prop_assert_eq!(parity::open(&ring, stored).unwrap(), (description.clone(), row));
        let tail = &stored[len - parity::TAIL..];
        let from = len - parity::TAIL - parity::description_len(tail, len as u64).unwrap() as usize;
        prop_assert_eq!(parity::open_end(&ring, &[], &stored[from..]).unwrap(), (description.clone(), row));
        // A damaged salt at the end is made up for by that at the head.
        let mut damaged = stored[from..].to_vec();
        let at = damaged.len() - 50;
        damaged[at] ^= 1;
        prop_assert!(parity::open_end(&ring, &[], &damaged).is_err());
        prop_assert_eq!(parity::open_end(&ring, &stored[..parity::HEAD], &damaged).unwrap(), (description, row));
    }

    #[test]
    fn snapshots_and_gc_records_are_decoded_as_they_were(snapshot in snapshot(), checkpoint in checkpoint(), round in 1_u64..1 << 50, previous: [u8; 32]) {
        let id = names::id16(&snapshot.id).unwrap();
        prop_assert_eq!(Snapshot::decode("snapshots/x", &id, &snapshot.encode().unwrap()).unwrap(), snapshot);
        prop_assert!(Snapshot::decode("snapshots/x", &[0; 16], &record::to_json(&checkpoint).unwrap()).is_err());
        let body = gc::encode("checkpoint", round, &previous, &checkpoint).unwrap();
        let read = gc::decode("checkpoint", round, &body).unwrap();
        prop_assert_eq!(record::json::<Checkpoint>("x", &read.rest.clone().unwrap()).unwrap(), checkpoint);
        prop_assert_eq!(names::hash(&read.header.previous), Some(previous));
        prop_assert!(gc::decode("condemn", round, &body).is_err() && gc::decode("checkpoint", round + 1, &body).is_err());
        // Without its rest it has the same hash; with another rest it is refused.
        let header = 4 + u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
        let trimmed = gc::decode("checkpoint", round, &body[..header]).unwrap();
        prop_assert_eq!((trimmed.hash, trimmed.rest), (read.hash, None));
        prop_assert!(gc::decode("checkpoint", round, &[&body[..], b" "].concat()).is_err());
        let condemn = Condemn { forgotten: vec!["x".into()], ..Condemn::default() };
        let body = gc::encode("condemn", round, &previous, &condemn).unwrap();
        prop_assert_eq!(record::json::<Condemn>("x", &gc::decode("condemn", round, &body).unwrap().rest.unwrap()).unwrap(), condemn);
    }

    #[test]
    fn a_list_is_decoded_as_it_was(level in 0_u8..=6, entries in prop::collection::vec((any::<[u8; 32]>(), 0_u64..1 << 40), 0..50)) {
        let entries: Vec<Ref> = entries.into_iter().map(|(id, size)| Ref { id, size }).collect();
        let raw = list::encode(level, &entries);
        let read = list::decode(&raw).unwrap();
        prop_assert_eq!(read.size(), Some(entries.iter().map(|e| e.size).sum()));
        prop_assert_eq!((read.level, read.entries), (level, entries));
        prop_assert!(list::decode(&[&raw[..], &[0]].concat()).is_err());
        prop_assert!(list::decode(&raw[..raw.len() - 1]).is_err());
    }

    #[test]
    fn times_go_both_ways(ms in -62_167_219_200_000_i64..=253_402_300_799_999) {
        prop_assert_eq!(time::parse(&time::format(ms)), Some(ms));
    }

    #[test]
    fn names_go_both_ways(hash: [u8; 32], id: [u8; 16], generation in 0_u64..10_u64.pow(16)) {
        prop_assert_eq!(names::parse_pack(&names::pack(&hash)), Some(hash));
        prop_assert_eq!(names::parse_parity(&names::parity(&hash)), Some(hash));
        prop_assert_eq!(names::parse_pack(&names::parity(&hash)), None);
        let found = names::parse_generational("index", &names::idx(generation, &id), &[".idx"]).unwrap();
        prop_assert_eq!((found.generation, found.id), (generation, id));
        let name = names::snapshot(generation, &id);
        let found = names::parse_generational("snapshots", &format!("{name}.b"), &names::COPIES).unwrap();
        prop_assert_eq!((found.generation, found.id, found.name), (generation, id, name));
        prop_assert_eq!(names::parse_gc(&format!("{}.a", names::condemn(generation))), Some((generation, false, ".a")));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), text in ".{0,120}", key in "[a-z0-9./-]{0,80}") {
        let ring = ring(true);
        let _ = (Idx::decode(&bytes), list::decode(&bytes).is_ok(), gc::decode("condemn", 1, &bytes).is_ok());
        let _ = (Config::parse(&bytes), Config::parse(text.as_bytes()), Config::authentic(&bytes, &ring));
        let _ = (KeyFile::parse(&bytes).is_ok(), KeyFile::parse(text.as_bytes()).is_ok());
        let _ = (Snapshot::decode("x", &[0; 16], &bytes), record::open(&ring, Kind::Lock, "x", &bytes));
        let _ = (parity::open(&ring, &bytes).is_ok(), parity::open_end(&ring, &bytes, &bytes).is_ok(), parity::description_len(&bytes, 100));
        let _ = (names::parse_pack(&key), names::parse_parity(&key), names::parse_gc(&key), time::parse(&text), time::parse(&key));
        let _ = (names::parse_generational("snapshots", &key, &names::COPIES), names::id16(&text), names::hash(&key));
        let known = [b"PVIX\x01\0\0\0".as_slice(), &bytes].concat();
        let _ = Idx::decode(&known);
    }
}

#[test]
fn hex_in_upper_case_is_no_hex() {
    assert!(names::hash(&"ab".repeat(32)).is_some() && names::hash(&"AB".repeat(32)).is_none());
    assert!(names::id16(&"ab".repeat(16)).is_ok() && names::id16(&"aB".repeat(16)).is_err());
}

#[test]
fn a_snapshot_beyond_the_limits_is_refused() {
    let item = |name: &str| Item {
        name: name.into(),
        label: "stream".into(),
        kind: 0,
        size: 0,
        chunk_count: 0,
        root: "00".repeat(32),
        sha256: None,
    };
    let decode = |items: Vec<Item>, tags: BTreeMap<String, String>| {
        let snapshot = Snapshot {
            version: 1,
            id: hex::encode([1; 16]),
            created_at: time::format(0),
            tags,
            original_size: 0,
            stored_size: 0,
            chunk_count: 0,
            new_chunks: 0,
            reused_chunks: 0,
            items,
            engine: String::new(),
            features: Vec::new(),
        };
        Snapshot::decode("snapshots/x", &[1; 16], &snapshot.encode().unwrap()).err().map(|e| e.code)
    };
    let none = BTreeMap::new;
    assert_eq!(decode(vec![item("a"), item("b")], none()), None);
    assert_eq!(decode(vec![], none()), Some(Code::Corrupt));
    assert_eq!(decode(vec![item("a"), item("a")], none()), Some(Code::Corrupt));
    assert_eq!(decode(vec![item("a\0b")], none()), Some(Code::Corrupt));
    assert_eq!(decode(vec![item(&"n".repeat(65_536))], none()), Some(Code::Corrupt));
    assert_eq!(decode(vec![item("a")], BTreeMap::from([("k".into(), "v".repeat(4_097))])), Some(Code::Corrupt));
    let many = (0..1_025).map(|i| (i.to_string(), String::new())).collect();
    assert_eq!(decode(vec![item("a")], many), Some(Code::Corrupt));
    let mut odd = item("a");
    odd.kind = 1;
    assert_eq!(decode(vec![odd], none()), Some(Code::FormatTooNew));
}
