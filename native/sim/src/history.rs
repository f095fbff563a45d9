//! Histories: several writers, pruners, readers and repairers on one store, in bad weather; and the oracles that judge what became of it.
//!
//! Everything depends on the seed: who does what, who goes next, what fails. The verbs are those of production.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use packvault_core::error::{Code, Error, Result};
use packvault_core::format::config::{ChunkIdKind, Chunking, CodecName, Compression, ParityScheme};
use packvault_core::verbs::prune::retention::Policy;
use packvault_core::verbs::{
    IngestOptions, InitOptions, ItemSpec, KdfCost, Level, PruneOptions, Repository, RestoreOptions, Secret,
    VerifyOptions, ingest, init, open, prune, reindex, repair, restore, verify,
};
use zeroize::Zeroizing;

use crate::oracle;
use crate::outcome::Outcome;
use crate::weather::{Rates, Weather};
use crate::{Collected, Items, Random, SimStore, SimWorld};

/// What a history consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cast {
    /// Processes that back up, 2 to 5.
    pub writers: usize,
    /// Processes that prune or forget, 1 or 2.
    pub pruners: usize,
    /// Processes that restore.
    pub readers: usize,
    /// Processes that repair or reindex.
    pub repairers: usize,
    /// How often each process works.
    pub turns: usize,
    /// What goes wrong for whom.
    pub rates: Rates,
    /// Parity of the repository.
    pub parity: Option<(u8, u8)>,
}

impl Cast {
    /// The cast of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xCA57);
        let rates = Rates {
            crash: [0, 40, 15][random.below(3)],
            fail: [0, 120, 40][random.below(3)],
            late: [0, 80, 25][random.below(3)],
            pause: [0, 150, 50][random.below(3)],
            ..Rates::CALM
        };
        let cast = Self {
            writers: 2 + random.below(4),
            pruners: 1 + random.below(2),
            readers: random.below(2),
            repairers: usize::from(random.below(4) == 0),
            turns: 2 + random.below(3),
            rates,
            parity: [None, Some((4, 2)), Some((3, 1))][random.below(3)],
        };
        let (twice, page) = ([0, 60, 20][random.below(3)], [0, 0, 6][random.below(3)]);
        Self { rates: Rates { twice, page, ..rates }, ..cast }
    }
}

/// What happened so far, as somebody outside knows it.
#[derive(Default)]
pub struct Truth {
    /// Snapshot id → content, of every acknowledged backup.
    pub acknowledged: BTreeMap<String, Vec<u8>>,
    /// Restores of snapshots that were not there any more: right only if a round forgot them.
    pub unread: Vec<(String, String)>,
    /// What the oracles found wrong.
    pub violation: Option<String>,
    outcome: Outcome,
}

type Shared = Arc<Mutex<Truth>>;

fn locked(truth: &Shared) -> std::sync::MutexGuard<'_, Truth> {
    truth.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The master key of every simulated repository: key derivation would eat the time.
pub const MASTER: [u8; 32] = [7; 32];

/// The secret of every simulated repository.
#[must_use]
pub fn secret() -> Secret {
    Secret::Master(Zeroizing::new(MASTER))
}

fn init_options(parity: Option<(u8, u8)>) -> InitOptions {
    InitOptions {
        compression: Compression { codec: CodecName::Zstd, level: 1 },
        chunking: Chunking { min: 512, average: 2048, max: 8192 },
        chunk_id: ChunkIdKind::Blake3,
        pack_size: 65_536,
        parity: parity.map(|(data, parity)| ParityScheme { data, parity }),
        kdf: KdfCost { memory_ki_b: 65_536, iterations: 3, parallelism: 1 },
        exclusive_create: true,
    }
}

/// Runs the history of a seed. `Err` describes what an oracle found.
pub fn run(seed: u64) -> std::result::Result<Outcome, String> {
    run_with(seed, Cast::of(seed), &SimStore::default())
}

/// Runs a history with this cast, on a store that may lie.
pub fn run_with(seed: u64, cast: Cast, store: &SimStore) -> std::result::Result<Outcome, String> {
    let first = SimWorld::new(seed, store);
    let world = first.clone();
    let options = init_options(cast.parity);
    first
        .run(async move { init::init(&world, secret(), options, "simulation").await.map(|_| ()) })
        .map_err(|e| format!("init: {e}"))?;
    let truth = Shared::default();
    play(&first, seed, cast, &truth).map_err(|e| format!("the history did not end: {e}"))?;
    let mut truth = std::mem::take(&mut *locked(&truth));
    if let Some(violation) = truth.violation.take() {
        return Err(violation);
    }
    store.settle();
    oracle::check(store, &truth.acknowledged)?;
    oracle::check_unread(store, &truth.unread)?;
    truth.outcome.rounds = oracle::check_convergence(store, &truth.acknowledged)?;
    let trace = store.trace();
    truth.outcome.count_holds(&trace, 2..2 + cast.writers);
    truth.outcome.trace = packvault_core::crypto::sha256(trace.join("\n").as_bytes());
    Ok(truth.outcome)
}

/// Lets all processes work at once.
fn play(first: &SimWorld, seed: u64, cast: Cast, truth: &Shared) -> Result<()> {
    let mut tasks = Vec::new();
    let roles = [
        (Role::Write, cast.writers),
        (Role::Prune, cast.pruners),
        (Role::Read, cast.readers),
        (Role::Repair, cast.repairers),
    ];
    let mut number = 1;
    for (role, count) in roles {
        for _ in 0..count {
            number += 1;
            let actor = Actor::new(first, seed, number, role, cast, truth.clone());
            tasks.push(first.executor.spawn(async move {
                actor.play().await;
                Ok(())
            }));
        }
    }
    first.run(async move { futures_util::future::try_join_all(tasks).await.map(|_| ()) })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Write,
    Prune,
    Read,
    Repair,
}

/// One process.
struct Actor {
    world: SimWorld,
    random: Random,
    seed: u64,
    role: Role,
    cast: Cast,
    truth: Shared,
    lives: u64,
}

impl Actor {
    fn new(first: &SimWorld, seed: u64, number: u32, role: Role, cast: Cast, truth: Shared) -> Self {
        let own = seed.wrapping_mul(1_000_003).wrapping_add(u64::from(number));
        let mut actor = Self {
            world: first.beside(own, number),
            random: Random::new(own ^ 0xAC70),
            seed: own,
            role,
            cast,
            truth,
            lives: 0,
        };
        actor.begin(first);
        actor
    }

    /// Gives the process a clock and weather.
    fn begin(&mut self, first: &SimWorld) {
        const TEN_YEARS: i64 = 10 * 365 * 86_400_000;
        let number = self.world.link.number();
        // A machine restored from an image has the randomness that it had before.
        let clone = self.lives > 0 && self.random.below(2) == 0;
        self.lives += 1;
        let seed = if clone { self.seed } else { self.seed ^ (self.lives << 32) };
        self.world = first.beside(seed, number);
        let skew = (self.random.draw() % (2 * TEN_YEARS.cast_unsigned())).cast_signed() - TEN_YEARS;
        self.world.clock.fetch_add(skew, std::sync::atomic::Ordering::Relaxed);
        self.world.threads = 1 + self.random.below(2);
        self.world.link.expose(Weather::new(self.random.draw(), self.cast.rates));
    }

    async fn play(mut self) {
        let mut repository = None;
        // Readers come again and again, and wait until there is something.
        let (mut left, mut waits) = (self.cast.turns * if self.role == Role::Read { 2 } else { 1 }, 400);
        while left > 0 {
            if self.role == Role::Read && waits > 0 && locked(&self.truth).acknowledged.is_empty() {
                waits -= 1;
                self.world.turn().await;
                continue;
            }
            left -= 1;
            if locked(&self.truth).violation.is_some() {
                return;
            }
            if self.world.link.is_dead() {
                let before = self.world.clone();
                self.begin(&before);
                repository = None;
            }
            if repository.is_none() {
                repository = self.judge("open", open::open(&self.world, secret()).await);
            }
            if let Some(repo) = repository.clone() {
                self.work(&repo).await;
                self.look();
            }
        }
    }

    async fn work(&mut self, repo: &Arc<Repository>) {
        match self.role {
            Role::Write => self.back_up(repo).await,
            Role::Prune => self.prune(repo).await,
            Role::Read if self.random.below(4) == 0 => self.verify(repo).await,
            Role::Read => self.read(repo).await,
            Role::Repair => self.repair(repo).await,
        }
    }

    /// Content that shares much with what others back up.
    fn content(&mut self) -> Vec<u8> {
        let mut content = Random::new(42 + self.random.below(2) as u64).text(30_000);
        for _ in 0..self.random.below(4) {
            let at = self.random.below(content.len());
            let mut new = vec![0; self.random.below(6_000)];
            Random::new(self.random.below(40) as u64).fill(&mut new);
            content.splice(at..at, new);
        }
        content
    }

    async fn back_up(&mut self, repo: &Arc<Repository>) {
        let content = self.content();
        // Workers take an item at a time here: a long backup is one of many, with holds between them.
        let count = [1, 2, 3, 5, 8][self.random.below(5)];
        let parts: Vec<Vec<u8>> = content.chunks(content.len().div_ceil(count)).map(<[u8]>::to_vec).collect();
        let source = Items::new(&self.world, &parts, 10_000);
        let items = (0..parts.len()).map(|i| ItemSpec { name: i.to_string(), kind: "stream".into() }).collect();
        let mut options = IngestOptions { items, ..IngestOptions::default() };
        if parts.len() > 1 {
            options.hold_interval_ms = [0, 2, 5][self.random.below(3)];
        }
        let done = ingest::ingest(&self.world, repo, source, options).await;
        if parts.len() > 1 {
            let mut truth = locked(&self.truth);
            truth.outcome.long += usize::from(done.is_ok());
            truth.outcome.cut_off += usize::from(done.as_ref().is_err_and(|e| e.code == Code::Conflict));
        }
        if let Some(snapshot) = self.judge("ingest", done) {
            let mut truth = locked(&self.truth);
            truth.outcome.acknowledged += 1;
            if truth.acknowledged.insert(snapshot.id.clone(), content).is_some() {
                let what = format!("two backups were acknowledged as {}", snapshot.id);
                truth.violation.get_or_insert(what);
            }
        }
    }

    async fn prune(&mut self, repo: &Arc<Repository>) {
        let keep = [1, 2, 3, 50][self.random.below(4)];
        let policy = Policy { keep_last: Some(keep), ..Policy::default() };
        let max_unused = [0.0, 0.1, 0.9][self.random.below(3)];
        let options = PruneOptions { policy, max_unused, ..PruneOptions::default() };
        let done = prune::prune(&self.world, repo, options).await;
        if let Some(result) = self.judge("prune", done) {
            locked(&self.truth).outcome.removed += result.removed_snapshots as usize;
        }
    }

    async fn read(&mut self, repo: &Arc<Repository>) {
        let chosen = {
            let truth = locked(&self.truth);
            let all: Vec<_> = truth.acknowledged.iter().collect();
            (!all.is_empty()).then(|| all[self.random.below(all.len())]).map(|(id, c)| (id.clone(), c.clone()))
        };
        let Some((id, content)) = chosen else { return };
        let ordered = self.random.below(2) == 0;
        let sink = Collected::new(ordered);
        let mut options = RestoreOptions { snapshot: id.clone(), ordered, ..RestoreOptions::default() };
        if self.random.below(2) == 0 {
            options.hold_interval_ms = 3;
        }
        match restore::restore(&self.world, repo, sink.clone(), options).await {
            Ok(_) if sink.take() == content => locked(&self.truth).outcome.restored += 1,
            Ok(_) => self.violate(&format!("a reader got wrong bytes of {id}")),
            // A prune may have removed it: the end will show.
            Err(e) if matches!(e.code, Code::NotFound | Code::Conflict) => {
                locked(&self.truth).unread.push((id, e.to_string()));
            }
            Err(e) => drop(self.judge::<()>("restore", Err(e))),
        }
    }

    /// Copies that a dead writer left alone may be missing; whatever is named is there.
    async fn verify(&mut self, repo: &Arc<Repository>) {
        let level = [Level::Quick, Level::Full][self.random.below(2)];
        let done = verify::verify(&self.world, repo, VerifyOptions { level, sample: None }).await;
        if let Some(result) = self.judge("verify", done) {
            locked(&self.truth).outcome.verified += 1;
            if let Some(fault) = result.errors.iter().find(|fault| fault.pack.is_some() || fault.chunk.is_some()) {
                self.violate(&format!("verify says that something is damaged: {fault:?}"));
            }
        }
    }

    async fn repair(&mut self, repo: &Arc<Repository>) {
        if self.random.below(2) == 0 {
            let done = repair::repair(&self.world, repo).await;
            if let Some(result) = self.judge("repair", done)
                && !result.packs_lost.is_empty()
            {
                self.violate(&format!("repair says that packs are lost: {result:?}"));
            }
        } else {
            let done = reindex::reindex(&self.world, repo).await;
            self.judge("reindex", done);
        }
    }

    /// A result, or `None` after a failure that the weather explains.
    fn judge<T>(&self, verb: &str, done: Result<T>) -> Option<T> {
        match done {
            Ok(value) => Some(value),
            Err(error) => {
                locked(&self.truth).outcome.failed += 1;
                if !explained(&error) {
                    self.violate(&format!("{verb} failed with {error}"));
                }
                None
            }
        }
    }

    fn violate(&self, what: &str) {
        locked(&self.truth).violation.get_or_insert(format!("process {}: {what}", self.world.link.number()));
    }

    /// Now and then: is everything that was acknowledged still there?
    fn look(&mut self) {
        if self.random.below(4) != 0 {
            return;
        }
        let copy = self.world.store.copied();
        let found = oracle::check(&copy, &locked(&self.truth).acknowledged);
        if let Err(violation) = found {
            self.violate(&format!("while others worked: {violation}"));
        }
    }
}

/// Errors that a store in bad weather causes, or others that work at the same time.
fn explained(error: &Error) -> bool {
    matches!(
        error.code,
        Code::Unavailable
            | Code::RateLimited
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::OutOfSpace
            | Code::Conflict
    )
}
