//! Short ways to the verbs.
#![allow(dead_code, reason = "each test uses some of it")]

pub mod fixture;
pub mod museum;
pub mod play;
pub mod pruner;
pub mod regions;
pub mod scenario;

use std::future::Future;
use std::sync::Arc;

use packvault_core::error::Result;
use packvault_core::format::config::{ChunkIdKind, Chunking, CodecName, Compression, ParityScheme};
use packvault_core::format::snapshot::Snapshot;
use packvault_core::verbs::prune::{self as prune_verbs, retention::Policy};
use packvault_core::verbs::{
    IngestOptions, InitOptions, ItemSpec, KdfCost, Level, PruneOptions, PruneResult, RepairResult, Repository,
    RestoreOptions, Secret, SnapshotFilter, VerifyOptions, VerifyResult, ingest as ingest_verb, init as init_verb,
    keys as key_verbs, open as open_verb, reindex as reindex_verb, repair as repair_verb, restore as restore_verb,
    snapshots, verify as verify_verb,
};
use packvault_sim::{Collected, Items, SimStore, SimWorld};
use zeroize::Zeroizing;

pub const MASTER: [u8; 32] = [7; 32];

/// The least that the format allows to write.
pub const KDF: KdfCost = KdfCost { memory_ki_b: 65_536, iterations: 3, parallelism: 1 };

pub fn world(seed: u64, store: &SimStore) -> SimWorld {
    SimWorld::new(seed, store)
}

pub fn options(zstd: bool, parity: Option<(u8, u8)>) -> InitOptions {
    InitOptions {
        compression: Compression { codec: if zstd { CodecName::Zstd } else { CodecName::Gzip }, level: 1 },
        chunking: Chunking { min: 1024, average: 4096, max: 16_384 },
        chunk_id: ChunkIdKind::Blake3,
        pack_size: 65_536,
        parity: parity.map(|(data, parity)| ParityScheme { data, parity }),
        kdf: KDF,
        exclusive_create: true,
    }
}

pub fn secret(encrypted: bool) -> Secret {
    if encrypted { Secret::Master(Zeroizing::new(MASTER)) } else { Secret::None }
}

pub fn passphrase(text: &str) -> Secret {
    Secret::Passphrase(Zeroizing::new(text.as_bytes().to_vec()))
}

pub fn try_init(world: &SimWorld, options: InitOptions, secret: Secret) -> Result<Arc<Repository>> {
    let w = world.clone();
    world.run(async move { init_verb::init(&w, secret, options, "test").await })
}

pub fn init(world: &SimWorld, options: InitOptions, encrypted: bool) -> Arc<Repository> {
    try_init(world, options, secret(encrypted)).unwrap()
}

pub fn open_with(world: &SimWorld, secret: Secret) -> Result<Arc<Repository>> {
    let w = world.clone();
    world.run(async move { open_verb::open(&w, secret).await })
}

pub fn open(world: &SimWorld, encrypted: bool) -> Result<Arc<Repository>> {
    open_with(world, secret(encrypted))
}

/// An ingest that is not polled yet.
pub fn ingesting(
    world: &SimWorld,
    repo: &Arc<Repository>,
    items: &[Vec<u8>],
) -> impl Future<Output = Result<Snapshot>> + Send + 'static {
    let source = Items::new(world, items, 50_000);
    ingesting_from(world, repo, source, items.len())
}

pub fn ingesting_from(
    world: &SimWorld,
    repo: &Arc<Repository>,
    source: Items,
    count: usize,
) -> impl Future<Output = Result<Snapshot>> + Send + 'static {
    let (w, r) = (world.clone(), repo.clone());
    let options = IngestOptions { items: specs(count), sha256: true, ..IngestOptions::default() };
    async move { ingest_verb::ingest(&w, &r, source, options).await }
}

fn specs(count: usize) -> Vec<ItemSpec> {
    (0..count).map(|i| ItemSpec { name: format!("item {i}"), kind: "stream".into() }).collect()
}

/// A backup of `content` in so many items, with a hold before each.
pub fn ingest_long(world: &SimWorld, repo: &Arc<Repository>, content: &[u8], items: usize) -> Result<Snapshot> {
    let parts: Vec<Vec<u8>> = content.chunks(content.len().div_ceil(items)).map(<[u8]>::to_vec).collect();
    let source = Items::new(world, &parts, 50_000);
    let options = IngestOptions { items: specs(parts.len()), hold_interval_ms: 0, ..IngestOptions::default() };
    let (w, r) = (world.clone(), repo.clone());
    world.run(async move { ingest_verb::ingest(&w, &r, source, options).await })
}

pub fn ingest(world: &SimWorld, repo: &Arc<Repository>, items: &[Vec<u8>]) -> Result<Snapshot> {
    world.run(ingesting(world, repo, items))
}

pub fn restore(
    world: &SimWorld,
    repo: &Arc<Repository>,
    id: &str,
    item: Option<&str>,
    ordered: bool,
) -> Result<Vec<u8>> {
    let (w, r) = (world.clone(), repo.clone());
    let sink = Collected::new(ordered);
    let options =
        RestoreOptions { snapshot: id.into(), item: item.map(str::to_owned), ordered, ..RestoreOptions::default() };
    let into = sink.clone();
    world.run(async move { restore_verb::restore(&w, &r, into, options).await })?;
    Ok(sink.take())
}

/// A restore that looks for rounds before each chunk.
pub fn restore_long(world: &SimWorld, repo: &Arc<Repository>, id: &str, ordered: bool) -> Result<Vec<u8>> {
    let (w, r) = (world.clone(), repo.clone());
    let sink = Collected::new(ordered);
    let options = RestoreOptions { snapshot: id.into(), ordered, hold_interval_ms: 0, ..RestoreOptions::default() };
    let into = sink.clone();
    world.run(async move { restore_verb::restore(&w, &r, into, options).await })?;
    Ok(sink.take())
}

/// Keeps so many snapshots.
pub fn keep(last: u32) -> PruneOptions {
    PruneOptions { policy: Policy { keep_last: Some(last), ..Policy::default() }, ..PruneOptions::default() }
}

/// The same, and leaves no unused byte where it can.
pub fn keep_only(last: u32) -> PruneOptions {
    PruneOptions { max_unused: 0.0, ..keep(last) }
}

pub fn prune(world: &SimWorld, repo: &Arc<Repository>, options: PruneOptions) -> Result<PruneResult> {
    let (w, r) = (world.clone(), repo.clone());
    world.run(async move { prune_verbs::prune(&w, &r, options).await })
}

/// Operations that look for rounds right after a hold was put.
pub fn looks_after_holds(operations: &[String]) -> Vec<usize> {
    let after_hold = |at: &usize| operations[*at].contains(" list gc/") && operations[at - 1].contains(".hold");
    (1..operations.len()).filter(after_hold).collect()
}

pub fn try_verify(world: &SimWorld, repo: &Arc<Repository>, level: Level) -> Result<VerifyResult> {
    let (w, r) = (world.clone(), repo.clone());
    world.run(async move { verify_verb::verify(&w, &r, VerifyOptions { level, sample: None }).await })
}

pub fn verify(world: &SimWorld, repo: &Arc<Repository>, level: Level) -> VerifyResult {
    try_verify(world, repo, level).unwrap()
}

pub fn repair(world: &SimWorld, repo: &Arc<Repository>) -> Result<RepairResult> {
    let (w, r) = (world.clone(), repo.clone());
    world.run(async move { repair_verb::repair(&w, &r).await })
}

pub fn reindex(world: &SimWorld, repo: &Arc<Repository>) -> Result<()> {
    let (w, r) = (world.clone(), repo.clone());
    world.run(async move { reindex_verb::reindex(&w, &r).await })
}

pub fn list(world: &SimWorld, repo: &Arc<Repository>) -> Result<Vec<Snapshot>> {
    let (w, r) = (world.clone(), repo.clone());
    world.run(async move { snapshots::list(&w, &r, &SnapshotFilter::default()).await })
}

pub fn add_key(world: &SimWorld, repo: &Arc<Repository>, text: &str) -> Result<String> {
    let (w, r, text) = (world.clone(), repo.clone(), text.as_bytes().to_vec());
    world.run(async move { key_verbs::add(&w, &r, &text, "added", KDF).await })
}

pub fn remove_key(world: &SimWorld, repo: &Arc<Repository>, id: &str) -> Result<()> {
    let (w, r, id) = (world.clone(), repo.clone(), id.to_owned());
    world.run(async move { key_verbs::remove(&w, &r, &id).await })
}

pub fn key_ids(world: &SimWorld, repo: &Arc<Repository>) -> Result<Vec<String>> {
    let (w, r) = (world.clone(), repo.clone());
    world.run(async move { Ok(key_verbs::list(&w, &r).await?.into_iter().map(|k| k.id).collect()) })
}
