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
    let (candidates, others) = read_configs(world).await?;
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
        Secret::Passphrase(passphrase) => Some(unlock(world, &candidates, passphrase).await?),
    };
    let (config, ring) = authentic(candidates, master.as_ref())?;
    // A copy of another version that the key vouches for is no damage: somebody has moved this repository on.
    if let Some((_, error)) = others.into_iter().find(|(bytes, _)| Config::authentic(bytes, &ring)) {
        return Err(error);
    }
    Ok(Arc::new(Repository::new(config, ring, world.kernels())?))
}

/// A config as stored, and what was read of it.
type Stored<T> = Vec<(T, Vec<u8>)>;

/// Both configs: those of this version, and the bytes of others with what is wrong with them.
async fn read_configs<W: World>(world: &W) -> Result<(Stored<Config>, Vec<(Vec<u8>, Error)>)> {
    let mut good = Vec::new();
    let mut others = Vec::new();
    let mut worst: Option<Error> = None;
    for key in [names::CONFIG, names::CONFIG_COPY] {
        match world.get(key, None, limits::SMALL_OBJECT).await {
            Ok(bytes) => match Config::parse(bytes.as_ref()) {
                Ok(config) => good.push((config, bytes.as_ref().to_vec())),
                // Another version is told only if no copy is of this one: a flipped bit must not hide the intact copy.
                Err(e) => {
                    worst = Some(worst.filter(|known| known.code != Code::Corrupt).unwrap_or_else(|| e.clone()));
                    if e.code != Code::Corrupt {
                        others.push((bytes.as_ref().to_vec(), e));
                    }
                }
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
    Ok((good, others))
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
    /// Ids of intact ones that are wrapped in a way which this engine does not know.
    pub newer: Vec<String>,
}

/// Reads all key files; of two copies the first intact one.
pub async fn read_keys<W: World>(world: &W, config: &Config) -> Result<KeyFiles> {
    let mut files = KeyFiles { intact: BTreeMap::new(), damaged: Vec::new(), newer: Vec::new() };
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for object in list_all(world, "keys/", "").await? {
        if let Some(id) = names::COPIES.iter().find_map(|s| object.key.strip_prefix("keys/")?.strip_suffix(s)) {
            ids.entry(id.to_owned()).or_default().push(object.key.clone());
        }
    }
    for (id, copies) in ids {
        // Those of another repository are what an init that did not finish, or lost a race, has left.
        let (mut newer, mut foreign) = (false, 0);
        for key in &copies {
            match read_key(world, key).await {
                Ok(file) if file.repository() != config.id => foreign += 1,
                Ok(file) if file.info().id == id => {
                    files.intact.insert(id.clone(), file);
                    break;
                }
                Ok(_) => {}
                Err(e) if e.code == Code::FormatTooNew => newer = true,
                Err(e) if e.is_damage() => {}
                Err(e) => return Err(e),
            }
        }
        if newer {
            files.newer.push(id);
        } else if !files.intact.contains_key(&id) && foreign < copies.len() {
            files.damaged.push(id);
        }
    }
    Ok(files)
}

/// One copy of a key file.
pub async fn read_key<W: World>(world: &W, key: &str) -> Result<KeyFile> {
    KeyFile::parse(world.get(key, None, limits::SMALL_OBJECT).await?.as_ref())
}

/// The master key. Where the copies of config name different repositories, one of them is damaged: the key files tell which.
async fn unlock<W: World>(
    world: &W,
    candidates: &[(Config, Vec<u8>)],
    passphrase: &[u8],
) -> Result<Zeroizing<[u8; 32]>> {
    let mut ids = Vec::new();
    let mut failure = None;
    for (config, _) in candidates {
        if ids.contains(&&config.id) {
            continue;
        }
        ids.push(&config.id);
        match unlock_as(world, config, passphrase).await {
            Ok(master) => return Ok(master),
            Err(e) if e.is_damage() => failure = failure.or(Some(e)),
            Err(e) if e.code == Code::WrongPassphrase => failure = Some(e),
            Err(e) => return Err(e),
        }
    }
    Err(failure.unwrap_or_else(|| Error::new(Code::Internal, "no config was read")))
}

async fn unlock_as<W: World>(world: &W, config: &Config, passphrase: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
    let files = read_keys(world, config).await?;
    let mut damaged = files.damaged.len();
    let mut tried = 0;
    for file in files.intact.values() {
        match file.open(passphrase) {
            Ok(Some(master)) => return Ok(master),
            Ok(None) => tried += 1,
            // One that can't be used must not keep the others from being tried.
            Err(e) if e.is_damage() => damaged += 1,
            Err(e) => return Err(e),
        }
    }
    if tried > 0 {
        let hint =
            if damaged > 0 { format!(" {damaged} key file(s) are damaged and were not tried.") } else { String::new() };
        return Err(Error::new(
            Code::WrongPassphrase,
            format!("The passphrase opens none of the key files.{hint} Nothing was changed."),
        ));
    }
    if damaged > 0 {
        return Err(Error::corrupt(
            "Every key file is damaged, so no passphrase can be tried. Put keys/ back from a copy.",
        ));
    }
    if files.newer.is_empty() {
        return Err(Error::corrupt(
            "This repository has no key files: without one it can't be opened. Put keys/ back from a copy.",
        ));
    }
    Err(Error::new(Code::FormatTooNew, "The key files of this repository need a newer packvault. Nothing was changed."))
}
