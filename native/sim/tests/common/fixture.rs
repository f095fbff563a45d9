//! Repositories with known contents, and the oracle that they are whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use packvault_core::verbs::Repository;
use packvault_sim::{Random, SimStore, SimWorld};

use super::{ingest, init, list, open, options, restore, world};

/// A repository and what its snapshots must give, by snapshot id.
pub struct Fixture {
    pub store: SimStore,
    pub world: SimWorld,
    pub encrypted: bool,
    /// Contents of the acknowledged snapshots, oldest first.
    pub acknowledged: Vec<(String, Vec<u8>)>,
}

/// How a fixture is made.
#[derive(Clone, Copy)]
pub struct Shape {
    pub seed: u64,
    pub parity: Option<(u8, u8)>,
    pub encrypted: bool,
    /// Bytes of the first snapshot; the second has a few changes.
    pub len: usize,
}

impl Shape {
    pub fn new(seed: u64, parity: Option<(u8, u8)>, encrypted: bool) -> Self {
        Self { seed, parity, encrypted, len: 600_000 }
    }

    pub fn len(self, len: usize) -> Self {
        Self { len, ..self }
    }

    /// Contents of the first and second snapshot.
    pub fn contents(self) -> [Vec<u8>; 2] {
        let mut first = vec![0; self.len];
        Random::new(self.seed).fill(&mut first);
        let mut second = first.clone();
        for part in [1, 3, 5] {
            let at = self.len / 6 * part;
            second.splice(at..at, Random::new(self.seed + at as u64).text(700));
        }
        [first, second]
    }

    /// A repository with two snapshots, the second with a few changes.
    pub fn make(self) -> Fixture {
        let store = SimStore::default();
        let world = world(self.seed, &store);
        let repo = init(&world, options(true, self.parity), self.encrypted);
        let mut acknowledged = Vec::new();
        for content in self.contents() {
            let snapshot = ingest(&world, &repo, std::slice::from_ref(&content)).unwrap();
            acknowledged.push((snapshot.id, content));
            world.clock.fetch_add(60_000, Ordering::Relaxed);
        }
        Fixture { store, world, encrypted: self.encrypted, acknowledged }
    }
}

impl Fixture {
    /// The same repository as a new process sees it: nothing cached, nothing armed.
    pub fn restarted(&self, seed: u64) -> SimWorld {
        let world = SimWorld::new(seed, &self.store);
        world.clock.store(self.world.clock.load(Ordering::Relaxed), Ordering::Relaxed);
        world
    }

    pub fn open(&self) -> Arc<Repository> {
        open(&self.world, self.encrypted).unwrap()
    }

    /// Every acknowledged snapshot comes back byte for byte, in order and out of order; says what does not.
    pub fn check(&self, world: &SimWorld) -> Result<(), String> {
        let repo = open(world, self.encrypted).map_err(|e| format!("open: {e}"))?;
        whole(world, &repo, &self.acknowledged)
    }

    pub fn assert_whole(&self, what: &str) {
        if let Err(error) = self.check(&self.restarted(1)) {
            panic!("{what}: {error}");
        }
    }

    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.store.snapshot()
    }
}

/// The oracle of acknowledged snapshots: each is listed and restores byte for byte.
pub fn whole(world: &SimWorld, repo: &Arc<Repository>, acknowledged: &[(String, Vec<u8>)]) -> Result<(), String> {
    let listed: Vec<String> = list(world, repo).map_err(|e| format!("list: {e}"))?.into_iter().map(|s| s.id).collect();
    for (id, content) in acknowledged {
        if !listed.contains(id) {
            return Err(format!("snapshot {id} is not listed"));
        }
        for ordered in [true, false] {
            match restore(world, repo, id, None, ordered) {
                Ok(got) if got == *content => {}
                Ok(_) => return Err(format!("WRONG BYTES from snapshot {id}")),
                Err(e) => return Err(format!("snapshot {id}: {e}")),
            }
        }
    }
    Ok(())
}
