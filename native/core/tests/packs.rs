//! A pack gives back every frame that was put into it: by its entries, by its table, by a scan; and of a damaged one every other frame.

mod common;

use common::{cases, ring, ring_of};
use packvault_core::crypto::ring::KeyRing;
use packvault_core::crypto::seal::ObjectKeys;
use packvault_core::crypto::sha256;
use packvault_core::format::config::ChunkIdKind;
use packvault_core::format::pack::{self, Entry, FRAME_HEAD, FRAME_OVERHEAD, HEAD, PackBuilder, TAIL};
use packvault_core::format::scan;
use proptest::prelude::*;

struct Built {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    name: [u8; 32],
    salt: [u8; 32],
}

fn build(ring: &KeyRing, payloads: &[Vec<u8>]) -> Built {
    let room = HEAD + TAIL + FRAME_OVERHEAD + 4 + payloads.iter().map(|p| p.len() + FRAME_OVERHEAD + 48).sum::<usize>();
    let mut memory = vec![0xA5; room];
    let mut builder = PackBuilder::default();
    for payload in payloads {
        let id = ring.chunk_id(payload);
        let raw_len = payload.len() as u32;
        let entry = Entry { id, offset: 0, length: 0, raw_len, kind: 1, codec: 0 };
        builder.push(&mut memory, entry, payload);
    }
    let salt = sha256(&payloads.concat());
    assert_eq!(builder.sealed_len(), room, "a pack is as long as it says");
    let sealed = builder.seal(ring, &salt, &mut memory).unwrap();
    memory.truncate(sealed.len);
    Built { bytes: memory, entries: sealed.entries, name: sealed.name, salt }
}

fn opens(keys: &ObjectKeys, bytes: &[u8], entry: &Entry, payload: &[u8]) -> bool {
    let mut plain = Vec::new();
    let frame = &bytes[entry.offset as usize..][..entry.length as usize];
    pack::open_frame(keys, frame, &mut plain).is_ok_and(|f| f.id == entry.id && plain[FRAME_HEAD..] == *payload)
}

fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(60)))]

    #[test]
    fn entries_table_and_scan_agree(payloads in payloads(), encrypted: bool) {
        let ring = ring(encrypted);
        let built = build(&ring, &payloads);
        prop_assert_eq!(sha256(&built.bytes), built.name);
        let keys = pack::keys_of(&ring, &built.bytes, None).unwrap();
        prop_assert_eq!(keys.salt(), &built.salt);
        prop_assert_eq!(pack::read_table(&keys, &built.bytes).unwrap(), built.entries.clone());
        prop_assert_eq!(scan::frames(&keys, &built.bytes), built.entries.clone());
        for (entry, payload) in built.entries.iter().zip(&payloads) {
            prop_assert!(opens(&keys, &built.bytes, entry, payload));
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed_and_every_other_frame_is_found(payloads in payloads(), at: prop::sample::Index, bit in 0_u8..8, encrypted: bool) {
        let ring = ring(encrypted);
        let built = build(&ring, &payloads);
        let mut bytes = built.bytes.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_ne!(sha256(&bytes), built.name);
        let keys = pack::keys_of(&ring, &bytes, None).unwrap();
        let hit = |e: &Entry| (e.offset as usize..(e.offset + e.length) as usize).contains(&at);
        let others: Vec<Entry> = built.entries.iter().filter(|e| !hit(e)).copied().collect();
        prop_assert_eq!(scan::frames(&keys, &bytes), others);
        for (entry, payload) in built.entries.iter().zip(&payloads) {
            prop_assert_eq!(opens(&keys, &bytes, entry, payload), !hit(entry));
        }
        // What the table still says is what was put in.
        if let Ok(table) = pack::read_table(&keys, &bytes) {
            prop_assert_eq!(table, built.entries);
        }
    }

    #[test]
    fn a_damaged_region_anywhere_costs_only_the_frames_in_it(payloads in payloads(), from: prop::sample::Index, len in 1_usize..700, fill: u8) {
        let ring = ring(true);
        let built = build(&ring, &payloads);
        let from = from.index(built.bytes.len());
        let to = (from + len).min(built.bytes.len());
        let mut bytes = built.bytes.clone();
        bytes[from..to].fill(fill);
        // Head and tail may both be gone: then the idx knows the salt.
        let Some(keys) = pack::keys_of(&ring, &bytes, Some(&built.salt)) else {
            prop_assert!(built.entries.iter().all(|e| (e.offset as usize) < to && (e.offset + e.length) as usize > from));
            return Ok(());
        };
        let whole = |e: &&Entry| bytes[e.offset as usize..][..e.length as usize] == built.bytes[e.offset as usize..][..e.length as usize];
        let left: Vec<Entry> = built.entries.iter().filter(whole).copied().collect();
        prop_assert_eq!(scan::frames(&keys, &bytes), left);
    }

    #[test]
    fn bytes_that_were_cut_out_or_put_in_cost_only_the_frames_there(payloads in payloads(), at: prop::sample::Index, cut in 0_usize..500, extra in prop::collection::vec(any::<u8>(), 0..500)) {
        let ring = ring(true);
        let built = build(&ring, &payloads);
        let at = at.index(built.bytes.len());
        let end = (at + cut).min(built.bytes.len());
        let mut bytes = built.bytes.clone();
        bytes.splice(at..end, extra.iter().copied());
        if let Some(keys) = pack::keys_of(&ring, &bytes, Some(&built.salt)) {
            let found = scan::frames(&keys, &bytes);
            let untouched = built.entries.iter().filter(|e| (e.offset + e.length) as usize <= at || e.offset as usize >= end);
            for entry in untouched {
                prop_assert!(found.iter().any(|f| f.id == entry.id && f.length == entry.length), "a frame is lost");
            }
        }
    }

    #[test]
    fn another_repository_opens_nothing(payloads in payloads(), encrypted: bool) {
        let built = build(&ring(encrypted), &payloads);
        let other = ring_of([2; 16], encrypted, ChunkIdKind::Blake3);
        prop_assert!(pack::keys_of(&other, &built.bytes, Some(&built.salt)).is_none());
    }

    #[test]
    fn no_bytes_make_a_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..3_000), magic: bool, encrypted: bool) {
        let ring = ring(encrypted);
        if magic && bytes.len() > 200 {
            bytes[..8].copy_from_slice(b"PVLTPACK");
            let end = bytes.len() - 8;
            bytes[end..].copy_from_slice(b"PVLTPEND");
        }
        prop_assert!(pack::keys_of(&ring, &bytes, None).is_none());
        let keys = ring.object(packvault_core::format::Kind::Pack, &[3; 32], "");
        prop_assert!(pack::read_table(&keys, &bytes).is_err());
        prop_assert_eq!(scan::frames(&keys, &bytes), vec![]);
    }
}

#[test]
fn a_frame_of_another_pack_nested_in_a_payload_is_not_taken_for_one() {
    for encrypted in [true, false] {
        let ring = ring(encrypted);
        let inner = build(&ring, &[vec![1; 300], vec![2; 300]]);
        let outer = build(&ring, &[vec![3; 100], inner.bytes.clone(), vec![4; 100]]);
        let keys = pack::keys_of(&ring, &outer.bytes, None).unwrap();
        let mut bytes = outer.bytes.clone();
        // The frame that holds the other pack is damaged, so that the scan goes through it.
        bytes[outer.entries[1].offset as usize + 20] ^= 1;
        assert_eq!(scan::frames(&keys, &bytes), [outer.entries[0], outer.entries[2]]);
    }
}

#[test]
fn a_reader_that_takes_every_frame_is_found_out() {
    // The planted fault of these properties: without the tag, a damaged frame is taken for a good one.
    let ring = ring(false);
    let built = build(&ring, &[vec![5; 400]]);
    let keys = pack::keys_of(&ring, &built.bytes, None).unwrap();
    let mut bytes = built.bytes.clone();
    bytes[built.entries[0].offset as usize + 60] ^= 1;
    let careless = |bytes: &[u8]| pack::read_marker(&keys, &bytes[HEAD..]).is_ok();
    assert!(careless(&bytes) && !opens(&keys, &bytes, &built.entries[0], &[5; 400]));
}
