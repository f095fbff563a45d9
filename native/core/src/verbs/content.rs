//! Walking the content of an item (docs/format.md §10).

use super::current::Current;
use crate::crypto::ring::ChunkId;
use crate::error::{Error, Result};
use crate::format::limits;
use crate::format::list::{self, List};
use crate::world::World;

/// A data chunk of an item, and where its bytes belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Chunk id.
    pub id: ChunkId,
    /// Of its first byte, in the item.
    pub offset: u64,
    /// Its bytes.
    pub len: u64,
}

/// Gives the data chunks of an item in order, reading list chunks as it goes: memory is a list per level.
pub struct Walk<'a, W: World> {
    current: &'a Current<W>,
    /// Per level: entries that are still to do, in reverse, and their level.
    stack: Vec<(u8, Vec<list::Ref>)>,
    offset: u64,
}

impl<'a, W: World> Walk<'a, W> {
    /// Starts at the first chunk that holds byte `from` or later.
    pub async fn start(current: &'a Current<W>, root: &ChunkId, size: u64, from: u64) -> Result<Self> {
        let mut walk = Self { current, stack: Vec::new(), offset: 0 };
        let list = walk.read(root, size).await?;
        if list.level > limits::LIST_LEVEL {
            return Err(Error::corrupt("A list chunk's level is out of bounds."));
        }
        walk.push(list);
        walk.skip(from).await?;
        Ok(walk)
    }

    /// The next data chunk.
    pub async fn next(&mut self) -> Result<Option<Leaf>> {
        loop {
            let Some((level, entries)) = self.stack.last_mut() else { return Ok(None) };
            let level = *level;
            let Some(entry) = entries.pop() else {
                self.stack.pop();
                continue;
            };
            if level == 0 {
                let leaf = Leaf { id: entry.id, offset: self.offset, len: entry.size };
                if entry.size > u64::from(limits::CHUNK) {
                    return Err(Error::corrupt("A list chunk names a chunk that is too large."));
                }
                self.offset += entry.size;
                return Ok(Some(leaf));
            }
            self.descend(level, entry).await?;
        }
    }

    /// Passes over whole subtrees that end at or before `from`.
    async fn skip(&mut self, from: u64) -> Result<()> {
        while let Some((level, entries)) = self.stack.last_mut() {
            let level = *level;
            let Some(entry) = entries.last().copied() else {
                self.stack.pop();
                continue;
            };
            if self.offset + entry.size <= from {
                entries.pop();
                self.offset += entry.size;
            } else if level == 0 {
                break;
            } else {
                entries.pop();
                self.descend(level, entry).await?;
            }
        }
        Ok(())
    }

    async fn descend(&mut self, level: u8, entry: list::Ref) -> Result<()> {
        let list = self.read(&entry.id, entry.size).await?;
        if list.level + 1 != level {
            return Err(Error::corrupt("A list chunk has the wrong level.").with("chunk", hex::encode(entry.id)));
        }
        self.push(list);
        Ok(())
    }

    fn push(&mut self, list: List) {
        let mut entries = list.entries;
        entries.reverse();
        self.stack.push((list.level, entries));
    }

    async fn read(&self, id: &ChunkId, size: u64) -> Result<List> {
        let list = list::decode(&self.current.chunk(&self.current.index(), id, None).await?.0)?;
        if list.size() == Some(size) {
            Ok(list)
        } else {
            Err(Error::corrupt("A list chunk covers another size than it should.").with("chunk", hex::encode(id)))
        }
    }
}
