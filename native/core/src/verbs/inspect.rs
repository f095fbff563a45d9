//! Checking a whole pack against what idx say of it: every byte of it is authenticated.

use std::sync::Arc;

use super::Repository;
use super::fetch::Opener;
use crate::crypto::ring::ChunkId;
use crate::crypto::seal::ObjectKeys;
use crate::error::{Error, Result};
use crate::format::Kind;
use crate::format::pack::{self, Entry, FRAME_OVERHEAD, HEAD, HEAD_MAGIC, TAIL, TAIL_MAGIC};
use crate::index::{ByPack, Index, PackInfo, Row};

/// What is wrong with a pack.
#[derive(Default)]
pub struct Findings {
    /// Frames that do not open, or whose chunk is not what its id says; none for the pack's own structure.
    pub bad: Vec<(Option<ChunkId>, Error)>,
    /// Frames that were checked.
    pub chunks: u64,
}

/// Frames of every pack, grouped once for a whole run.
pub struct Frames {
    index: Arc<Index>,
    by_pack: ByPack,
}

impl Frames {
    /// All frames of an index.
    #[must_use]
    pub fn new(index: &Arc<Index>) -> Self {
        Self { index: index.clone(), by_pack: index.by_pack() }
    }

    /// Those of one pack, by offset.
    #[must_use]
    pub fn of(&self, pack: u32) -> Vec<Entry> {
        let row = |number: &u32| self.index.table().row(*number as usize).map(Row::entry);
        let mut entries: Vec<Entry> = self.by_pack.of(pack).iter().filter_map(row).collect();
        // Several idx may name a pack.
        entries.dedup();
        entries
    }
}

/// Checks a pack. `full`: decompress every chunk and recompute its id, too.
pub fn inspect<'a>(
    repo: &Repository,
    info: &PackInfo,
    entries: impl Iterator<Item = &'a Entry> + Clone,
    stored: &[u8],
    full: bool,
    tools: &mut (Opener, Vec<u8>),
) -> Findings {
    let mut findings = Findings::default();
    if stored.len() as u64 != info.size {
        findings
            .bad
            .push((None, Error::corrupt(format!("The pack has {} bytes instead of {}.", stored.len(), info.size))));
    }
    let Some(keys) = keys(repo, info, entries.clone(), stored) else {
        findings.bad.push((None, Error::corrupt("Nothing in the pack opens under this repository's key.")));
        return findings;
    };
    if let Err(error) = structure(&keys, entries.clone(), stored) {
        findings.bad.push((None, error));
    }
    for entry in entries {
        findings.chunks += 1;
        if let Err(error) = frame(repo, &keys, entry, stored, full, tools) {
            findings.bad.push((Some(entry.id), error));
        }
    }
    findings
}

fn keys<'a>(
    repo: &Repository,
    info: &PackInfo,
    mut entries: impl Iterator<Item = &'a Entry>,
    stored: &[u8],
) -> Option<ObjectKeys> {
    let commitment = stored.get(40..72).unwrap_or_default();
    repo.ring
        .object_for(Kind::Pack, &info.salt, "", commitment)
        .or_else(|| entries.find_map(|e| pack::keys_by_frame(&repo.ring, info.salt, stored.get(e.offset as usize..)?)))
}

/// Head, table and tail, and that frames leave no byte between them.
fn structure<'a>(keys: &ObjectKeys, entries: impl Iterator<Item = &'a Entry> + Clone, stored: &[u8]) -> Result<()> {
    let ends = [(0, HEAD_MAGIC, 8), (stored.len().saturating_sub(8), TAIL_MAGIC, stored.len().saturating_sub(72))];
    for (magic_at, magic, salt_at) in ends {
        let place = stored.get(salt_at..).and_then(|s| s.get(..64));
        let good = stored.get(magic_at..).is_some_and(|s| s.starts_with(&magic))
            && place.is_some_and(|p| p[..32] == *keys.salt() && p[32..] == keys.commitment);
        if !good {
            return Err(Error::corrupt("The pack's head or tail is damaged."));
        }
    }
    let table = pack::read_table(keys, stored)?;
    if !table.iter().eq(entries) {
        return Err(Error::corrupt("The pack's table and the idx disagree."));
    }
    let end = table.iter().try_fold(HEAD, |at, e| (e.offset as usize == at).then_some(at + e.length as usize));
    let table_len = FRAME_OVERHEAD + 4 + pack::ENTRY * table.len();
    if end.is_some_and(|end| end + table_len + TAIL == stored.len()) {
        Ok(())
    } else {
        Err(Error::corrupt("The pack's frames do not follow each other."))
    }
}

fn frame(
    repo: &Repository,
    keys: &ObjectKeys,
    entry: &Entry,
    stored: &[u8],
    full: bool,
    (opener, scratch): &mut (Opener, Vec<u8>),
) -> Result<()> {
    let bytes = stored
        .get(entry.offset as usize..)
        .and_then(|s| s.get(..entry.length as usize))
        .ok_or_else(|| Error::corrupt("A frame is beyond the pack's end."))?;
    if full {
        scratch.resize(entry.raw_len as usize, 0);
        return opener.open(repo, Some(keys), &entry.id, bytes, scratch);
    }
    let head = pack::open_frame(keys, bytes, scratch)?;
    if (head.id, head.kind, head.codec, head.raw_len) == (entry.id, entry.kind, entry.codec, entry.raw_len) {
        Ok(())
    } else {
        Err(Error::corrupt("A frame says something else than the idx."))
    }
}
