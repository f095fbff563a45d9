//! What a long read knows of the store. A prune beside it may move or delete what the idx named that it began with; then it looks again.

use std::sync::{Arc, Mutex, PoisonError};

use super::fetch::rescue;
use super::{Repository, snapshots};
use crate::crypto::ring::ChunkId;
use crate::error::{Code, Error, Result};
use crate::index::{Index, Location};
use crate::world::World;

/// The idx in force, as one read of one snapshot last saw them.
pub struct Current<W: World> {
    world: W,
    repo: Arc<Repository>,
    snapshot: String,
    index: Mutex<Arc<Index>>,
    looking: futures_util::lock::Mutex<()>,
}

impl<W: World> Current<W> {
    /// Reads rounds and idx. `snapshot`: the whole id of what is read.
    pub async fn read(world: &W, repo: &Arc<Repository>, snapshot: &str) -> Result<Self> {
        let index = Mutex::new(repo.view(world).await?.index);
        let looking = futures_util::lock::Mutex::default();
        Ok(Self { world: world.clone(), repo: repo.clone(), snapshot: snapshot.to_owned(), index, looking })
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
        let now = self.repo.view(&self.world).await?.index;
        self.check_in_force().await?;
        let changed = differ(&now, used);
        *self.newest() = now;
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
