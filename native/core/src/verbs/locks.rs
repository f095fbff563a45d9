//! Advisory entries (docs/format.md §7): who is at work, for people. No rule rests on them.

use std::sync::Arc;

use super::heal::optional;
use super::objects::put_small;
use super::{LockInfo, Repository};
use crate::error::Result;
use crate::format::snapshot::Lock;
use crate::format::{Kind, names, record, time};
use crate::index::list_all;
use crate::world::{PutMode, World};

/// An entry that was not refreshed for this long is stale.
const STALE_MS: i64 = 30 * 60 * 1000;

/// Writes or refreshes an entry.
pub async fn announce<W: World>(world: &W, repo: &Arc<Repository>, id: &[u8; 16], lock: &LockInfo) -> Result<()> {
    let name = names::lock(id);
    let body = record::to_json(&Lock {
        version: 1,
        id: hex::encode(id),
        host: lock.host.clone(),
        pid: lock.pid,
        verb: lock.verb.clone(),
        since: lock.since.clone(),
        refreshed_at: time::format(world.now_ms()),
    })?;
    let stored = record::seal(&repo.ring, Kind::Lock, &name, 0, &world.id32(), &body)?;
    put_small(world, &name, &stored, PutMode::Overwrite).await
}

/// Removes an entry.
pub async fn retract<W: World>(world: &W, id: &[u8; 16]) -> Result<()> {
    world.delete(vec![names::lock(id)]).await
}

/// Who is at work. What can't be read is shown as stale.
pub async fn status<W: World>(world: &W, repo: &Arc<Repository>) -> Result<Vec<LockInfo>> {
    let mut out = Vec::new();
    for object in list_all(world, "locks/", "").await? {
        let Some(bytes) = optional(world.get(&object.key, None, record::max_stored(Kind::Lock)).await)? else {
            continue;
        };
        let id = object.key.trim_start_matches("locks/").to_owned();
        let read = record::open(&repo.ring, Kind::Lock, &object.key, bytes.as_ref())
            .and_then(|body| record::json::<Lock>(&object.key, &body));
        out.push(match read {
            Ok(lock) => {
                let age = time::parse(&lock.refreshed_at).map_or(i64::MAX, |at| world.now_ms().saturating_sub(at));
                LockInfo {
                    id,
                    host: lock.host,
                    pid: lock.pid,
                    verb: lock.verb,
                    since: lock.since,
                    refreshed_at: lock.refreshed_at,
                    stale: age > STALE_MS,
                }
            }
            Err(_) => LockInfo {
                id,
                host: "(unreadable)".into(),
                pid: 0,
                verb: String::new(),
                since: String::new(),
                refreshed_at: String::new(),
                stale: true,
            },
        });
    }
    Ok(out)
}

/// Removes stale entries, or all with `force`. Returns how many.
pub async fn unlock<W: World>(world: &W, repo: &Arc<Repository>, force: bool) -> Result<u64> {
    let gone: Vec<String> = status(world, repo)
        .await?
        .into_iter()
        .filter(|l| force || l.stale)
        .map(|l| format!("locks/{}", l.id))
        .collect();
    let count = gone.len() as u64;
    if count > 0 {
        world.delete(gone).await?;
    }
    Ok(count)
}
