//! Checking a repository. Nothing is changed.

mod contents;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::fetch::Opener;
use super::inspect::{Findings, Frames, inspect};
use super::prospects::Prospects;
use super::snapshots::Listing;
use super::{Level, Repository, VerifyOptions, VerifyResult, View, copies, rounds, snapshots};
use crate::crypto::ring::ChunkId;
use crate::crypto::sha256;
use crate::error::{Code, Error, Result};
use crate::format::idx::Name;
use crate::format::{limits, names, parity};
use crate::index::list_all;
use crate::progress::{Event, Fault};
use crate::world::World;

/// How often a check may be overtaken by rounds.
const TRIES: usize = 8;

/// Checks what is stored, as deep as asked. Faults are collected and told as they are found; an error means that the check
/// itself could not go on (a store that does not answer is not damage). What a prune beside it removes or moves is no fault: where rounds have
/// moved, what looks damaged is looked at again. `CONFLICT` if they moved again and again.
pub async fn verify<W: World>(world: &W, repo: &Arc<Repository>, options: VerifyOptions) -> Result<VerifyResult> {
    let mut passed = Passed::default();
    for _ in 0..TRIES {
        world.call().set_phase("checking records");
        // Snapshots before idx: what one needs is named by then.
        let rounds = repo.rounds(world).await?;
        let snapshots = snapshots::read_all(world, repo, &rounds).await?;
        let view = repo.view_at(world, rounds).await?;
        let checker = Checker::new(world, repo, &view, std::mem::take(&mut passed));
        match checker.run(&snapshots, options).await {
            Err(e) if checker.overtaken.load(Ordering::Relaxed) => drop(e),
            Err(e) => return Err(e),
            Ok(()) => {
                let mut result = std::mem::take(&mut *checker.state());
                result.ok = result.errors.is_empty();
                return Ok(result);
            }
        }
        passed = std::mem::take(&mut *checker.passed());
    }
    Err(overtaken())
}

fn overtaken() -> Error {
    Error::new(
        Code::Conflict,
        "Prunes removed or moved what this check was looking at, again and again. Nothing is known to be damaged. Run verify again when fewer of \
         them run.",
    )
}

/// What a check that was overtaken leaves to the next.
#[derive(Default)]
struct Passed {
    /// Packs and parity objects that were read and are good: names never change their content.
    objects: BTreeSet<Name>,
    chunks: u64,
    bytes: u64,
    /// Faults that were told.
    told: BTreeSet<Fault>,
}

struct Checker<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    view: &'a View,
    result: Mutex<VerifyResult>,
    passed: Mutex<Passed>,
    overtaken: AtomicBool,
    prospects: Prospects<'a, W>,
}

impl<'a, W: World> Checker<'a, W> {
    fn new(world: &'a W, repo: &'a Arc<Repository>, view: &'a View, passed: Passed) -> Self {
        let prospects = Prospects::new(world, repo, view);
        let result = Mutex::new(VerifyResult {
            packs_checked: passed.objects.len() as u64,
            chunks_checked: passed.chunks,
            bytes_read: passed.bytes,
            ..VerifyResult::default()
        });
        let passed = Mutex::new(passed);
        Self { world, repo, view, result, passed, overtaken: AtomicBool::new(false), prospects }
    }

    async fn run(&self, snapshots: &Listing, options: VerifyOptions) -> Result<()> {
        self.records().await?;
        let stored = self.listing().await?;
        self.contents(snapshots).await?;
        if options.level != Level::Quick {
            self.world.call().set_phase("reading packs");
            self.packs(&stored, options).await?;
            self.parity(&stored, options.sample).await?;
        }
        Ok(())
    }

    /// Before something is called damaged: fails if rounds have moved since the view was read, for then a prune may have removed it.
    async fn suspect(&self) -> Result<()> {
        if rounds::have_moved(self.world, &self.repo.ring, &self.view.rounds).await? {
            self.overtaken.store(true, Ordering::Relaxed);
            return Err(overtaken());
        }
        Ok(())
    }

    fn passed(&self) -> std::sync::MutexGuard<'_, Passed> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, VerifyResult> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, fault: Fault) {
        if self.passed().told.insert(fault.clone()) {
            self.world.call().tell(Event::Fault(fault.clone()));
        }
        self.state().errors.push(fault);
    }

    /// Small objects: both copies of each, and idx.
    async fn records(&self) -> Result<()> {
        let flaws = copies::find(self.world, self.repo, &self.view.rounds).await?;
        if !flaws.is_empty() || !self.view.unreadable.is_empty() {
            self.suspect().await?;
        }
        // Of two copies one is always put first.
        let again =
            if flaws.is_empty() { Vec::new() } else { copies::find(self.world, self.repo, &self.view.rounds).await? };
        let stays = |flaw: &copies::Flaw| again.iter().any(|other| other.key == flaw.key);
        for flaw in flaws.into_iter().filter(stays) {
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
        let packs = self.view.index.packs().iter().enumerate();
        let packs: Vec<_> = packs
            .filter_map(|(n, pack)| Some((n, wrong_size(&stored, &names::pack(&pack.name), pack.size)?)))
            .collect();
        let groups = self.view.index.groups();
        let rows = groups.iter().flat_map(|g| &g.parity).filter(|part| part.size != 0);
        let rows: Vec<_> =
            rows.filter_map(|part| Some((part, wrong_size(&stored, &names::parity(&part.name), part.size)?))).collect();
        if !packs.is_empty() || !rows.is_empty() {
            self.suspect().await?;
        }
        for (ordinal, error) in packs {
            self.pack_fault(ordinal as u32, None, &error).await?;
        }
        for (part, error) in rows {
            self.parity_fault(&part.name, &error);
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

    /// Reads packs whole, several at a time.
    async fn packs(&self, stored: &BTreeMap<String, u64>, options: VerifyOptions) -> Result<()> {
        let frames = Arc::new(Frames::new(&self.view.index));
        let mut todo = Vec::new();
        for (ordinal, pack) in self.view.index.packs().iter().enumerate() {
            let passed = self.passed().objects.contains(&pack.name);
            if !passed && stored.get(&names::pack(&pack.name)) == Some(&pack.size) && self.sampled(options.sample) {
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
        for (ordinal, bytes, findings) in &found {
            let name = &self.view.index.packs()[*ordinal as usize].name;
            self.count(name, *bytes, findings.chunks, findings.bad.is_empty());
        }
        if found.iter().any(|(_, _, findings)| !findings.bad.is_empty()) {
            self.suspect().await?;
        }
        for (ordinal, _, findings) in found {
            for (chunk, error) in findings.bad {
                self.pack_fault(ordinal, chunk, &error).await?;
            }
        }
        Ok(())
    }

    /// Counts an object that was read.
    fn count(&self, name: &Name, bytes: u64, chunks: u64, good: bool) {
        let mut state = self.state();
        state.packs_checked += 1;
        state.bytes_read += bytes;
        state.chunks_checked += chunks;
        if good {
            let mut passed = self.passed();
            passed.objects.insert(*name);
            passed.bytes += bytes;
            passed.chunks += chunks;
        }
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
        let mut bad = Vec::new();
        for group in self.view.index.groups() {
            for (row, part) in group.parity.iter().enumerate().filter(|(_, p)| p.size != 0) {
                if stored.get(&names::parity(&part.name)) != Some(&part.size)
                    || self.passed().objects.contains(&part.name)
                    || !self.sampled(sample)
                {
                    continue;
                }
                let bytes = match self.world.get(&names::parity(&part.name), None, limits::PACK).await {
                    Ok(bytes) => bytes,
                    Err(e) if e.is_damage() => {
                        bad.push((part.name, e));
                        continue;
                    }
                    Err(e) => return Err(e),
                };
                let opened = parity::open(&self.repo.ring, bytes.as_ref());
                let good = opened.is_ok_and(|(d, r)| r as usize == row && d.members == group.members)
                    && sha256(bytes.as_ref()) == part.name;
                self.count(&part.name, part.size, 0, good);
                if !good {
                    bad.push((part.name, Error::corrupt("The parity object is damaged.")));
                }
            }
        }
        if !bad.is_empty() {
            self.suspect().await?;
        }
        for (name, error) in bad {
            self.parity_fault(&name, &error);
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
