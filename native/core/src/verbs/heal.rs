//! Making stored bytes good from parity, stripe by stripe (docs/format.md §12, §20).

use std::sync::Arc;

use futures_util::future::join_all;

use super::Repository;
use crate::crypto::{Sha256, sha256};
use crate::erasure::group::Stripe;
use crate::error::{Code, Error, Result};
use crate::format::idx::{Group, Name, Part};
use crate::format::parity::{self, BLOCK, BlockHash, Description, HEAD};
use crate::format::{limits, names};
use crate::index::Index;
use crate::world::World;

/// The right stored bytes of a range of a pack. Good blocks are used as they are, others are computed from the pack's parity group.
/// Every block is checked against the group's block hashes where a description can be read. `UNRECOVERABLE` beyond parity.
pub async fn heal_range<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    index: &Index,
    name: &Name,
    offset: u64,
    len: u64,
) -> Result<Vec<u8>> {
    let mut reason = no_parity(name);
    for group in index.groups_of(name) {
        let Some(column) = group.members.iter().position(|m| m.name == *name) else { continue };
        let reader = GroupReader::open(world, repo, &group).await?;
        match reader.range(column, offset, len).await {
            Ok(bytes) => return Ok(bytes),
            Err(e) if e.is_beyond() => reason = e,
            Err(e) => return Err(e),
        }
    }
    Err(reason)
}

/// Whether a pack can be made good from parity. It does the work and forgets the result.
pub async fn can_heal<W: World>(world: &W, repo: &Arc<Repository>, index: &Index, name: &Name) -> Result<bool> {
    const PIECE: u64 = 1 << 20;
    for group in index.groups_of(name) {
        let Some(column) = group.members.iter().position(|m| m.name == *name) else { continue };
        let size = group.members[column].size;
        let reader = GroupReader::open(world, repo, &group).await?;
        let mut hash = Sha256::default();
        let mut at = 0;
        while at < size {
            match reader.range(column, at, PIECE.min(size - at)).await {
                Ok(bytes) => hash.update(&bytes),
                Err(e) if e.is_beyond() => break,
                Err(e) => return Err(e),
            }
            at += PIECE;
        }
        if at >= size && hash.finish() == *name {
            return Ok(true);
        }
    }
    Ok(false)
}

fn no_parity(name: &[u8; 32]) -> Error {
    Error::new(Code::Unrecoverable, format!("Pack {} is damaged and no parity covers it.", hex::encode(name)))
        .with("pack", hex::encode(name))
}

/// Reads blocks of one group.
pub struct GroupReader<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    group: &'a Group,
    description: Option<Arc<Description>>,
    /// Without a description: which members and rows are whole, by SHA-256.
    whole: Vec<bool>,
}

impl<'a, W: World> GroupReader<'a, W> {
    /// Reads a description of the group; where none can be read, judges whole objects.
    pub async fn open(world: &'a W, repo: &'a Arc<Repository>, group: &'a Group) -> Result<Self> {
        let known = repo.known_description(|d| speaks_of(d, group));
        let mut reader = Self { world, repo, group, description: known, whole: Vec::new() };
        for row in 0..group.parity.len() {
            if reader.description.is_some() {
                return Ok(reader);
            }
            reader.description = reader.describe(row).await?.map(Arc::new);
            if let Some(description) = &reader.description {
                repo.remember_description(description.clone());
            }
        }
        if reader.description.is_some() {
            return Ok(reader);
        }
        for part in group.members.iter().chain(&group.parity) {
            let whole = reader.is_whole(part, reader.whole.len() < group.members.len()).await?;
            reader.whole.push(whole);
        }
        Ok(reader)
    }

    /// The description of the group, if one could be read.
    #[must_use]
    pub fn description(&self) -> Option<&Description> {
        self.description.as_deref()
    }

    /// The description that the parity object of a row carries, if it can be read and speaks of this group.
    async fn describe(&self, row: usize) -> Result<Option<Description>> {
        let part = self.group.parity[row];
        let from = HEAD as u64 + self.group.shard_len;
        if part.size <= from {
            return Ok(None);
        }
        let key = names::parity(&part.name);
        let Some(end) = optional(self.world.get(&key, Some((from, part.size - from)), limits::PACK).await)? else {
            return Ok(None);
        };
        let opened = match parity::open_end(&self.repo.ring, &[], end.as_ref()) {
            // The salt at the end may be damaged, and the one at the head not.
            Err(_) => {
                let head = optional(self.world.get(&key, Some((0, HEAD as u64)), limits::PACK).await)?;
                let Some(head) = head else { return Ok(None) };
                parity::open_end(&self.repo.ring, head.as_ref(), end.as_ref())
            }
            opened => opened,
        };
        Ok(opened.ok().filter(|(d, r)| *r as usize == row && speaks_of(d, self.group)).map(|(d, _)| d))
    }

    async fn is_whole(&self, part: &Part, member: bool) -> Result<bool> {
        if part.size == 0 {
            return Ok(member);
        }
        let key = if member { names::pack(&part.name) } else { names::parity(&part.name) };
        let stored = optional(self.world.get(&key, None, limits::PACK).await)?;
        Ok(stored.is_some_and(|s| sha256(s.as_ref()) == part.name))
    }

    /// The right bytes of a range of a member.
    pub async fn range(&self, column: usize, offset: u64, len: u64) -> Result<Vec<u8>> {
        let block = BLOCK as u64;
        let last = (offset + len).div_ceil(block);
        let batch = if self.group.members.len() <= 20 { 16 } else { 4 };
        let mut out = Vec::with_capacity(len as usize);
        let mut stripe = offset / block;
        while stripe < last {
            let to = (stripe + batch).min(last);
            for (i, bytes) in self.batch(column, stripe, to).await?.into_iter().enumerate() {
                let at = (stripe + i as u64) * block;
                let from = offset.saturating_sub(at).min(bytes.len() as u64);
                let end = (offset + len).saturating_sub(at).min(bytes.len() as u64);
                out.extend_from_slice(&bytes[from as usize..end as usize]);
            }
            stripe = to;
        }
        if out.len() as u64 == len { Ok(out) } else { Err(Error::corrupt("A range is beyond a pack's end.")) }
    }

    /// The right blocks `from..to` of a member.
    async fn batch(&self, column: usize, from: u64, to: u64) -> Result<Vec<Vec<u8>>> {
        let own = self.member(column, from, to).await?;
        if own.iter().all(Option::is_some) {
            return Ok(own.into_iter().flatten().collect());
        }
        let others = (0..self.group.members.len())
            .map(|c| async move { if c == column { Ok(Vec::new()) } else { self.member(c, from, to).await } });
        let mut data: Vec<Vec<Option<Vec<u8>>>> = join_all(others).await.into_iter().collect::<Result<_>>()?;
        data[column] = own;
        let mut rows: Vec<Vec<Option<Vec<u8>>>> = Vec::new();
        for row in 0..self.group.parity.len() {
            if enough(&data, &rows, to - from) {
                break;
            }
            rows.push(self.row(row, from, to).await?);
        }
        (0..to - from).map(|s| self.solve(column, &data, &rows, from, s)).collect()
    }

    fn solve(&self, column: usize, data: &Blocks, rows: &Blocks, from: u64, s: u64) -> Result<Vec<u8>> {
        let at = s as usize;
        if let Some(own) = &data[column][at] {
            return Ok(own.clone());
        }
        let stripe = Stripe {
            data: data.iter().map(|blocks| blocks[at].as_deref()).collect(),
            parity: rows.iter().map(|blocks| blocks[at].as_deref()).collect(),
            len: block_len(self.group.shard_len, from + s),
        };
        let name = self.group.members[column].name;
        let solved = stripe.solve(self.repo.kernels.mul_add).map_err(|e| e.with("pack", hex::encode(name)))?;
        let (_, mut bytes) = solved.into_iter().find(|(c, _)| *c == column).ok_or_else(|| no_parity(&name))?;
        bytes.truncate(block_len(self.group.members[column].size, from + s));
        if self
            .description
            .as_ref()
            .is_some_and(|d| d.member_blocks[column][at + from as usize] != parity::block_hash(&bytes))
        {
            return Err(Error::corrupt("A block that was computed from parity is not what the description says."));
        }
        Ok(bytes)
    }

    async fn member(&self, column: usize, from: u64, to: u64) -> Result<Vec<Option<Vec<u8>>>> {
        let part = self.group.members[column];
        let object = Blocked {
            key: names::pack(&part.name),
            base: 0,
            size: part.size,
            hashes: self.description.as_ref().map(|d| d.member_blocks[column].as_slice()),
            whole: self.whole.get(column).copied().unwrap_or(false),
        };
        self.blocks(&object, from, to).await
    }

    async fn row(&self, row: usize, from: u64, to: u64) -> Result<Vec<Option<Vec<u8>>>> {
        let part = self.group.parity[row];
        if part.size == 0 {
            return Ok((from..to).map(|_| None).collect());
        }
        let object = Blocked {
            key: names::parity(&part.name),
            base: HEAD as u64,
            size: self.group.shard_len,
            hashes: self.description.as_ref().map(|d| d.shard_blocks[row].as_slice()),
            whole: self.whole.get(self.group.members.len() + row).copied().unwrap_or(false),
        };
        self.blocks(&object, from, to).await
    }

    /// Blocks `from..to` of an object: those that are missing or wrong are `None`.
    async fn blocks(&self, object: &Blocked<'_>, from: u64, to: u64) -> Result<Vec<Option<Vec<u8>>>> {
        let start = from * BLOCK as u64;
        let end = object.size.min(to * BLOCK as u64);
        if start >= end {
            return Ok((from..to).map(|_| Some(Vec::new())).collect());
        }
        let (at, len) = (object.base + start, end - start);
        let got = match optional(self.world.get(&object.key, Some((at, len)), limits::PACK).await)? {
            Some(got) => Some(got),
            // A shorter object: what is left of it may still serve, block by block.
            None => self.shorter(&object.key, at, len).await?,
        };
        let got = got.as_ref().map(AsRef::as_ref).unwrap_or_default();
        let block = |number| object.block(got, number, (number - from) as usize * BLOCK).map(<[u8]>::to_vec);
        Ok((from..to).map(block).collect())
    }

    async fn shorter(&self, key: &str, offset: u64, most: u64) -> Result<Option<W::Bytes>> {
        let Some(info) = optional(self.world.stat(key).await)? else { return Ok(None) };
        let len = info.size.saturating_sub(offset).min(most);
        if len == 0 {
            return Ok(None);
        }
        optional(self.world.get(key, Some((offset, len)), limits::PACK).await)
    }
}

fn speaks_of(description: &Description, group: &Group) -> bool {
    description.members == group.members
        && description.shard_len == group.shard_len
        && description.shard_blocks.len() == group.parity.len()
}

/// An object that is read in blocks.
struct Blocked<'a> {
    key: String,
    /// Where its first block starts.
    base: u64,
    /// Bytes of all blocks.
    size: u64,
    hashes: Option<&'a [BlockHash]>,
    /// Without hashes: whether the whole object is right.
    whole: bool,
}

impl Blocked<'_> {
    /// A block that stands at `at` of what was read, if it is there and right.
    fn block<'b>(&self, read: &'b [u8], number: u64, at: usize) -> Option<&'b [u8]> {
        let len = block_len(self.size, number);
        if len == 0 {
            return Some(&[]);
        }
        let bytes = read.get(at..at + len)?;
        let good = match self.hashes {
            Some(hashes) => hashes.get(number as usize).is_some_and(|hash| *hash == parity::block_hash(bytes)),
            None => self.whole,
        };
        good.then_some(bytes)
    }
}

type Blocks = [Vec<Option<Vec<u8>>>];

fn enough(data: &Blocks, rows: &Blocks, stripes: u64) -> bool {
    (0..stripes as usize).all(|s| {
        let missing = data.iter().filter(|blocks| blocks[s].is_none()).count();
        missing <= rows.iter().filter(|blocks| blocks[s].is_some()).count()
    })
}

fn block_len(size: u64, stripe: u64) -> usize {
    size.saturating_sub(stripe * BLOCK as u64).min(BLOCK as u64) as usize
}

/// What is missing or has another size is `None`; a store that does not answer is an error.
pub fn optional<T>(got: Result<T>) -> Result<Option<T>> {
    match got {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.is_damage() => Ok(None),
        Err(e) => Err(e),
    }
}
