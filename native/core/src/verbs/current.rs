//! What a long read knows of the store. A prune beside it may move or delete what the idx named that it began with; then it looks again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::fetch::rescue;
use super::hold::Holder;
use super::{Repository, rounds, snapshots};
use crate::crypto::ring::ChunkId;
use crate::error::{Code, Error, Result};
use crate::index::{Index, Location};
use crate::world::World;

/// How often a hold may be overtaken by rounds before the read goes on without.
const TRIES: usize = 4;

/// The idx in force, as one read of one snapshot last saw them. What the snapshot needs is held, where the store lets us: then the read goes
/// on even if a prune forgets the snapshot meanwhile.
pub struct Current<W: World> {
    world: W,
    repo: Arc<Repository>,
    snapshot: String,
    roots: Vec<ChunkId>,
    index: Mutex<Arc<Index>>,
    looking: futures_util::lock::Mutex<()>,
    holder: futures_util::lock::Mutex<Holder>,
    /// Under which generation it holds; [`NOTHING`] if the store does not let it.
    held: AtomicU64,
    /// Whether rounds have moved since.
    moved: AtomicBool,
}

const NOTHING: u64 = u64::MAX;

impl<W: World> Current<W> {
    /// Reads rounds and idx, and holds what these roots need. `snapshot`: the whole id of what is read.
    pub async fn read(
        world: &W,
        repo: &Arc<Repository>,
        snapshot: &str,
        roots: Vec<ChunkId>,
        hold_interval_ms: u64,
    ) -> Result<Self> {
        let current = Self {
            world: world.clone(),
            repo: repo.clone(),
            snapshot: snapshot.to_owned(),
            roots,
            index: Mutex::default(),
            looking: futures_util::lock::Mutex::default(),
            holder: futures_util::lock::Mutex::new(Holder::new(world, hold_interval_ms)),
            held: AtomicU64::new(NOTHING),
            moved: AtomicBool::new(false),
        };
        let done = current.hold(&mut *current.holder.lock().await).await;
        match done {
            Ok(()) => Ok(current),
            Err(error) => {
                current.release().await;
                Err(error)
            }
        }
    }

    /// Reads rounds and idx, and holds under their generation. Where a round began before the hold was there, again.
    async fn hold(&self, holder: &mut Holder) -> Result<()> {
        for _ in 0..TRIES {
            let view = self.repo.view(&self.world).await?;
            *self.newest() = view.index;
            let generation = view.rounds.r;
            if self.held.load(Ordering::Relaxed) == generation {
                break;
            }
            let done = holder.put(&self.world, &self.repo, generation, &self.roots, &[]).await;
            let refused = |e: &Error| matches!(e.code, Code::PermissionDenied | Code::Unsupported | Code::OutOfSpace);
            let held = match done {
                Err(e) if refused(&e) => NOTHING,
                other => other.map(|()| generation)?,
            };
            self.held.store(held, Ordering::Relaxed);
            if held == NOTHING {
                break;
            }
            if !self.has_newer(generation).await? {
                holder.settle(&self.world).await;
                break;
            }
        }
        holder.rest(&self.world);
        Ok(())
    }

    /// Damaged rounds keep nobody from reading.
    async fn has_newer(&self, generation: u64) -> Result<bool> {
        match rounds::has_newer(&self.world, &self.repo.ring, generation).await {
            Err(e) if e.is_damage() => Ok(false),
            other => other,
        }
    }

    /// Holds anew if rounds have moved; looks for them if it is time to. To be called by who has no block: it waits for one.
    pub async fn keep(&self) -> Result<()> {
        let Some(mut holder) = self.holder.try_lock() else { return Ok(()) };
        let held = self.held.load(Ordering::Relaxed);
        if held == NOTHING {
            return Ok(());
        }
        if holder.is_due(&self.world) {
            holder.rest(&self.world);
            if self.has_newer(held).await? {
                self.moved.store(true, Ordering::Relaxed);
            }
        }
        if self.moved.swap(false, Ordering::Relaxed) { self.hold(&mut holder).await } else { Ok(()) }
    }

    /// Takes the hold back: nothing more is read.
    pub async fn release(&self) {
        self.holder.lock().await.release(&self.world).await;
    }

    /// The newest index that was read.
    #[must_use]
    pub fn index(&self) -> Arc<Index> {
        self.newest().clone()
    }

    /// The raw bytes of a chunk that `tried`, a place of the index `used`, did not give; and whether they were where they should be,
    /// after a prune had moved them. `CORRUPT` if it is lost; `CONFLICT` if a prune removed the snapshot.
    pub async fn chunk(&self, used: &Arc<Index>, id: &ChunkId, tried: Option<Location>) -> Result<(Vec<u8>, bool)> {
        let (mut index, mut tried, mut moved) = (used.clone(), tried, false);
        loop {
            let newest = self.index();
            if differ(&newest, &index) {
                (index, tried, moved) = (newest, None, true);
            }
            match rescue(&self.world, &self.repo, &index, id, tried).await {
                Ok(raw) => return Ok((raw, moved)),
                Err(e) if e.is_damage() => {
                    if !self.look_again(&index).await? {
                        return Err(e);
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads rounds and idx again. Whether others than `used` are in force now.
    async fn look_again(&self, used: &Arc<Index>) -> Result<bool> {
        // One of those that wait finds out for all.
        let _one = self.looking.lock().await;
        if differ(&self.index(), used) {
            return Ok(true);
        }
        let view = self.repo.view(&self.world).await?;
        let (changed, held) = (differ(&view.index, used), self.held.load(Ordering::Relaxed));
        self.moved.fetch_or(held != view.rounds.r, Ordering::Relaxed);
        // A snapshot that was forgotten can still be read while it is held.
        if !changed || held == NOTHING {
            self.check_in_force().await?;
        }
        *self.newest() = view.index;
        Ok(changed)
    }

    async fn check_in_force(&self) -> Result<()> {
        match snapshots::get(&self.world, &self.repo, &self.snapshot).await {
            Err(e) if e.code == Code::NotFound => Err(Error::new(
                Code::Conflict,
                format!(
                    "Snapshot {} was removed by a prune while it was read. No wrong bytes were returned. Choose another snapshot.",
                    self.snapshot
                ),
            )),
            Err(e) => Err(e),
            Ok(_) => Ok(()),
        }
    }

    fn newest(&self) -> std::sync::MutexGuard<'_, Arc<Index>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether two indexes are of other idx.
fn differ(a: &Arc<Index>, b: &Arc<Index>) -> bool {
    !Arc::ptr_eq(a, b) && !a.loaded().keys().eq(b.loaded().keys())
}
