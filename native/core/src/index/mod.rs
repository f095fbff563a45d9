//! What the repository holds, as idx in force say: chunk → packs that hold it, packs, parity groups, withdrawals.

mod load;
mod marks;
mod table;
pub use load::{Loader, list_all};
pub use marks::Marks;
pub use table::{ByPack, Row, Table};

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

/// An idx as it was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its name.
    pub key: String,
    /// SHA-256 of the object as stored.
    pub hash: [u8; 32],
    /// Its generation.
    pub generation: u64,
    /// Whether the newest checkpoint lists it.
    pub listed: bool,
    /// What it says.
    pub idx: Idx,
}

/// What stays known of an idx after it was merged.
#[derive(Clone)]
pub struct IdxInfo {
    /// SHA-256 of the object as stored.
    pub hash: [u8; 32],
    /// Its generation.
    pub generation: u64,
    /// Whether the newest checkpoint listed it.
    pub listed: bool,
    /// Its raw size, about.
    pub size: usize,
    /// Packs that it names.
    pub packs: Vec<Name>,
    /// Parity groups that it names.
    pub groups: Vec<Group>,
    /// What it withdraws.
    pub withdrawals: Vec<Withdrawal>,
}

impl Loaded {
    /// What an idx would say that nobody has put.
    #[must_use]
    pub fn candidate(idx: Idx) -> Self {
        Self { key: String::new(), hash: [0; 32], generation: 0, listed: false, idx }
    }
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
    table: Table,
    groups: Vec<GroupRows>,
    groups_of: IdMap<Vec<u32>>,
    parity: BTreeSet<Name>,
    withdrawn: BTreeSet<Withdrawal>,
    loaded: BTreeMap<String, IdxInfo>,
}

impl Index {
    /// Adds idx in force: the key of each, its hash, its generation, and whether the newest checkpoint lists it.
    pub fn add(&mut self, all: &[Loaded]) {
        let mut rows = Vec::with_capacity(all.iter().flat_map(|l| &l.idx.packs).map(|pack| pack.entries.len()).sum());
        for Loaded { key, hash, generation, listed, idx } in all {
            for pack in &idx.packs {
                let ordinal = self.pack_ordinal(pack.name, pack.salt, pack.size);
                let info = &mut self.packs[ordinal as usize];
                info.generation = info.generation.max(*generation);
                info.listed |= listed;
                rows.extend(pack.entries.iter().map(|entry| row(ordinal, entry)));
            }
            idx.groups.iter().for_each(|group| self.add_group(group));
            self.withdrawn.extend(&idx.withdrawals);
            let info = IdxInfo {
                hash: *hash,
                generation: *generation,
                listed: *listed,
                size: idx.raw_len(),
                packs: idx.packs.iter().map(|pack| pack.name).collect(),
                groups: idx.groups.clone(),
                withdrawals: idx.withdrawals.clone(),
            };
            self.loaded.insert(key.clone(), info);
        }
        self.table.add(rows);
    }

    fn pack_ordinal(&mut self, name: Name, salt: [u8; 32], size: u64) -> u32 {
        let next = self.packs.len() as u32;
        let packs = &mut self.packs;
        *self.by_name.entry(name).or_insert_with(|| {
            packs.push(PackInfo { name, salt, size, generation: 0, listed: false });
            next
        })
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
    pub fn loaded(&self) -> &BTreeMap<String, IdxInfo> {
        &self.loaded
    }

    /// Chunks and their places.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Frames of every pack, by offset.
    #[must_use]
    pub fn by_pack(&self) -> ByPack {
        ByPack::new(&self.table, self.packs.len())
    }

    /// Every place that holds a chunk: withdrawn ones last.
    #[must_use]
    pub fn locations(&self, id: &ChunkId) -> Vec<Location> {
        let mut all: Vec<Location> = Vec::new();
        for place in self.table.places(id) {
            if !all.contains(place) {
                all.push(*place);
            }
        }
        all.sort_by_key(|location| self.is_withdrawn(location.pack, id));
        all
    }

    /// The number of the first row that holds a chunk and that `relied` (by pack ordinal) and no withdrawal speaks against.
    #[must_use]
    pub fn find(&self, id: &ChunkId, relied: &[bool]) -> Option<usize> {
        let good = |pack: u32| relied.get(pack as usize).copied().unwrap_or(false) && !self.is_withdrawn(pack, id);
        self.table.rows_of(id).find(|(_, row)| good(row.at.pack)).map(|(number, _)| number)
    }

    /// Whether every place of a chunk is withdrawn, or a withdrawal names it and there is no place.
    #[must_use]
    pub fn is_known_lost(&self, id: &ChunkId) -> bool {
        let mut places = self.table.places(id).peekable();
        if places.peek().is_none() {
            return self.withdrawn.iter().any(|w| w.chunk == *id);
        }
        places.all(|at| self.is_withdrawn(at.pack, id))
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

    /// Distinct chunks with one place of each, in an order that is the same on every run.
    pub fn distinct(&self) -> impl Iterator<Item = (&ChunkId, &Location)> {
        let first = |(number, row): &(usize, &Row)| self.table.ordinal(&row.id) == Some(*number);
        self.table.rows().enumerate().filter(first).map(|(_, row)| (&row.id, &row.at))
    }
}

fn row(pack: u32, entry: &Entry) -> Row {
    let Entry { id, offset, length, raw_len, kind, codec } = *entry;
    Row { id, at: Location { pack, offset, length, raw_len, kind, codec } }
}

impl Row {
    /// The frame, as the pack's table has it.
    #[must_use]
    pub fn entry(&self) -> Entry {
        let Location { offset, length, raw_len, kind, codec, .. } = self.at;
        Entry { id: self.id, offset, length, raw_len, kind, codec }
    }
}
