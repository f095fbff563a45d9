//! Which verb a call runs, and how its options and results cross: as JSON, which is small beside the data.

use std::sync::{Arc, Mutex, PoisonError};

use packvault_core::error::{Code, Error, Result};
use packvault_core::format::names;
use packvault_core::verbs::{
    IngestOptions, InitOptions, KdfCost, LockInfo, PruneOptions, Repository, RestoreOptions, Secret, Seen,
    SnapshotFilter, VerifyOptions, ingest, init, keys, locks, open, prune, reindex, repair, restore, snapshots, stats,
    verify,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::world::{NodeSink, NodeSource, NodeWorld};

/// The repository of an engine, once it is open.
pub type Opened = Arc<Mutex<Option<Arc<Repository>>>>;

#[derive(Deserialize)]
struct InitCall {
    options: InitOptions,
    label: String,
}

#[derive(Deserialize)]
struct KeyCall {
    label: String,
    cost: KdfCost,
}

#[derive(Deserialize)]
struct One {
    id: String,
}

#[derive(Deserialize)]
struct Forget {
    ids: Vec<String>,
    #[serde(flatten)]
    options: PruneOptions,
}

#[derive(Deserialize)]
struct Unlock {
    force: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Announce {
    id: String,
    host: String,
    pid: u32,
    verb: String,
    since: String,
}

/// Runs a verb. The result is JSON.
pub async fn run(
    world: NodeWorld,
    opened: Opened,
    verb: String,
    options: String,
    secret: Option<Zeroizing<Vec<u8>>>,
) -> Result<String> {
    let o = options.as_str();
    match verb.as_str() {
        "init" => {
            let call: InitCall = parse(o)?;
            let repo = init::init(&world, passphrase(secret), call.options, &call.label).await?;
            become_open(&opened, repo)
        }
        "open" => become_open(&opened, open::open(&world, passphrase(secret)).await?),
        "addKey" => {
            let call: KeyCall = parse(o)?;
            let secret = secret.unwrap_or_default();
            json(&keys::add(&world, &repository(&opened)?, &secret, &call.label, call.cost).await?)
        }
        "keys" | "removeKey" | "status" | "unlock" | "announce" | "retract" => {
            on_people(&world, &repository(&opened)?, &verb, o).await
        }
        _ => on_data(&world, &repository(&opened)?, &verb, o).await,
    }
}

/// Verbs on backups.
async fn on_data(world: &NodeWorld, repo: &Arc<Repository>, verb: &str, o: &str) -> Result<String> {
    match verb {
        "ingest" => {
            json(&ingest::ingest(world, repo, NodeSource::new(world.clone()), parse::<IngestOptions>(o)?).await?)
        }
        "size" => json(&restore::size(world, repo, &parse::<RestoreOptions>(o)?).await?),
        "restore" => {
            let sink = Arc::new(NodeSink(world.clone()));
            json(&restore::restore(world, repo, sink, parse::<RestoreOptions>(o)?).await?)
        }
        "snapshots" => json(&snapshots::list(world, repo, &parse::<SnapshotFilter>(o)?).await?),
        "snapshot" => json(&snapshots::get(world, repo, &parse::<One>(o)?.id).await?),
        "verify" => json(&verify::verify(world, repo, parse::<VerifyOptions>(o)?).await?),
        "repair" => json(&repair::repair(world, repo).await?),
        "prune" => json(&prune::prune(world, repo, parse::<PruneOptions>(o)?).await?),
        "forget" => {
            let call: Forget = parse(o)?;
            json(&prune::forget(world, repo, &call.ids, call.options).await?)
        }
        "reindex" => json(&reindex::reindex(world, repo).await?),
        "stats" => json(&stats::stats(world, repo).await?),
        _ => Err(unknown(verb)),
    }
}

/// Verbs on who may open the repository, and who is at work.
async fn on_people(world: &NodeWorld, repo: &Arc<Repository>, verb: &str, o: &str) -> Result<String> {
    match verb {
        "keys" => json(&keys::list(world, repo).await?),
        "removeKey" => json(&keys::remove(world, repo, &parse::<One>(o)?.id).await?),
        "status" => json(&locks::status(world, repo).await?),
        "unlock" => json(&locks::unlock(world, repo, parse::<Unlock>(o)?.force).await?),
        "announce" => {
            let call: Announce = parse(o)?;
            let id = names::id16(&call.id)?;
            let lock = LockInfo {
                id: call.id,
                host: call.host,
                pid: call.pid,
                verb: call.verb,
                since: call.since,
                refreshed_at: String::new(),
                stale: false,
            };
            json(&locks::announce(world, repo, &id, &lock).await?)
        }
        "retract" => json(&locks::retract(world, &names::id16(&parse::<One>(o)?.id)?).await?),
        _ => Err(unknown(verb)),
    }
}

#[derive(Serialize, Deserialize)]
struct SeenRound {
    round: u64,
    hash: String,
}

/// What was seen, as JSON.
pub fn seen(seen: Option<Seen>) -> String {
    let crossing = seen.map(|seen| SeenRound { round: seen.round, hash: hex::encode(seen.hash) });
    serde_json::to_string(&crossing).unwrap_or_default()
}

/// What was seen, from JSON.
pub fn expected(text: &str) -> Option<Seen> {
    let SeenRound { round, hash } = serde_json::from_str(text).ok()?;
    Some(Seen { round, hash: names::hash(&hash)? })
}

fn unknown(verb: &str) -> Error {
    Error::new(Code::Internal, format!("bridge: there is no verb {verb}"))
}

fn passphrase(secret: Option<Zeroizing<Vec<u8>>>) -> Secret {
    secret.map_or(Secret::None, Secret::Passphrase)
}

fn become_open(opened: &Opened, repo: Arc<Repository>) -> Result<String> {
    let config = json(&repo.config)?;
    *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(repo);
    Ok(config)
}

fn repository(opened: &Opened) -> Result<Arc<Repository>> {
    opened
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
        .ok_or_else(|| Error::new(Code::Closed, "The repository is closed."))
}

fn parse<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::invalid(format!("An option has a wrong type or value: {e}")))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::new(Code::Internal, e.to_string()))
}
