//! idx: which chunk is where (docs/format.md §11).

use super::pack::{ENTRY, Entry};
use super::{Cursor, limits};
use crate::crypto::ring::ChunkId;
use crate::error::{Code, Error, Result};

const MAGIC: &[u8; 4] = b"PVIX";
const PACK: u16 = 1;
const GROUP: u16 = 2;
const WITHDRAWN: u16 = 3;
const REQUIRED: u16 = 1;

/// Name of a pack or parity object: SHA-256 of its bytes.
pub type Name = [u8; 32];

/// One pack and its frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackEntry {
    /// SHA-256 of its bytes.
    pub name: Name,
    /// Its salt.
    pub salt: [u8; 32],
    /// Its size.
    pub size: u64,
    /// Its frames.
    pub entries: Vec<Entry>,
}

impl PackEntry {
    /// Raw bytes that it takes in an idx.
    #[must_use]
    pub fn raw_len(&self) -> usize {
        84 + ENTRY * self.entries.len()
    }
}

/// A member or parity object of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// SHA-256 of its bytes; zeros: removed or lost.
    pub name: Name,
    /// Its size, 0 where the name is zeros.
    pub size: u64,
}

/// A parity group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Size of the longest member.
    pub shard_len: u64,
    /// Packs, by column.
    pub members: Vec<Part>,
    /// Parity objects, by row.
    pub parity: Vec<Part>,
}

/// A chunk of a pack that is lost beyond parity; zeros for the chunk: the whole pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Withdrawal {
    /// The pack.
    pub pack: Name,
    /// The chunk.
    pub chunk: ChunkId,
}

/// Body of an idx.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Idx {
    /// Packs.
    pub packs: Vec<PackEntry>,
    /// Parity groups.
    pub groups: Vec<Group>,
    /// What is lost.
    pub withdrawals: Vec<Withdrawal>,
}

impl Idx {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.groups.is_empty() && self.withdrawals.is_empty()
    }

    /// Adds what another says.
    pub fn append(&mut self, mut more: Self) {
        self.packs.append(&mut more.packs);
        self.groups.append(&mut more.groups);
        self.withdrawals.append(&mut more.withdrawals);
    }

    /// Raw size that it would have, about.
    #[must_use]
    pub fn raw_len(&self) -> usize {
        let packs: usize = self.packs.iter().map(PackEntry::raw_len).sum();
        let groups: usize = self.groups.iter().map(|g| 24 + 40 * (g.members.len() + g.parity.len())).sum();
        16 + packs + groups + 64 * self.withdrawals.len()
    }

    /// The same in parts of at most `target` raw bytes, but for a single pack that has more; none if it says nothing.
    #[must_use]
    pub fn split(self, target: usize) -> Vec<Self> {
        let mut parts = vec![Self::default()];
        let mut room = target;
        for withdrawals in self.withdrawals.chunks((target.saturating_sub(16) / 64).max(1)) {
            let part = Self { withdrawals: withdrawals.to_vec(), ..Self::default() };
            part.add_to(&mut parts, &mut room, target);
        }
        for group in self.groups {
            Self { groups: vec![group], ..Self::default() }.add_to(&mut parts, &mut room, target);
        }
        for pack in self.packs {
            Self { packs: vec![pack], ..Self::default() }.add_to(&mut parts, &mut room, target);
        }
        parts.retain(|part| !part.is_empty());
        parts
    }

    fn add_to(self, parts: &mut Vec<Self>, room: &mut usize, target: usize) {
        let len = self.raw_len();
        if let Some(part) = parts.last_mut().filter(|_| len <= *room) {
            part.append(self);
            *room -= len;
        } else {
            parts.push(self);
            *room = target.saturating_sub(len);
        }
    }

    /// The body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&1_u32.to_le_bytes());
        for pack in &self.packs {
            let mut body = [pack.name.as_slice(), &pack.salt, &pack.size.to_le_bytes()].concat();
            body.extend_from_slice(&(pack.entries.len() as u32).to_le_bytes());
            pack.entries.iter().for_each(|e| e.encode(&mut body));
            section(&mut out, PACK, &body);
        }
        for group in &self.groups {
            let mut body = vec![group.members.len() as u8, group.parity.len() as u8, 0, 0, 0, 0, 0, 0];
            body.extend_from_slice(&group.shard_len.to_le_bytes());
            for part in group.members.iter().chain(&group.parity) {
                body.extend_from_slice(&part.name);
                body.extend_from_slice(&part.size.to_le_bytes());
            }
            section(&mut out, GROUP, &body);
        }
        if !self.withdrawals.is_empty() {
            let body: Vec<u8> = self.withdrawals.iter().flat_map(|w| [w.pack, w.chunk].concat()).collect();
            section(&mut out, WITHDRAWN, &body);
        }
        out
    }

    /// Reads a body.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(body);
        cursor.expect(MAGIC)?;
        if cursor.u32()? != 1 {
            return Err(too_new());
        }
        let mut idx = Self::default();
        while !cursor.rest().is_empty() {
            let (kind, flags, len) = (cursor.u16()?, cursor.u16()?, cursor.u32()?);
            let mut section = Cursor::new(cursor.take(len as usize)?);
            match kind {
                PACK => idx.packs.push(decode_pack(&mut section)?),
                GROUP => idx.groups.push(decode_group(&mut section)?),
                WITHDRAWN => {
                    while !section.rest().is_empty() {
                        idx.withdrawals.push(Withdrawal { pack: section.array()?, chunk: section.array()? });
                    }
                }
                _ if flags & REQUIRED != 0 => return Err(too_new()),
                _ => {}
            }
        }
        Ok(idx)
    }
}

fn too_new() -> Error {
    Error::new(Code::FormatTooNew, "An idx needs a newer packvault. Nothing was changed.")
}

fn section(out: &mut Vec<u8>, kind: u16, body: &[u8]) {
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&REQUIRED.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(body);
}

fn decode_pack(cursor: &mut Cursor) -> Result<PackEntry> {
    let (name, salt, size, count) = (cursor.array()?, cursor.array()?, cursor.u64()?, cursor.u32()?);
    if size > limits::PACK || count > limits::FRAMES || cursor.rest().len() != ENTRY * count as usize {
        return Err(Error::corrupt("An idx names a pack that is out of bounds."));
    }
    let entries = (0..count).map(|_| Entry::decode(cursor, size)).collect::<Result<_>>()?;
    Ok(PackEntry { name, salt, size, entries })
}

fn decode_group(cursor: &mut Cursor) -> Result<Group> {
    let (k, m) = (cursor.u8()? as usize, cursor.u8()? as usize);
    cursor.take(6)?;
    let shard_len = cursor.u64()?;
    if !(1..=limits::GROUP_DATA).contains(&k) || !(1..=limits::GROUP_PARITY).contains(&m) || shard_len > limits::PACK {
        return Err(Error::corrupt("An idx names a parity group that is out of bounds."));
    }
    let mut part = || -> Result<Part> { Ok(Part { name: cursor.array()?, size: cursor.u64()? }) };
    let members: Vec<Part> = (0..k).map(|_| part()).collect::<Result<_>>()?;
    let parity: Vec<Part> = (0..m).map(|_| part()).collect::<Result<_>>()?;
    if members.iter().any(|p| p.size > shard_len) || parity.iter().any(|p| p.size > limits::PACK) {
        return Err(Error::corrupt("An idx names a parity group that is out of bounds."));
    }
    Ok(Group { shard_len, members, parity })
}
