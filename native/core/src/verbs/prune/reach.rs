//! Which chunks some roots need: list chunks are read level by level, many at a time.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::crypto::ring::ChunkId;
use crate::error::{Error, Result};
use crate::format::list::{self, List};
use crate::format::{limits, names};
use crate::index::{Index, Location, Marks};
use crate::verbs::Repository;
use crate::verbs::fetch::{Opener, PackKeys, rescue};
use crate::world::World;

/// Requests in flight.
const PARALLEL: usize = 8;
/// Bytes between two list chunks that are read along.
const GAP: u32 = 256 << 10;
/// Bytes of one request, unless one list chunk is more.
const UNIT: u32 = 4 << 20;

/// Chunks of an index that are needed.
pub struct Reach {
    /// The first row of each.
    pub rows: Marks,
    /// Needed chunks that no idx in force names and no withdrawal speaks of.
    pub unnamed: Vec<ChunkId>,
}

impl Reach {
    /// Nothing is needed.
    #[must_use]
    pub fn new(index: &Index) -> Self {
        Self { rows: Marks::new(index), unnamed: Vec::new() }
    }
}

/// Adds everything that these roots need. A list chunk that can't be read is an error, unless it is known to be lost: then what is below it
/// is lost with it.
pub async fn reach<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    index: &Arc<Index>,
    reach: &mut Reach,
    roots: impl IntoIterator<Item = ChunkId>,
) -> Result<()> {
    let mut frontier: Vec<ChunkId> = Vec::new();
    for root in roots {
        need(index, reach, root, Some(&mut frontier));
    }
    let reader = Reader { world, repo, index, keys: PackKeys::default() };
    while !frontier.is_empty() {
        let mut next = Vec::new();
        // Lists of many snapshots may be more than memory holds at once.
        for batch in reader.units(std::mem::take(&mut frontier)).chunks(PARALLEL) {
            for lists in join_all(batch.iter().map(|unit| reader.unit(unit))).await {
                for list in lists? {
                    let lists = list.level > 0;
                    list.entries.iter().for_each(|entry| need(index, reach, entry.id, lists.then_some(&mut next)));
                }
            }
        }
        frontier = next;
    }
    Ok(())
}

fn need(index: &Index, reach: &mut Reach, id: ChunkId, lists: Option<&mut Vec<ChunkId>>) {
    match index.table().ordinal(&id) {
        Some(number) => {
            if reach.rows.set(number)
                && let Some(lists) = lists
            {
                lists.push(id);
            }
        }
        None if index.is_known_lost(&id) => {}
        None => reach.unnamed.push(id),
    }
}

struct Reader<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    index: &'a Arc<Index>,
    keys: PackKeys,
}

/// List chunks that stand near each other in one pack.
struct Unit {
    pack: u32,
    offset: u32,
    len: u32,
    chunks: Vec<(ChunkId, Location)>,
}

impl<W: World> Reader<'_, W> {
    fn units(&self, ids: Vec<ChunkId>) -> Vec<Unit> {
        let place = |id: ChunkId| self.index.locations(&id).first().map(|at| (id, *at));
        let mut chunks: Vec<(ChunkId, Location)> = ids.into_iter().filter_map(place).collect();
        chunks.sort_by_key(|(_, at)| (at.pack, at.offset));
        let mut units: Vec<Unit> = Vec::new();
        for (id, at) in chunks {
            let end = at.offset + at.length;
            let near = units.last_mut().filter(|unit| {
                unit.pack == at.pack && at.offset <= unit.offset + unit.len + GAP && end - unit.offset <= UNIT
            });
            if let Some(unit) = near {
                unit.len = unit.len.max(end - unit.offset);
                unit.chunks.push((id, at));
            } else {
                units.push(Unit { pack: at.pack, offset: at.offset, len: at.length, chunks: vec![(id, at)] });
            }
        }
        units
    }

    async fn unit(&self, unit: &Unit) -> Result<Vec<List>> {
        let key = names::pack(&self.index.packs()[unit.pack as usize].name);
        let range = (u64::from(unit.offset), u64::from(unit.len));
        let stored = match self.world.get(&key, Some(range), limits::PACK).await {
            Ok(bytes) => Some(bytes),
            Err(e) if e.is_damage() => None,
            Err(e) => return Err(e),
        };
        let mut opener = Opener::default();
        let mut lists = Vec::new();
        for (id, at) in &unit.chunks {
            let frame = stored.as_ref().map(AsRef::as_ref).map(|bytes| &bytes[(at.offset - unit.offset) as usize..]);
            let frame = frame.and_then(|bytes| bytes.get(..at.length as usize));
            let mut raw = vec![0; at.raw_len as usize];
            let is_read = frame.is_some_and(|frame| {
                let keys = self.keys.of(self.repo, self.index, at.pack, frame);
                opener.open(self.repo, keys.as_deref(), id, frame, &mut raw).is_ok()
            });
            if !is_read {
                match rescue(self.world, self.repo, self.index, id, Some(*at)).await {
                    Ok(bytes) => raw = bytes,
                    Err(e) if e.is_damage() && self.index.is_known_lost(id) => continue,
                    Err(e) if e.is_damage() => return Err(unprovable(id, e)),
                    Err(e) => return Err(e),
                }
            }
            lists.push(list::decode(&raw)?);
        }
        Ok(lists)
    }
}

fn unprovable(id: &ChunkId, error: Error) -> Error {
    let message = format!(
        "A list of chunks can't be read, so nobody can tell what else is needed: {} Nothing was deleted. Run repair, then prune again.",
        error.message
    );
    Error { message, ..error }.with("chunk", hex::encode(id))
}
