//! What repair could make good, found out without changing anything: for the faults that verify reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::lock::Mutex;

use super::fetch::read_chunk;
use super::inspect::Frames;
use super::search::search;
use super::{Repository, View, heal};
use crate::crypto::ring::ChunkId;
use crate::error::Result;
use crate::format::idx::Name;
use crate::index::Index;
use crate::world::World;

/// Looks at most once at what is needed for an answer.
pub struct Prospects<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    view: &'a View,
    /// The index with what repair would find, and the frames of its packs.
    wider: Mutex<Option<(Arc<Index>, Arc<Frames>)>>,
    packs: Mutex<BTreeMap<Name, [bool; 2]>>,
}

impl<'a, W: World> Prospects<'a, W> {
    /// For the repository at one moment.
    #[must_use]
    pub fn new(world: &'a W, repo: &'a Arc<Repository>, view: &'a View) -> Self {
        Self { world, repo, view, wider: Mutex::default(), packs: Mutex::default() }
    }

    /// Whether a pack, or one chunk of it, can be made good: from parity, or because what is wrong can be stored again.
    pub async fn of_pack(&self, name: &Name, chunk: Option<&ChunkId>) -> Result<bool> {
        let mut packs = self.packs.lock().await;
        if !packs.contains_key(name) {
            packs.insert(*name, self.look_at(name).await?);
        }
        let [whole, content] = packs.get(name).copied().unwrap_or_default();
        match chunk {
            Some(id) if !whole && !content => self.of_chunk(id).await,
            _ => Ok(whole || content),
        }
    }

    /// Whether a chunk can be read once repair has looked around.
    pub async fn of_chunk(&self, id: &ChunkId) -> Result<bool> {
        let (index, _) = self.wider().await?;
        match read_chunk(self.world, self.repo, &index, id).await {
            Ok(_) => Ok(true),
            Err(e) if e.is_damage() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Whether parity gives the pack, and whether all its chunks can be had.
    async fn look_at(&self, name: &Name) -> Result<[bool; 2]> {
        let (index, frames) = self.wider().await?;
        if heal::can_heal(self.world, self.repo, &index, name).await? {
            return Ok([true, true]);
        }
        let Some((ordinal, _)) = index.pack(name) else { return Ok([false, false]) };
        for entry in frames.of(ordinal) {
            if !self.of_chunk(&entry.id).await? {
                return Ok([false, false]);
            }
        }
        Ok([false, true])
    }

    async fn wider(&self) -> Result<(Arc<Index>, Arc<Frames>)> {
        let mut wider = self.wider.lock().await;
        if let Some(known) = &*wider {
            return Ok(known.clone());
        }
        let found = search(self.world, self.repo, self.view).await?;
        let index = found.map_or_else(|| self.view.index.clone(), |found| Arc::new(found.wider));
        let frames = Arc::new(Frames::new(&index));
        *wider = Some((index.clone(), frames.clone()));
        Ok((index, frames))
    }
}
