//! A commit that met a new deletion round starts again under the new generation (docs/format.md §15, step 6).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::writer::{ChunkHead, PackWriter, Written, put_idx};
use super::{Repository, View, fetch, ingest, rounds};
use crate::codec::Encoder;
use crate::crypto::ring::ChunkId;
use crate::error::Result;
use crate::format::idx::{Idx, Name, Part};
use crate::format::list;
use crate::format::pack::FrameKind;
use crate::format::snapshot::Snapshot;
use crate::index::{Index, Loaded};
use crate::world::World;

/// Lists own packs anew and stores again what may no longer be relied on. Returns the new generation.
pub async fn redo<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    snapshot: &Snapshot,
    written: &mut Written,
    generation: u64,
) -> Result<u64> {
    let rounds = repo.rounds(world).await?;
    rounds.certain()?;
    let r = rounds.r;
    let condemned = rounds::condemned_between(world, &repo.ring, generation + 1, r).await?;
    let before = written.idx.clone();
    drop_condemned(&mut written.idx, &condemned);
    put_idx(world, repo, r, written.idx.clone()).await?;

    let view = repo.view_at(world, rounds).await?;
    // Own packs are read from even where no idx in force names them any more.
    let mut readable = Index::clone(&view.index);
    readable.add(&[Loaded::candidate(before)]);
    let mut again =
        Again { world, repo, view: &view, readable, relied: view.relied(), seen: BTreeSet::new(), missing: Vec::new() };
    for item in &snapshot.items {
        again.walk(item.root_id()?).await?;
    }
    let missing = std::mem::take(&mut again.missing);
    let writer = PackWriter::new(world, repo, r, world.memory())?;
    let mut encoder = Encoder::new(repo.config.compression)?;
    for (kind, id) in missing {
        let raw = again.read(&id).await?;
        let (codec, payload) = encoder.encode(&raw)?;
        writer.push(ChunkHead { id, kind, codec, raw_len: raw.len() as u32 }, payload).await?;
    }
    let more = writer.finish(Vec::new()).await?;
    written.idx.packs.extend(more.idx.packs);
    written.idx.groups.extend(more.idx.groups);
    Ok(r)
}

/// Forgets packs that a condemn names, groups that lose a member (the round writes their parity anew), and rows that are condemned.
fn drop_condemned(idx: &mut Idx, condemned: &BTreeSet<Name>) {
    idx.packs.retain(|pack| !condemned.contains(&pack.name));
    idx.groups.retain(|group| group.members.iter().all(|m| !condemned.contains(&m.name)));
    for part in idx.groups.iter_mut().flat_map(|group| &mut group.parity) {
        if condemned.contains(&part.name) {
            *part = Part { name: [0; 32], size: 0 };
        }
    }
}

struct Again<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    view: &'a View,
    readable: Index,
    relied: Vec<bool>,
    seen: BTreeSet<ChunkId>,
    missing: Vec<(FrameKind, ChunkId)>,
}

impl<W: World> Again<'_, W> {
    /// Follows a tree of lists and notes every chunk that may not be relied on.
    async fn walk(&mut self, root: ChunkId) -> Result<()> {
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if !self.note(FrameKind::List, id) {
                continue;
            }
            let list = list::decode(&self.read(&id).await?)?;
            for entry in list.entries {
                if list.level > 0 {
                    stack.push(entry.id);
                } else {
                    self.note(FrameKind::Data, entry.id);
                }
            }
        }
        Ok(())
    }

    /// Whether the chunk was not seen before.
    fn note(&mut self, kind: FrameKind, id: ChunkId) -> bool {
        let new = self.seen.insert(id);
        if new && self.view.index.find(&id, &self.relied).is_none() {
            self.missing.push((kind, id));
        }
        new
    }

    async fn read(&self, id: &ChunkId) -> Result<Vec<u8>> {
        fetch::read_chunk(self.world, self.repo, &self.readable, id)
            .await
            .map_err(|e| if e.is_damage() { ingest::gone(id) } else { e })
    }
}
