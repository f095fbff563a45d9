//! Reading the idx in force.

use std::sync::Arc;

use super::{IdxInfo, Index, Loaded};
use crate::crypto::ring::KeyRing;
use crate::crypto::sha256;
use crate::error::{Error, Result};
use crate::format::idx::Idx;
use crate::format::names::Generational;
use crate::format::{Kind, names, record};
use crate::verbs::rounds::Rounds;
use crate::world::{ObjectInfo, World};

/// Brings an [`Index`] up to date with the store.
pub struct Loader<'a, W> {
    /// The world.
    pub world: &'a W,
    /// The repository's keys.
    pub ring: &'a KeyRing,
    /// The newest rounds.
    pub rounds: &'a Rounds,
}

/// Requests in flight, and how many bytes they may ask for in all, unless one asks for more.
const PARALLEL: usize = 16;
const IN_FLIGHT: u64 = 16 << 20;

impl<W: World> Loader<'_, W> {
    /// `known`, with idx added that were put since; from nothing where one of the known ones is no longer in force.
    /// Idx that can't be read are returned with the error of each: what they name is missing from the index.
    pub async fn refresh(&self, known: Arc<Index>) -> Result<(Arc<Index>, Vec<(String, Error)>)> {
        let present = self.in_force(&list_all(self.world, "index/", "").await?);
        let rebuild = known.loaded().iter().any(|(key, loaded)| !self.still_counts(&present, key, loaded));
        let base = if rebuild { Arc::new(Index::default()) } else { known };
        let missing: Vec<_> = present.into_iter().filter(|(p, _)| !base.loaded().contains_key(&p.name)).collect();
        if missing.is_empty() {
            return Ok((base, Vec::new()));
        }
        let mut index = base;
        let merged = Arc::make_mut(&mut index);
        let mut bad = Vec::new();
        for batch in batches(&missing) {
            let stored = futures_util::future::join_all(batch.iter().map(|(entry, _)| self.get(entry))).await;
            for ((entry, _), stored) in batch.iter().zip(stored) {
                match stored.and_then(|stored| self.open(entry, stored.as_ref())) {
                    Ok(loaded) => merged.add(&[loaded]),
                    Err(error) if error.is_damage() => bad.push((entry.name.clone(), error)),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok((index, bad))
    }

    /// Names of `index/` that can be in force: by generation, or because the checkpoint lists the key.
    fn in_force(&self, objects: &[ObjectInfo]) -> Vec<(Generational, u64)> {
        objects
            .iter()
            .filter_map(|o| names::parse_generational("index", &o.key, &[".idx"]).map(|g| (g, o.size)))
            .filter(|(g, _)| g.generation >= self.rounds.n || self.rounds.lists_idx(&g.name))
            .collect()
    }

    /// Whether what was merged before is in force with the same weight now.
    fn still_counts(&self, present: &[(Generational, u64)], key: &str, loaded: &IdxInfo) -> bool {
        let Ok(at) = present.binary_search_by(|(p, _)| p.name.as_str().cmp(key)) else { return false };
        let (entry, _) = &present[at];
        let listed = self.rounds.lists_idx(key);
        let right = entry.generation >= self.rounds.n || self.rounds.idx_hash(key) == Some(loaded.hash);
        right && listed == loaded.listed
    }

    async fn get(&self, entry: &Generational) -> Result<W::Bytes> {
        self.world.get(&entry.name, None, record::max_stored(Kind::Idx)).await
    }

    fn open(&self, entry: &Generational, stored: &[u8]) -> Result<Loaded> {
        let hash = sha256(stored);
        if entry.generation < self.rounds.n && self.rounds.idx_hash(&entry.name) != Some(hash) {
            return Err(Error::corrupt(format!("{} is not what the checkpoint lists.", entry.name)));
        }
        let body = record::open(self.ring, Kind::Idx, &entry.name, stored)?;
        let idx = Idx::decode(&body).map_err(|e| e.with("key", entry.name.as_str()))?;
        let listed = self.rounds.lists_idx(&entry.name);
        Ok(Loaded { key: entry.name.clone(), hash, generation: entry.generation, listed, idx })
    }
}

/// Objects to read at once.
fn batches(objects: &[(Generational, u64)]) -> impl Iterator<Item = &[(Generational, u64)]> {
    let mut bytes = 0;
    let mut count = 0;
    objects.chunk_by(move |(_, size), (_, next)| {
        (bytes, count) = (bytes + size, count + 1);
        let together = bytes + next <= IN_FLIGHT && count < PARALLEL;
        if !together {
            (bytes, count) = (0, 0);
        }
        together
    })
}

/// A whole listing, page by page.
pub async fn list_all<W: World>(world: &W, prefix: &str, after: &str) -> Result<Vec<ObjectInfo>> {
    const PAGE: usize = 10_000;
    let mut all: Vec<ObjectInfo> = Vec::new();
    loop {
        let from = all.last().map_or_else(|| after.to_owned(), |o| o.key.clone());
        let page = world.list(prefix, &from, PAGE).await?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}
