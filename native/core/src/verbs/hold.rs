//! Holds (docs/format.md §13–15): what a long ingest or a restore asks deletion rounds to keep. Liveness only: what a writer relies on is
//! proved by its last look at the rounds, and what a reader gives is proved by ids.

use super::Repository;
use super::objects::put_small;
use crate::crypto::ring::ChunkId;
use crate::error::Result;
use crate::format::idx::Name;
use crate::format::snapshot::Hold;
use crate::format::{Kind, names, record};
use crate::world::{PutMode, World};

/// Bytes of a name in the body of a hold.
const NAME: usize = 67;
/// Bytes of a body at most, where memory allows it: more names make more holds.
const BODY: usize = 4 << 20;

/// The holds of one call. Each publication has names of its own: one that takes effect late must not replace a newer one.
pub struct Holder {
    interval_ms: u64,
    since_ms: i64,
    newest: Vec<String>,
    older: Vec<String>,
}

impl Holder {
    /// Nothing is held yet; the first hold is due after the interval.
    pub fn new<W: World>(world: &W, interval_ms: u64) -> Self {
        Self { interval_ms, since_ms: world.now_ms(), newest: Vec::new(), older: Vec::new() }
    }

    /// Whether the interval is over, by a clock that may be set: then it comes early, or with the next call.
    pub fn is_due<W: World>(&self, world: &W) -> bool {
        let passed = world.now_ms().checked_sub(self.since_ms).and_then(|ms| u64::try_from(ms).ok());
        passed.is_none_or(|ms| ms >= self.interval_ms)
    }

    /// Lets the interval begin again.
    pub fn rest<W: World>(&mut self, world: &W) {
        self.since_ms = world.now_ms();
    }

    /// Writer step 5: publishes what is held from now on.
    pub async fn put<W: World>(
        &mut self,
        world: &W,
        repo: &Repository,
        generation: u64,
        roots: &[ChunkId],
        packs: &[Name],
    ) -> Result<()> {
        self.older.append(&mut self.newest);
        let hex = |all: &[[u8; 32]]| all.iter().map(hex::encode).collect::<Vec<_>>();
        let most = (world.memory() / 16).min(BODY) / NAME;
        let parts = roots.chunks(most.max(1)).map(|roots| (hex(roots), Vec::new()));
        let parts = parts.chain(packs.chunks(most.max(1)).map(|packs| (Vec::new(), hex(packs))));
        for (roots, packs) in parts {
            let id = world.id16();
            let name = names::hold(generation, &id);
            let body = record::to_json(&Hold { version: 1, id: hex::encode(id), roots, packs })?;
            let stored = record::seal(&repo.ring, Kind::Hold, &name, generation, &world.id32(), &body)?;
            // One that may have come about is taken back, too.
            self.newest.push(name.clone());
            put_small(world, &name, &stored, PutMode::Overwrite).await?;
        }
        Ok(())
    }

    /// Takes back what was published before the newest. A courtesy: a hold ends with the next round but one anyway.
    pub async fn settle<W: World>(&mut self, world: &W) {
        let older = std::mem::take(&mut self.older);
        if !older.is_empty() {
            drop(world.delete(older).await);
        }
    }

    /// Takes everything back. A courtesy, too.
    pub async fn release<W: World>(&mut self, world: &W) {
        self.older.append(&mut self.newest);
        self.settle(world).await;
    }
}
