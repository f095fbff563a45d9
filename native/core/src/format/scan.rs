//! Finding frames without idx or table (docs/format.md §8).

use super::limits;
use super::pack::{ENTRY, Entry, FRAME_CHECK, FRAME_OVERHEAD, FrameKind, MARKER, open_body};
use crate::crypto::seal::ObjectKeys;

/// How many offsets are decrypted at once.
const WINDOW: usize = 4096;

/// Every frame of `pack` that opens, in order; the table frame is left out.
#[must_use]
pub fn frames(keys: &ObjectKeys, pack: &[u8]) -> Vec<Entry> {
    scan(keys, pack, usize::MAX)
}

/// The first frame that opens, if any: enough to know that the keys are right.
#[must_use]
pub fn first_frame(keys: &ObjectKeys, pack: &[u8]) -> Vec<Entry> {
    scan(keys, pack, 1)
}

fn scan(keys: &ObjectKeys, pack: &[u8], most: usize) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut plain = Vec::new();
    // Not behind the head: where bytes at the front are lost, the first frame stands in its place.
    let mut at = 0;
    while let Some((offset, ordinal, length)) = next_marker(keys, pack, at) {
        let body = offset + MARKER;
        let whole = MARKER + length as usize;
        let opened = pack.get(body..body + length as usize).and_then(|b| open_body(keys, ordinal, b, &mut plain).ok());
        let Some(frame) = opened else {
            at = offset + 1;
            continue;
        };
        if frame.kind != FrameKind::Table as u8 {
            found.push(Entry {
                id: frame.id,
                offset: offset as u32,
                length: whole as u32,
                raw_len: frame.raw_len,
                kind: frame.kind,
                codec: frame.codec,
            });
            if found.len() >= most {
                break;
            }
        }
        at = offset + whole;
    }
    found
}

/// The first offset from `at` where a marker could stand: offset, ordinal, length.
fn next_marker(keys: &ObjectKeys, pack: &[u8], mut at: usize) -> Option<(usize, u32, u32)> {
    let mut window = Vec::with_capacity(WINDOW * MARKER);
    while at + FRAME_OVERHEAD <= pack.len() {
        let count = WINDOW.min(pack.len() - at - FRAME_OVERHEAD + 1);
        window.clear();
        for offset in at..at + count {
            window.extend_from_slice(&pack[offset..offset + MARKER]);
        }
        keys.find(&mut window).ok()?;
        for (i, mark) in window.chunks_exact(MARKER).enumerate() {
            if mark[8..] != FRAME_CHECK {
                continue;
            }
            let word = |from: usize| u32::from_le_bytes([mark[from], mark[from + 1], mark[from + 2], mark[from + 3]]);
            let (ordinal, length) = (word(0), word(4));
            let table = limits::FRAMES as usize * ENTRY + FRAME_OVERHEAD;
            let most = (limits::FRAME as usize).max(table).min(pack.len() - at - i - MARKER);
            if (FRAME_OVERHEAD - MARKER..=most).contains(&(length as usize)) {
                return Some((at + i, ordinal, length));
            }
        }
        at += count;
    }
    None
}
