//! A repository that has one of everything, for damage.

use std::collections::BTreeMap;
use std::sync::Arc;

use packvault_core::error::Result;
use packvault_core::format::{names, record, time};
use packvault_core::verbs::{LockInfo, Repository, Secret, locks};
use packvault_sim::{Random, SimStore, SimWorld};

use super::pruner::{Pruner, Wish};
use super::regions::Kind;
use super::{ingest, open_with, options, passphrase, try_init, world};

/// Contents and ids of snapshots, and all objects.
pub struct Museum {
    pub store: SimStore,
    pub objects: BTreeMap<String, Vec<u8>>,
    pub snapshots: Vec<(String, Vec<u8>)>,
    pub repo: Arc<Repository>,
    master: [u8; 32],
}

pub const PASSPHRASE: &str = "museum";

impl Museum {
    /// Two key files, three snapshots, packs in groups of three with two parity objects each, two finished rounds and an open one, a lock.
    pub fn new(seed: u64) -> Self {
        let store = SimStore::default();
        let one = world(seed, &store);
        let repo = try_init(&one, options(true, Some((3, 2))), passphrase(PASSPHRASE)).unwrap();
        super::add_key(&one, &repo, "another").unwrap();
        let mut snapshots = Vec::new();
        let mut content = vec![0; 135_000];
        Random::new(seed).fill(&mut content);
        for number in 0..3 {
            content.splice(40_000 * number..40_000 * number + 10, Random::new(seed + number as u64).text(4_000));
            let snapshot = ingest(&one, &repo, std::slice::from_ref(&content)).unwrap();
            snapshots.push((snapshot.id, content.clone()));
            one.clock.fetch_add(60_000, std::sync::atomic::Ordering::Relaxed);
            if number == 0 {
                let pruner = Pruner::new(&repo, seed);
                assert!(pruner.round(&store, &Wish::default()) && pruner.round(&store, &Wish::default()));
            }
        }
        Pruner::new(&repo, seed + 1).condemn(&store, &Wish::default());
        let lock = LockInfo {
            id: hex::encode([9; 16]),
            host: "museum".into(),
            pid: 7,
            verb: "ingest".into(),
            since: time::format(0),
            refreshed_at: String::new(),
            stale: false,
        };
        let (w, r) = (one.clone(), repo.clone());
        one.run(async move { locks::announce(&w, &r, &[9; 16], &lock).await }).unwrap();
        let master = **repo.ring.master().unwrap();
        Self { objects: store.snapshot(), store, snapshots, repo, master }
    }

    /// A process that has seen nothing yet. Its clock is the store's, so that the lock is fresh.
    pub fn process(&self, seed: u64) -> SimWorld {
        SimWorld::new(seed, &self.store)
    }

    /// The repository by its master key: deriving that from a passphrase takes a tenth of a second.
    pub fn open(&self, world: &SimWorld) -> Result<Arc<Repository>> {
        open_with(world, Secret::Master(zeroize::Zeroizing::new(self.master)))
    }

    /// Keys of objects of a kind.
    pub fn keys(&self, kind: Kind) -> Vec<&String> {
        self.objects.keys().filter(|key| Kind::of(key) == Some(kind)).collect()
    }

    /// Whether a gc record is one of those that say what is in force now.
    pub fn is_newest(&self, kind: Kind, key: &str) -> bool {
        self.keys(kind).iter().rev().take(2).any(|newest| *newest == key)
    }

    /// A snapshot's second copy with another content, sealed under the same name: what only a defect or a holder of the key could write.
    pub fn forged_snapshot(&self, key: &str) -> Vec<u8> {
        let entry = names::parse_generational("snapshots", key, &names::COPIES).unwrap();
        let kind = packvault_core::format::Kind::Snapshot;
        let body = record::open(&self.repo.ring, kind, &entry.name, &self.objects[key]).unwrap();
        let text = String::from_utf8(body).unwrap().replace("\"tags\":{}", "\"tags\":{\"forged\":\"yes\"}");
        record::seal(&self.repo.ring, kind, &entry.name, entry.generation, &[3; 32], text.as_bytes()).unwrap()
    }
}
