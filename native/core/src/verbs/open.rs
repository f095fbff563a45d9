//! Opening a repository: config, then the key that a passphrase unwraps, then config's tag.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Repository, Secret};
use crate::crypto::ring::KeyRing;
use crate::error::{Code, Error, Result};
use crate::format::config::Config;
use crate::format::key::KeyFile;
use crate::format::{limits, names};
use crate::index::list_all;
use crate::world::World;

/// Opens the repository in the world's store.
pub async fn open<W: World>(world: &W, secret: Secret) -> Result<Arc<Repository>> {
    world.call().set_phase("opening");
    let candidates = read_configs(world).await?;
    let first = &candidates[0].0;
    let encrypted = candidates.iter().any(|(config, _)| config.encrypted());
    if encrypted && matches!(secret, Secret::None) {
        return Err(Error::new(Code::PassphraseRequired, "This repository is encrypted: give its passphrase."));
    }
    if !encrypted && !matches!(secret, Secret::None) {
        return Err(Error::invalid(
            "A passphrase was given, but config.json says that this repository is not encrypted. If it should be, its config was \
             replaced: do not use it. Nothing was changed.",
        ));
    }
    let master = match &secret {
        Secret::None => None,
        Secret::Master(key) => Some(key.clone()),
        Secret::Passphrase(passphrase) => Some(unlock(world, first, passphrase).await?),
    };
    let (config, ring) = authentic(candidates, master.as_ref())?;
    Ok(Arc::new(Repository::new(config, ring, world.kernels())?))
}

/// Both configs, as far as they can be read.
async fn read_configs<W: World>(world: &W) -> Result<Vec<(Config, Vec<u8>)>> {
    let mut good = Vec::new();
    let mut worst: Option<Error> = None;
    for key in [names::CONFIG, names::CONFIG_COPY] {
        match world.get(key, None, limits::SMALL_OBJECT).await {
            Ok(bytes) => match Config::parse(bytes.as_ref()) {
                Ok(config) => good.push((config, bytes.as_ref().to_vec())),
                Err(e) if e.code == Code::Corrupt => worst = worst.or(Some(e)),
                Err(e) => return Err(e),
            },
            Err(e) if e.code == Code::NotFound => {}
            Err(e) if e.is_damage() => worst = worst.or(Some(e)),
            Err(e) => return Err(e),
        }
    }
    if good.is_empty() {
        return Err(worst.unwrap_or_else(|| {
            Error::new(Code::NotARepository, "There is no packvault repository here. Create one with init.")
        }));
    }
    Ok(good)
}

/// The config that the key authenticates; of two, the one with the greater revision.
fn authentic(candidates: Vec<(Config, Vec<u8>)>, master: Option<&Zeroizing<[u8; 32]>>) -> Result<(Config, KeyRing)> {
    let mut best: Option<(Config, KeyRing, Vec<u8>)> = None;
    for (config, bytes) in candidates {
        if config.encrypted() != master.is_some() {
            continue;
        }
        let ring = KeyRing::new(config.id16()?, config.epoch, config.chunk_id, master.cloned());
        if !Config::authentic(&bytes, &ring) {
            continue;
        }
        match &best {
            Some((known, _, known_bytes)) if known.revision == config.revision && *known_bytes != bytes => {
                return Err(Error::corrupt(
                    "config.json and its copy differ and both are authentic. Nothing was changed. Put back the right one.",
                ));
            }
            Some((known, ..)) if known.revision >= config.revision => {}
            _ => best = Some((config, ring, bytes)),
        }
    }
    best.map(|(config, ring, _)| (config, ring)).ok_or_else(|| {
        Error::corrupt("config.json is damaged or was changed by somebody without the key. Nothing was changed.")
            .with("key", names::CONFIG)
    })
}

/// Key files by id: what can be read of them, and whether something could not.
pub struct KeyFiles {
    /// Intact ones of this repository.
    pub intact: BTreeMap<String, KeyFile>,
    /// Ids of which no copy is intact.
    pub damaged: Vec<String>,
}

/// Reads all key files; of two copies the first intact one.
pub async fn read_keys<W: World>(world: &W, config: &Config) -> Result<KeyFiles> {
    let mut files = KeyFiles { intact: BTreeMap::new(), damaged: Vec::new() };
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for object in list_all(world, "keys/", "").await? {
        if let Some(id) = names::COPIES.iter().find_map(|s| object.key.strip_prefix("keys/")?.strip_suffix(s)) {
            ids.entry(id.to_owned()).or_default().push(object.key.clone());
        }
    }
    for (id, copies) in ids {
        for key in copies {
            match read_key(world, &key).await {
                Ok(file) if file.repository() == config.id && file.info().id == id => {
                    files.intact.insert(id.clone(), file);
                    break;
                }
                Ok(_) => {}
                Err(e) if e.is_damage() || e.code == Code::FormatTooNew => {}
                Err(e) => return Err(e),
            }
        }
        if !files.intact.contains_key(&id) {
            files.damaged.push(id);
        }
    }
    Ok(files)
}

/// One copy of a key file.
pub async fn read_key<W: World>(world: &W, key: &str) -> Result<KeyFile> {
    KeyFile::parse(world.get(key, None, limits::SMALL_OBJECT).await?.as_ref())
}

async fn unlock<W: World>(world: &W, config: &Config, passphrase: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
    let files = read_keys(world, config).await?;
    for file in files.intact.values() {
        if let Some(master) = file.open(passphrase)? {
            return Ok(master);
        }
    }
    let damaged = files.damaged.len();
    if files.intact.is_empty() {
        return Err(Error::corrupt(if damaged == 0 {
            "This repository has no key files: without one it can't be opened. Put keys/ back from a copy."
        } else {
            "Every key file is damaged, so no passphrase can be tried. Put keys/ back from a copy."
        }));
    }
    let hint =
        if damaged > 0 { format!(" {damaged} key file(s) are damaged and were not tried.") } else { String::new() };
    Err(Error::new(
        Code::WrongPassphrase,
        format!("The passphrase opens none of the key files.{hint} Nothing was changed."),
    ))
}
