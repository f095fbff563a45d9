//! Writing chunks into packs, packs into parity groups, and both into idx (docs/format.md §15, steps 3 and 4).

use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use futures_util::lock::Mutex;

use super::Repository;
use super::gate::Gate;
use super::group::GroupEncoder;
use super::objects::put_small;
use crate::codec::Codec;
use crate::crypto::ring::{ChunkId, SaltMaker, name_id};
use crate::error::{Code, Error, Result};
use crate::format::idx::{Group, Idx, PackEntry, Withdrawal};
use crate::format::pack::{Entry, FrameKind, PackBuilder, Sealed};
use crate::format::{Kind, limits, names, parity, record};
use crate::world::{PutMode, Task, World};

/// What a chunk's frame says besides its payload.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    /// Chunk id.
    pub id: ChunkId,
    /// Data or list.
    pub kind: FrameKind,
    /// Codec of the payload.
    pub codec: Codec,
    /// Bytes of the chunk.
    pub raw_len: u32,
}

/// Writes chunks of one commit. Several workers push at once.
pub struct PackWriter<W: World> {
    world: W,
    repo: Arc<Repository>,
    generation: u64,
    target: usize,
    capacity: usize,
    /// Raw bytes of an idx: it has to find memory beside the packs.
    idx_target: usize,
    slots: Vec<Mutex<Option<OpenPack<W>>>>,
    /// How many more packs may exist in memory.
    free: Arc<Gate<usize>>,
    group: Mutex<Column<W>>,
    done: StdMutex<Done>,
}

struct OpenPack<W: World> {
    builder: PackBuilder,
    block: W::Block,
    salt: SaltMaker,
    permit: Permit,
}

/// The current group, and the puts of its members.
struct Column<W: World> {
    encoder: Option<GroupEncoder<W>>,
    puts: Vec<Task<()>>,
    waiting: Vec<PackEntry>,
    /// Why nothing more may be named: a step that failed, or was dropped, leaves packs that nobody has stored.
    failed: Option<Error>,
}

impl<W: World> Column<W> {
    /// Begins a step. Fails if one before it did.
    fn begin(&mut self) -> Result<()> {
        let broken = || Error::new(Code::Aborted, "Another step of this commit was broken off.");
        self.failed.replace(broken()).map_or(Ok(()), |error| {
            self.failed = Some(error.clone());
            Err(error)
        })
    }

    /// Ends a step.
    fn end<T>(&mut self, done: Result<T>) -> Result<T> {
        self.failed = done.as_ref().err().cloned();
        done
    }
}

/// What is stored and not yet in an idx, and what was written in all.
#[derive(Default)]
struct Done {
    idx: Idx,
    all: Idx,
}

/// What a commit wrote: its packs and parity groups. Kept until the commit is acknowledged, since a deletion round
/// may make it list them again.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Its packs and groups.
    pub idx: Idx,
}

impl Written {
    /// Adds what was written since.
    pub fn add(&mut self, more: Self) {
        self.idx.append(more.idx);
    }

    /// Bytes of its packs.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.idx.packs.iter().map(|p| p.size).sum()
    }
}

/// Bytes that a pack's memory must have: the target, or one chunk of the largest size if that is more.
#[must_use]
pub fn pack_capacity(pack_size: u32, max_chunk: u32) -> usize {
    let largest_list = limits::LIST_ENTRIES as usize * 40 + 16;
    (pack_size as usize).max((max_chunk as usize).max(largest_list) + 4096)
}

/// Bytes that a block of so many may take.
fn lent(size: usize) -> usize {
    size.next_multiple_of(64 << 10)
}

impl<W: World> PackWriter<W> {
    /// A writer of generation r. `memory` is what its packs and parity may take. `INVALID_ARGUMENT` if that is too little for one pack
    /// and the parity of its group: it would wait for memory that only it could give back.
    pub fn new(world: &W, repo: &Arc<Repository>, generation: u64, memory: usize) -> Result<Self> {
        let capacity = pack_capacity(repo.config.pack_size, repo.config.chunking.max);
        let scheme = repo.config.parity;
        let shard = scheme.map_or(0, |s| parity::max_object_len(capacity, s.data as usize, s.parity as usize));
        let shards = lent(shard) * scheme.map_or(0, |s| s.parity as usize);
        // For a block of the source and an idx.
        let others = (memory / 8).max((1 << 20) + lent(memory / 16));
        let packs = memory.saturating_sub(shards + others) / lent(capacity);
        if packs == 0 {
            return Err(Error::invalid(format!(
                "{memory} bytes of memory are too little for this repository's packs and parity: {} are needed. Nothing was stored.",
                ((shards + lent(capacity)) * 8 / 7 + 1).max(shards + lent(capacity) + others)
            )));
        }
        let open = world.threads().min(memory / 2 / capacity).min(packs.saturating_sub(1)).max(1);
        Ok(Self {
            world: world.clone(),
            repo: repo.clone(),
            generation,
            target: repo.config.pack_size as usize,
            capacity,
            idx_target: (memory / 16).min(limits::IDX_TARGET / 2),
            slots: (0..open).map(|_| Mutex::new(None)).collect(),
            free: Arc::new(Gate::new(packs)),
            group: Mutex::new(Column {
                encoder: scheme.map(|s| GroupEncoder::new(s, capacity)),
                puts: Vec::new(),
                waiting: Vec::new(),
                failed: None,
            }),
            done: StdMutex::default(),
        })
    }

    /// Stores a chunk in one of the open packs, chosen at random, so that a store can't line up packs and streams.
    pub async fn push(&self, head: ChunkHead, payload: &[u8]) -> Result<()> {
        if !PackBuilder::default().takes(payload.len(), self.target, self.capacity) {
            return Err(Error::invalid("A chunk is larger than this repository's packs can hold. Nothing was stored."));
        }
        let mut random = [0; 4];
        self.world.fill(&mut random);
        let chosen = &self.slots[u32::from_le_bytes(random) as usize % self.slots.len()];
        loop {
            let mut slot = chosen.lock().await;
            let Some(full) = slot.take_if(|pack| !pack.builder.takes(payload.len(), self.target, self.capacity)) else {
                if slot.is_none() {
                    *slot = Some(self.open_pack().await?);
                }
                Self::append(&mut slot, head, payload);
                return Ok(());
            };
            // Others may use the slot while this worker seals.
            drop(slot);
            self.finish_pack(full).await?;
        }
    }

    fn append(slot: &mut Option<OpenPack<W>>, head: ChunkHead, payload: &[u8]) {
        if let Some(pack) = slot {
            let entry = Entry {
                id: head.id,
                offset: 0,
                length: 0,
                raw_len: head.raw_len,
                kind: head.kind as u8,
                codec: head.codec as u8,
            };
            let plain = pack.builder.push(pack.block.as_mut(), entry, payload);
            pack.salt.update(plain);
        }
    }

    async fn open_pack(&self) -> Result<OpenPack<W>> {
        let permit = Permit::acquire(&self.free).await;
        Ok(OpenPack {
            builder: PackBuilder::default(),
            block: self.world.block(self.capacity).await?,
            salt: SaltMaker::new(&self.repo.ring, Kind::Pack, &self.world.id32(), self.generation),
            permit,
        })
    }

    /// Seals a pack, adds it to its parity group and puts it; the put goes on while the caller does.
    async fn finish_pack(&self, pack: OpenPack<W>) -> Result<()> {
        let OpenPack { builder, mut block, salt, permit } = pack;
        let sealed = builder.seal(&self.repo.ring, &salt.finish(), block.as_mut())?;
        let mut column = self.group.lock().await;
        column.begin()?;
        let done = self.add_to_group(&mut column, sealed, block, permit).await;
        column.end(done)
    }

    async fn add_to_group(
        &self,
        column: &mut Column<W>,
        sealed: Sealed,
        block: W::Block,
        permit: Permit,
    ) -> Result<()> {
        if let Some(encoder) = &mut column.encoder {
            encoder.add(&self.world, &self.repo, sealed.name, &block.as_ref()[..sealed.len]).await?;
        }
        let world = self.world.clone();
        let (name, len) = (sealed.name, sealed.len);
        column.puts.push(self.world.spawn(async move {
            let done = world.put(&names::pack(&name), block, len, PutMode::Overwrite, Some(name)).await;
            drop(permit);
            world.call().add_objects(1);
            done
        }));
        column.waiting.push(PackEntry { name, salt: sealed.salt, size: len as u64, entries: sealed.entries });
        let full = column.encoder.as_ref().map_or(column.puts.len() >= 16, GroupEncoder::is_full);
        if full { self.close_group(column).await } else { Ok(()) }
    }

    /// Waits for the members of the current group, puts its parity, and hands both to the idx.
    async fn close_group(&self, column: &mut Column<W>) -> Result<()> {
        futures_util::future::try_join_all(std::mem::take(&mut column.puts)).await?;
        let packs = std::mem::take(&mut column.waiting);
        let mut group: Option<Group> = None;
        if let (Some(scheme), Some(encoder)) = (self.repo.config.parity, column.encoder.take()) {
            column.encoder = Some(GroupEncoder::new(scheme, self.capacity));
            if !encoder.is_empty() {
                group = Some(encoder.close(&self.world, &self.repo, self.generation).await?);
            }
        }
        let full = {
            let mut done = self.done();
            done.all.packs.extend(packs.iter().cloned());
            done.all.groups.extend(group.iter().cloned());
            done.idx.packs.extend(packs);
            done.idx.groups.extend(group);
            (done.idx.raw_len() > self.idx_target).then(|| std::mem::take(&mut done.idx))
        };
        match full {
            Some(idx) => put_idx(&self.world, &self.repo, self.generation, idx).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Finishes all packs, groups and idx: what was pushed can then be relied on, once a snapshot names it. Returns what was written since
    /// it was called last; more may be pushed afterwards.
    pub async fn finish(&self, withdrawals: Vec<Withdrawal>) -> Result<Written> {
        let mut left = Vec::new();
        for slot in &self.slots {
            left.extend(slot.lock().await.take());
        }
        for pack in merge(left, self.target) {
            self.finish_pack(pack).await?;
        }
        let mut column = self.group.lock().await;
        column.begin()?;
        let done = self.close(&mut column, withdrawals).await;
        column.end(done)
    }

    /// Closes the last group and puts the last idx.
    async fn close(&self, column: &mut Column<W>, withdrawals: Vec<Withdrawal>) -> Result<Written> {
        self.close_group(column).await?;
        let (mut idx, written) = {
            let mut done = self.done();
            let done = std::mem::take(&mut *done);
            (done.idx, Written { idx: done.all })
        };
        idx.withdrawals = withdrawals;
        put_idx(&self.world, &self.repo, self.generation, idx).await?;
        Ok(written)
    }

    fn done(&self) -> std::sync::MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts packs that are partly filled together where they fit into one, smallest first.
fn merge<W: World>(mut packs: Vec<OpenPack<W>>, target: usize) -> Vec<OpenPack<W>> {
    packs.sort_by_key(|p| p.builder.sealed_len());
    let mut out: Vec<OpenPack<W>> = Vec::new();
    for pack in packs {
        let room = out.iter_mut().find(|into| into.builder.takes_all(&pack.builder, target));
        let Some(into) = room else {
            out.push(pack);
            continue;
        };
        for entry in pack.builder.entries() {
            let payload = pack.builder.payload(pack.block.as_ref(), entry);
            let plain = into.builder.push(into.block.as_mut(), *entry, payload);
            into.salt.update(plain);
        }
    }
    out
}

/// Puts what an idx says, in several objects if it is much. Returns their names and hashes.
pub async fn put_idx<W: World>(
    world: &W,
    repo: &Repository,
    generation: u64,
    idx: Idx,
) -> Result<Vec<(String, [u8; 32])>> {
    let mut put = Vec::new();
    for part in idx.split(limits::IDX_TARGET) {
        let body = part.encode();
        let name = names::idx(generation, &name_id(&repo.ring, Kind::Idx, &world.id32(), generation, &body));
        let stored = record::seal(&repo.ring, Kind::Idx, &name, generation, &world.id32(), &body)?;
        put_small(world, &name, &stored, PutMode::Overwrite).await?;
        put.push((name, crate::crypto::sha256(&stored)));
    }
    Ok(put)
}

/// Leave for one pack to exist in memory, open or on its way to the store; given back when it is dropped.
struct Permit(Arc<Gate<usize>>);

impl Permit {
    /// `free`: how many more there may be.
    async fn acquire(free: &Arc<Gate<usize>>) -> Self {
        free.wait(|free| free.checked_sub(1).map(|left| *free = left)).await;
        Self(free.clone())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.change(|free| *free += 1);
    }
}
