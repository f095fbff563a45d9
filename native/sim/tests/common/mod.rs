//! Short ways to the verbs.
#![allow(dead_code, reason = "each test uses some of it")]

use std::sync::Arc;

use packvault_core::error::Result;
use packvault_core::format::config::{ChunkIdKind, Chunking, CodecName, Compression, ParityScheme};
use packvault_core::format::snapshot::Snapshot;
use packvault_core::verbs::{IngestOptions, InitOptions, ItemSpec, KdfCost, Repository, RestoreOptions, Secret};
use packvault_core::verbs::{ingest as ingest_verb, init as init_verb, open as open_verb, restore as restore_verb};
use packvault_sim::{Collected, Items, SimStore, SimWorld};
use zeroize::Zeroizing;

pub const MASTER: [u8; 32] = [7; 32];

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
        kdf: KdfCost::default(),
        exclusive_create: true,
    }
}

pub fn secret(encrypted: bool) -> Secret {
    if encrypted { Secret::Master(Zeroizing::new(MASTER)) } else { Secret::None }
}

pub fn init(world: &SimWorld, options: InitOptions, encrypted: bool) -> Arc<Repository> {
    let w = world.clone();
    world.run(async move { init_verb::init(&w, secret(encrypted), options, "test").await }).unwrap()
}

pub fn open(world: &SimWorld, encrypted: bool) -> Result<Arc<Repository>> {
    let w = world.clone();
    world.run(async move { open_verb::open(&w, secret(encrypted)).await })
}

pub fn ingest(world: &SimWorld, repo: &Arc<Repository>, items: &[Vec<u8>]) -> Result<Snapshot> {
    let (w, r) = (world.clone(), repo.clone());
    let source = Items::new(world, items, 50_000);
    let items = (0..items.len()).map(|i| ItemSpec { name: format!("item {i}"), kind: "stream".into() }).collect();
    let options = IngestOptions { items, tags: Default::default(), sha256: true };
    world.run(async move { ingest_verb::ingest(&w, &r, source, options).await })
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
