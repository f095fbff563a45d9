//! Listing and finding snapshots (docs/format.md §13, §14, §16).

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::{Repository, SnapshotFilter, rounds};
use crate::crypto::sha256;
use crate::error::{Code, Error, Result};
use crate::format::names::Generational;
use crate::format::snapshot::Snapshot;
use crate::format::{Kind, names, record, time};
use crate::index::list_all;
use crate::verbs::rounds::Rounds;
use crate::world::{ObjectInfo, World};

/// Requests in flight.
const PARALLEL: usize = 8;

/// All snapshots in force, and those of which no copy can be read.
#[derive(Default)]
pub struct Listing {
    /// Readable ones by id: the name under which each is in force, and its content.
    pub good: BTreeMap<String, (String, Arc<Snapshot>)>,
    /// The same, one for each object in force: name, content, and hash of the object.
    pub objects: Vec<(String, Arc<Snapshot>, [u8; 32])>,
    /// Logical names of the others, and why.
    pub broken: Vec<(String, Error)>,
}

/// Reads all snapshots in force.
pub async fn read_all<W: World>(world: &W, repo: &Repository, rounds: &Rounds) -> Result<Listing> {
    read_listed(world, repo, rounds, &list_all(world, "snapshots/", "").await?).await
}

/// Reads all snapshots in force of those that a listing shows.
pub async fn read_listed<W: World>(
    world: &W,
    repo: &Repository,
    rounds: &Rounds,
    objects: &[ObjectInfo],
) -> Result<Listing> {
    let mut listing = Listing::default();
    let mut names: BTreeMap<String, Generational> = BTreeMap::new();
    for object in objects {
        if let Some(entry) = names::parse_generational("snapshots", &object.key, &names::COPIES)
            && rounds.may_hold_snapshot(entry.generation, &entry.name)
        {
            names.entry(entry.name.clone()).or_insert(entry);
        }
    }
    let entries: Vec<_> = names.into_values().collect();
    for batch in entries.chunks(PARALLEL) {
        let got = join_all(batch.iter().map(|entry| read(world, repo, rounds, entry))).await;
        for (entry, got) in batch.iter().zip(got) {
            match got {
                Ok(Some((snapshot, hash))) => {
                    listing.good.insert(snapshot.id.clone(), (entry.name.clone(), snapshot.clone()));
                    listing.objects.push((entry.name.clone(), snapshot, hash));
                }
                Ok(None) => {}
                Err(e) if e.is_damage() => listing.broken.push((entry.name.clone(), e)),
                Err(e) => return Err(e),
            }
        }
    }
    listing.broken.retain(|(name, _)| {
        let id = names::parse_generational("snapshots", &format!("{name}.a"), &[".a"]).map(|g| hex::encode(g.id));
        id.is_none_or(|id| !listing.good.contains_key(&id))
    });
    Ok(listing)
}

/// One snapshot: either copy serves. `None` if what is there is void.
async fn read<W: World>(
    world: &W,
    repo: &Repository,
    rounds: &Rounds,
    entry: &Generational,
) -> Result<Option<(Arc<Snapshot>, [u8; 32])>> {
    let in_force = |found: (Arc<Snapshot>, [u8; 32])| {
        rounds.holds_snapshot(entry.generation, &entry.name, &found.1).then_some(found)
    };
    if let Some(known) = repo.known_snapshot(&entry.name) {
        return Ok(in_force(known));
    }
    let mut first = None;
    for suffix in names::COPIES {
        match read_copy(world, repo, entry, suffix).await {
            Ok((snapshot, hash)) => {
                let snapshot = Arc::new(snapshot);
                repo.remember_snapshot(&entry.name, snapshot.clone(), hash);
                return Ok(in_force((snapshot, hash)));
            }
            Err(e) if e.is_damage() => first = first.or(Some(e)),
            Err(e) => return Err(e),
        }
    }
    Err(first.unwrap_or_else(|| Error::new(Code::NotFound, format!("{} is gone.", entry.name))))
}

async fn read_copy<W: World>(
    world: &W,
    repo: &Repository,
    entry: &Generational,
    suffix: &str,
) -> Result<(Snapshot, [u8; 32])> {
    let key = format!("{}{suffix}", entry.name);
    let stored = world.get(&key, None, record::max_stored(Kind::Snapshot)).await?;
    let body = record::open(&repo.ring, Kind::Snapshot, &entry.name, stored.as_ref())?;
    Ok((Snapshot::decode(&entry.name, &entry.id, &body)?, sha256(stored.as_ref())))
}

/// Snapshots that pass the filter, oldest first. Broken ones are not among them; verify reports those.
pub async fn list<W: World>(world: &W, repo: &Repository, filter: &SnapshotFilter) -> Result<Vec<Snapshot>> {
    world.call().set_phase("reading snapshots");
    let rounds = rounds::read(world, &repo.ring).await?;
    let listing = read_all(world, repo, &rounds).await?;
    let passes = |s: &Snapshot| {
        let at = time::parse(&s.created_at);
        filter.tags.iter().all(|(name, value)| s.tags.get(name) == Some(value))
            && filter.after.is_none_or(|after| at.is_some_and(|at| at >= after))
            && filter.before.is_none_or(|before| at.is_some_and(|at| at <= before))
    };
    let mut all: Vec<Snapshot> =
        listing.good.into_values().filter(|(_, s)| passes(s)).map(|(_, s)| Snapshot::clone(&s)).collect();
    all.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
    Ok(all)
}

/// One snapshot by id, by a prefix that only one has, or the `latest`.
pub async fn get<W: World>(world: &W, repo: &Repository, id: &str) -> Result<Snapshot> {
    let mut all = list(world, repo, &SnapshotFilter::default()).await?;
    if id == "latest" {
        return all.pop().ok_or_else(|| Error::new(Code::NotFound, "There is no snapshot in this repository yet."));
    }
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Error::invalid(format!("{id:?} is not a snapshot id: give its hex digits, or latest.")));
    }
    let wanted = id.to_ascii_lowercase();
    let mut found: Vec<Snapshot> = all.into_iter().filter(|s| s.id.starts_with(&wanted)).collect();
    match found.len() {
        0 => Err(Error::new(
            Code::NotFound,
            format!("There is no snapshot {id} here. List them with `packvault snapshots`."),
        )),
        1 => found.pop().ok_or_else(|| Error::new(Code::Internal, "a snapshot vanished")),
        n => {
            let ids: Vec<String> = found.iter().map(|s| s.id[..s.id.len().min(wanted.len() + 6)].to_owned()).collect();
            Err(Error::invalid(format!(
                "{id} is the start of {n} snapshot ids ({}). Give more digits.",
                ids.join(", ")
            )))
        }
    }
}
