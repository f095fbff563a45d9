//! Listing and finding snapshots (docs/format.md §13, §14, §16).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::{Repository, SnapshotFilter};
use crate::crypto::sha256;
use crate::error::{Code, Error, Result};
use crate::format::names::Generational;
use crate::format::snapshot::Snapshot;
use crate::format::{Kind, names, record, time};
use crate::index::list_all;
use crate::verbs::rounds::Rounds;
use crate::world::World;

/// Requests in flight.
const PARALLEL: usize = 8;

/// All snapshots in force, and those of which no copy can be read.
#[derive(Default)]
pub struct Listing {
    /// Logical names of all that were there.
    pub names: BTreeSet<String>,
    /// Readable ones by id: the name under which each is in force, and its content.
    pub good: BTreeMap<String, (String, Arc<Snapshot>)>,
    /// Logical names of the others, and why: damaged, or written by a newer packvault.
    pub broken: Vec<(String, Error)>,
}

/// Reads all snapshots in force.
pub async fn read_all<W: World>(world: &W, repo: &Repository, rounds: &Rounds) -> Result<Listing> {
    read_some(world, repo, rounds, |_| true).await
}

/// Reads those snapshots in force whose id, in hex, is `wanted`.
async fn read_some<W: World>(
    world: &W,
    repo: &Repository,
    rounds: &Rounds,
    wanted: impl Fn(&str) -> bool,
) -> Result<Listing> {
    let mut names: BTreeMap<String, Generational> = BTreeMap::new();
    for object in list_all(world, "snapshots/", "").await? {
        if let Some(entry) = names::parse_generational("snapshots", &object.key, &names::COPIES)
            && rounds.may_hold_snapshot(entry.generation, &entry.name)
            && wanted(&hex::encode(entry.id))
        {
            names.entry(entry.name.clone()).or_insert(entry);
        }
    }
    let mut listing = Listing { names: names.keys().cloned().collect(), ..Listing::default() };
    let entries: Vec<_> = names.into_values().collect();
    for batch in entries.chunks(PARALLEL) {
        let got = join_all(batch.iter().map(|entry| read(world, repo, rounds, entry))).await;
        for (entry, got) in batch.iter().zip(got) {
            match got {
                Ok(Some(snapshot)) => {
                    listing.good.insert(snapshot.id.clone(), (entry.name.clone(), snapshot));
                }
                Ok(None) => {}
                // One that only a newer packvault can read must not hide the others.
                Err(e) if e.is_damage() || e.code == Code::FormatTooNew => listing.broken.push((entry.name.clone(), e)),
                Err(e) => return Err(e),
            }
        }
    }
    listing.broken.retain(|(name, _)| id_of(name).is_none_or(|id| !listing.good.contains_key(&id)));
    Ok(listing)
}

/// The id in a logical name.
fn id_of(name: &str) -> Option<String> {
    names::parse_generational("snapshots", &format!("{name}.a"), &[".a"]).map(|g| hex::encode(g.id))
}

/// One snapshot: either copy serves. `None` if what is there is void.
async fn read<W: World>(
    world: &W,
    repo: &Repository,
    rounds: &Rounds,
    entry: &Generational,
) -> Result<Option<Arc<Snapshot>>> {
    if let Some((snapshot, hash)) = repo.known_snapshot(&entry.name) {
        return Ok(rounds.holds_snapshot(entry.generation, &entry.name, &hash).then_some(snapshot));
    }
    let (mut first, mut void) = (None, false);
    for suffix in names::COPIES {
        match read_copy(world, repo, entry, suffix).await {
            Ok((snapshot, hash)) if rounds.holds_snapshot(entry.generation, &entry.name, &hash) => {
                let snapshot = Arc::new(snapshot);
                repo.remember_snapshot(&entry.name, snapshot.clone(), hash);
                return Ok(Some(snapshot));
            }
            Ok(_) => void = true,
            Err(e) if e.is_damage() => first = first.or(Some(e)),
            Err(e) => return Err(e),
        }
    }
    match first {
        Some(error) => Err(error),
        None if void => Ok(None),
        None => Err(Error::new(Code::NotFound, format!("{} is gone.", entry.name))),
    }
}

/// Refuses a snapshot whose copies both open and differ: which of them is right is for a person to judge (docs/format.md §16). The
/// snapshot was read just before, from its first copy if that opens.
async fn check_copies<W: World>(world: &W, repo: &Repository, rounds: &Rounds, name: &str) -> Result<()> {
    let [first, second] = names::COPIES;
    let Some(entry) = names::parse_generational("snapshots", &format!("{name}{first}"), &[first]) else {
        return Ok(());
    };
    let Some((_, known)) = repo.known_snapshot(name) else { return Ok(()) };
    match read_copy(world, repo, &entry, second).await {
        Ok((_, hash)) if hash != known && rounds.holds_snapshot(entry.generation, name, &hash) => {
            Err(Error::corrupt(format!(
                "{name} exists in two copies that differ and are both authentic. Nothing was returned. Remove the wrong one."
            ))
            .with("key", name))
        }
        Ok(_) => Ok(()),
        Err(e) if e.is_damage() => Ok(()),
        Err(e) => Err(e),
    }
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
    let rounds = repo.rounds(world).await?;
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
    world.call().set_phase("reading snapshots");
    let latest = id == "latest";
    if !latest && (id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(Error::invalid(format!("{id:?} is not a snapshot id: give its hex digits, or latest.")));
    }
    let wanted = id.to_ascii_lowercase();
    let rounds = repo.rounds(world).await?;
    let mut listing = read_some(world, repo, &rounds, |id| latest || id.starts_with(&wanted)).await?;
    // A backup that met a round has left two objects of one snapshot, the older of which a round may be removing now.
    let Listing { good, broken, .. } = &mut listing;
    broken.retain(|(name, _)| id_of(name).is_none_or(|id| !good.contains_key(&id)));
    let (name, snapshot) = if latest { newest(listing)? } else { only(listing, id)? };
    check_copies(world, repo, &rounds, &name).await?;
    Ok(Snapshot::clone(&snapshot))
}

/// The snapshot that was made last. One that can't be read might be that: then nobody knows.
fn newest(listing: Listing) -> Result<(String, Arc<Snapshot>)> {
    if let Some((name, error)) = listing.broken.into_iter().next() {
        return Err(Error::new(
            error.code,
            format!(
                "{name} can't be read, so it is not known which snapshot is the latest. Give an id. {}",
                error.message
            ),
        )
        .with("key", name));
    }
    let age = |(_, s): &(String, Arc<Snapshot>)| (s.created_at.clone(), s.id.clone());
    listing
        .good
        .into_values()
        .max_by_key(age)
        .ok_or_else(|| Error::new(Code::NotFound, "There is no snapshot in this repository yet."))
}

fn only(listing: Listing, given: &str) -> Result<(String, Arc<Snapshot>)> {
    let found = listing.good.len() + listing.broken.len();
    if found > 1 {
        let broken = listing.broken.iter().filter_map(|(name, _)| id_of(name));
        let short = |id: String| id.chars().take(given.len() + 6).collect::<String>();
        let ids: Vec<String> = listing.good.into_keys().chain(broken).map(short).collect();
        return Err(Error::invalid(format!(
            "{given} is the start of {found} snapshot ids ({}). Give more digits.",
            ids.join(", ")
        )));
    }
    if let Some((_, error)) = listing.broken.into_iter().next() {
        return Err(error);
    }
    listing.good.into_values().next().ok_or_else(|| {
        Error::new(Code::NotFound, format!("There is no snapshot {given} here. List them with `packvault snapshots`."))
    })
}
