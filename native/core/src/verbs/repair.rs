//! Making a repository whole again. A writer (docs/format.md §15): it may run beside others, and running it twice does nothing more.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fetch::{read_chunk, rescue};
use super::heal::{heal_range, optional};
use super::inspect::Frames;
use super::objects::put_small;
use super::owed::Owed;
use super::reindex::rebuild;
use super::writer::{ChunkHead, PackWriter};
use super::{RepairResult, Repository, View, copies, locks, rounds, snapshots};
use crate::codec::Encoder;
use crate::crypto::ring::ChunkId;
use crate::crypto::sha256;
use crate::erasure::group::accumulate;
use crate::error::{Code, Error, Result};
use crate::format::idx::{Group, Idx, Name, Part, Withdrawal};
use crate::format::pack::{Entry, FrameKind};
use crate::format::parity::{self, Description};
use crate::format::snapshot::Item;
use crate::format::{limits, list, names};
use crate::index::PackInfo;
use crate::progress::Event;
use crate::world::{PutMode, World};

/// Puts back second copies, finds lost idx, rebuilds packs and parity, and withdraws what is lost beyond parity.
pub async fn repair<W: World>(world: &W, repo: &Arc<Repository>) -> Result<RepairResult> {
    let mut result = RepairResult::default();
    world.call().set_phase("checking records");
    let mut view = repo.view(world).await?;
    let flaws = copies::find(world, repo, &view.rounds).await?;
    (result.snapshots_restored, result.copies_restored) = copies::mend(world, &flaws).await?;
    let (mut all_lost, mut owed) = (BTreeSet::new(), Owed::default());
    loop {
        if !pass(world, repo, &mut view, &mut result, &mut all_lost, &mut owed).await? {
            continue;
        }
        if let Some(damaged) = damaged_for_sure(world, repo, &view).await? {
            result.snapshots_damaged = damaged;
            break;
        }
        view = repo.view(world).await?;
    }
    result.packs_lost = all_lost.iter().map(hex::encode).collect();
    drop_unreadable(world, &view, &result).await?;
    result.locks_removed = locks::unlock(world, repo, false).await?;
    Ok(result)
}

/// Looks at everything once, and mends it. Whether nothing was left to do and no round came between.
async fn pass<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    view: &mut View,
    result: &mut RepairResult,
    all_lost: &mut BTreeSet<Name>,
    owed: &mut Owed,
) -> Result<bool> {
    let rebuilt = rebuild(world, repo, view).await?;
    result.index_rebuilt |= rebuilt.wrote;
    result.packs_repaired += rebuilt.revived;
    let generation = view.rounds.r;
    let deleted = rounds::deleted(world, &repo.ring, &view.rounds).await?;
    let done = Job { world, repo, view, deleted }.run(result, all_lost, owed).await?;
    let stands = owed.stands(world, repo).await?;
    *view = repo.view(world).await?;
    Ok(done && stands && !rounds::has_newer(world, &repo.ring, generation).await?)
}

struct Job<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    view: &'a View,
    /// Names that a checkpoint deleted: they are never made again.
    deleted: BTreeSet<Name>,
}

impl<W: World> Job<'_, W> {
    /// One try. Whether nothing more was found to do; a try that a round overtook has found nothing.
    async fn run(&self, result: &mut RepairResult, all_lost: &mut BTreeSet<Name>, owed: &mut Owed) -> Result<bool> {
        let Some(damaged) = self.packs(result).await? else { return Ok(false) };
        let mut lost = self.salvage(&damaged, owed).await?;
        let Some(rows) = self.parity(result, owed).await? else { return Ok(false) };
        lost.extend(rows);
        owed.put(self.world, self.repo, self.view.rounds.r, Idx { withdrawals: lost, ..Idx::default() }).await?;
        all_lost.extend(damaged.iter().map(|&p| self.view.index.packs()[p as usize].name));
        // What was withdrawn may be had from packs that no idx names yet.
        Ok(damaged.is_empty())
    }

    /// Whether what is missing may be what a round has deleted meanwhile.
    async fn is_overtaken(&self) -> Result<bool> {
        rounds::have_moved(self.world, &self.repo.ring, &self.view.rounds).await
    }

    /// Checks every pack and rebuilds those that parity gives. Returns the ordinals of the others; `None` if a round came between.
    async fn packs(&self, result: &mut RepairResult) -> Result<Option<Vec<u32>>> {
        self.world.call().set_phase("checking packs");
        let index = &self.view.index;
        self.world.call().set_totals(index.packs().iter().map(|p| p.size).sum(), index.packs().len() as u64);
        let mut lost = Vec::new();
        for (ordinal, info) in index.packs().iter().enumerate() {
            let ordinal = ordinal as u32;
            if self.view.rounds.condemned.contains(&info.name) || index.is_withdrawn(ordinal, &[0; 32]) {
                continue;
            }
            let key = names::pack(&info.name);
            let stored = optional(self.world.get(&key, None, limits::PACK).await)?;
            let whole = stored.is_some_and(|bytes| sha256(bytes.as_ref()) == info.name);
            if !whole {
                let rebuilt = self.rebuild(info).await?;
                if self.is_overtaken().await? {
                    return Ok(None);
                }
                match rebuilt {
                    Some(bytes) => {
                        put_small(self.world, &key, &bytes, PutMode::Overwrite).await?;
                        self.world.call().tell(Event::Healed { pack: hex::encode(info.name), bytes: info.size });
                        result.packs_repaired += 1;
                    }
                    None => lost.push(ordinal),
                }
            }
            self.world.call().add_bytes(info.size);
            self.world.call().add_objects(1);
        }
        Ok(Some(lost))
    }

    /// A pack's bytes from parity, if they are what its name says.
    async fn rebuild(&self, info: &PackInfo) -> Result<Option<Vec<u8>>> {
        if self.deleted.contains(&info.name) {
            return Ok(None);
        }
        match heal_range(self.world, self.repo, &self.view.index, &info.name, 0, info.size).await {
            Ok(bytes) => Ok((sha256(&bytes) == info.name).then_some(bytes)),
            Err(e) if e.is_beyond() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Stores again every chunk of these packs that can still be read, and says what to withdraw: the packs.
    async fn salvage(&self, damaged: &[u32], owed: &mut Owed) -> Result<Vec<Withdrawal>> {
        if damaged.is_empty() {
            return Ok(Vec::new());
        }
        self.world.call().set_phase("saving what is left of damaged packs");
        let frames = Frames::new(&self.view.index);
        let writer = PackWriter::new(self.world, self.repo, self.view.rounds.r, self.world.memory())?;
        let mut encoder = Encoder::new(self.repo.config.compression)?;
        let mut saved = BTreeSet::new();
        for &ordinal in damaged {
            for entry in frames.of(ordinal) {
                if self.held_elsewhere(damaged, &entry) || !saved.insert(entry.id) {
                    continue;
                }
                let raw = match rescue(self.world, self.repo, &self.view.index, &entry.id, None).await {
                    Ok(raw) => raw,
                    Err(e) if e.is_damage() => continue,
                    Err(e) => return Err(e),
                };
                let kind = FrameKind::of_chunk(entry.kind);
                let (codec, payload) = encoder.encode(&raw)?;
                writer.push(ChunkHead { id: entry.id, kind, codec, raw_len: entry.raw_len }, payload).await?;
            }
        }
        owed.note(self.view.rounds.r, writer.finish(Vec::new()).await?.idx);
        let pack = |&ordinal: &u32| self.view.index.packs()[ordinal as usize].name;
        Ok(damaged.iter().map(|ordinal| Withdrawal { pack: pack(ordinal), chunk: [0; 32] }).collect())
    }

    fn held_elsewhere(&self, damaged: &[u32], entry: &Entry) -> bool {
        let index = &self.view.index;
        index.locations(&entry.id).iter().any(|l| !damaged.contains(&l.pack) && !index.is_withdrawn(l.pack, &entry.id))
    }

    /// Writes parity objects that are missing or wrong anew, from members that are whole. Returns what to withdraw: the old ones;
    /// `None` if a round came between.
    async fn parity(&self, result: &mut RepairResult, owed: &mut Owed) -> Result<Option<Vec<Withdrawal>>> {
        self.world.call().set_phase("checking parity");
        let mut withdrawn = Vec::new();
        let condemned = &self.view.rounds.condemned;
        for group in self.view.index.groups() {
            // The round that is open writes its parity anew.
            if group.members.iter().chain(&group.parity).any(|part| condemned.contains(&part.name)) {
                continue;
            }
            let mut rows = Vec::new();
            for (row, part) in group.parity.iter().enumerate() {
                let stored = match part.size {
                    0 => None,
                    _ => optional(self.world.get(&names::parity(&part.name), None, limits::PACK).await)?,
                };
                if stored.is_none_or(|bytes| sha256(bytes.as_ref()) != part.name) {
                    rows.push(row);
                }
            }
            if rows.is_empty() {
                continue;
            }
            if self.is_overtaken().await? {
                return Ok(None);
            }
            let Some(new) = self.encode(&group, &rows).await? else { continue };
            result.parity_repaired += rows.len() as u64;
            let old = rows.iter().map(|&row| group.parity[row].name).filter(|name| *name != [0; 32]);
            withdrawn.extend(old.map(|pack| Withdrawal { pack, chunk: [0; 32] }));
            owed.put(self.world, self.repo, self.view.rounds.r, Idx { groups: vec![new], ..Idx::default() }).await?;
        }
        Ok(Some(withdrawn))
    }

    /// Encodes rows of a group; `None` if a member is not whole (then there is nothing to encode from).
    async fn encode(&self, group: &Group, rows: &[usize]) -> Result<Option<Group>> {
        let (k, m) = (group.members.len(), group.parity.len());
        let len = group.shard_len as usize;
        let needed = m * parity::max_object_len(len, k, m);
        if m > 1 && needed > self.world.memory() {
            return Err(Error::invalid(format!(
                "A parity group needs {needed} bytes of memory to be written anew. Nothing was harmed. Raise memoryLimit."
            )));
        }
        let mut blocks = Vec::new();
        for _ in 0..m {
            let mut block = self.world.block(parity::max_object_len(len, k, m)).await?;
            block.as_mut().fill(0);
            blocks.push(block);
        }
        let mut member_blocks = Vec::new();
        for (column, part) in group.members.iter().enumerate() {
            let stored = optional(self.world.get(&names::pack(&part.name), None, limits::PACK).await)?;
            let stored = match stored {
                _ if part.size == 0 => None,
                Some(bytes) if sha256(bytes.as_ref()) == part.name => Some(bytes),
                _ => return Ok(None),
            };
            let bytes = stored.as_ref().map(AsRef::as_ref).unwrap_or_default();
            let mut shards: Vec<&mut [u8]> = blocks.iter_mut().map(|b| &mut b.as_mut()[parity::HEAD..]).collect();
            accumulate(self.repo.kernels.mul_add, column, bytes, &mut shards);
            member_blocks.push(parity::block_hashes(bytes));
        }
        let shard = parity::HEAD..parity::HEAD + len;
        let description = Description {
            shard_len: group.shard_len,
            members: group.members.clone(),
            member_blocks,
            shard_blocks: blocks.iter().map(|b| parity::block_hashes(&b.as_ref()[shard.clone()])).collect(),
        };
        let mut parts = vec![Part { name: [0; 32], size: 0 }; m];
        for (row, mut block) in blocks.into_iter().enumerate().filter(|(row, _)| rows.contains(row)) {
            let random = self.world.id32();
            let size =
                parity::seal(&self.repo.ring, &description, row as u8, self.view.rounds.r, &random, block.as_mut())?;
            let name = sha256(&block.as_ref()[..size]);
            self.world.put(&names::parity(&name), block, size, PutMode::Overwrite, Some(name)).await?;
            parts[row] = Part { name, size: size as u64 };
        }
        Ok(Some(Group { shard_len: group.shard_len, members: group.members.clone(), parity: parts }))
    }
}

/// [`damaged_snapshots`]; `None` if there are some and a round came between, which may have removed them.
async fn damaged_for_sure<W: World>(world: &W, repo: &Arc<Repository>, view: &View) -> Result<Option<Vec<String>>> {
    let damaged = damaged_snapshots(world, repo, view).await?;
    let sure = damaged.is_empty() || !rounds::have_moved(world, &repo.ring, &view.rounds).await?;
    Ok(sure.then_some(damaged))
}

/// Ids of snapshots that need a chunk which nothing holds any more.
async fn damaged_snapshots<W: World>(world: &W, repo: &Arc<Repository>, view: &View) -> Result<Vec<String>> {
    let listing = snapshots::read_all(world, repo, &view.rounds).await?;
    let mut whole = BTreeSet::new();
    let mut out = Vec::new();
    for (id, (_, snapshot)) in &listing.good {
        let mut good = true;
        for item in &snapshot.items {
            good = good && item_is_whole(world, repo, view, item, &mut whole).await?;
        }
        if !good {
            out.push(id.clone());
        }
    }
    Ok(out)
}

/// `whole`: lists that are known to be.
async fn item_is_whole<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    view: &View,
    item: &Item,
    whole: &mut BTreeSet<ChunkId>,
) -> Result<bool> {
    let held = |id: &ChunkId| view.index.locations(id).iter().any(|l| !view.index.is_withdrawn(l.pack, id));
    let Ok(root) = item.root_id() else { return Ok(false) };
    let mut stack = vec![root];
    // A list counts as whole once all below it is.
    let mut passed = Vec::new();
    while let Some(id) = stack.pop() {
        if whole.contains(&id) {
            continue;
        }
        let read = read_chunk(world, repo, &view.index, &id).await;
        let list = match read.and_then(|raw| list::decode(&raw)) {
            Ok(list) => list,
            Err(e) if e.is_damage() => return Ok(false),
            Err(e) => return Err(e),
        };
        if list.level > 0 {
            stack.extend(list.entries.iter().map(|e| e.id));
        } else if !list.entries.iter().all(|e| held(&e.id)) {
            return Ok(false);
        }
        passed.push(id);
    }
    whole.extend(passed);
    Ok(true)
}

/// Idx that can't be read say nothing; once every snapshot is whole without them, they go.
async fn drop_unreadable<W: World>(world: &W, view: &View, result: &RepairResult) -> Result<()> {
    let damaged: Vec<String> =
        view.unreadable.iter().filter(|(_, e)| e.code == Code::Corrupt).map(|(key, _)| key.clone()).collect();
    if damaged.is_empty() || !result.snapshots_damaged.is_empty() {
        return Ok(());
    }
    match world.delete(damaged).await {
        Err(e) if !matches!(e.code, Code::PermissionDenied | Code::Unsupported) => Err(e),
        _ => Ok(()),
    }
}
