//! Parity objects (docs/format.md §12).

use super::idx::Part;
use super::pack::write_ends;
use super::{Cursor, Kind, limits};
use crate::crypto::ring::{KeyRing, SaltMaker};
use crate::crypto::seal::TAG;
use crate::error::{Error, Result};

const HEAD_MAGIC: [u8; 8] = *b"PVLTPARI";
const TAIL_MAGIC: [u8; 8] = *b"PVLTPARE";
/// Bytes before the shard.
pub const HEAD: usize = 72;
/// Bytes behind the description.
pub const TAIL: usize = 80;
/// Bytes of a block.
pub const BLOCK: usize = 65_536;

/// First 16 bytes of BLAKE3 of a block as stored.
pub type BlockHash = [u8; 16];

/// Block hashes of a member or shard.
#[must_use]
pub fn block_hashes(stored: &[u8]) -> Vec<BlockHash> {
    stored.chunks(BLOCK).map(block_hash).collect()
}

/// Hash of one block.
#[must_use]
pub fn block_hash(block: &[u8]) -> BlockHash {
    let mut out = [0; 16];
    out.copy_from_slice(&blake3::hash(block).as_bytes()[..16]);
    out
}

/// What a group's parity objects say of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Size of the longest member.
    pub shard_len: u64,
    /// Packs, by column.
    pub members: Vec<Part>,
    /// Block hashes of members, by column.
    pub member_blocks: Vec<Vec<BlockHash>>,
    /// Block hashes of shards, by row.
    pub shard_blocks: Vec<Vec<BlockHash>>,
}

impl Description {
    fn encode(&self, row: u8) -> Vec<u8> {
        let mut out = 1_u32.to_le_bytes().to_vec();
        out.extend_from_slice(&[self.members.len() as u8, self.shard_blocks.len() as u8, row, 0]);
        out.extend_from_slice(&(BLOCK as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.shard_len.to_le_bytes());
        for member in &self.members {
            out.extend_from_slice(&member.name);
            out.extend_from_slice(&member.size.to_le_bytes());
        }
        for hash in self.member_blocks.iter().chain(&self.shard_blocks).flatten() {
            out.extend_from_slice(hash);
        }
        out
    }

    fn decode(body: &[u8]) -> Result<(Self, u8)> {
        let mut cursor = Cursor::new(body);
        let bounds = || Error::corrupt("A parity description is out of bounds.");
        let version = cursor.u32()?;
        let (k, m, row) = (cursor.u8()? as usize, cursor.u8()? as usize, cursor.u8()?);
        cursor.take(1)?;
        let block = cursor.u32()?;
        cursor.take(4)?;
        let shard_len = cursor.u64()?;
        let fits = version == 1
            && block as usize == BLOCK
            && (1..=limits::GROUP_DATA).contains(&k)
            && (1..=limits::GROUP_PARITY).contains(&m)
            && (row as usize) < m
            && shard_len <= limits::PACK;
        if !fits {
            return Err(bounds());
        }
        let members: Vec<Part> =
            (0..k).map(|_| Ok(Part { name: cursor.array()?, size: cursor.u64()? })).collect::<Result<_>>()?;
        if members.iter().any(|p| p.size > shard_len) {
            return Err(bounds());
        }
        let mut hashes =
            |len: u64| -> Result<Vec<BlockHash>> { (0..len.div_ceil(BLOCK as u64)).map(|_| cursor.array()).collect() };
        let member_blocks = members.iter().map(|p| hashes(p.size)).collect::<Result<_>>()?;
        let shard_blocks = (0..m).map(|_| hashes(shard_len)).collect::<Result<_>>()?;
        Ok((Self { shard_len, members, member_blocks, shard_blocks }, row))
    }

    /// Bytes that a parity object of this group has.
    #[must_use]
    pub fn object_len(&self) -> usize {
        HEAD + self.shard_len as usize + self.encode(0).len() + TAG + TAIL
    }
}

/// Bytes that a parity object has at most, for a shard of `shard_len` bytes.
#[must_use]
pub fn max_object_len(shard_len: usize, k: usize, m: usize) -> usize {
    HEAD + shard_len + 24 + 40 * k + 16 * (k + m) * shard_len.div_ceil(BLOCK) + TAG + TAIL
}

/// Finishes a parity object whose shard stands at `memory[HEAD..]`. Returns its size.
pub fn seal(
    ring: &KeyRing,
    description: &Description,
    row: u8,
    generation: u64,
    random: &[u8; 32],
    memory: &mut [u8],
) -> Result<usize> {
    let mut body = description.encode(row);
    let mut salt = SaltMaker::new(ring, Kind::Parity, random, generation);
    salt.update(&body);
    let keys = ring.object(Kind::Parity, &salt.finish(), "");
    let tag = keys.seal(0, &mut body)?;
    write_ends(&keys, HEAD_MAGIC, &mut memory[..HEAD]);
    let at = HEAD + description.shard_len as usize;
    memory[at..at + body.len()].copy_from_slice(&body);
    memory[at + body.len()..at + body.len() + TAG].copy_from_slice(&tag);
    let tail = &mut memory[at + body.len() + TAG..][..TAIL];
    tail[..8].copy_from_slice(&((body.len() + TAG) as u64).to_le_bytes());
    tail[8..40].copy_from_slice(keys.salt());
    tail[40..72].copy_from_slice(&keys.commitment);
    tail[72..].copy_from_slice(&TAIL_MAGIC);
    Ok(at + body.len() + TAG + TAIL)
}

/// Reads the description of a whole parity object, and its row.
pub fn open(ring: &KeyRing, stored: &[u8]) -> Result<(Description, u8)> {
    let (description, row) = open_end(ring, stored.get(..HEAD).unwrap_or_default(), stored)?;
    let end = HEAD + description.shard_len as usize + description.encode(row).len() + TAG + TAIL;
    if end == stored.len() { Ok((description, row)) } else { Err(damaged()) }
}

/// Reads the description from the end of a parity object: at least the description and the tail. `head` is the first 72 bytes, or nothing;
/// it is needed only where the tail's salt is damaged.
pub fn open_end(ring: &KeyRing, head: &[u8], end: &[u8]) -> Result<(Description, u8)> {
    let tail_at = end.len().checked_sub(TAIL).ok_or_else(damaged)?;
    let tail = &end[tail_at..];
    let places = [tail.get(8..72), head.get(8..72)];
    let keys = places
        .into_iter()
        .flatten()
        .find_map(|place| {
            let salt: [u8; 32] = place[..32].try_into().ok()?;
            ring.object_for(Kind::Parity, &salt, "", &place[32..])
        })
        .ok_or_else(damaged)?;
    let len = usize::try_from(Cursor::new(tail).u64()?).map_err(|_| damaged())?;
    let at = tail_at.checked_sub(len).ok_or_else(damaged)?;
    Description::decode(&keys.open(0, &end[at..tail_at])?)
}

/// Bytes of the description, from the last [`TAIL`] bytes of a parity object of `size` bytes; `None` if they are damaged.
#[must_use]
pub fn description_len(tail: &[u8], size: u64) -> Option<u64> {
    let len = u64::from_le_bytes(*tail.first_chunk::<8>()?);
    (tail.len() == TAIL && tail.ends_with(&TAIL_MAGIC) && len <= size.checked_sub((HEAD + TAIL) as u64)?).then_some(len)
}

fn damaged() -> Error {
    Error::corrupt("A parity object is damaged.")
}
