//! Packs: table, scan and frames of anything, and of a pack that was damaged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::crypto::ring::KeyRing;
use packvault_core::format::Kind;
use packvault_core::format::pack::{self, Entry, FRAME_HEAD, FRAME_OVERHEAD, HEAD, PackBuilder, TAIL};
use packvault_core::format::scan;
use packvault_fuzz::{Input, object, ring};

fn anything(ring: &KeyRing, data: &[u8]) {
    let _ = pack::keys_of(ring, data, Some(&[9; 32]));
    let keys = object(ring, Kind::Pack, "");
    let _ = pack::read_table(&keys, data);
    let mut plain = Vec::new();
    for frame in scan::frames(&keys, data) {
        let stored = &data[frame.offset as usize..][..frame.length as usize];
        let opened = pack::open_frame(&keys, stored, &mut plain).expect("what a scan finds opens");
        assert_eq!(opened.id, frame.id);
    }
    let _ = pack::keys_by_frame(ring, [9; 32], data);
}

/// A table that is authentic and says anything.
fn table(ring: &KeyRing, payload: &[u8]) {
    let keys = object(ring, Kind::Pack, "");
    let mut frame = vec![0; FRAME_OVERHEAD + payload.len()];
    let body = frame.len() - 16;
    let mut marker = [0; 16];
    marker[4..8].copy_from_slice(&u32::try_from(body).expect("inputs are small").to_le_bytes());
    marker[8..].copy_from_slice(b"pvframe1");
    keys.mark(&mut marker).expect("marking");
    frame[..16].copy_from_slice(&marker);
    frame[16 + 32] = 3;
    frame[16 + FRAME_HEAD..16 + FRAME_HEAD + payload.len()].copy_from_slice(payload);
    let tag_at = frame.len() - 16;
    let tag = keys.seal(0, &mut frame[16..tag_at]).expect("sealing");
    frame[tag_at..].copy_from_slice(&tag);
    let mut pointer = [0; 16];
    pointer[0] = 72;
    pointer[4..8].copy_from_slice(&u32::try_from(frame.len()).expect("inputs are small").to_le_bytes());
    pointer[8..].copy_from_slice(b"pvtable1");
    keys.mark(&mut pointer).expect("marking");
    let stored = [&[0; HEAD], frame.as_slice(), &pointer, keys.salt(), &keys.commitment, b"PVLTPEND"].concat();
    if let Ok(entries) = pack::read_table(&keys, &stored) {
        let fits = |e: &Entry| (e.offset + e.length) as usize <= stored.len() - TAIL;
        assert!(entries.iter().all(fits));
    }
}

fn damaged(ring: &KeyRing, input: &mut Input) {
    let mut memory = vec![0; 64 << 10];
    let mut builder = PackBuilder::default();
    for _ in 0..=input.below(6) {
        let len = input.below(300);
        let payload = input.bytes(len);
        let raw_len = u32::try_from(payload.len()).expect("inputs are small");
        let entry = Entry { id: ring.chunk_id(payload), offset: 0, length: 0, raw_len, kind: 1, codec: 0 };
        builder.push(&mut memory, entry, payload);
    }
    let sealed = builder.seal(ring, &[9; 32], &mut memory).expect("sealing");
    memory.truncate(sealed.len);
    let mut bytes = memory.clone();
    for _ in 0..input.below(8) {
        let at = input.below(bytes.len());
        bytes[at] ^= input.byte();
    }
    let keys = object(ring, Kind::Pack, "");
    let whole = |e: &&Entry| {
        let range = e.offset as usize..(e.offset + e.length) as usize;
        bytes[range.clone()] == memory[range]
    };
    let left: Vec<Entry> = sealed.entries.iter().filter(whole).copied().collect();
    assert_eq!(scan::frames(&keys, &bytes), left, "every whole frame is found, and no other");
}

fuzz_target!(|data: &[u8]| {
    if data.len() > 8 << 10 {
        return;
    }
    let mut input = Input(data);
    let ring = ring(input.byte() & 1 == 1);
    match input.byte() % 3 {
        0 => anything(&ring, input.0),
        1 => table(&ring, input.0),
        _ => damaged(&ring, &mut input),
    }
});
