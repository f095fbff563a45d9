//! Passphrases of a repository (docs/format.md §5).

use std::sync::Arc;

use super::init::put_key;
use super::objects::put_copies;
use super::open::read_keys;
use super::{KdfCost, KeyInfo, Repository};
use crate::error::{Code, Error, Result};
use crate::format::names;
use crate::world::World;

/// All key files. One of which no copy can be read is labelled so.
pub async fn list<W: World>(world: &W, repo: &Arc<Repository>) -> Result<Vec<KeyInfo>> {
    encrypted(repo)?;
    let files = read_keys(world, &repo.config).await?;
    let odd = |ids: Vec<String>, label: &'static str| {
        ids.into_iter().map(move |id| KeyInfo { id, label: label.into(), created_at: String::new() })
    };
    let mut all: Vec<KeyInfo> = files.intact.values().map(crate::format::key::KeyFile::info).collect();
    all.extend(odd(files.damaged, "(damaged)"));
    all.extend(odd(files.newer, "(needs a newer packvault)"));
    all.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
    Ok(all)
}

/// Lets another passphrase open the repository, and returns the key file's id. No data is touched.
pub async fn add<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    passphrase: &[u8],
    label: &str,
    cost: KdfCost,
) -> Result<String> {
    encrypted(repo)?;
    if passphrase.is_empty() {
        return Err(Error::invalid("The passphrase is empty."));
    }
    put_key(world, &repo.ring, passphrase, label, cost).await
}

/// Deletes both copies of a key file. The last one can't be removed. Whoever has an older copy of the repository can still open that
/// with the passphrase.
pub async fn remove<W: World>(world: &W, repo: &Arc<Repository>, id: &str) -> Result<()> {
    encrypted(repo)?;
    let mut files = read_keys(world, &repo.config).await?;
    let intact = files.intact.remove(id);
    if intact.is_none() && !files.damaged.iter().chain(&files.newer).any(|known| known == id) {
        return Err(Error::new(Code::NotFound, format!("There is no key {id}. List them with `packvault key list`.")));
    }
    if files.intact.is_empty() {
        return Err(Error::invalid(
            "This is the last key: without it nobody could open the repository. Add another one first.",
        ));
    }
    let name = names::key(id);
    let deleted = world.delete(names::COPIES.iter().map(|suffix| format!("{name}{suffix}")).collect()).await;
    // Somebody else may have removed the others at the same moment. Whether the delete took effect is unknown when it failed.
    if read_keys(world, &repo.config).await?.intact.is_empty()
        && let Some(file) = intact
    {
        put_copies(world, &name, file.bytes()).await?;
        return Err(Error::new(
            Code::Conflict,
            "All other keys were removed at the same moment; this one was put back.",
        ));
    }
    deleted
}

fn encrypted(repo: &Repository) -> Result<()> {
    if repo.ring.encrypted { Ok(()) } else { Err(Error::invalid("This repository is not encrypted: it has no keys.")) }
}
