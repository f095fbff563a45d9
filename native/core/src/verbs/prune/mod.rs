//! Deletion in numbered rounds (docs/format.md §14, §15): no locks, no leases, no clock in any safety decision. Condemn, look again, rescue,
//! decide, delete. Any process can finish a round that another one began, and every step can be repeated.

mod finish;
mod parity;
mod plan;
mod reach;
mod relocate;
pub mod retention;
mod survey;
mod trim;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::finish::{Condemned, finish, hex_all, is_void};
use self::plan::{Plan, Terms, plan};
use self::reach::{Reach, reach};
use self::relocate::relocate;
use self::retention::{Candidate, Policy, Zone};
use self::survey::{Stored, Survey};
use self::trim::trim;
use super::{PruneOptions, PruneResult, Repository, rounds};
use crate::crypto::ring::ChunkId;
use crate::error::{Code, Error, Result};
use crate::format::gc::{self, Checkpoint, Condemn, Deleted};
use crate::format::idx::Name;
use crate::format::names;
use crate::format::snapshot::Item;
use crate::index::list_all;
use crate::verbs::rounds::Rounds;
use crate::world::World;

/// How often a prune that meets others starts again before it gives up.
const TRIES: usize = 8;

/// What to remove.
pub enum Choice {
    /// Whatever a policy does not keep.
    Policy(Policy, Zone),
    /// These snapshots, by whole ids.
    Ids(BTreeSet<String>),
}

/// Removes snapshots by a policy, and everything that nothing needs any more.
pub async fn prune<W: World>(world: &W, repo: &Arc<Repository>, options: PruneOptions) -> Result<PruneResult> {
    options.policy.check()?;
    let choice = Choice::Policy(options.policy.clone(), options.zone.clone());
    run(world, repo, &choice, &options).await
}

/// Removes these snapshots: whole ids, prefixes that only one snapshot has, or `latest`. `NOT_FOUND` for an unknown one; then nothing is removed.
pub async fn forget<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    ids: &[String],
    options: PruneOptions,
) -> Result<PruneResult> {
    if ids.is_empty() {
        return Err(Error::invalid("Give at least one snapshot id. Nothing was removed."));
    }
    let mut whole = BTreeSet::new();
    for id in ids {
        whole.insert(super::snapshots::get(world, repo, id).await?.id);
    }
    run(world, repo, &Choice::Ids(whole), &options).await
}

async fn run<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    choice: &Choice,
    options: &PruneOptions,
) -> Result<PruneResult> {
    if !repo.config.capabilities.exclusive_create && !options.sole_maintainer {
        return Err(not_alone());
    }
    for _ in 0..TRIES {
        let rounds = repo.rounds(world).await?;
        rounds.certain()?;
        if rounds.r > rounds.n && !options.dry_run {
            help(world, repo, &rounds).await?;
            continue;
        }
        match round(world, repo, &rounds, choice, options).await {
            Ok(Some(result)) => return Ok(result),
            Ok(None) => {}
            // What could not be read may be what a newer round has deleted meanwhile.
            Err(e) if e.is_damage() && rounds::have_moved(world, &repo.ring, &rounds).await? => {}
            Err(e) => return Err(e),
        }
    }
    Err(Error::new(
        Code::Conflict,
        "Other prunes were faster, again and again. Nothing was lost. Run prune again when fewer of them run.",
    ))
}

/// Finishes the round that is open, and deletes what it decided.
async fn help<W: World>(world: &W, repo: &Arc<Repository>, rounds: &Rounds) -> Result<()> {
    let record = rounds::read_condemn(world, &repo.ring, rounds.n + 1).await?;
    let condemned = Condemned::of(&record, Deleted::default())?;
    match finish(world, repo, rounds, &condemned).await {
        Ok(checkpoint) => delete(world, &checkpoint).await,
        Err(e) if e.is_damage() && rounds::have_moved(world, &repo.ring, rounds).await? => Ok(()),
        Err(e) => Err(e),
    }
}

/// One round. `None`: somebody else's came between.
async fn round<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    rounds: &Rounds,
    choice: &Choice,
    options: &PruneOptions,
) -> Result<Option<PruneResult>> {
    world.call().set_phase("looking for what is needed");
    let survey = Survey::take(world, repo, rounds).await?;
    let forgotten = forgotten(&survey, choice);
    let stored = Stored::list(world).await?;
    let needed = survey.needed(world, repo, &forgotten).await?;
    let released = released(world, repo, &survey, &forgotten).await?;
    let terms = Terms {
        max_unused: options.max_unused,
        pack_size: u64::from(repo.config.pack_size),
        scheme: repo.config.parity,
        now_ms: world.now_ms().max(rounds.newest_ms),
    };
    let mut plan = plan(&survey, &needed, &released, &stored, &terms);
    let unseen = plan.seen.iter().any(|name| !rounds.orphans.contains(name));
    // A hold may keep things that nobody needs; it ends with a round.
    let idle = plan.is_empty() && forgotten.is_empty() && !unseen && plan.fresh.is_empty() && survey.holds.is_empty();
    if options.dry_run || idle {
        if !options.dry_run {
            survey.complete_copies(world).await?;
            sweep(world, repo).await?;
        }
        return Ok(Some(result(&survey, &forgotten, &plan)));
    }
    let (_, stuck) = relocate(world, repo, &survey.view, &plan.moving).await?;
    plan.moving.retain(|name, _| !stuck.contains(name));
    let condemn = Condemn {
        packs: hex_all(plan.packs()),
        parity: hex_all(plan.parity.iter().chain(&plan.parity_orphans)),
        forgotten: forgotten.iter().cloned().collect(),
    };
    let body = gc::encode("condemn", rounds.n + 1, &rounds.hash, &condemn)?;
    world.call().set_phase("condemning");
    if !rounds::create(world, &repo.ring, rounds.n + 1, false, &body).await? {
        return Ok(None);
    }
    // Who writes may rely on more than it holds yet; what a restore reads does not change.
    if !survey.held_packs().is_empty() {
        world.call().set_phase("waiting until backups have seen the round");
        world.sleep(options.hold_interval_ms).await;
    }
    let condemned = Condemned::of(&condemn, orphans(&plan, &stored))?;
    let checkpoint = finish(world, repo, rounds, &condemned).await?;
    delete(world, &checkpoint).await?;
    sweep(world, repo).await?;
    let deleted: BTreeSet<Name> = rounds::packs(&checkpoint.deleted.packs)?.into_iter().collect();
    plan.dead.retain(|name| deleted.contains(name));
    plan.moving.retain(|name, _| deleted.contains(name));
    plan.orphans.retain(|name| deleted.contains(name));
    Ok(Some(result(&survey, &forgotten, &plan)))
}

/// Ids of the snapshots that go.
fn forgotten(survey: &Survey, choice: &Choice) -> BTreeSet<String> {
    let ids = || survey.snapshots.iter().map(|held| held.snapshot.id.clone());
    match choice {
        Choice::Ids(chosen) => ids().filter(|id| chosen.contains(id)).collect(),
        Choice::Policy(policy, zone) => {
            let mut seen = BTreeSet::new();
            // A commit that met a round has left two objects of one snapshot.
            let all: Vec<_> = survey.snapshots.iter().filter(|held| seen.insert(&held.snapshot.id)).collect();
            let candidates: Vec<Candidate> = all
                .iter()
                .map(|held| Candidate {
                    id: &held.snapshot.id,
                    time: held.time,
                    created_at: &held.snapshot.created_at,
                    tags: &held.snapshot.tags,
                })
                .collect();
            let kept = policy.keep(&candidates, zone);
            let gone = all.iter().enumerate().filter(|(i, _)| !kept.contains(i));
            gone.map(|(_, held)| held.snapshot.id.clone()).collect()
        }
    }
}

/// What the forgotten snapshots needed: their packs were no running backup's. What can't be read of them is not needed to know.
async fn released<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    survey: &Survey,
    forgotten: &BTreeSet<String>,
) -> Result<Reach> {
    let gone = survey.snapshots.iter().filter(|held| forgotten.contains(&held.snapshot.id));
    let roots: Vec<ChunkId> =
        gone.flat_map(|held| &held.snapshot.items).filter_map(|i| Item::root_id(i).ok()).collect();
    let mut released = Reach::new(survey.index());
    match reach(world, repo, survey.index(), &mut released, roots).await {
        Err(e) if !e.is_damage() => Err(e),
        _ => Ok(released),
    }
}

fn orphans(plan: &Plan, stored: &Stored) -> Deleted {
    let (packs, parity): (Vec<&Name>, Vec<&Name>) = plan.seen.iter().partition(|name| stored.packs.contains_key(*name));
    Deleted { packs: hex_all(packs), parity: hex_all(parity) }
}

fn result(survey: &Survey, forgotten: &BTreeSet<String>, plan: &Plan) -> PruneResult {
    let kept: BTreeSet<String> =
        survey.snapshots.iter().map(|held| held.snapshot.id.clone()).filter(|id| !forgotten.contains(id)).collect();
    PruneResult {
        removed_snapshots: forgotten.len() as u64,
        removed_packs: plan.packs().count() as u64,
        rewritten_packs: plan.moving.len() as u64,
        freed_bytes: plan.freed,
        kept_snapshots: kept.into_iter().collect(),
    }
}

/// Step 8: what a checkpoint has decided. Only that is ever deleted of `packs/`.
async fn delete<W: World>(world: &W, checkpoint: &Checkpoint) -> Result<()> {
    world.call().set_phase("deleting");
    let packs = rounds::packs(&checkpoint.deleted.packs)?;
    let parity = rounds::packs(&checkpoint.deleted.parity)?;
    let keys: Vec<String> = packs.iter().map(names::pack).chain(parity.iter().map(names::parity)).collect();
    remove(world, keys).await
}

/// Removes what is void by now, idx, snapshots, holds, and what rounds long past said in detail.
async fn sweep<W: World>(world: &W, repo: &Arc<Repository>) -> Result<()> {
    let rounds = repo.rounds(world).await?;
    rounds.certain()?;
    let mut keys = list_all(world, "index/", "").await?;
    keys.extend(list_all(world, "snapshots/", "").await?);
    let gone = keys.into_iter().map(|object| object.key).filter(|key| is_void(&rounds, key));
    remove(world, gone.collect()).await?;
    trim(world, repo, &rounds).await;
    Ok(())
}

async fn remove<W: World>(world: &W, keys: Vec<String>) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    match world.delete(keys).await {
        // The round stands; whoever may delete finishes it.
        Err(e) if e.code == Code::PermissionDenied => Err(Error {
            message: format!(
                "What the round decided stands, but deleting is not allowed here: {} Run prune again with credentials that may delete.",
                e.message
            ),
            ..e
        }),
        other => other,
    }
}

fn not_alone() -> Error {
    Error::new(
        Code::Locked,
        "This store can't tell which of two creates was first, so two prunes at once could harm each other. Nothing was changed; backups are \
         safe here. Make sure that only one machine ever prunes this repository, and say so with soleMaintainer (--sole-maintainer).",
    )
}
