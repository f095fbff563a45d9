//! The simulated store: objects in memory, a count of operations, and one crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use packvault_core::error::{Code, Error, Result};
use packvault_core::world::{ObjectInfo, PutMode};

/// How an operation is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The process dies before the operation reaches the store.
    Before,
    /// The operation takes effect, its answer is lost, the process dies.
    After,
    /// A delete of several keys is done in part, then the process dies; a put is whole or absent, so it is like `Before`.
    Torn,
}

/// The process dies at its `at`-th mutating operation, counted from 0. Every later operation of it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Which operation.
    pub at: usize,
    /// How.
    pub when: When,
}

#[derive(Default)]
struct Objects {
    map: BTreeMap<String, (Vec<u8>, i64)>,
    mutations: usize,
    reads: usize,
    crash: Option<Crash>,
    dead: bool,
    trace: Vec<String>,
    broken_create: bool,
    failing: Option<(String, Code)>,
}

/// A store that several worlds share.
#[derive(Clone, Default)]
pub struct SimStore(Arc<Mutex<Objects>>);

impl SimStore {
    fn lock(&self) -> std::sync::MutexGuard<'_, Objects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the crash of the process that works from now on, and counts from 0 again.
    pub fn arm(&self, crash: Option<Crash>) {
        let mut objects = self.lock();
        objects.crash = crash;
        objects.dead = false;
        objects.mutations = 0;
    }

    /// Mutating operations since [`Self::arm`].
    #[must_use]
    pub fn mutations(&self) -> usize {
        self.lock().mutations
    }

    /// Reading operations so far.
    #[must_use]
    pub fn reads(&self) -> usize {
        self.lock().reads
    }

    /// Every operation so far.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.lock().trace.clone()
    }

    /// All objects.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().map.iter().map(|(k, (v, _))| (k.clone(), v.clone())).collect()
    }

    /// Replaces all objects.
    pub fn load(&self, objects: &BTreeMap<String, Vec<u8>>) {
        self.lock().map = objects.iter().map(|(k, v)| (k.clone(), (v.clone(), 0))).collect();
    }

    /// Changes an object behind the engine's back; `None` removes it.
    pub fn damage(&self, key: &str, change: impl FnOnce(&mut Vec<u8>) -> bool) {
        let mut objects = self.lock();
        let keep = objects.map.get_mut(key).is_none_or(|(bytes, _)| change(bytes));
        if !keep {
            objects.map.remove(key);
        }
    }

    /// Keys under a prefix.
    #[must_use]
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.lock().map.keys().filter(|k| k.starts_with(prefix)).cloned().collect()
    }

    /// From now on creates overwrite: a planted fault.
    pub fn break_create(&self) {
        self.lock().broken_create = true;
    }

    /// From now on reads of keys with this prefix fail with this code.
    pub fn fail_reads(&self, failing: Option<(&str, Code)>) {
        self.lock().failing = failing.map(|(prefix, code)| (prefix.to_owned(), code));
    }

    pub(crate) fn put(&self, key: &str, body: &[u8], mode: PutMode, now: i64) -> Result<()> {
        let mut objects = self.lock();
        objects.note(format!("put {key} {}", body.len()));
        let hit = objects.mutate()?;
        if hit == Some(When::Before) || hit == Some(When::Torn) {
            return Err(dead());
        }
        if mode == PutMode::Create && objects.map.contains_key(key) && !objects.broken_create {
            return Err(Error::new(Code::AlreadyExists, format!("{key} exists")));
        }
        objects.map.insert(key.to_owned(), (body.to_vec(), now));
        if hit.is_some() { Err(dead()) } else { Ok(()) }
    }

    pub(crate) fn get(&self, key: &str, range: Option<(u64, u64)>, max: u64) -> Result<Vec<u8>> {
        let mut objects = self.lock();
        objects.note(format!("get {key} {range:?}"));
        objects.read(key)?;
        let (bytes, _) = objects.map.get(key).ok_or_else(|| missing(key))?;
        let Some((offset, len)) = range else {
            return if bytes.len() as u64 > max {
                Err(Error::corrupt(format!("{key} is larger than {max} bytes")))
            } else {
                Ok(bytes.clone())
            };
        };
        let (from, to) = (offset as usize, (offset + len) as usize);
        bytes
            .get(from..to)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| Error::new(Code::RangeInvalid, format!("{key}: beyond its end")))
    }

    pub(crate) fn stat(&self, key: &str) -> Result<ObjectInfo> {
        let mut objects = self.lock();
        objects.note(format!("stat {key}"));
        objects.read(key)?;
        let (bytes, at) = objects.map.get(key).ok_or_else(|| missing(key))?;
        Ok(ObjectInfo { key: key.to_owned(), size: bytes.len() as u64, modified_ms: *at })
    }

    pub(crate) fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<ObjectInfo>> {
        let mut objects = self.lock();
        objects.note(format!("list {prefix} {after}"));
        objects.read(prefix)?;
        let all = objects.map.iter().filter(|(k, _)| k.starts_with(prefix) && k.as_str() > after).take(limit);
        Ok(all.map(|(k, (b, at))| ObjectInfo { key: k.clone(), size: b.len() as u64, modified_ms: *at }).collect())
    }

    pub(crate) fn delete(&self, keys: &[String]) -> Result<()> {
        let mut objects = self.lock();
        objects.note(format!("delete {keys:?}"));
        let hit = objects.mutate()?;
        let count = match hit {
            Some(When::Before) => 0,
            Some(When::Torn) => keys.len() / 2,
            Some(When::After) | None => keys.len(),
        };
        for key in &keys[..count] {
            objects.map.remove(key);
        }
        if hit.is_some() { Err(dead()) } else { Ok(()) }
    }
}

impl Objects {
    fn note(&mut self, what: String) {
        self.trace.push(what);
    }

    fn read(&mut self, key: &str) -> Result<()> {
        self.reads += 1;
        if self.dead {
            return Err(dead());
        }
        match &self.failing {
            Some((prefix, code)) if key.starts_with(prefix) => Err(Error::new(*code, "the simulated store fails")),
            _ => Ok(()),
        }
    }

    fn mutate(&mut self) -> Result<Option<When>> {
        if self.dead {
            return Err(dead());
        }
        let number = self.mutations;
        self.mutations += 1;
        let hit = self.crash.filter(|crash| crash.at == number).map(|crash| crash.when);
        self.dead = hit.is_some();
        Ok(hit)
    }
}

fn missing(key: &str) -> Error {
    Error::new(Code::NotFound, format!("{key} does not exist"))
}

fn dead() -> Error {
    Error::new(Code::Unavailable, "the simulated process has crashed")
}
