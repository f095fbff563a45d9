//! The serial part of an ingest: reading the source and cutting it. Workers take turns.

use std::marker::PhantomData;

use super::Repository;
use crate::crypto::Sha256;
use crate::error::{Error, Result};
use crate::world::{Source, World};

/// How many bytes a worker takes at a turn, at least: enough to make the turn cheap, little enough to stay in its cache.
const TURN: usize = 1 << 20;

/// Chunks that one worker took, and their memory, which is used again.
#[derive(Default)]
pub struct Segment {
    /// Position in the sequence of all segments.
    pub seq: u64,
    /// Its item.
    pub item: usize,
    /// Whether the item ends with it.
    pub last: bool,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Segment {
    /// The chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(from, &to)| &self.bytes[from..to])
    }
}

/// The source and what was read of it but not yet cut.
pub struct Feed<W: World, S: Source<W>> {
    source: S,
    items: usize,
    item: usize,
    seq: u64,
    rest: Vec<u8>,
    scanned: usize,
    hash: Option<Sha256>,
    wanted: bool,
    hashes: Vec<[u8; 32]>,
    failed: bool,
    world: PhantomData<fn() -> W>,
}

impl<W: World, S: Source<W>> Feed<W, S> {
    /// A feed of this many items; `sha256`: hash each on the way.
    pub fn new(source: S, items: usize, sha256: bool) -> Self {
        Self {
            source,
            items,
            item: 0,
            seq: 0,
            rest: Vec::new(),
            scanned: 0,
            hash: None,
            wanted: sha256,
            hashes: Vec::new(),
            failed: false,
            world: PhantomData,
        }
    }

    /// Fills `segment` with the next chunks. False when all items are read.
    pub async fn next(&mut self, world: &W, repo: &Repository, segment: &mut Segment) -> Result<bool> {
        if self.failed || self.item == self.items {
            return Ok(false);
        }
        // Until this turn is over the feed is not whole: a turn that fails or is dropped ends it for everybody.
        self.failed = true;
        segment.seq = self.seq;
        segment.item = self.item;
        segment.last = false;
        segment.ends.clear();
        std::mem::swap(&mut segment.bytes, &mut self.rest);
        self.rest.clear();
        let mut cut = 0;
        while cut < TURN && !segment.last {
            match self.source.next(self.item).await? {
                Some((block, len)) => self.take(world, segment, &block.as_ref()[..len])?,
                None => segment.last = true,
            }
            self.cut(repo, segment, &mut cut);
        }
        self.rest.extend_from_slice(&segment.bytes[cut..]);
        segment.bytes.truncate(cut);
        self.seq += 1;
        if segment.last {
            self.end_item();
        }
        self.failed = false;
        Ok(true)
    }

    fn take(&mut self, world: &W, segment: &mut Segment, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Err(Error::invalid("A source gave an empty block."));
        }
        if self.wanted {
            self.hash.get_or_insert_default().update(bytes);
        }
        segment.bytes.extend_from_slice(bytes);
        world.call().add_bytes(bytes.len() as u64);
        Ok(())
    }

    fn cut(&mut self, repo: &Repository, segment: &mut Segment, cut: &mut usize) {
        while let Some(len) = repo.cutter.next_from(&segment.bytes[*cut..], &mut self.scanned, segment.last) {
            *cut += len;
            segment.ends.push(*cut);
            self.scanned = 0;
        }
    }

    fn end_item(&mut self) {
        if self.wanted {
            self.hashes.push(self.hash.take().unwrap_or_default().finish());
        }
        self.item += 1;
        self.scanned = 0;
    }

    /// SHA-256 of each item, if it was wanted and all were read.
    #[must_use]
    pub fn hashes(&self) -> &[[u8; 32]] {
        &self.hashes
    }
}
