//! Naming again what no idx names any more and snapshots need. A writer (docs/format.md §15).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fetch::read_chunk;
use super::heal::heal_range;
use super::objects::put_small;
use super::owed::Owed;
use super::search::{Found, search};
use super::writer::{ChunkHead, PackWriter};
use super::{Repository, View, rounds, snapshots};
use crate::codec::Encoder;
use crate::crypto::ring::ChunkId;
use crate::crypto::sha256;
use crate::error::{Error, Result};
use crate::format::idx::{Group, Idx, Name};
use crate::format::pack::FrameKind;
use crate::format::{list, names};
use crate::world::{PutMode, World};

/// Writes idx for packs that snapshots need and that no readable idx names.
pub async fn reindex<W: World>(world: &W, repo: &Arc<Repository>) -> Result<()> {
    let mut view = repo.view(world).await?;
    rebuild(world, repo, &mut view).await.map(|_| ())
}

/// What [`rebuild`] did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rebuilt {
    /// Whether an idx was written.
    pub wrote: bool,
    /// Packs that were missing or damaged and that parity gave.
    pub revived: u64,
}

/// The work of [`reindex`]; `view` is up to date afterwards.
pub async fn rebuild<W: World>(world: &W, repo: &Arc<Repository>, view: &mut View) -> Result<Rebuilt> {
    world.call().set_phase("looking for packs without idx");
    let (mut done, mut owed) = (Rebuilt::default(), Owed::default());
    loop {
        view.rounds.certain()?;
        if let Some(found) = search(world, repo, view).await? {
            let need = Need::of(world, repo, view, &found).await?;
            let adopt = Adopt { world, repo, view, found: &found, need };
            match adopt.run(&mut done, &mut owed).await {
                Ok(wrote) => done.wrote |= wrote,
                // What parity gave a moment ago may need what a round has deleted meanwhile.
                Err(e) if e.is_beyond() && rounds::have_moved(world, &repo.ring, &view.rounds).await? => {
                    *view = repo.view(world).await?;
                    continue;
                }
                Err(e) => return Err(e),
            }
        }
        if owed.is_empty() {
            return Ok(done);
        }
        let stands = owed.stands(world, repo).await?;
        *view = repo.view(world).await?;
        if stands {
            return Ok(done);
        }
    }
}

/// What snapshots need of what was found.
#[derive(Default)]
struct Need {
    /// Packs to name again.
    packs: BTreeSet<Name>,
    /// Chunks that only condemned packs hold: they are stored again.
    forward: Vec<(FrameKind, ChunkId)>,
    seen: BTreeSet<ChunkId>,
}

impl Need {
    async fn of<W: World>(world: &W, repo: &Arc<Repository>, view: &View, found: &Found) -> Result<Self> {
        let mut need = Self::default();
        if found.packs.is_empty() {
            return Ok(need);
        }
        let listing = snapshots::read_all(world, repo, &view.rounds).await?;
        for (_, snapshot) in listing.good.values() {
            for item in &snapshot.items {
                if let Ok(root) = item.root_id() {
                    need.follow(world, repo, view, found, root).await?;
                }
            }
        }
        Ok(need)
    }

    async fn follow<W: World>(
        &mut self,
        world: &W,
        repo: &Arc<Repository>,
        view: &View,
        found: &Found,
        root: ChunkId,
    ) -> Result<()> {
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if !self.note(view, found, FrameKind::List, id) {
                continue;
            }
            let read = read_chunk(world, repo, &found.wider, &id).await;
            let list = match read.and_then(|raw| list::decode(&raw)) {
                Ok(list) => list,
                Err(e) if e.is_damage() => continue,
                Err(e) => return Err(e),
            };
            for entry in list.entries {
                if list.level > 0 {
                    stack.push(entry.id);
                } else {
                    self.note(view, found, FrameKind::Data, entry.id);
                }
            }
        }
        Ok(())
    }

    /// Notes what a chunk needs. False if it was noted before.
    fn note(&mut self, view: &View, found: &Found, kind: FrameKind, id: ChunkId) -> bool {
        if !self.seen.insert(id) {
            return false;
        }
        let good = |l: &crate::index::Location| !found.wider.is_withdrawn(l.pack, &id);
        let places: Vec<_> = found.wider.locations(&id).into_iter().filter(good).collect();
        let name = |l: &crate::index::Location| found.wider.packs()[l.pack as usize].name;
        if places.iter().any(|l| view.index.pack(&name(l)).is_some()) {
            return true;
        }
        let condemned = |l: &&crate::index::Location| view.rounds.condemned.contains(&name(l));
        match places.iter().find(|l| !condemned(l)) {
            Some(place) => drop(self.packs.insert(name(place))),
            None if !places.is_empty() => self.forward.push((kind, id)),
            None => {}
        }
        true
    }
}

/// Writes what is needed.
struct Adopt<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    view: &'a View,
    found: &'a Found,
    need: Need,
}

impl<W: World> Adopt<'_, W> {
    /// Packs that parity gives, then chunks of condemned packs, then the idx. Whether anything was written.
    async fn run(self, done: &mut Rebuilt, owed: &mut Owed) -> Result<bool> {
        let packs: Vec<_> = self.found.packs.iter().filter(|p| self.need.packs.contains(&p.name)).cloned().collect();
        for pack in packs.iter().filter(|p| self.found.revivable.contains(&p.name)) {
            let bytes = heal_range(self.world, self.repo, &self.found.wider, &pack.name, 0, pack.size).await?;
            if sha256(&bytes) != pack.name {
                return Err(Error::corrupt(
                    "A pack that parity gave a moment ago is another one now. Run repair again.",
                ));
            }
            put_small(self.world, &names::pack(&pack.name), &bytes, PutMode::Overwrite).await?;
            done.revived += 1;
        }
        let generation = self.view.rounds.r;
        let forwarded = self.forward().await?;
        let known = |name: &Name| self.view.index.pack(name).is_some() || self.need.packs.contains(name);
        let covers = |g: &&Group| g.members.iter().any(|m| known(&m.name));
        let groups = self.found.groups.iter().filter(covers).cloned().collect();
        let idx = Idx { packs, groups, withdrawals: Vec::new() };
        let wrote = !idx.is_empty() || !forwarded.is_empty();
        owed.note(generation, forwarded);
        owed.put(self.world, self.repo, generation, idx).await?;
        Ok(wrote)
    }

    /// Stores chunks again that only condemned packs hold, while these are there. Returns what was put.
    async fn forward(&self) -> Result<Idx> {
        if self.need.forward.is_empty() {
            return Ok(Idx::default());
        }
        let writer = PackWriter::new(self.world, self.repo, self.view.rounds.r, self.world.memory())?;
        let mut encoder = Encoder::new(self.repo.config.compression)?;
        for (kind, id) in &self.need.forward {
            let raw = match read_chunk(self.world, self.repo, &self.found.wider, id).await {
                Ok(raw) => raw,
                Err(e) if e.is_damage() => continue,
                Err(e) => return Err(e),
            };
            let (codec, payload) = encoder.encode(&raw)?;
            let head = ChunkHead { id: *id, kind: *kind, codec, raw_len: raw.len() as u32 };
            writer.push(head, payload).await?;
        }
        Ok(writer.finish(Vec::new()).await?.idx)
    }
}
