//! Looking for what no idx names any more: packs by their own tables or frames, parity groups by their descriptions. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::heal::{heal_range, optional};
use super::{Repository, View, rounds};
use crate::crypto::sha256;
use crate::error::Result;
use crate::format::idx::{Group, Idx, Name, PackEntry, Part};
use crate::format::{limits, names, pack, parity, scan};
use crate::index::{Index, Loaded, list_all};
use crate::world::{ObjectInfo, World};

/// What was found, in the order of names.
pub struct Found {
    /// All idx in force, and all that was found.
    pub wider: Index,
    /// Packs that may be named again.
    pub packs: Vec<PackEntry>,
    /// Those of them that are missing or damaged and that parity gives.
    pub revivable: BTreeSet<Name>,
    /// Parity groups that no idx names.
    pub groups: Vec<Group>,
}

struct Search<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    view: &'a View,
    /// Packs and parity objects of retained delete sets: never to be named or made again.
    deleted: BTreeSet<Name>,
    groups: BTreeMap<Vec<Name>, Group>,
    found: Found,
}

/// Looks through the store. `None` if idx name all that is there.
pub async fn search<W: World>(world: &W, repo: &Arc<Repository>, view: &View) -> Result<Option<Found>> {
    let deleted = rounds::deleted(world, &repo.ring, &view.rounds).await?;
    let stored = list_all(world, "packs/", "").await?;
    let unnamed = |object: &&ObjectInfo| match (names::parse_pack(&object.key), names::parse_parity(&object.key)) {
        (Some(name), _) => view.index.pack(&name).is_none() && !deleted.contains(&name),
        (_, Some(name)) => !view.index.names_parity(&name) && !deleted.contains(&name),
        _ => false,
    };
    let objects: Vec<ObjectInfo> = stored.iter().filter(unnamed).cloned().collect();
    let lost = |g: &Group| g.members.iter().any(|m| m.size != 0 && view.index.pack(&m.name).is_none());
    if objects.is_empty() && !view.index.groups().iter().any(lost) {
        return Ok(None);
    }
    let wider = Index::clone(&view.index);
    let found = Found { wider, packs: Vec::new(), revivable: BTreeSet::new(), groups: Vec::new() };
    let mut search = Search { world, repo, view, deleted, groups: BTreeMap::new(), found };
    search.run(&objects).await?;
    Ok(Some(search.found))
}

impl<W: World> Search<'_, W> {
    async fn run(&mut self, objects: &[ObjectInfo]) -> Result<()> {
        for object in objects {
            if let Some(name) = names::parse_parity(&object.key) {
                self.parity(name, object.size).await?;
            }
        }
        self.found.groups = std::mem::take(&mut self.groups).into_values().collect();
        let idx = Idx { groups: self.found.groups.clone(), ..Idx::default() };
        self.found.wider.add(&[Loaded::candidate(idx)]);
        let mut lost = self.members_without_idx();
        for object in objects {
            if let Some(name) = names::parse_pack(&object.key) {
                let size = lost.get(&name).copied().unwrap_or(object.size);
                if self.read(name, size).await? {
                    lost.remove(&name);
                }
            }
        }
        for (name, size) in lost {
            self.revive(name, size).await?;
        }
        Ok(())
    }

    /// Reads the description of a parity object that no idx names.
    async fn parity(&mut self, name: Name, size: u64) -> Result<()> {
        if self.view.rounds.condemned.contains(&name) || size < (parity::HEAD + parity::TAIL) as u64 {
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
        let groups = self.found.wider.groups();
        let members = groups.iter().flat_map(|g| &g.members).filter(|m| m.size != 0);
        members
            .filter(|m| self.view.index.pack(&m.name).is_none() && !self.deleted.contains(&m.name))
            .map(|m| (m.name, m.size))
            .collect()
    }

    /// Reads a pack that no idx names. False if it is not there and may be had from parity.
    async fn read(&mut self, name: Name, size: u64) -> Result<bool> {
        let Some(bytes) = optional(self.world.get(&names::pack(&name), None, limits::PACK).await)? else {
            return Ok(false);
        };
        let bytes = bytes.as_ref();
        if sha256(bytes) == name || !self.revive(name, size).await? {
            self.add(entries(self.repo, name, size, bytes));
        }
        Ok(true)
    }

    /// Makes a pack from parity, to see what it holds. False if parity does not give it.
    async fn revive(&mut self, name: Name, size: u64) -> Result<bool> {
        let bytes = match heal_range(self.world, self.repo, &self.found.wider, &name, 0, size).await {
            Ok(bytes) if sha256(&bytes) == name => bytes,
            Ok(_) => return Ok(false),
            Err(e) if e.is_beyond() => return Ok(false),
            Err(e) => return Err(e),
        };
        self.found.revivable.insert(name);
        self.add(entries(self.repo, name, size, &bytes));
        Ok(true)
    }

    fn add(&mut self, entry: Option<PackEntry>) {
        if let Some(entry) = entry {
            let idx = Idx { packs: vec![entry.clone()], ..Idx::default() };
            self.found.wider.add(&[Loaded::candidate(idx)]);
            self.found.packs.push(entry);
        }
    }
}

/// What a pack's bytes say of it: its table, else its frames.
#[must_use]
pub fn entries(repo: &Repository, name: Name, size: u64, bytes: &[u8]) -> Option<PackEntry> {
    let keys = pack::keys_of(&repo.ring, bytes, None)?;
    let entries = pack::read_table(&keys, bytes).unwrap_or_else(|_| scan::frames(&keys, bytes));
    Some(PackEntry { name, salt: *keys.salt(), size, entries })
}
