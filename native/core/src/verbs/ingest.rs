//! Storing a backup (docs/format.md §15, the writer's steps).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use futures_util::lock::Mutex;

use super::assembly::{Assembly, ItemContent, ListChunk};
use super::feed::{Feed, Segment};
use super::objects::put_copies;
use super::writer::{ChunkHead, PackWriter, Written};
use super::{IngestOptions, Repository, View, redo, rounds};
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
    let generation = view.rounds.r;
    world.call().set_phase("ingesting");
    let job = Arc::new(Job::new(world, repo, &view, source, &options)?);
    run_workers(&job).await?;
    world.call().set_phase("committing");
    let written = job.writer.finish(Vec::new()).await?;
    let contents = job.assembly().finish()?;
    let hashes = job.feed.lock().await.hashes().to_vec();
    let snapshot = job.snapshot(&options, &contents, &hashes, &written)?;
    commit(world, repo, snapshot, written, generation).await
}

/// One ingest, shared by its workers.
struct Job<W: World, S: Source<W>> {
    world: W,
    repo: Arc<Repository>,
    feed: Mutex<Feed<W, S>>,
    writer: PackWriter<W>,
    view: View,
    relied: Vec<bool>,
    own: StdMutex<IdSet>,
    assembly: StdMutex<Assembly>,
    new_chunks: AtomicU64,
    random: [u8; 32],
}

impl<W: World, S: Source<W>> Job<W, S> {
    fn new(world: &W, repo: &Arc<Repository>, view: &View, source: S, options: &IngestOptions) -> Result<Self> {
        Ok(Self {
            world: world.clone(),
            repo: repo.clone(),
            feed: Mutex::new(Feed::new(source, options.items.len(), options.sha256)),
            writer: PackWriter::new(world, repo, view.rounds.r, world.memory())?,
            relied: view.relied(),
            view: view.clone(),
            own: StdMutex::default(),
            assembly: StdMutex::new(Assembly::new(options.items.len())),
            new_chunks: AtomicU64::new(0),
            random: world.id32(),
        })
    }

    fn assembly(&self) -> std::sync::MutexGuard<'_, Assembly> {
        self.assembly.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One worker: takes chunks, stores what is new, hands in the references.
    async fn work(&self) -> Result<()> {
        let mut encoder = Encoder::new(self.repo.config.compression)?;
        let mut segment = Segment::default();
        while self.feed.lock().await.next(&self.world, &self.repo, &mut segment).await? {
            let mut refs = Vec::new();
            for raw in segment.chunks() {
                let id = self.repo.ring.chunk_id(raw);
                refs.push(Ref { id, size: raw.len() as u64 });
                if self.store(&mut encoder, FrameKind::Data, id, raw).await? {
                    self.new_chunks.fetch_add(1, Ordering::Relaxed);
                }
            }
            let lists = self.assembly().add(&self.repo, segment.seq, segment.item, segment.last, refs);
            for ListChunk { id, raw } in lists {
                self.store(&mut encoder, FrameKind::List, id, &raw).await?;
            }
        }
        Ok(())
    }

    /// Stores a chunk unless it may be relied on already. True if it was stored.
    async fn store(&self, encoder: &mut Encoder, kind: FrameKind, id: ChunkId, raw: &[u8]) -> Result<bool> {
        if self.view.index.find(&id, &self.relied).is_some() || !claim(&self.own, id) {
            return Ok(false);
        }
        let (codec, payload) = encoder.encode(raw)?;
        self.writer.push(ChunkHead { id, kind, codec, raw_len: raw.len() as u32 }, payload).await?;
        Ok(true)
    }

    fn snapshot(
        &self,
        options: &IngestOptions,
        contents: &[ItemContent],
        hashes: &[[u8; 32]],
        written: &Written,
    ) -> Result<Snapshot> {
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
            stored_size: written.bytes(),
            chunk_count,
            new_chunks,
            reused_chunks: chunk_count - new_chunks,
            items,
            engine: ENGINE.to_owned(),
            features: Vec::new(),
        };
        // Its content goes into its id: two machines with one random state must not take one name for two snapshots.
        let generation = self.view.rounds.r;
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

/// Writer steps 5 and 6: puts both copies, and starts again where a round began meanwhile.
async fn commit<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    snapshot: Snapshot,
    mut written: Written,
    mut generation: u64,
) -> Result<Snapshot> {
    let id = names::id16(&snapshot.id)?;
    let body = snapshot.encode()?;
    loop {
        let name = names::snapshot(generation, &id);
        let stored = record::seal(&repo.ring, Kind::Snapshot, &name, generation, &world.id32(), &body)?;
        put_copies(world, &name, &stored).await?;
        if !rounds::has_newer(world, &repo.ring, generation).await? {
            repo.remember_snapshot(&name, Arc::new(snapshot.clone()), crate::crypto::sha256(&stored));
            return Ok(snapshot);
        }
        world.call().set_phase("committing again beside a prune");
        generation = redo::redo(world, repo, &snapshot, &mut written, generation).await?;
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
