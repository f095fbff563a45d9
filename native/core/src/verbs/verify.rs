//! Checking a repository. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::fetch::{Opener, read_chunk};
use super::inspect::{Findings, Frames, inspect};
use super::prospects::Prospects;
use super::{Level, Repository, VerifyOptions, VerifyResult, View, copies, snapshots};
use crate::crypto::ring::ChunkId;
use crate::crypto::sha256;
use crate::error::{Code, Error, Result};
use crate::format::idx::Name;
use crate::format::snapshot::Item;
use crate::format::{limits, list, names, parity};
use crate::index::list_all;
use crate::progress::{Event, Fault};
use crate::world::World;

/// Checks what is stored, as deep as asked. Faults are collected and told as they are found; an error means that the check
/// itself could not go on (a store that does not answer is not damage).
pub async fn verify<W: World>(world: &W, repo: &Arc<Repository>, options: VerifyOptions) -> Result<VerifyResult> {
    world.call().set_phase("checking records");
    let view = repo.view(world).await?;
    let checker = Checker::new(world, repo, &view);
    checker.records().await?;
    let stored = checker.listing().await?;
    checker.contents().await?;
    if options.level != Level::Quick {
        world.call().set_phase("reading packs");
        checker.packs(&stored, options).await?;
        checker.parity(&stored, options.sample).await?;
    }
    let mut result = std::mem::take(&mut *checker.state());
    result.ok = result.errors.is_empty();
    Ok(result)
}

struct Checker<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    view: &'a View,
    result: Mutex<VerifyResult>,
    prospects: Prospects<'a, W>,
}

impl<'a, W: World> Checker<'a, W> {
    fn new(world: &'a W, repo: &'a Arc<Repository>, view: &'a View) -> Self {
        Self { world, repo, view, result: Mutex::default(), prospects: Prospects::new(world, repo, view) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, VerifyResult> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, fault: Fault) {
        self.world.call().tell(Event::Fault(fault.clone()));
        self.state().errors.push(fault);
    }

    /// Small objects: both copies of each, and idx.
    async fn records(&self) -> Result<()> {
        for flaw in copies::find(self.world, self.repo, &self.view.rounds).await? {
            self.fault(Fault {
                key: Some(flaw.key),
                error: flaw.error.message,
                code: flaw.error.code.as_str(),
                repairable: flaw.good.is_some(),
                ..Fault::default()
            });
        }
        for (key, error) in &self.view.unreadable {
            let code = error.code.as_str();
            self.fault(Fault {
                key: Some(key.clone()),
                error: error.message.clone(),
                code,
                repairable: true,
                ..Fault::default()
            });
        }
        Ok(())
    }

    /// Packs and parity objects that the index names: there, and of the right size. Returns the sizes of all.
    async fn listing(&self) -> Result<BTreeMap<String, u64>> {
        let stored: BTreeMap<String, u64> =
            list_all(self.world, "packs/", "").await?.into_iter().map(|o| (o.key, o.size)).collect();
        for (ordinal, pack) in self.view.index.packs().iter().enumerate() {
            if let Some(error) = wrong_size(&stored, &names::pack(&pack.name), pack.size) {
                self.pack_fault(ordinal as u32, None, &error).await?;
            }
        }
        for part in self.view.index.groups().iter().flat_map(|g| &g.parity).filter(|part| part.size != 0) {
            if let Some(error) = wrong_size(&stored, &names::parity(&part.name), part.size) {
                self.parity_fault(&part.name, &error);
            }
        }
        Ok(stored)
    }

    async fn pack_fault(&self, ordinal: u32, chunk: Option<ChunkId>, error: &Error) -> Result<()> {
        let name = self.view.index.packs()[ordinal as usize].name;
        if chunk.is_some_and(|id| self.view.index.is_withdrawn(ordinal, &id))
            || self.view.index.is_withdrawn(ordinal, &[0; 32])
        {
            return Ok(());
        }
        let repairable = self.prospects.of_pack(&name, chunk.as_ref()).await?;
        self.fault(Fault {
            pack: Some(hex::encode(name)),
            chunk: chunk.map(hex::encode),
            key: Some(names::pack(&name)),
            error: error.message.clone(),
            code: error.code.as_str(),
            repairable,
            ..Fault::default()
        });
        Ok(())
    }

    fn parity_fault(&self, name: &Name, error: &Error) {
        self.fault(Fault {
            pack: Some(hex::encode(name)),
            key: Some(names::parity(name)),
            error: error.message.clone(),
            code: error.code.as_str(),
            repairable: true,
            ..Fault::default()
        });
    }

    /// Follows the lists of every snapshot and looks every chunk up.
    async fn contents(&self) -> Result<()> {
        self.world.call().set_phase("following snapshots");
        let listing = snapshots::read_all(self.world, self.repo, &self.view.rounds).await?;
        for (name, error) in &listing.broken {
            self.snapshot_fault(
                name,
                None,
                &format!("{name}: no copy can be read: {}", error.message),
                error.code,
                false,
            );
        }
        for name in self.view.rounds.listed_snapshots().filter(|name| !listing.names.contains(*name)) {
            self.snapshot_fault(
                name,
                None,
                &format!("{name} is in force, and both copies are missing."),
                Code::NotFound,
                false,
            );
        }
        let mut good = BTreeSet::new();
        for (id, (_, snapshot)) in &listing.good {
            for item in &snapshot.items {
                let Some((chunk, error)) = self.item(item, &mut good).await? else { continue };
                let repairable = match &chunk {
                    Some(chunk) if error.code != Code::Unrecoverable => self.prospects.of_chunk(chunk).await?,
                    _ => false,
                };
                let message = format!("Item {:?}: {}", item.name, error.message);
                self.snapshot_fault(id, chunk, &message, error.code, repairable);
            }
            self.state().snapshots_checked += 1;
        }
        Ok(())
    }

    fn snapshot_fault(&self, snapshot: &str, chunk: Option<ChunkId>, error: &str, code: Code, repairable: bool) {
        self.fault(Fault {
            snapshot: Some(snapshot.to_owned()),
            chunk: chunk.map(hex::encode),
            error: error.to_owned(),
            code: code.as_str(),
            repairable,
            ..Fault::default()
        });
    }

    /// The first chunk of an item that is not as it should be. `good`: lists that are known to be whole.
    async fn item(&self, item: &Item, good: &mut BTreeSet<ChunkId>) -> Result<Option<(Option<ChunkId>, Error)>> {
        match item.root_id() {
            Ok(root) => Ok(self.follow(root, item.size, good).await?.map(|(chunk, error)| (Some(chunk), error))),
            Err(error) => Ok(Some((None, error))),
        }
    }

    async fn follow(&self, root: ChunkId, size: u64, good: &mut BTreeSet<ChunkId>) -> Result<Option<(ChunkId, Error)>> {
        let mut stack = vec![(root, size)];
        let mut passed = Vec::new();
        while let Some((id, size)) = stack.pop() {
            if good.contains(&id) {
                continue;
            }
            let read = read_chunk(self.world, self.repo, &self.view.index, &id).await;
            let list = match read.and_then(|raw| list::decode(&raw)) {
                Ok(list) => list,
                Err(e) if e.is_damage() => return Ok(Some((id, e))),
                Err(e) => return Err(e),
            };
            if list.size() != Some(size) {
                return Ok(Some((id, Error::corrupt("a list chunk covers another size than it should."))));
            }
            for entry in &list.entries {
                if list.level > 0 {
                    stack.push((entry.id, entry.size));
                } else if let Some(error) = self.lost(entry) {
                    return Ok(Some((entry.id, error)));
                }
            }
            passed.push(id);
        }
        good.extend(passed);
        Ok(None)
    }

    fn lost(&self, entry: &list::Ref) -> Option<Error> {
        let id = &entry.id;
        let places = self.view.index.locations(id);
        if places.is_empty() {
            return Some(Error::corrupt(
                "no pack of the index holds a chunk of it. If an idx was lost, repair finds it again.",
            ));
        }
        if places.iter().any(|place| u64::from(place.raw_len) != entry.size) {
            return Some(Error::corrupt("a chunk has another length than its list says."));
        }
        let all = places.iter().all(|place| self.view.index.is_withdrawn(place.pack, id));
        all.then(|| Error::new(Code::Unrecoverable, "a chunk is known to be lost. A backup of the same data heals it."))
    }

    /// Reads packs whole, several at a time.
    async fn packs(&self, stored: &BTreeMap<String, u64>, options: VerifyOptions) -> Result<()> {
        let frames = Arc::new(Frames::new(&self.view.index));
        let mut todo = Vec::new();
        for (ordinal, pack) in self.view.index.packs().iter().enumerate() {
            if stored.get(&names::pack(&pack.name)) == Some(&pack.size) && self.sampled(options.sample) {
                todo.push(ordinal as u32);
            }
        }
        let total = todo.iter().map(|&p| self.view.index.packs()[p as usize].size).sum();
        self.world.call().set_totals(total, todo.len() as u64);
        let job = Arc::new(PackJob {
            world: self.world.clone(),
            repo: self.repo.clone(),
            view: self.view.clone(),
            frames,
            full: options.level == Level::Full,
            todo: Mutex::new(todo.into_iter().rev().collect()),
            found: Mutex::default(),
        });
        // Each worker holds a pack.
        let largest = self.view.index.packs().iter().map(|p| p.size as usize).max().unwrap_or(1).max(1);
        let workers: Vec<_> = (0..self.world.threads().min(self.world.memory() / largest).max(1))
            .map(|_| {
                let job = job.clone();
                self.world.spawn(async move { job.work().await })
            })
            .collect();
        futures_util::future::try_join_all(workers).await?;
        let mut found = std::mem::take(&mut *job.found.lock().unwrap_or_else(PoisonError::into_inner));
        found.sort_by_key(|(ordinal, _, _)| *ordinal);
        for (ordinal, bytes, findings) in found {
            {
                let mut state = self.state();
                state.packs_checked += 1;
                state.bytes_read += bytes;
                state.chunks_checked += findings.chunks;
            }
            for (chunk, error) in findings.bad {
                self.pack_fault(ordinal, chunk, &error).await?;
            }
        }
        Ok(())
    }

    fn sampled(&self, share: Option<f64>) -> bool {
        let mut random = [0; 4];
        share.is_none_or(|share| {
            self.world.fill(&mut random);
            f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX) <= share
        })
    }

    async fn parity(&self, stored: &BTreeMap<String, u64>, sample: Option<f64>) -> Result<()> {
        self.world.call().set_phase("reading parity");
        for group in self.view.index.groups() {
            for (row, part) in group.parity.iter().enumerate().filter(|(_, p)| p.size != 0) {
                if stored.get(&names::parity(&part.name)) != Some(&part.size) || !self.sampled(sample) {
                    continue;
                }
                let bytes = match self.world.get(&names::parity(&part.name), None, limits::PACK).await {
                    Ok(bytes) => bytes,
                    Err(e) if e.is_damage() => {
                        self.parity_fault(&part.name, &e);
                        continue;
                    }
                    Err(e) => return Err(e),
                };
                self.state().packs_checked += 1;
                self.state().bytes_read += part.size;
                let opened = parity::open(&self.repo.ring, bytes.as_ref());
                let good = opened.is_ok_and(|(d, r)| r as usize == row && d.members == group.members);
                if !good || sha256(bytes.as_ref()) != part.name {
                    self.parity_fault(&part.name, &Error::corrupt("The parity object is damaged."));
                }
            }
        }
        Ok(())
    }
}

fn wrong_size(stored: &BTreeMap<String, u64>, key: &str, size: u64) -> Option<Error> {
    match stored.get(key) {
        None => Some(Error::new(Code::NotFound, format!("{key} is missing."))),
        Some(&got) if got != size => Some(Error::corrupt(format!("{key} has {got} bytes instead of {size}."))),
        Some(_) => None,
    }
}

struct PackJob<W: World> {
    world: W,
    repo: Arc<Repository>,
    view: View,
    frames: Arc<Frames>,
    full: bool,
    todo: Mutex<Vec<u32>>,
    found: Mutex<Vec<(u32, u64, Findings)>>,
}

impl<W: World> PackJob<W> {
    async fn work(&self) -> Result<()> {
        let mut tools = (Opener::default(), Vec::new());
        loop {
            let next = self.todo.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(ordinal) = next else { return Ok(()) };
            let info = &self.view.index.packs()[ordinal as usize];
            let findings = match self.world.get(&names::pack(&info.name), None, limits::PACK).await {
                Ok(bytes) => {
                    inspect(&self.repo, info, self.frames.of(ordinal).iter(), bytes.as_ref(), self.full, &mut tools)
                }
                // Listed a moment ago, with the right size.
                Err(e) if e.is_damage() => Findings { bad: vec![(None, e)], chunks: 0 },
                Err(e) => return Err(e),
            };
            self.world.call().add_bytes(info.size);
            self.world.call().add_objects(1);
            self.found.lock().unwrap_or_else(PoisonError::into_inner).push((ordinal, info.size, findings));
        }
    }
}
