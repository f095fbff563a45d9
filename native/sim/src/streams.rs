//! What goes in and what comes out: items in pieces of seeded sizes, and a sink that checks the order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use packvault_core::error::{Error, Result};
use packvault_core::world::{Sink, Source, Store};

use crate::memory::Block;
use crate::world::SimWorld;

/// Blocks that are read ahead, as production does.
const AHEAD: usize = 3;

/// Items to ingest, in pieces of seeded sizes.
pub struct Items {
    world: SimWorld,
    contents: VecDeque<Vec<u8>>,
    at: usize,
    current: usize,
    most: usize,
    ahead: VecDeque<(Block, usize)>,
    fail: Option<(usize, Error)>,
    given: usize,
}

impl Items {
    /// These items, given in pieces of at most `most` bytes.
    #[must_use]
    pub fn new(world: &SimWorld, items: &[Vec<u8>], most: usize) -> Self {
        Self {
            world: world.clone(),
            contents: items.iter().cloned().collect(),
            at: 0,
            current: 0,
            most,
            ahead: VecDeque::new(),
            fail: None,
            given: 0,
        }
    }

    /// A producer that fails once it has given `after` bytes.
    #[must_use]
    pub fn failing(mut self, after: usize, error: Error) -> Self {
        self.fail = Some((after, error));
        self
    }

    async fn read(&mut self) -> Result<Option<(Block, usize)>> {
        if let Some((after, error)) = &self.fail
            && self.given >= *after
        {
            return Err(error.clone());
        }
        let left = self.contents.front().map_or(0, |bytes| bytes.len() - self.at);
        if left == 0 {
            return Ok(None);
        }
        let len = left.min(self.world.below(self.most) + 1);
        let mut block = self.world.block(self.most).await?;
        if let Some(bytes) = self.contents.front() {
            block.as_mut()[..len].copy_from_slice(&bytes[self.at..self.at + len]);
        }
        self.at += len;
        self.given += len;
        Ok(Some((block, len)))
    }
}

impl Source<SimWorld> for Items {
    async fn next(&mut self, item: usize) -> Result<Option<(Block, usize)>> {
        if item != self.current {
            self.current = item;
            self.at = 0;
            self.ahead.clear();
            self.contents.pop_front();
        }
        while self.ahead.len() < AHEAD {
            match self.read().await? {
                Some(piece) => self.ahead.push_back(piece),
                None => break,
            }
        }
        Ok(self.ahead.pop_front())
    }
}

/// Collects what is restored, and checks that a stream comes in order.
#[derive(Default)]
pub struct Collected {
    bytes: Mutex<Vec<u8>>,
    ordered: bool,
}

impl Collected {
    /// A sink for a stream (`ordered`) or for a file.
    #[must_use]
    pub fn new(ordered: bool) -> Arc<Self> {
        Arc::new(Self { bytes: Mutex::default(), ordered })
    }

    /// What came.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink<SimWorld> for Collected {
    async fn write(&self, offset: u64, block: Block, from: usize, len: usize) -> Result<Block> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let at = offset as usize;
        assert!(!self.ordered || bytes.len() == at, "a stream came out of order");
        if bytes.len() < at + len {
            bytes.resize(at + len, 0);
        }
        bytes[at..at + len].copy_from_slice(&block.as_ref()[from..from + len]);
        Ok(block)
    }
}
