//! Putting references back in order and into list chunks (docs/format.md §10).

use std::collections::BTreeMap;

use super::Repository;
use crate::crypto::ring::ChunkId;
use crate::error::{Code, Error, Result};
use crate::format::list::{Closed, ListBuilder, Ref};

/// A list chunk to store.
pub struct ListChunk {
    /// Its id.
    pub id: ChunkId,
    /// Its raw bytes.
    pub raw: Vec<u8>,
}

#[derive(Default)]
struct ItemLists {
    builder: ListBuilder,
    root: Option<Ref>,
    chunks: u64,
    size: u64,
}

/// What is known of an item whose content is complete.
#[derive(Clone, Copy, Debug)]
pub struct ItemContent {
    /// Root list chunk.
    pub root: ChunkId,
    /// Bytes.
    pub size: u64,
    /// References to data chunks.
    pub chunks: u64,
}

/// References of all items. Segments arrive in any order.
pub struct Assembly {
    items: Vec<ItemLists>,
    next: u64,
    early: BTreeMap<u64, (usize, bool, Vec<Ref>)>,
}

impl Assembly {
    /// For this many items.
    #[must_use]
    pub fn new(items: usize) -> Self {
        Self { items: (0..items).map(|_| ItemLists::default()).collect(), next: 0, early: BTreeMap::new() }
    }

    /// Takes the references of a segment; returns the list chunks that are complete now.
    pub fn add(&mut self, repo: &Repository, seq: u64, item: usize, last: bool, refs: Vec<Ref>) -> Vec<ListChunk> {
        self.early.insert(seq, (item, last, refs));
        let mut lists = Vec::new();
        while let Some((item, last, refs)) = self.early.remove(&self.next) {
            self.next += 1;
            let state = &mut self.items[item];
            for entry in refs {
                state.chunks += 1;
                state.size += entry.size;
                let closed = state.builder.push(0, entry);
                state.store(repo, closed, &mut lists);
            }
            while last && let Some(closed) = state.builder.finish() {
                state.store(repo, Some(closed), &mut lists);
            }
        }
        lists
    }

    /// The items, once all segments were added.
    pub fn finish(&self) -> Result<Vec<ItemContent>> {
        let content = |item: &ItemLists| {
            let root = item.root.filter(|root| root.size == item.size)?;
            Some(ItemContent { root: root.id, size: item.size, chunks: item.chunks })
        };
        self.items
            .iter()
            .map(content)
            .collect::<Option<_>>()
            .ok_or_else(|| Error::new(Code::Internal, "an item's references are not complete"))
    }
}

impl ItemLists {
    /// Names a complete list, and passes its reference up.
    fn store(&mut self, repo: &Repository, mut closed: Option<Closed>, lists: &mut Vec<ListChunk>) {
        while let Some(list) = closed {
            let id = repo.ring.chunk_id(&list.raw);
            let entry = Ref { id, size: list.size };
            self.root = Some(entry);
            closed = self.builder.push(list.level as usize + 1, entry);
            lists.push(ListChunk { id, raw: list.raw });
        }
    }
}
