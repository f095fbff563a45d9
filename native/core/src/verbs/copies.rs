//! What exists twice (docs/format.md §16): finding copies that are missing, damaged or differ, and putting them back.

use std::collections::BTreeMap;

use super::objects::put_small;
use super::rounds::Rounds;
use super::{Repository, heal::optional};
use crate::error::{Error, Result};
use crate::format::config::Config;
use crate::format::key::KeyFile;
use crate::format::{Kind, gc, limits, names, record, snapshot::Snapshot};
use crate::index::list_all;
use crate::world::{PutMode, World};

/// One thing that exists twice and is not as it should be.
pub struct Flaw {
    /// The copy that is missing or wrong.
    pub key: String,
    /// What is wrong.
    pub error: Error,
    /// The right bytes, if the other copy has them.
    pub good: Option<Vec<u8>>,
    /// Whether it belongs to a snapshot.
    pub snapshot: bool,
}

/// Reads both copies of everything small.
pub async fn find<W: World>(world: &W, repo: &Repository, rounds: &Rounds) -> Result<Vec<Flaw>> {
    let mut flaws = Vec::new();
    let config = |bytes: &[u8]| {
        let parsed = Config::parse(bytes)?;
        if parsed.id == repo.config.id && Config::authentic(bytes, &repo.ring) {
            Ok(())
        } else {
            Err(Error::corrupt("This copy of config was not written with this repository's key."))
        }
    };
    pair(world, [names::CONFIG.into(), names::CONFIG_COPY.into()], limits::SMALL_OBJECT, config, &mut flaws).await?;
    for folder in ["keys/", "snapshots/", "gc/"] {
        for name in logical_names(world, folder).await? {
            let keys = names::COPIES.map(|suffix| format!("{name}{suffix}"));
            let before = flaws.len();
            check_one(world, repo, rounds, &name, keys, &mut flaws).await?;
            flaws[before..].iter_mut().for_each(|f| f.snapshot = folder == "snapshots/");
        }
    }
    Ok(flaws)
}

/// Puts back what another copy has. Returns how many, of snapshots and of others.
pub async fn mend<W: World>(world: &W, flaws: &[Flaw]) -> Result<(u64, u64)> {
    let (mut snapshots, mut others) = (0, 0);
    for flaw in flaws {
        if let Some(good) = &flaw.good {
            put_small(world, &flaw.key, good, PutMode::Overwrite).await?;
            *(if flaw.snapshot { &mut snapshots } else { &mut others }) += 1;
        }
    }
    Ok((snapshots, others))
}

async fn logical_names<W: World>(world: &W, folder: &str) -> Result<Vec<String>> {
    let mut seen: BTreeMap<String, ()> = BTreeMap::new();
    for object in list_all(world, folder, "").await? {
        if let Some(name) = names::COPIES.iter().find_map(|suffix| object.key.strip_suffix(suffix)) {
            seen.insert(name.to_owned(), ());
        }
    }
    Ok(seen.into_keys().collect())
}

async fn check_one<W: World>(
    world: &W,
    repo: &Repository,
    rounds: &Rounds,
    name: &str,
    keys: [String; 2],
    flaws: &mut Vec<Flaw>,
) -> Result<()> {
    if name.starts_with("keys/") {
        return pair(world, keys, limits::SMALL_OBJECT, |bytes| KeyFile::parse(bytes).map(|_| ()), flaws).await;
    }
    if let Some(entry) = names::parse_generational("snapshots", &keys[0], &[".a"]) {
        if !rounds.may_hold_snapshot(entry.generation, name) {
            return Ok(());
        }
        let open = |bytes: &[u8]| {
            let body = record::open(&repo.ring, Kind::Snapshot, name, bytes)?;
            Snapshot::decode(name, &entry.id, &body).map(|_| ())
        };
        return pair(world, keys, record::max_stored(Kind::Snapshot), open, flaws).await;
    }
    let Some((round, checkpoint, _)) = names::parse_gc(&keys[0]) else { return Ok(()) };
    let (kind, word) = if checkpoint { (Kind::Checkpoint, "checkpoint") } else { (Kind::Condemn, "condemn") };
    let open = |bytes: &[u8]| gc::decode(word, round, &record::open(&repo.ring, kind, name, bytes)?).map(|_| ());
    pair(world, keys, record::max_stored(kind), open, flaws).await
}

async fn pair<W: World>(
    world: &W,
    keys: [String; 2],
    max: u64,
    check: impl Fn(&[u8]) -> Result<()>,
    flaws: &mut Vec<Flaw>,
) -> Result<()> {
    let mut copies: Vec<std::result::Result<Vec<u8>, Error>> = Vec::new();
    for key in &keys {
        let missing = || Error::new(crate::error::Code::NotFound, format!("{key} is missing."));
        copies.push(match optional(world.get(key, None, max).await)? {
            None => Err(missing()),
            Some(bytes) => check(bytes.as_ref()).map(|()| bytes.as_ref().to_vec()),
        });
    }
    if let [Ok(a), Ok(b)] = &copies[..] {
        if a != b {
            // Of gc records and config the first copy counts (§4, §16); two snapshots that differ are for a person to judge.
            let good = (!keys[0].starts_with("snapshots/")).then(|| a.clone());
            let error = Error::corrupt(format!("{} and its copy differ and both are authentic.", keys[0]));
            flaws.push(Flaw { key: keys[1].clone(), error, good, snapshot: false });
        }
        return Ok(());
    }
    for (i, copy) in copies.iter().enumerate() {
        if let Err(error) = copy {
            let good = copies[1 - i].as_ref().ok().cloned();
            let error = error.clone().with("key", keys[i].clone());
            flaws.push(Flaw { key: keys[i].clone(), error, good, snapshot: false });
        }
    }
    Ok(())
}
