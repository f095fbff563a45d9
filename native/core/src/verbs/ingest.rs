//! Storing a backup (docs/format.md §15, the writer's steps).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use futures_util::lock::Mutex;

use super::assembly::{Assembly, ItemContent, ListChunk};
use super::feed::{Feed, Segment};
use super::gate::Gate;
use super::hold::Holder;
use super::objects::put_copies;
use super::redo::{Standing, redo};
use super::writer::{ChunkHead, Written};
use super::{IngestOptions, Repository, View, rounds};
use crate::codec::Encoder;
use crate::crypto::ring::{ChunkId, name_id};
use crate::error::{Code, Error, Result};
use crate::format::list::Ref;
use crate::format::pack::FrameKind;
use crate::format::snapshot::{Item, Snapshot, check_labels};
use crate::format::{Kind, names, record, time};
use crate::index::IdSet;
use crate::world::{Source, World};

/// Name and version of this engine, for snapshots.
pub const ENGINE: &str = concat!("packvault ", env!("CARGO_PKG_VERSION"));

/// Stores all items of `source` as one snapshot. It resolves only when the snapshot is durable and no prune that runs beside
/// it can have removed what it needs. When it fails, nothing is visible; unless it failed in the last steps: then the whole snapshot may be.
///
/// One that runs for longer than `hold_interval_ms` holds what it relies on, so that prunes beside it leave that alone, and goes on under
/// the newest round. `CONFLICT` if it was cut off from the store for so long that rounds have removed what it relied on.
pub async fn ingest<W: World, S: Source<W>>(
    world: &W,
    repo: &Arc<Repository>,
    source: S,
    options: IngestOptions,
) -> Result<Snapshot> {
    check_labels(options.items.iter().map(|i| (i.name.as_str(), i.kind.as_str())), &options.tags)?;
    world.call().set_phase("reading the index");
    let view = repo.view(world).await?;
    view.rounds.certain()?;
    world.call().set_phase(INGESTING);
    let job = Arc::new(Job::new(world, repo, view, source, &options)?);
    let done = match run_workers(&job).await {
        Ok(()) => job.commit(&options).await,
        Err(error) => Err(error),
    };
    job.turn.lock().await.holder.release(world).await;
    done
}

const INGESTING: &str = "ingesting";

/// One ingest, shared by its workers.
struct Job<W: World, S: Source<W>> {
    world: W,
    repo: Arc<Repository>,
    turn: Mutex<Turn<W, S>>,
    /// Replaced only while no worker is busy.
    standing: StdMutex<Arc<Standing<W>>>,
    /// How many workers have chunks in hand.
    busy: Arc<Gate<usize>>,
    own: StdMutex<IdSet>,
    assembly: StdMutex<Assembly>,
    new_chunks: AtomicU64,
    random: [u8; 32],
}

/// What one worker at a time has.
struct Turn<W: World, S: Source<W>> {
    feed: Feed<W, S>,
    holder: Holder,
    /// Own packs and groups that an idx names.
    written: Written,
}

impl<W: World, S: Source<W>> Job<W, S> {
    fn new(world: &W, repo: &Arc<Repository>, view: View, source: S, options: &IngestOptions) -> Result<Self> {
        Ok(Self {
            world: world.clone(),
            repo: repo.clone(),
            standing: StdMutex::new(Arc::new(Standing::new(world, repo, view)?)),
            turn: Mutex::new(Turn {
                feed: Feed::new(source, options.items.len(), options.sha256),
                holder: Holder::new(world, options.hold_interval_ms),
                written: Written::default(),
            }),
            busy: Arc::default(),
            own: StdMutex::default(),
            assembly: StdMutex::new(Assembly::new(options.items.len())),
            new_chunks: AtomicU64::new(0),
            random: world.id32(),
        })
    }

    fn assembly(&self) -> std::sync::MutexGuard<'_, Assembly> {
        self.assembly.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> Arc<Standing<W>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One worker: takes chunks, stores what is new, hands in the references.
    async fn work(&self) -> Result<()> {
        let mut encoder = Encoder::new(self.repo.config.compression)?;
        let mut segment = Segment::default();
        while let Some(_busy) = self.take(&mut segment).await? {
            let standing = self.standing();
            let mut refs = Vec::new();
            for raw in segment.chunks() {
                let id = self.repo.ring.chunk_id(raw);
                refs.push(Ref { id, size: raw.len() as u64 });
                if self.store(&standing, &mut encoder, FrameKind::Data, id, raw).await? {
                    self.new_chunks.fetch_add(1, Ordering::Relaxed);
                }
            }
            let lists = self.assembly().add(&self.repo, segment.seq, segment.item, segment.last, refs);
            for ListChunk { id, raw } in lists {
                self.store(&standing, &mut encoder, FrameKind::List, id, &raw).await?;
            }
        }
        Ok(())
    }

    /// The next chunks, and a sign that somebody works on them. `None` when all items are read.
    async fn take(&self, segment: &mut Segment) -> Result<Option<Sign>> {
        let mut turn = self.turn.lock().await;
        if !turn.feed.next(&self.world, &self.repo, segment).await? {
            return Ok(None);
        }
        // The source may have kept us waiting for long: what it gave is compared with the newest view.
        if turn.holder.is_due(&self.world) {
            // Nobody begins meanwhile: this worker has the turn.
            self.busy.wait(|busy| (*busy == 0).then_some(())).await;
            self.hold(&mut turn).await?;
        }
        Ok(Some(Sign::of(&self.busy)))
    }

    /// Writer steps 4 to 6 on the way: names own packs so far, and holds them and what is relied on. No worker is busy.
    async fn hold(&self, turn: &mut Turn<W, S>) -> Result<()> {
        self.world.call().set_phase("holding what is relied on");
        let mut standing = self.standing();
        turn.written.add(standing.writer.finish(Vec::new()).await?);
        loop {
            let mut packs = standing.packs();
            packs.extend(turn.written.idx.packs.iter().map(|pack| pack.name));
            let packs: Vec<_> = packs.into_iter().collect();
            turn.holder.put(&self.world, &self.repo, standing.generation(), &[], &packs).await?;
            if !rounds::has_newer(&self.world, &self.repo.ring, standing.generation()).await? {
                break;
            }
            standing = self.redo(&standing, &mut turn.written).await?;
        }
        turn.holder.settle(&self.world).await;
        turn.holder.rest(&self.world);
        self.world.call().set_phase(INGESTING);
        Ok(())
    }

    async fn redo(&self, standing: &Standing<W>, written: &mut Written) -> Result<Arc<Standing<W>>> {
        let new = Arc::new(redo(&self.world, &self.repo, standing, written, &self.own).await?);
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = new.clone();
        Ok(new)
    }

    /// Stores a chunk unless it may be relied on already. True if it was stored.
    async fn store(
        &self,
        standing: &Standing<W>,
        encoder: &mut Encoder,
        kind: FrameKind,
        id: ChunkId,
        raw: &[u8],
    ) -> Result<bool> {
        if standing.relies_on(&id) || !claim(&self.own, id) {
            return Ok(false);
        }
        let (codec, payload) = encoder.encode(raw)?;
        standing.writer.push(ChunkHead { id, kind, codec, raw_len: raw.len() as u32 }, payload).await?;
        Ok(true)
    }

    /// Writer steps 4 to 6: puts both copies of the snapshot, and starts again where a round began meanwhile.
    async fn commit(&self, options: &IngestOptions) -> Result<Snapshot> {
        let (world, repo) = (&self.world, &self.repo);
        world.call().set_phase("committing");
        let mut turn = self.turn.lock().await;
        let mut standing = self.standing();
        turn.written.add(standing.writer.finish(Vec::new()).await?);
        let contents = self.assembly().finish()?;
        let snapshot = self.snapshot(options, &contents, &turn, standing.generation())?;
        let id = names::id16(&snapshot.id)?;
        let body = snapshot.encode()?;
        loop {
            let generation = standing.generation();
            let name = names::snapshot(generation, &id);
            let stored = record::seal(&repo.ring, Kind::Snapshot, &name, generation, &world.id32(), &body)?;
            put_copies(world, &name, &stored).await?;
            if !rounds::has_newer(world, &repo.ring, generation).await? {
                repo.remember_snapshot(&name, Arc::new(snapshot.clone()), crate::crypto::sha256(&stored));
                return Ok(snapshot);
            }
            world.call().set_phase("committing again beside a prune");
            standing = self.redo(&standing, &mut turn.written).await?;
        }
    }

    fn snapshot(
        &self,
        options: &IngestOptions,
        contents: &[ItemContent],
        turn: &Turn<W, S>,
        generation: u64,
    ) -> Result<Snapshot> {
        let hashes = turn.feed.hashes();
        let items: Vec<Item> = options
            .items
            .iter()
            .zip(contents)
            .enumerate()
            .map(|(i, (spec, content))| Item {
                name: spec.name.clone(),
                label: spec.kind.clone(),
                kind: 0,
                size: content.size,
                chunk_count: content.chunks,
                root: hex::encode(content.root),
                sha256: hashes.get(i).map(hex::encode),
            })
            .collect();
        let chunk_count = items.iter().map(|i| i.chunk_count).sum();
        let new_chunks = self.new_chunks.load(Ordering::Relaxed);
        let mut snapshot = Snapshot {
            version: 1,
            id: String::new(),
            created_at: time::format(self.world.now_ms()),
            tags: options.tags.clone(),
            original_size: items.iter().map(|i| i.size).sum(),
            stored_size: turn.written.bytes(),
            chunk_count,
            new_chunks,
            reused_chunks: chunk_count - new_chunks,
            items,
            engine: ENGINE.to_owned(),
            features: Vec::new(),
        };
        // Its content goes into its id: two machines with one random state must not take one name for two snapshots.
        snapshot.id =
            hex::encode(name_id(&self.repo.ring, Kind::Snapshot, &self.random, generation, &snapshot.encode()?));
        Ok(snapshot)
    }
}

/// Says that this commit stores a chunk. False if it does already.
fn claim(own: &StdMutex<IdSet>, id: ChunkId) -> bool {
    own.lock().unwrap_or_else(PoisonError::into_inner).insert(id)
}

/// Runs as many workers as there are threads; the first error ends all.
async fn run_workers<W: World, S: Source<W>>(job: &Arc<Job<W, S>>) -> Result<()> {
    let workers = (0..job.world.threads().max(1)).map(|_| {
        let job = job.clone();
        job.world.clone().spawn(async move { job.work().await })
    });
    futures_util::future::try_join_all(workers.collect::<Vec<_>>()).await.map(|_| ())
}

/// A worker that has chunks in hand; dropped when it is done.
struct Sign(Arc<Gate<usize>>);

impl Sign {
    fn of(busy: &Arc<Gate<usize>>) -> Self {
        busy.change(|busy| *busy += 1);
        Self(busy.clone())
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        self.0.change(|busy| *busy -= 1);
    }
}

/// What a redo can't bring back.
#[must_use]
pub fn gone(id: &ChunkId) -> Error {
    Error::new(
        Code::Conflict,
        "A prune removed data that this backup relied on before it was finished. No earlier backup was harmed. Run the backup again.",
    )
    .with("chunk", hex::encode(id))
}
