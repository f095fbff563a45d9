//! Encoding parity groups while packs are still in memory (docs/format.md §12).

use std::sync::Arc;

use super::Repository;
use crate::erasure::group::accumulate;
use crate::error::{Error, Result};
use crate::format::config::ParityScheme;
use crate::format::idx::{Group, Part};
use crate::format::parity::{self, Description};
use crate::format::{limits, names};
use crate::world::{PutMode, World};

/// One group in the making.
pub struct GroupEncoder<W: World> {
    scheme: ParityScheme,
    capacity: usize,
    shards: Vec<W::Block>,
    members: Vec<Part>,
    member_blocks: Vec<Vec<parity::BlockHash>>,
}

impl<W: World> GroupEncoder<W> {
    /// An empty group for packs of at most `capacity` bytes.
    #[must_use]
    pub fn new(scheme: ParityScheme, capacity: usize) -> Self {
        Self { scheme, capacity, shards: Vec::new(), members: Vec::new(), member_blocks: Vec::new() }
    }

    /// Whether it has no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether it takes no more members.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.members.len() >= self.scheme.data as usize
    }

    /// Adds a sealed pack as the next column.
    pub async fn add(&mut self, world: &W, repo: &Repository, name: [u8; 32], pack: &[u8]) -> Result<()> {
        if self.is_full() || pack.len() > self.capacity {
            return Err(Error::new(crate::error::Code::Internal, "a parity group was given more than it takes"));
        }
        let (k, m) = (self.scheme.data as usize, self.scheme.parity as usize);
        while self.shards.len() < m {
            let mut block = world.block(parity::max_object_len(self.capacity, k, m)).await?;
            block.as_mut()[..parity::HEAD + self.capacity].fill(0);
            self.shards.push(block);
        }
        let column = self.members.len();
        let mut rows: Vec<&mut [u8]> =
            self.shards.iter_mut().map(|s| &mut s.as_mut()[parity::HEAD..parity::HEAD + pack.len()]).collect();
        accumulate(repo.kernels.mul_add, column, pack, &mut rows);
        self.members.push(Part { name, size: pack.len() as u64 });
        self.member_blocks.push(parity::block_hashes(pack));
        Ok(())
    }

    /// Closes the group with the members that it has: puts its parity objects and says what an idx says of it.
    pub async fn close(self, world: &W, repo: &Arc<Repository>, generation: u64) -> Result<Group> {
        let shard_len = self.members.iter().map(|p| p.size).max().unwrap_or(0);
        let shard = parity::HEAD..parity::HEAD + shard_len as usize;
        let description = Description {
            shard_len,
            members: self.members,
            member_blocks: self.member_blocks,
            shard_blocks: self.shards.iter().map(|s| parity::block_hashes(&s.as_ref()[shard.clone()])).collect(),
        };
        debug_assert!(shard_len <= limits::PACK);
        let mut puts = Vec::new();
        let mut rows = Vec::new();
        for (row, mut block) in self.shards.into_iter().enumerate() {
            let len = parity::seal(&repo.ring, &description, row as u8, generation, &world.id32(), block.as_mut())?;
            let name = crate::crypto::sha256(&block.as_ref()[..len]);
            rows.push(Part { name, size: len as u64 });
            let task_world = world.clone();
            puts.push(world.spawn(async move {
                task_world.put(&names::parity(&name), block, len, PutMode::Overwrite, Some(name)).await
            }));
        }
        futures_util::future::try_join_all(puts).await?;
        Ok(Group { shard_len, members: description.members, parity: rows })
    }
}
