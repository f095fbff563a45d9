//! What must hold whatever happened: judged by a process in calm weather, with the verbs of production.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use packvault_core::error::Result;
use packvault_core::format::names;
use packvault_core::verbs::prune::retention::Policy;
use packvault_core::verbs::{
    Level, PruneOptions, Repository, RestoreOptions, VerifyOptions, open, prune, restore, rounds, verify,
};

use crate::history::secret;
use crate::{Collected, SimStore, SimWorld};

/// Number of the process that judges.
const JUDGE: u64 = 0x1DEA;
/// After so many prunes of a repository that nobody else uses, two in sequence have written nothing: what one merges may let the next
/// merge more.
const MOST_PRUNES: usize = 9;

type Verdict<T> = std::result::Result<T, String>;

fn opened(store: &SimStore) -> Verdict<(SimWorld, Arc<Repository>)> {
    let world = SimWorld::new(JUDGE, store);
    let w = world.clone();
    let repo = world.run(async move { open::open(&w, secret()).await }).map_err(|e| format!("open: {e}"))?;
    Ok((world, repo))
}

/// Ids that a round was begun to forget.
fn forgotten(store: &SimStore) -> Verdict<(u64, BTreeSet<String>)> {
    let (world, repo) = opened(&store.recalled())?;
    let (w, r) = (world.clone(), repo.clone());
    let read = async move {
        let now = rounds::read(&w, &r.ring, None).await?;
        let mut ids = BTreeSet::new();
        for round in 1..=now.r {
            ids.extend(rounds::read_condemn(&w, &r.ring, round).await?.forgotten);
        }
        Ok((now.n, ids))
    };
    world.run(read).map_err(|e| format!("reading the rounds: {e}"))
}

/// Every acknowledged backup that no round forgot restores byte for byte.
pub fn check(store: &SimStore, acknowledged: &BTreeMap<String, Vec<u8>>) -> Verdict<()> {
    let (world, repo) = opened(store)?;
    let (_, forgotten) = forgotten(store)?;
    for (id, content) in acknowledged.iter().filter(|(id, _)| !forgotten.contains(*id)) {
        let got =
            read(&world, &repo, id).map_err(|e| format!("snapshot {id} was acknowledged and can't be read: {e}"))?;
        if got != *content {
            return Err(format!("snapshot {id} has other bytes than were backed up"));
        }
    }
    Ok(())
}

/// Nothing that could not be read while others worked was in force.
pub fn check_unread(store: &SimStore, unread: &[(String, String)]) -> Verdict<()> {
    let (_, forgotten) = forgotten(store)?;
    match unread.iter().find(|(id, _)| !forgotten.contains(id)) {
        Some((id, error)) => Err(format!("a reader could not read {id}, which no round forgot: {error}")),
        None => Ok(()),
    }
}

fn read(world: &SimWorld, repo: &Arc<Repository>, id: &str) -> Result<Vec<u8>> {
    let (w, r) = (world.clone(), repo.clone());
    let sink = Collected::new(true);
    let options = RestoreOptions { snapshot: id.into(), ordered: true, ..RestoreOptions::default() };
    let into = sink.clone();
    world.run(async move { restore::restore(&w, &r, into, options).await })?;
    Ok(sink.take())
}

/// Prunes a few days later, in calm weather, and keeps everything. Returns how many changes that made.
fn calm_prune(store: &SimStore, world: &SimWorld, repo: &Arc<Repository>) -> Verdict<usize> {
    store.leap(3 * 86_400_000);
    // In calm weather clocks are right: only then does everything that is due go.
    world.clock.store(store.now_ms(), std::sync::atomic::Ordering::Relaxed);
    let before = world.link.mutations();
    let (w, r) = (world.clone(), repo.clone());
    let policy = Policy { keep_last: Some(1_000), ..Policy::default() };
    let options = PruneOptions { policy, ..PruneOptions::default() };
    world.run(async move { prune::prune(&w, &r, options).await }).map_err(|e| format!("prune in calm weather: {e}"))?;
    Ok(world.link.mutations() - before)
}

/// Prunes that keep everything converge: after a few, one writes nothing, and so does the next; what is left is whole, and nothing is left
/// that nobody needs. Returns how many rounds there were.
pub fn check_convergence(store: &SimStore, acknowledged: &BTreeMap<String, Vec<u8>>) -> Verdict<u64> {
    let (world, repo) = opened(store)?;
    let (mut prunes, mut quiet) = (0, 0);
    while quiet < 2 {
        let mutations = calm_prune(store, &world, &repo)?;
        prunes += 1;
        quiet = if mutations == 0 { quiet + 1 } else { 0 };
        if prunes > MOST_PRUNES {
            return Err(format!("prune number {prunes} with nothing new still made {mutations} changes"));
        }
    }
    check(store, acknowledged)?;
    let (w, r) = (world.clone(), repo.clone());
    let full = VerifyOptions { level: Level::Full, sample: None };
    let found = world.run(async move { verify::verify(&w, &r, full).await }).map_err(|e| format!("verify: {e}"))?;
    if !found.ok {
        return Err(format!("verify finds {:?}", found.errors.first()));
    }
    let (w, r) = (world.clone(), repo.clone());
    let view = world.run(async move { r.view(&w).await }).map_err(|e| format!("reading the index: {e}"))?;
    let left = store.keys("packs/").into_iter().find(|key| match names::parse_pack(key) {
        Some(name) => view.index.pack(&name).is_none(),
        None => names::parse_parity(key).is_some_and(|name| !view.index.names_parity(&name)),
    });
    match left {
        Some(key) => Err(format!("{key} is still there and nobody needs it")),
        None => Ok(forgotten(store)?.0),
    }
}
