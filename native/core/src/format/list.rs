//! List chunks: the content of an item as a tree of references (docs/format.md §10).

use super::{Cursor, limits};
use crate::crypto::ring::ChunkId;
use crate::error::{Code, Error, Result};

const MAGIC: &[u8; 4] = b"PVLS";
const HEAD: usize = 16;
const ENTRY: usize = 40;
const LEAST: usize = 512;
const MASK: u64 = (1 << 11) - 1;

/// A reference: a chunk, and how many bytes of the item are below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ref {
    /// Chunk id.
    pub id: ChunkId,
    /// Bytes of the item.
    pub size: u64,
}

/// A list chunk that was read.
pub struct List {
    /// 0: entries are data chunks.
    pub level: u8,
    /// In order.
    pub entries: Vec<Ref>,
}

impl List {
    /// Bytes of the item below it; `None` if that is more than any item has.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.entries.iter().try_fold(0_u64, |sum, e| sum.checked_add(e.size))
    }
}

/// Whether a list ends behind its newest entry.
#[must_use]
pub fn ends(count: usize, newest: &ChunkId) -> bool {
    let mut first = [0; 8];
    first.copy_from_slice(&newest[..8]);
    count >= limits::LIST_ENTRIES as usize || (count >= LEAST && u64::from_le_bytes(first) & MASK == 0)
}

/// Raw bytes of a list chunk.
#[must_use]
pub fn encode(level: u8, entries: &[Ref]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + ENTRY * entries.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[1, level, 0, 0]);
    out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    for entry in entries {
        out.extend_from_slice(&entry.id);
        out.extend_from_slice(&entry.size.to_le_bytes());
    }
    out
}

/// Reads a list chunk.
pub fn decode(raw: &[u8]) -> Result<List> {
    let mut cursor = Cursor::new(raw);
    cursor.expect(MAGIC)?;
    let (version, level, kind) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
    if version != 1 || kind != 0 {
        return Err(Error::new(Code::FormatTooNew, "An item's content needs a newer packvault."));
    }
    let count = cursor.u32()?;
    cursor.take(4)?;
    if level > limits::LIST_LEVEL || count > limits::LIST_ENTRIES || cursor.rest().len() != ENTRY * count as usize {
        return Err(Error::corrupt("A list chunk is out of bounds."));
    }
    let mut entries = Vec::with_capacity(count as usize);
    for _ in 0..count {
        entries.push(Ref { id: cursor.array()?, size: cursor.u64()? });
    }
    Ok(List { level, entries })
}

/// Cuts a stream of references into lists, level by level. Each list that is complete is handed out to be stored.
#[derive(Default)]
pub struct ListBuilder {
    levels: Vec<Vec<Ref>>,
    closed: Vec<usize>,
}

/// A list chunk to store; its id goes back through [`ListBuilder::push`] at `level + 1`.
pub struct Closed {
    /// Its level.
    pub level: u8,
    /// Bytes of the item below it.
    pub size: u64,
    /// Its raw bytes.
    pub raw: Vec<u8>,
}

impl ListBuilder {
    /// Adds a reference at a level; returns the list that it completes.
    pub fn push(&mut self, level: usize, entry: Ref) -> Option<Closed> {
        while self.levels.len() <= level {
            self.levels.push(Vec::new());
            self.closed.push(0);
        }
        self.levels[level].push(entry);
        ends(self.levels[level].len(), &entry.id).then(|| self.close(level))
    }

    fn close(&mut self, level: usize) -> Closed {
        let entries = std::mem::take(&mut self.levels[level]);
        self.closed[level] += 1;
        let size = entries.iter().map(|e| e.size).sum();
        Closed { level: level as u8, size, raw: encode(level as u8, &entries) }
    }

    /// At the end: the next list to store, from the lowest level up; `None` when the root is the last one that was stored.
    pub fn finish(&mut self) -> Option<Closed> {
        if self.levels.is_empty() {
            self.levels.push(Vec::new());
            self.closed.push(0);
        }
        for level in 0..self.levels.len() {
            let open = !self.levels[level].is_empty();
            let only_child =
                level > 0 && self.closed[level] == 0 && self.levels[level].len() == 1 && self.closed[level - 1] == 1;
            if only_child && level + 1 == self.levels.len() {
                return None;
            }
            if open || (level == 0 && self.closed[0] == 0) {
                return Some(self.close(level));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(count: usize) -> (Vec<Closed>, usize) {
        let mut builder = ListBuilder::default();
        let mut stored: Vec<Closed> = Vec::new();
        let mut roots = 0;
        let mut add = |builder: &mut ListBuilder, mut closed: Option<Closed>| {
            while let Some(list) = closed {
                let id = crate::crypto::sha256(&list.raw);
                let (level, size) = (list.level as usize + 1, list.size);
                stored.push(list);
                roots += 1;
                closed = builder.push(level, Ref { id, size });
            }
        };
        for i in 0..count {
            let id = crate::crypto::sha256(&i.to_le_bytes());
            let closed = builder.push(0, Ref { id, size: 10 });
            add(&mut builder, closed);
        }
        while let Some(list) = builder.finish() {
            add(&mut builder, Some(list));
        }
        (stored, roots)
    }

    #[test]
    fn the_last_list_is_the_root_and_covers_everything() {
        for count in [0, 1, 511, 512, 3_000, 9_000, 100_000] {
            let (stored, _) = build(count);
            let root = stored.last().unwrap();
            assert_eq!(root.size, count as u64 * 10, "{count}");
            let leaves = stored.iter().filter(|l| l.level == 0).count();
            assert_eq!(root.level, u8::from(leaves > 1), "{count}");
            let total: usize =
                stored.iter().filter(|l| l.level == 0).map(|l| decode(&l.raw).unwrap().entries.len()).sum();
            assert_eq!(total, count);
        }
    }
}
