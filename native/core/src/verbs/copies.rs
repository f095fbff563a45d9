//! What exists twice (docs/format.md §16): finding copies that are missing, damaged or differ, and putting them back.

use std::collections::BTreeSet;

use super::Repository;
use super::objects::put_small;
use super::rounds::Rounds;
use crate::crypto::sha256;
use crate::error::{Code, Error, Result};
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

/// What a copy turned out to be.
enum Copy {
    Good(Vec<u8>),
    Bad(Error),
    /// Another repository's: what an init that did not finish, or lost a race, has left.
    Foreign,
}

/// Which of two good copies that differ is right.
enum Right {
    First,
    Second,
    /// They say the same in other bytes.
    Both,
    /// That is for a person to judge.
    Unknown,
}

/// Reads both copies of everything small.
pub async fn find<W: World>(world: &W, repo: &Repository, rounds: &Rounds) -> Result<Vec<Flaw>> {
    let mut finder = Finder { world, repo, rounds, flaws: Vec::new() };
    finder.config().await?;
    for folder in ["keys/", "snapshots/", "gc/"] {
        for name in logical_names(world, folder).await? {
            finder.record(&name).await?;
        }
    }
    Ok(finder.flaws)
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
    let objects = list_all(world, folder, "").await?;
    let stem = |key: &str| names::COPIES.iter().find_map(|suffix| key.strip_suffix(suffix)).map(str::to_owned);
    let names: BTreeSet<String> = objects.iter().filter_map(|object| stem(&object.key)).collect();
    Ok(names.into_iter().collect())
}

struct Finder<'a, W: World> {
    world: &'a W,
    repo: &'a Repository,
    rounds: &'a Rounds,
    flaws: Vec<Flaw>,
}

impl<W: World> Finder<'_, W> {
    async fn config(&mut self) -> Result<()> {
        let ring = &self.repo.ring;
        let check = |bytes: &[u8]| {
            let parsed = match Config::parse(bytes) {
                // Not damage: it was really written by another version, and nothing here may touch it.
                Err(e) if e.code != Code::Corrupt && Config::authentic(bytes, ring) => return Err(e),
                parsed => parsed,
            };
            Ok(match parsed {
                Ok(config) if config.id == self.repo.config.id && Config::authentic(bytes, ring) => {
                    Copy::Good(bytes.to_vec())
                }
                Ok(_) => Copy::Bad(Error::corrupt("This copy of config was not written with this repository's key.")),
                Err(e) => Copy::Bad(Error::corrupt(e.message)),
            })
        };
        let revision = |bytes: &[u8]| Config::parse(bytes).map_or(0, |config| config.revision);
        let judge = |a: &[u8], b: &[u8]| match revision(a).cmp(&revision(b)) {
            std::cmp::Ordering::Greater => Right::First,
            std::cmp::Ordering::Less => Right::Second,
            std::cmp::Ordering::Equal => Right::Unknown,
        };
        self.pair([names::CONFIG.into(), names::CONFIG_COPY.into()], limits::SMALL_OBJECT, check, judge).await
    }

    async fn record(&mut self, name: &str) -> Result<()> {
        let keys = names::COPIES.map(|suffix| format!("{name}{suffix}"));
        if let Some(id) = name.strip_prefix("keys/") {
            return self.key(id, keys).await;
        }
        let ring = &self.repo.ring;
        if let Some(entry) = names::parse_generational("snapshots", &keys[0], &[".a"]) {
            if !self.rounds.may_hold_snapshot(entry.generation, name) {
                return Ok(());
            }
            let rounds = self.rounds;
            let check = |bytes: &[u8]| {
                let opened = record::open(ring, Kind::Snapshot, name, bytes)
                    .and_then(|body| Snapshot::decode(name, &entry.id, &body));
                Ok(match opened {
                    Ok(_) if rounds.holds_snapshot(entry.generation, name, &sha256(bytes)) => {
                        Copy::Good(bytes.to_vec())
                    }
                    Ok(_) => Copy::Bad(Error::corrupt(format!("{name} is not what the checkpoint lists."))),
                    Err(e) if e.code == Code::FormatTooNew => return Ok(Copy::Foreign),
                    Err(e) => Copy::Bad(e),
                })
            };
            return self.pair(keys, record::max_stored(Kind::Snapshot), check, |_, _| Right::Unknown).await;
        }
        let Some((round, checkpoint, _)) = names::parse_gc(&keys[0]) else { return Ok(()) };
        let (kind, word) = if checkpoint { (Kind::Checkpoint, "checkpoint") } else { (Kind::Condemn, "condemn") };
        let open = |bytes: &[u8]| gc::decode(word, round, &record::open(ring, kind, name, bytes)?);
        let check = |bytes: &[u8]| Ok(open(bytes).map_or_else(Copy::Bad, |_| Copy::Good(bytes.to_vec())));
        // Of two decided differently the first counts; one may merely have lost its rest already.
        let judge = |a: &[u8], b: &[u8]| match (open(a), open(b)) {
            (Ok(a), Ok(b)) if a.hash == b.hash => Right::Both,
            _ => Right::First,
        };
        self.pair(keys, record::max_stored(kind), check, judge).await
    }

    async fn key(&mut self, id: &str, keys: [String; 2]) -> Result<()> {
        let repository = &self.repo.config.id;
        let check = |bytes: &[u8]| {
            Ok(match KeyFile::parse(bytes) {
                Ok(file) if file.repository() != repository => Copy::Foreign,
                Ok(file) if file.info().id != id => {
                    Copy::Bad(Error::corrupt("A key file stands under another's name."))
                }
                Ok(_) => Copy::Good(bytes.to_vec()),
                Err(e) if e.code == Code::FormatTooNew => Copy::Foreign,
                Err(e) => Copy::Bad(e),
            })
        };
        self.pair(keys, limits::SMALL_OBJECT, check, |_, _| Right::Unknown).await
    }

    async fn pair(
        &mut self,
        keys: [String; 2],
        max: u64,
        check: impl Fn(&[u8]) -> Result<Copy>,
        judge: impl Fn(&[u8], &[u8]) -> Right,
    ) -> Result<()> {
        let [a, b] = &keys;
        let first = self.read(a, max, &check).await?;
        let second = self.read(b, max, &check).await?;
        match (first, second) {
            (Some(Copy::Good(a)), Some(Copy::Good(b))) => self.compare(keys, a, b, judge),
            (Some(Copy::Good(good)), other) => self.lacks(&keys[1], other, Some(good)),
            (other, Some(Copy::Good(good))) => self.lacks(&keys[0], other, Some(good)),
            (None | Some(Copy::Foreign), None | Some(Copy::Foreign)) if !a.starts_with("config") => {}
            (first, second) => {
                self.lacks(&keys[0], first, None);
                self.lacks(&keys[1], second, None);
            }
        }
        Ok(())
    }

    async fn read(&self, key: &str, max: u64, check: impl Fn(&[u8]) -> Result<Copy>) -> Result<Option<Copy>> {
        match self.world.get(key, None, max).await {
            Ok(bytes) => check(bytes.as_ref()).map(Some),
            Err(e) if e.code == Code::NotFound => Ok(None),
            Err(e) if e.is_damage() => Ok(Some(Copy::Bad(Error::corrupt(format!(
                "{key} is larger than the format allows, or can't be read."
            ))))),
            Err(e) => Err(e),
        }
    }

    fn compare(&mut self, keys: [String; 2], a: Vec<u8>, b: Vec<u8>, judge: impl Fn(&[u8], &[u8]) -> Right) {
        if a == b {
            return;
        }
        let error = Error::corrupt(format!("{} and its copy differ and both are authentic.", keys[0]));
        let snapshot = keys[0].starts_with("snapshots/");
        let [first, second] = keys;
        let (key, good) = match judge(&a, &b) {
            Right::Both => return,
            Right::First => (second, Some(a)),
            Right::Second => (first, Some(b)),
            Right::Unknown => (second, None),
        };
        self.flaws.push(Flaw { key, error, good, snapshot });
    }

    fn lacks(&mut self, key: &str, found: Option<Copy>, good: Option<Vec<u8>>) {
        let error = match found {
            Some(Copy::Good(_)) => return,
            None => Error::new(Code::NotFound, format!("{key} is missing.")),
            Some(Copy::Foreign) => Error::corrupt(format!("{key} is not this repository's.")),
            Some(Copy::Bad(error)) => error,
        };
        let snapshot = key.starts_with("snapshots/");
        self.flaws.push(Flaw { key: key.to_owned(), error: error.with("key", key), good, snapshot });
    }
}
