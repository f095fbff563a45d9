//! What a round looks at: snapshots, holds and idx in force, and the objects of `packs/`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::reach::{Reach, reach};
use crate::crypto::ring::ChunkId;
use crate::crypto::sha256;
use crate::error::{Code, Error, Result};
use crate::format::gc::Listed;
use crate::format::idx::Name;
use crate::format::snapshot::{Hold, Snapshot};
use crate::format::{Kind, names, record, time};
use crate::index::{Index, list_all};
use crate::verbs::heal::optional;
use crate::verbs::objects::put_small;
use crate::verbs::rounds::Rounds;
use crate::verbs::{Repository, View, snapshots};
use crate::world::{ObjectInfo, PutMode, World};

/// A snapshot in force.
#[derive(Clone)]
pub struct Held {
    /// Logical name.
    pub name: String,
    /// Its generation.
    pub generation: u64,
    /// SHA-256 of the object.
    pub hash: [u8; 32],
    /// Effective time for retention, milliseconds since 1970.
    pub time: i64,
    /// What it says.
    pub snapshot: Arc<Snapshot>,
    /// Of a lone copy: the suffix that is there, and the one that is not.
    lone: Option<(&'static str, &'static str)>,
}

/// The repository as a round sees it.
pub struct Survey {
    /// Rounds and idx.
    pub view: View,
    /// Snapshots in force, oldest first.
    pub snapshots: Vec<Held>,
    /// Holds in force that can be read.
    pub holds: Vec<Hold>,
}

impl Survey {
    /// Lists snapshots, **then** idx. Refuses where one in force can't be read: nothing may be deleted on a guess.
    pub async fn take<W: World>(world: &W, repo: &Arc<Repository>, rounds: &Rounds) -> Result<Self> {
        let objects = list_all(world, "snapshots/", "").await?;
        let listing = snapshots::read_all(world, repo, rounds).await?;
        if let Some((name, error)) = listing.broken.first() {
            return Err(unreadable(name, error));
        }
        let holds = read_holds(world, repo, rounds, &objects).await?;
        let view = repo.view_at(world, rounds.clone()).await?;
        if let Some((name, error)) = view.unreadable.first() {
            return Err(unreadable(name, error));
        }
        let mut held = Vec::new();
        for name in listing.names {
            let entry = names::parse_generational("snapshots", &format!("{name}.a"), &[".a"]);
            let (Some(entry), Some((snapshot, hash))) = (entry, repo.known_snapshot(&name)) else { continue };
            if rounds.holds_snapshot(entry.generation, &name, &hash) {
                let time = effective_time(rounds, &objects, &name, &snapshot);
                let lone = lone(&objects, &name);
                held.push(Held { name, generation: entry.generation, hash, time, snapshot, lone });
            }
        }
        held.sort_by(|a, b| (a.time, &a.snapshot.id, &a.name).cmp(&(b.time, &b.snapshot.id, &b.name)));
        Ok(Self { view, snapshots: held, holds })
    }

    /// Puts the second copy of every snapshot that has one only: its writer was stopped between the two.
    pub async fn complete_copies<W: World>(&self, world: &W) -> Result<()> {
        for held in &self.snapshots {
            let Some((have, lack)) = held.lone else { continue };
            let key = format!("{}{have}", held.name);
            let Some(stored) = optional(world.get(&key, None, record::max_stored(Kind::Snapshot)).await)? else {
                continue;
            };
            if sha256(stored.as_ref()) == held.hash {
                put_small(world, &format!("{}{lack}", held.name), stored.as_ref(), PutMode::Overwrite).await?;
            }
        }
        Ok(())
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> &Arc<Index> {
        &self.view.index
    }

    /// What all snapshots but the forgotten ones need. `CORRUPT` where a chunk of one is named by no idx in force.
    pub async fn needed<W: World>(
        &self,
        world: &W,
        repo: &Arc<Repository>,
        forgotten: &BTreeSet<String>,
    ) -> Result<Reach> {
        let mut needed = Reach::new(self.index());
        let kept = self.snapshots.iter().filter(|held| !forgotten.contains(&held.snapshot.id));
        let items = kept.flat_map(|held| &held.snapshot.items);
        let roots: Vec<ChunkId> = items.map(crate::format::snapshot::Item::root_id).collect::<Result<_>>()?;
        reach(world, repo, self.index(), &mut needed, roots).await?;
        if let Some(id) = needed.unnamed.first() {
            return Err(Error::corrupt(
                "A snapshot needs a chunk that no index names. Nothing was deleted. Run repair, then prune again.",
            )
            .with("chunk", hex::encode(id)));
        }
        // A hold protects; whether what it names is whole is its owner's to find out.
        let roots: Vec<ChunkId> = self.holds.iter().flat_map(|h| &h.roots).filter_map(|r| names::hash(r)).collect();
        let mut held = Reach::new(self.index());
        match reach(world, repo, self.index(), &mut held, roots).await {
            Err(e) if e.is_damage() => {}
            other => other?,
        }
        needed.rows.join(&held.rows);
        Ok(needed)
    }

    /// Packs that holds name.
    #[must_use]
    pub fn held_packs(&self) -> BTreeSet<Name> {
        self.holds.iter().flat_map(|hold| &hold.packs).filter_map(|name| names::hash(name)).collect()
    }

    /// What the next checkpoint lists of the snapshots.
    #[must_use]
    pub fn listed(&self, forgotten: &BTreeSet<String>) -> Vec<Listed> {
        let n = self.view.rounds.n;
        let kept = self.snapshots.iter().filter(|h| h.generation <= n && !forgotten.contains(&h.snapshot.id));
        kept.map(|held| Listed {
            key: held.name.clone(),
            sha256: hex::encode(held.hash),
            time: Some(time::format(held.time)),
        })
        .collect()
    }
}

fn lone(objects: &[ObjectInfo], name: &str) -> Option<(&'static str, &'static str)> {
    let has = |suffix: &str| objects.iter().any(|object| object.key.strip_prefix(name) == Some(suffix));
    match (has(".a"), has(".b")) {
        (true, false) => Some((".a", ".b")),
        (false, true) => Some((".b", ".a")),
        _ => None,
    }
}

/// min(createdAt, storage time when first seen); what a checkpoint says of a snapshot stays.
fn effective_time(rounds: &Rounds, objects: &[ObjectInfo], name: &str, snapshot: &Snapshot) -> i64 {
    if let Some(listed) = rounds.snapshot_time(name) {
        return listed;
    }
    let stored = objects.iter().filter(|o| o.key.starts_with(name)).map(|o| o.modified_ms).min();
    let created = time::parse(&snapshot.created_at);
    created.into_iter().chain(stored).min().unwrap_or(0)
}

async fn read_holds<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    rounds: &Rounds,
    objects: &[ObjectInfo],
) -> Result<Vec<Hold>> {
    let mut holds = Vec::new();
    for object in objects {
        let Some(entry) = names::parse_generational("snapshots", &object.key, &[".hold"]) else { continue };
        if entry.generation < rounds.n {
            continue;
        }
        let Some(stored) = optional(world.get(&object.key, None, record::max_stored(Kind::Hold)).await)? else {
            continue;
        };
        let opened = record::open(&repo.ring, Kind::Hold, &object.key, stored.as_ref());
        if let Ok(hold) = opened.and_then(|body| record::json::<Hold>(&object.key, &body)) {
            holds.push(hold);
        }
    }
    Ok(holds)
}

fn unreadable(name: &str, error: &Error) -> Error {
    let message = format!(
        "{name} can't be read, so nobody can tell what it needs: {} Nothing was deleted. Run repair, then prune again.",
        error.message
    );
    let code = if error.is_damage() { Code::Corrupt } else { error.code };
    Error::new(code, message).with("key", name)
}

/// Objects of `packs/`: packs and parity objects by name, and what is neither.
#[derive(Default)]
pub struct Stored {
    /// Packs.
    pub packs: BTreeMap<Name, ObjectInfo>,
    /// Parity objects.
    pub parity: BTreeMap<Name, ObjectInfo>,
}

impl Stored {
    /// Lists them. Foreign objects are left alone.
    pub async fn list<W: World>(world: &W) -> Result<Self> {
        let mut stored = Self::default();
        for object in list_all(world, "packs/", "").await? {
            if let Some(name) = names::parse_pack(&object.key) {
                stored.packs.insert(name, object);
            } else if let Some(name) = names::parse_parity(&object.key) {
                stored.parity.insert(name, object);
            }
        }
        Ok(stored)
    }
}
