//! Finding what no idx names any more: packs by their own tables or frames, parity groups by their descriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fetch::read_chunk;
use super::heal::{heal_range, optional};
use super::objects::put_small;
use super::writer::put_idx;
use super::{Repository, View, rounds, snapshots};
use crate::crypto::ring::ChunkId;
use crate::crypto::sha256;
use crate::error::{Code, Error, Result};
use crate::format::idx::{Group, Idx, Name, PackEntry, Part};
use crate::format::{limits, list, names, pack, parity, scan};
use crate::index::{Index, Loaded, list_all};
use crate::world::{PutMode, World};

/// Writes idx for packs that snapshots need and that no readable idx names.
pub async fn reindex<W: World>(world: &W, repo: &Arc<Repository>) -> Result<()> {
    let mut view = repo.view(world).await?;
    rebuild(world, repo, &mut view).await.map(|_| ())
}

/// What [`rebuild`] did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rebuilt {
    /// Packs that an idx names again.
    pub packs: usize,
    /// Packs that were missing or damaged and that parity gave.
    pub revived: u64,
}

/// The work of [`reindex`]; `view` is up to date afterwards.
pub async fn rebuild<W: World>(world: &W, repo: &Arc<Repository>, view: &mut View) -> Result<Rebuilt> {
    world.call().set_phase("looking for packs without idx");
    loop {
        let found = Search::new(world, repo, view).await?.run().await?;
        let done = Rebuilt { packs: found.idx.packs.len(), revived: found.revived };
        if found.idx.is_empty() {
            return Ok(done);
        }
        let generation = view.rounds.r;
        put_idx(world, repo, generation, found.idx).await?;
        *view = repo.view(world).await?;
        if !rounds::has_newer(world, generation).await? {
            return Ok(done);
        }
    }
}

/// What a search found.
struct Found {
    idx: Idx,
    revived: u64,
}

struct Search<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    view: &'a View,
    /// Never to be named again.
    excluded: BTreeSet<Name>,
    groups: BTreeMap<Vec<Name>, Group>,
    packs: Vec<PackEntry>,
    revived: u64,
}

impl<'a, W: World> Search<'a, W> {
    async fn new(world: &'a W, repo: &'a Arc<Repository>, view: &'a View) -> Result<Self> {
        let mut excluded = rounds::deleted(world, &repo.ring, &view.rounds).await?;
        excluded.extend(&view.rounds.condemned);
        Ok(Self { world, repo, view, excluded, groups: BTreeMap::new(), packs: Vec::new(), revived: 0 })
    }

    async fn run(mut self) -> Result<Found> {
        let stored = list_all(self.world, "packs/", "").await?;
        for object in &stored {
            if let Some(name) = names::parse_parity(&object.key) {
                self.parity(name, object.size).await?;
            }
        }
        let mut lost: BTreeMap<Name, u64> = self.members_without_idx();
        for object in &stored {
            let Some(name) = names::parse_pack(&object.key) else { continue };
            if self.is_known(&name) || self.excluded.contains(&name) {
                continue;
            }
            let size = lost.get(&name).copied().unwrap_or(object.size);
            if self.read(name, size).await? {
                lost.remove(&name);
            }
        }
        for (name, size) in lost {
            self.revive(name, size).await?;
        }
        let needed = self.needed().await?;
        self.packs.retain(|p| needed.contains(&p.name));
        let listed: BTreeSet<Name> = self.packs.iter().map(|p| p.name).collect();
        let covers = |g: &Group| g.members.iter().any(|m| listed.contains(&m.name) || self.is_known(&m.name));
        let groups = self.groups.values().filter(|g| covers(g)).cloned().collect();
        Ok(Found { idx: Idx { packs: self.packs.clone(), groups, withdrawals: Vec::new() }, revived: self.revived })
    }

    fn is_known(&self, name: &Name) -> bool {
        self.view.index.pack(name).is_some()
    }

    /// Reads the description of a parity object that no idx names.
    async fn parity(&mut self, name: Name, size: u64) -> Result<()> {
        let named = self.view.index.names_parity(&name);
        if named || self.excluded.contains(&name) || size < (parity::HEAD + parity::TAIL) as u64 {
            return Ok(());
        }
        let key = names::parity(&name);
        let tail_at = size - parity::TAIL as u64;
        let Some(tail) = optional(self.world.get(&key, Some((tail_at, parity::TAIL as u64)), limits::PACK).await)?
        else {
            return Ok(());
        };
        let Some(len) = parity::description_len(tail.as_ref(), size) else { return Ok(()) };
        let range = (tail_at - len, len + parity::TAIL as u64);
        let Some(end) = optional(self.world.get(&key, Some(range), limits::PACK).await)? else { return Ok(()) };
        let head = optional(self.world.get(&key, Some((0, parity::HEAD as u64)), limits::PACK).await)?;
        let head = head.as_ref().map(AsRef::as_ref).unwrap_or_default();
        let Ok((description, row)) = parity::open_end(&self.repo.ring, head, end.as_ref()) else { return Ok(()) };
        let members: Vec<Name> = description.members.iter().map(|m| m.name).collect();
        let rows = description.shard_blocks.len();
        let group = self.groups.entry(members).or_insert_with(|| Group {
            shard_len: description.shard_len,
            members: description.members,
            parity: vec![Part { name: [0; 32], size: 0 }; rows],
        });
        if let Some(part) = group.parity.get_mut(row as usize) {
            *part = Part { name, size };
        }
        Ok(())
    }

    fn members_without_idx(&self) -> BTreeMap<Name, u64> {
        let members = self.groups.values().flat_map(|g| &g.members).filter(|m| m.size != 0);
        members
            .filter(|m| !self.is_known(&m.name) && !self.excluded.contains(&m.name))
            .map(|m| (m.name, m.size))
            .collect()
    }

    /// Reads a pack that no idx names. False if it is not whole and may be had from parity.
    async fn read(&mut self, name: Name, size: u64) -> Result<bool> {
        let Some(bytes) = optional(self.world.get(&names::pack(&name), None, limits::PACK).await)? else {
            return Ok(false);
        };
        let bytes = bytes.as_ref();
        let whole = sha256(bytes) == name;
        if !whole && self.covered(&name) && self.revive(name, size).await? {
            return Ok(true);
        }
        if let Some(entry) = entries(self.repo, name, size, bytes) {
            self.packs.push(entry);
        }
        Ok(true)
    }

    fn covered(&self, name: &Name) -> bool {
        self.groups.values().any(|g| g.members.iter().any(|m| m.name == *name))
    }

    /// Makes a pack from parity and puts it back. False if it is lost.
    async fn revive(&mut self, name: Name, size: u64) -> Result<bool> {
        let lost = PackEntry { name, salt: [0; 32], size, entries: Vec::new() };
        let mut index = Index::default();
        let groups = self.groups.values().cloned().collect();
        let idx = Idx { packs: vec![lost], groups, withdrawals: Vec::new() };
        index.add(&[Loaded::candidate(idx)]);
        let bytes = match heal_range(self.world, self.repo, &index, 0, 0, size).await {
            Ok(bytes) if sha256(&bytes) == name => bytes,
            Ok(_) => return Ok(false),
            Err(e) if e.is_damage() || e.code == Code::Unrecoverable => return Ok(false),
            Err(e) => return Err(e),
        };
        put_small(self.world, &names::pack(&name), &bytes, PutMode::Overwrite).await?;
        self.revived += 1;
        self.packs.extend(entries(self.repo, name, size, &bytes));
        Ok(true)
    }

    /// Those of the found packs that hold a chunk which a snapshot needs and no idx in force gives.
    async fn needed(&self) -> Result<BTreeSet<Name>> {
        let mut needed = BTreeSet::new();
        if self.packs.is_empty() {
            return Ok(needed);
        }
        let mut both = Index::clone(&self.view.index);
        both.add(&[Loaded::candidate(Idx { packs: self.packs.clone(), ..Idx::default() })]);
        let listing = snapshots::read_all(self.world, self.repo, &self.view.rounds).await?;
        let mut seen = BTreeSet::new();
        for (_, snapshot) in listing.good.values() {
            for item in &snapshot.items {
                self.follow(&both, item.root_id()?, &mut seen, &mut needed).await?;
            }
        }
        Ok(needed)
    }

    async fn follow(
        &self,
        both: &Index,
        root: ChunkId,
        seen: &mut BTreeSet<ChunkId>,
        needed: &mut BTreeSet<Name>,
    ) -> Result<()> {
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            self.note(both, &id, needed);
            let raw = match read_chunk(self.world, self.repo, both, &id).await {
                Ok(raw) => raw,
                Err(e) if e.is_damage() => continue,
                Err(e) => return Err(e),
            };
            let list = list::decode(&raw)?;
            for entry in list.entries {
                if list.level > 0 {
                    stack.push(entry.id);
                } else if seen.insert(entry.id) {
                    self.note(both, &entry.id, needed);
                }
            }
        }
        Ok(())
    }

    fn note(&self, both: &Index, id: &ChunkId, needed: &mut BTreeSet<Name>) {
        let known = self.view.index.locations(id).iter().any(|l| !self.view.index.is_withdrawn(l.pack, id));
        if !known && let Some(place) = both.locations(id).first() {
            needed.insert(both.packs()[place.pack as usize].name);
        }
    }
}

/// What a pack's bytes say of it: its table, else its frames.
#[must_use]
pub fn entries(repo: &Repository, name: Name, size: u64, bytes: &[u8]) -> Option<PackEntry> {
    let keys = pack::keys_of(&repo.ring, bytes, None)?;
    let entries = pack::read_table(&keys, bytes).unwrap_or_else(|_: Error| scan::frames(&keys, bytes));
    Some(PackEntry { name, salt: *keys.salt(), size, entries })
}
