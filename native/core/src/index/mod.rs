//! What the repository holds, as idx in force say: chunk → packs that hold it, packs, parity groups, withdrawals.

mod load;
pub use load::{Loader, list_all};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::crypto::ring::ChunkId;
use crate::format::idx::{Group, Idx, Name, Part, Withdrawal};
use crate::format::pack::Entry;

/// Takes the first eight bytes of an id, which are as good as random; the same on every run, so that traces repeat.
#[derive(Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}

/// A set of 32-byte ids.
pub type IdSet = HashSet<[u8; 32], BuildHasherDefault<IdHasher>>;

/// A map from 32-byte ids, in the same order on every run.
pub type IdMap<V> = HashMap<[u8; 32], V, BuildHasherDefault<IdHasher>>;

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Ordinal in [`Index::packs`].
    pub pack: u32,
    /// Of the frame, from the start of the pack.
    pub offset: u32,
    /// Of the frame.
    pub length: u32,
    /// Of the chunk.
    pub raw_len: u32,
    /// Frame kind as stored.
    pub kind: u8,
    /// Codec as stored.
    pub codec: u8,
}

/// A pack that some idx in force names.
#[derive(Clone, Debug)]
pub struct PackInfo {
    /// SHA-256 of its bytes.
    pub name: Name,
    /// Its salt.
    pub salt: [u8; 32],
    /// Its size.
    pub size: u64,
    /// Greatest generation of the idx that name it.
    pub generation: u64,
    /// Whether an idx that the newest checkpoint lists names it.
    pub listed: bool,
}

/// An idx that is merged here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// SHA-256 of it as stored.
    pub hash: [u8; 32],
    /// Whether the newest checkpoint listed it.
    pub listed: bool,
}

/// A parity group, and every object that some idx names for each of its rows.
#[derive(Clone)]
struct GroupRows {
    shard_len: u64,
    members: Vec<Part>,
    rows: Vec<Vec<Part>>,
}

/// All idx in force, merged.
#[derive(Clone, Default)]
pub struct Index {
    packs: Vec<PackInfo>,
    by_name: IdMap<u32>,
    chunks: IdMap<Location>,
    more: IdMap<Vec<Location>>,
    groups: Vec<GroupRows>,
    groups_of: IdMap<Vec<u32>>,
    parity: BTreeSet<Name>,
    withdrawn: BTreeSet<Withdrawal>,
    loaded: BTreeMap<String, Loaded>,
}

impl Index {
    /// Adds an idx in force. `listed`: the newest checkpoint lists it.
    pub fn add(&mut self, key: &str, hash: [u8; 32], generation: u64, listed: bool, idx: &Idx) {
        for pack in &idx.packs {
            let ordinal = self.pack_ordinal(pack.name, pack.salt, pack.size);
            let info = &mut self.packs[ordinal as usize];
            info.generation = info.generation.max(generation);
            info.listed |= listed;
            for entry in &pack.entries {
                self.add_entry(ordinal, entry);
            }
        }
        idx.groups.iter().for_each(|group| self.add_group(group));
        self.withdrawn.extend(&idx.withdrawals);
        self.loaded.insert(key.to_owned(), Loaded { hash, listed });
    }

    fn pack_ordinal(&mut self, name: Name, salt: [u8; 32], size: u64) -> u32 {
        let next = self.packs.len() as u32;
        let packs = &mut self.packs;
        *self.by_name.entry(name).or_insert_with(|| {
            packs.push(PackInfo { name, salt, size, generation: 0, listed: false });
            next
        })
    }

    fn add_entry(&mut self, pack: u32, entry: &Entry) {
        let location = Location {
            pack,
            offset: entry.offset,
            length: entry.length,
            raw_len: entry.raw_len,
            kind: entry.kind,
            codec: entry.codec,
        };
        let first = *self.chunks.entry(entry.id).or_insert(location);
        if first != location {
            let more = self.more.entry(entry.id).or_default();
            if !more.contains(&location) {
                more.push(location);
            }
        }
    }

    fn add_group(&mut self, group: &Group) {
        self.parity.extend(group.parity.iter().filter(|part| part.size != 0).map(|part| part.name));
        let present = |part: &&Part| part.size != 0;
        let Some(first) = group.members.iter().find(present) else { return };
        let known = self.groups_of.entry(first.name).or_default().iter().copied().find(|&g| {
            let g = &self.groups[g as usize];
            g.members == group.members && g.rows.len() == group.parity.len()
        });
        let number = known.unwrap_or_else(|| {
            let number = self.groups.len() as u32;
            let rows = vec![Vec::new(); group.parity.len()];
            self.groups.push(GroupRows { shard_len: group.shard_len, members: group.members.clone(), rows });
            for member in group.members.iter().filter(present) {
                self.groups_of.entry(member.name).or_default().push(number);
            }
            number
        });
        for (row, part) in self.groups[number as usize].rows.iter_mut().zip(&group.parity) {
            if part.size != 0 && !row.contains(part) {
                row.push(*part);
            }
        }
    }

    /// Packs, by ordinal.
    #[must_use]
    pub fn packs(&self) -> &[PackInfo] {
        &self.packs
    }

    /// The pack of this name.
    #[must_use]
    pub fn pack(&self, name: &Name) -> Option<(u32, &PackInfo)> {
        self.by_name.get(name).map(|&ordinal| (ordinal, &self.packs[ordinal as usize]))
    }

    /// Parity groups: each row is the first object that no withdrawal names.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        self.groups.iter().map(|rows| self.group(rows)).collect()
    }

    /// The parity groups that a pack is a member of.
    #[must_use]
    pub fn groups_of(&self, pack: &Name) -> Vec<Group> {
        let numbers = self.groups_of.get(pack).into_iter().flatten();
        numbers.map(|&number| self.group(&self.groups[number as usize])).collect()
    }

    fn group(&self, rows: &GroupRows) -> Group {
        let lost = |part: &Part| self.withdrawn.contains(&Withdrawal { pack: part.name, chunk: [0; 32] });
        let first =
            |row: &Vec<Part>| row.iter().find(|part| !lost(part)).copied().unwrap_or(Part { name: [0; 32], size: 0 });
        Group {
            shard_len: rows.shard_len,
            members: rows.members.clone(),
            parity: rows.rows.iter().map(first).collect(),
        }
    }

    /// Whether some idx names this parity object.
    #[must_use]
    pub fn names_parity(&self, name: &Name) -> bool {
        self.parity.contains(name)
    }

    /// What is known to be lost.
    #[must_use]
    pub fn withdrawals(&self) -> &BTreeSet<Withdrawal> {
        &self.withdrawn
    }

    /// Idx that are merged here, by name.
    #[must_use]
    pub fn loaded(&self) -> &BTreeMap<String, Loaded> {
        &self.loaded
    }

    /// Every place that holds a chunk: withdrawn ones last.
    #[must_use]
    pub fn locations(&self, id: &ChunkId) -> Vec<Location> {
        let first = self.chunks.get(id);
        let mut all: Vec<Location> =
            first.into_iter().chain(self.more.get(id).into_iter().flatten()).copied().collect();
        all.sort_by_key(|location| self.is_withdrawn(location.pack, id));
        all
    }

    /// The first place that holds a chunk and that `relied` (by pack ordinal) and no withdrawal speaks against.
    #[must_use]
    pub fn find(&self, id: &ChunkId, relied: &[bool]) -> Option<Location> {
        let good =
            |l: &&Location| relied.get(l.pack as usize).copied().unwrap_or(false) && !self.is_withdrawn(l.pack, id);
        let first = self.chunks.get(id)?;
        if good(&first) {
            return Some(*first);
        }
        self.more.get(id)?.iter().find(good).copied()
    }

    /// Whether a chunk of a pack is known to be lost.
    #[must_use]
    pub fn is_withdrawn(&self, pack: u32, id: &ChunkId) -> bool {
        if self.withdrawn.is_empty() {
            return false;
        }
        let pack = self.packs[pack as usize].name;
        self.withdrawn.contains(&Withdrawal { pack, chunk: [0; 32] })
            || self.withdrawn.contains(&Withdrawal { pack, chunk: *id })
    }

    /// Every (chunk, place), sorted by pack and offset.
    #[must_use]
    pub fn entries(&self) -> Vec<(ChunkId, Location)> {
        let first = self.chunks.iter().map(|(id, l)| (*id, *l));
        let more = self.more.iter().flat_map(|(id, all)| all.iter().map(|l| (*id, *l)));
        let mut all: Vec<_> = first.chain(more).collect();
        all.sort_by_key(|(_, l)| (l.pack, l.offset));
        all
    }

    /// Distinct chunks with one place of each, in an order that is the same on every run.
    pub fn distinct(&self) -> impl Iterator<Item = (&ChunkId, &Location)> {
        self.chunks.iter()
    }
}
