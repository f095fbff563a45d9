//! What is read is bounded before anything is allocated: a few bytes that promise gigabytes are refused, and cost a few bytes.
#![allow(unsafe_code, reason = "an allocator that counts can't be written without it")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::ring;
use packvault_core::codec::Decoder;
use packvault_core::crypto::seal::TAG;
use packvault_core::error::{Code, Result};
use packvault_core::format::idx::Idx;
use packvault_core::format::key::KeyFile;
use packvault_core::format::{Kind, gc, list, pack, parity, record, scan};

/// Notes the largest request.
struct Counting;

thread_local! {
    /// Of this thread, so that tests beside each other do not matter.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs a reader on something that promises too much: `CORRUPT`, and no allocation beyond `most`.
fn refuses<T>(what: &str, most: usize, read: impl FnOnce() -> Result<T>) {
    LARGEST.set(0);
    let got = read();
    let largest = LARGEST.get();
    assert_eq!(got.err().map(|e| e.code), Some(Code::Corrupt), "{what}");
    assert!(largest <= most, "{what}: {largest} bytes at once");
}

const SMALL: usize = 64 << 10;

/// A record whose sealed plaintext says this raw length.
fn record_of(raw_len: u32, payload: &[u8]) -> Vec<u8> {
    let mut plain = vec![1, 0, 0, 0];
    plain.extend_from_slice(&raw_len.to_le_bytes());
    plain.extend_from_slice(payload);
    let keys = ring(true).object(Kind::Idx, &[5; 32], "index/a");
    let tag = keys.seal(0, &mut plain).unwrap();
    [b"PVLTRECD".as_slice(), keys.salt(), &keys.commitment, &plain, &tag].concat()
}

#[test]
fn a_record_larger_than_its_kind_allows() {
    let open = |stored: &[u8]| record::open(&ring(true), Kind::Idx, "index/a", stored);
    refuses("raw length beyond the cap", SMALL, || open(&record_of(u32::MAX, &[0; 40])));
    refuses("one byte beyond", SMALL, || open(&record_of((64 << 20) + 1, &[0; 40])));
    // At the cap memory is taken, and given back with the error: nothing else tells that the payload is a lie.
    refuses("at the cap", 64 << 20, || open(&record_of(64 << 20, &[0; 40])));
    assert!(record::max_stored(Kind::Idx) < 66 << 20 && record::max_stored(Kind::Lock) < 3 << 20);
}

#[test]
fn an_idx_that_counts_too_much() {
    let section = |kind: u16, len: u32, body: &[u8]| {
        [b"PVIX\x01\0\0\0".as_slice(), &kind.to_le_bytes(), &1_u16.to_le_bytes(), &len.to_le_bytes(), body].concat()
    };
    let pack = |size: u64, count: u32| [[1; 64].as_slice(), &size.to_le_bytes(), &count.to_le_bytes()].concat();
    refuses("a section longer than the body", SMALL, || Idx::decode(&section(1, u32::MAX, &[])));
    refuses("frames that are not there", SMALL, || Idx::decode(&section(1, 76, &pack(1 << 20, 65_536))));
    refuses("too many frames", SMALL, || Idx::decode(&section(1, 76, &pack(1 << 20, u32::MAX))));
    refuses("too large a pack", SMALL, || Idx::decode(&section(1, 76, &pack((1 << 30) + 1, 0))));
    for (k, m, shard) in [(0, 1, 1), (65, 1, 1), (1, 0, 1), (1, 9, 1), (64, 8, 1), (1, 1, (1_u64 << 30) + 1)] {
        let group = [[k, m, 0, 0, 0, 0, 0, 0].as_slice(), &shard.to_le_bytes()].concat();
        refuses(&format!("a group of {k} and {m}"), SMALL, || Idx::decode(&section(2, 16, &group)));
    }
}

#[test]
fn a_list_a_header_and_a_table_that_count_too_much() {
    for (level, count) in [(0, u32::MAX), (0, 8_193), (7, 0)] {
        let raw = [b"PVLS\x01".as_slice(), &[level, 0, 0], &count.to_le_bytes(), &[0; 4]].concat();
        refuses("a list", SMALL, || list::decode(&raw));
    }
    refuses("a gc header", SMALL, || gc::decode("condemn", 1, &[0xFF; 40]));
    let keys = ring(false).object(Kind::Pack, &[3; 32], "");
    let mut stored = vec![0; 400];
    let tail = stored.len() - pack::TAIL;
    stored[tail..tail + 8].copy_from_slice(&[0xFF; 8]);
    stored[tail + 8..tail + 16].copy_from_slice(b"pvtable1");
    refuses("a pointer beyond the pack", SMALL, || pack::read_table(&keys, &stored));
    // A marker that promises more than there is.
    let mut marker = [0xFF; 16];
    marker[8..].copy_from_slice(b"pvframe1");
    stored[100..116].copy_from_slice(&marker);
    LARGEST.set(0);
    assert!(scan::frames(&keys, &stored).is_empty() && LARGEST.get() <= 2 * SMALL);
}

#[test]
fn a_parity_object_that_promises_too_much() {
    let ring = ring(true);
    let keys = ring.object(Kind::Parity, &[4; 32], "");
    let object = |description: &[u8], len: u64| {
        let mut body = description.to_vec();
        let tag = keys.seal(0, &mut body).unwrap();
        [&body, tag.as_slice(), &len.to_le_bytes(), keys.salt(), &keys.commitment, b"PVLTPARE"].concat()
    };
    let description = |k: u8, m: u8, row: u8, shard: u64, sizes: &[u64]| {
        let mut out = vec![1, 0, 0, 0, k, m, row, 0, 0, 0, 1, 0, 0, 0, 0, 0];
        out.extend_from_slice(&shard.to_le_bytes());
        for size in sizes {
            out.extend_from_slice(&[7; 32]);
            out.extend_from_slice(&size.to_le_bytes());
        }
        out
    };
    let good = description(1, 1, 0, 0, &[0]);
    let len = (good.len() + TAG) as u64;
    assert!(parity::open_end(&ring, &[], &object(&good, len)).is_ok(), "the form is right");
    for (what, body) in [
        ("block hashes that are not there", description(1, 8, 0, 1 << 30, &[1 << 30])),
        ("a member longer than its shard", description(1, 1, 0, 5, &[6])),
        ("a shard beyond the cap", description(1, 1, 0, u64::MAX, &[0])),
        ("members that are not there", description(64, 8, 0, 100, &[])),
        ("too many members", description(65, 1, 0, 0, &[0; 65])),
        ("a row that is not there", description(1, 1, 1, 0, &[0])),
    ] {
        refuses(what, SMALL, || parity::open_end(&ring, &[], &object(&body, (body.len() + TAG) as u64)));
    }
    refuses("a description longer than the object", SMALL, || parity::open_end(&ring, &[], &object(&good, u64::MAX)));
    assert_eq!(parity::description_len(&object(&good, u64::MAX)[good.len() + TAG..], 1 << 20), None);
}

#[test]
fn a_payload_that_decompresses_to_more_than_was_promised() {
    let bomb = zstd_safe::compress_bound(8 << 20);
    let mut payload = vec![0; bomb];
    let len = zstd_safe::compress(payload.as_mut_slice(), &vec![0; 8 << 20], 3).unwrap();
    payload.truncate(len);
    assert!(payload.len() < 2_000);
    // A context of zstd is about 160 KiB; it is not taken from this allocator, and nothing grows with what the payload holds.
    refuses("eight mebibytes of zeros", SMALL, || Decoder::default().decode(1, &payload, 1_000, &mut Vec::new()));
    refuses("less than there is", SMALL, || Decoder::default().decode(1, &payload, 0, &mut Vec::new()));
}

#[test]
fn a_key_file_that_asks_for_too_much_work() {
    let file = |memory: u64, iterations: u64, parallelism: u64| {
        let head = format!(
            "{{\"packvault-key\":1,\"id\":\"{}\",\"repository\":\"{}\",\"label\":\"\",\"createdAt\":\"\",\"kdf\":{{\"name\":\"argon2id\",\
             \"memoryKiB\":{memory},\"iterations\":{iterations},\"parallelism\":{parallelism},\"salt\":\"{}\"}},\"wrap\":null,\
             \"sealed\":\"{}\",\"commitment\":\"{}\"",
            "01".repeat(16),
            "02".repeat(16),
            "03".repeat(32),
            "04".repeat(48),
            "05".repeat(32)
        );
        let checksum = hex::encode(packvault_core::crypto::sha256(head.as_bytes()));
        format!("{head},\"checksum\":\"{checksum}\"}}\n").into_bytes()
    };
    assert!(KeyFile::parse(&file(8, 1, 1)).unwrap().open(b"x").unwrap().is_none(), "the form is right");
    for (memory, iterations, parallelism) in [
        (4_194_305, 3, 1),
        (u64::from(u32::MAX), 3, 1),
        (65_536, 65, 1),
        (65_536, 0, 1),
        (65_536, 3, 17),
        (65_536, 3, 0),
        (7, 3, 1),
    ] {
        let what = format!("{memory} KiB, {iterations} passes, {parallelism} lanes");
        refuses(&what, SMALL, || KeyFile::parse(&file(memory, iterations, parallelism))?.open(b"x"));
    }
    refuses("a number that is none", SMALL, || KeyFile::parse(&file(u64::MAX, 1, 1)));
}

#[test]
fn an_allocation_that_is_too_large_is_found_out() {
    // The planted fault of this file.
    let found = std::panic::catch_unwind(|| {
        refuses::<()>("planted", SMALL, || {
            drop(std::hint::black_box(Vec::<u8>::with_capacity(SMALL + 1)));
            Err(packvault_core::error::Error::corrupt("planted"))
        });
    });
    assert!(found.is_err());
}
