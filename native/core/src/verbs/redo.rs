//! What an ingest stands on, and how it goes on under a new generation after a deletion round began (docs/format.md §15, step 6).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use super::writer::{ChunkHead, PackWriter, Written, put_idx};
use super::{Repository, View, fetch, ingest, rounds};
use crate::codec::Encoder;
use crate::crypto::ring::ChunkId;
use crate::error::Result;
use crate::format::idx::{Idx, Name, Part};
use crate::format::pack::FrameKind;
use crate::index::{IdSet, Index, Loaded, Marks};
use crate::world::World;

/// The repository as an ingest last saw it, what the ingest relies on of it, and the writer of its own packs.
pub struct Standing<W: World> {
    /// Rounds and idx.
    pub view: View,
    /// Writes under the view's generation.
    pub writer: PackWriter<W>,
    relied: Vec<bool>,
    /// Rows of the index that the ingest relies on.
    marks: Marks,
}

impl<W: World> Standing<W> {
    /// Relies on nothing yet. `INVALID_ARGUMENT` if there is too little memory for a writer.
    pub fn new(world: &W, repo: &Arc<Repository>, view: View) -> Result<Self> {
        let writer = PackWriter::new(world, repo, view.rounds.r, world.memory())?;
        Ok(Self { relied: view.relied(), marks: Marks::new(&view.index), view, writer })
    }

    /// r.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.view.rounds.r
    }

    /// Whether a chunk is there and may be relied on (step 2). If so, it is from now on.
    pub fn relies_on(&self, id: &ChunkId) -> bool {
        let row = self.view.index.find(id, &self.relied);
        row.map(|number| self.marks.set(number)).is_some()
    }

    /// Packs that it relies on.
    #[must_use]
    pub fn packs(&self) -> BTreeSet<Name> {
        let mut used = vec![false; self.view.index.packs().len()];
        for row in self.marks.numbers().filter_map(|number| self.view.index.table().row(number)) {
            used[row.at.pack as usize] = true;
        }
        let packs = self.view.index.packs().iter().zip(used);
        packs.filter(|(_, used)| *used).map(|(pack, _)| pack.name).collect()
    }
}

/// Lists own packs anew, and stores again what may no longer be relied on. Returns the new standing, whose writer has nothing open.
/// `written`: all own packs; `own`: all own chunks. `CONFLICT` if a round has deleted what was relied on.
pub async fn redo<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    old: &Standing<W>,
    written: &mut Written,
    own: &StdMutex<IdSet>,
) -> Result<Standing<W>> {
    let rounds = repo.rounds(world).await?;
    rounds.certain()?;
    let condemned = rounds::condemned_between(world, &repo.ring, old.generation() + 1, rounds.r).await?;
    let before = written.idx.clone();
    drop_condemned(&mut written.idx, &condemned);
    put_idx(world, repo, rounds.r, written.idx.clone()).await?;

    let new = Standing::new(world, repo, repo.view_at(world, rounds).await?)?;
    let mut again = Again { new: &new, seen: IdSet::default(), missing: Vec::new() };
    for row in old.marks.numbers().filter_map(|number| old.view.index.table().row(number)) {
        again.note(row.id, row.at.kind);
    }
    for entry in before.packs.iter().flat_map(|pack| &pack.entries) {
        again.note(entry.id, entry.kind);
    }
    let missing = again.missing;
    // Old packs are read while they are there, even where no idx in force names them any more.
    let mut mine = Index::default();
    if !missing.is_empty() {
        mine.add(&[Loaded::candidate(before)]);
    }
    let places = [&*new.view.index, &*old.view.index, &mine];
    let mut encoder = Encoder::new(repo.config.compression)?;
    for (kind, id) in missing {
        let raw = read(world, repo, places, &id).await?;
        let (codec, payload) = encoder.encode(&raw)?;
        own.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        new.writer.push(ChunkHead { id, kind, codec, raw_len: raw.len() as u32 }, payload).await?;
    }
    written.add(new.writer.finish(Vec::new()).await?);
    Ok(new)
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

/// Goes through what was relied on before.
struct Again<'a, W: World> {
    new: &'a Standing<W>,
    /// Those of `missing`.
    seen: IdSet,
    missing: Vec<(FrameKind, ChunkId)>,
}

impl<W: World> Again<'_, W> {
    fn note(&mut self, id: ChunkId, kind: u8) {
        if !self.new.relies_on(&id) && self.seen.insert(id) {
            self.missing.push((FrameKind::of_chunk(kind), id));
        }
    }
}

async fn read<W: World>(world: &W, repo: &Arc<Repository>, places: [&Index; 3], id: &ChunkId) -> Result<Vec<u8>> {
    for index in places {
        match fetch::read_chunk(world, repo, index, id).await {
            Err(e) if e.is_damage() => {}
            other => return other,
        }
    }
    Err(ingest::gone(id))
}
