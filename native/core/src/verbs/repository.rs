//! An opened repository: what every verb starts from.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::chunk::cutter::Cutter;
use crate::crypto::ring::KeyRing;
use crate::error::{Code, Error, Result};
use crate::format::config::Config;
use crate::format::parity::Description;
use crate::format::snapshot::Snapshot;
use crate::index::{Index, Loader};
use crate::kernels::Kernels;
use crate::verbs::rollback::Seen;
use crate::verbs::rounds::{self, Rounds};
use crate::world::World;

/// A repository that was opened with its key. Immutable but for what it has learned of the store.
pub struct Repository {
    /// How it works.
    pub config: Config,
    /// Its keys.
    pub ring: KeyRing,
    /// Cuts streams into chunks.
    pub cutter: Cutter,
    /// The vector kernels of this machine.
    pub kernels: Kernels,
    known: Mutex<Known>,
}

/// What was learned; all of it can be read again.
#[derive(Default)]
struct Known {
    index: Arc<Index>,
    snapshots: std::collections::BTreeMap<String, (Arc<Snapshot>, [u8; 32])>,
    /// Newest last.
    descriptions: VecDeque<Arc<Description>>,
    seen: Option<Seen>,
}

/// Descriptions of parity groups that are kept: healing comes back to the same few groups, chunk by chunk.
const DESCRIPTIONS: usize = 8;

/// The repository at one moment: rounds, then idx.
#[derive(Clone)]
pub struct View {
    /// Newest rounds.
    pub rounds: Rounds,
    /// Idx in force.
    pub index: Arc<Index>,
    /// Idx in force that can't be read, and why.
    pub unreadable: Vec<(String, Error)>,
}

impl View {
    /// By pack ordinal: whether a writer may rely on it.
    #[must_use]
    pub fn relied(&self) -> Vec<bool> {
        self.index.packs().iter().map(|pack| self.rounds.relies_on(pack)).collect()
    }
}

impl Repository {
    /// A repository with this config and these keys.
    pub fn new(config: Config, ring: KeyRing, kernels: Kernels) -> Result<Self> {
        let cutter = Cutter::new(config.chunk_params(), ring.gear_table(), kernels.scan)?;
        Ok(Self { config, ring, cutter, kernels, known: Mutex::default() })
    }

    /// Reads rounds, as every verb does first. `ROLLED_BACK` if they do not follow from those that this client has seen.
    pub async fn rounds<W: World>(&self, world: &W) -> Result<Rounds> {
        // What other verbs see from now on may be newer than the listing.
        let seen = self.seen();
        let rounds = rounds::read(world, &self.ring, seen).await?;
        let mut known = self.lock();
        if known.seen.is_none_or(|seen| rounds.n > seen.round) {
            known.seen = Some(Seen { round: rounds.n, hash: rounds.hash });
        }
        Ok(rounds)
    }

    /// The newest checkpoint that was seen, if rounds were read or something is expected.
    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        self.lock().seen
    }

    /// Says what this client has seen before.
    pub fn expect(&self, seen: Seen) {
        self.lock().seen = Some(seen);
    }

    /// Reads rounds, then idx: what a reader or writer starts from.
    pub async fn view<W: World>(&self, world: &W) -> Result<View> {
        let mut view = self.view_at(world, self.rounds(world).await?).await?;
        // An idx that was listed and is gone was made void by a round meanwhile, unless no round came.
        while view.unreadable.iter().any(|(_, error)| error.code == Code::NotFound) {
            let rounds = self.rounds(world).await?;
            if rounds.n == view.rounds.n {
                break;
            }
            view = self.view_at(world, rounds).await?;
        }
        Ok(view)
    }

    /// Reads idx for rounds that were read just before.
    pub async fn view_at<W: World>(&self, world: &W, rounds: Rounds) -> Result<View> {
        let known = self.lock().index.clone();
        let (index, unreadable) = Loader { world, ring: &self.ring, rounds: &rounds }.refresh(known).await?;
        self.lock().index = index.clone();
        Ok(View { rounds, index, unreadable })
    }

    /// A snapshot that was read before, under this logical name.
    #[must_use]
    pub fn known_snapshot(&self, name: &str) -> Option<(Arc<Snapshot>, [u8; 32])> {
        self.lock().snapshots.get(name).cloned()
    }

    /// Remembers a snapshot: it never changes.
    pub fn remember_snapshot(&self, name: &str, snapshot: Arc<Snapshot>, hash: [u8; 32]) {
        self.lock().snapshots.insert(name.to_owned(), (snapshot, hash));
    }

    /// The description of a parity group that was read before. Groups with the same members may have other rows.
    #[must_use]
    pub fn known_description(&self, speaks: impl Fn(&Description) -> bool) -> Option<Arc<Description>> {
        self.lock().descriptions.iter().find(|known| speaks(known)).cloned()
    }

    /// Remembers a description: what it says of its group never changes.
    pub fn remember_description(&self, description: Arc<Description>) {
        let mut known = self.lock();
        if known.descriptions.len() >= DESCRIPTIONS {
            known.descriptions.pop_front();
        }
        known.descriptions.push_back(description);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
