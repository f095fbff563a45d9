//! The simulated store: objects in memory, and the lies that a planted fault needs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use packvault_core::error::{Code, Error, Result};
use packvault_core::world::{ObjectInfo, PutMode};

/// Ways in which a store breaks its contract. Each is a planted fault that some oracle must notice; none is ever set otherwise.
#[derive(Clone, Debug, Default)]
pub struct Lies {
    /// Creates overwrite.
    pub broken_create: bool,
    /// Puts under this prefix are acknowledged and forgotten.
    pub lost_puts: Option<String>,
    /// Reads under this prefix return one flipped bit.
    pub flipped_reads: Option<String>,
    /// Listings do not show what is under this prefix.
    pub hidden: Option<String>,
    /// Listings do not show what is under this prefix until so many seconds after its put.
    pub hides_new: Option<(String, i64)>,
}

/// When simulations begin, milliseconds since 1970.
pub const START_MS: i64 = 1_795_500_000_000;

/// A mutation that is under way for long.
#[derive(Clone, Debug)]
pub(crate) enum Late {
    Put(String, Vec<u8>, PutMode),
    Delete(Vec<String>),
}

#[derive(Default)]
struct Objects {
    map: BTreeMap<String, (Vec<u8>, i64)>,
    trace: Vec<String>,
    lies: Lies,
    failing: Option<(String, Code)>,
    operations: u64,
    late: Vec<(u64, Late)>,
    leap_ms: i64,
    decided: BTreeMap<String, Vec<u8>>,
}

/// A store that several processes share. Puts are whole or absent, as the contract says.
#[derive(Clone, Default)]
pub struct SimStore(Arc<Mutex<Objects>>);

impl SimStore {
    fn lock(&self) -> std::sync::MutexGuard<'_, Objects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every operation so far, of all processes.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.lock().trace.clone()
    }

    pub(crate) fn note(&self, what: String) {
        self.lock().trace.push(what);
    }

    /// Counts an operation of whatever process, and lets what is due take effect.
    pub(crate) fn tick(&self) {
        let due = {
            let mut objects = self.lock();
            objects.operations += 1;
            let now = objects.operations;
            let (due, later): (Vec<_>, Vec<_>) =
                std::mem::take(&mut objects.late).into_iter().partition(|(at, _)| *at <= now);
            objects.late = later;
            due
        };
        for (_, late) in due {
            self.take_effect(late);
        }
    }

    fn take_effect(&self, late: Late) {
        match late {
            Late::Put(key, body, mode) => drop(self.put(&key, &body, mode)),
            Late::Delete(keys) => self.delete(&keys),
        }
    }

    /// Lets a mutation take effect after so many operations of all processes.
    pub(crate) fn later(&self, operations: u64, late: Late) {
        let mut objects = self.lock();
        let at = objects.operations + operations;
        objects.late.push((at, late));
    }

    /// Everything that is under way takes effect now.
    pub fn settle(&self) {
        let late = std::mem::take(&mut self.lock().late);
        for (_, late) in late {
            self.take_effect(late);
        }
    }

    /// The store's own clock, milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.lock().now()
    }

    /// The store's own clock goes on by this much.
    pub fn leap(&self, ms: i64) {
        self.lock().leap_ms += ms;
    }

    /// All objects.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().map.iter().map(|(k, (v, _))| (k.clone(), v.clone())).collect()
    }

    /// Another store with the same objects.
    #[must_use]
    pub fn copied(&self) -> Self {
        let copy = Self::default();
        copy.load(&self.snapshot());
        copy.lock().decided = self.lock().decided.clone();
        copy
    }

    /// Another store with the same objects, where gc records say what they said at first: of old ones only the header stays.
    #[must_use]
    pub fn recalled(&self) -> Self {
        let copy = self.copied();
        let decided = self.lock().decided.clone();
        for (key, bytes) in &decided {
            copy.plant(key, bytes);
        }
        copy
    }

    /// Replaces all objects.
    pub fn load(&self, objects: &BTreeMap<String, Vec<u8>>) {
        let mut own = self.lock();
        let now = own.now();
        own.map = objects.iter().map(|(k, v)| (k.clone(), (v.clone(), now))).collect();
    }

    /// Stores an object behind the engine's back.
    pub fn plant(&self, key: &str, bytes: &[u8]) {
        self.lock().map.insert(key.to_owned(), (bytes.to_vec(), 0));
    }

    /// Changes an object behind the engine's back; it is removed when `change` says false.
    pub fn damage(&self, key: &str, change: impl FnOnce(&mut Vec<u8>) -> bool) {
        let mut objects = self.lock();
        let keep = objects.map.get_mut(key).is_none_or(|(bytes, _)| change(bytes));
        if !keep {
            objects.map.remove(key);
        }
    }

    /// Removes an object behind the engine's back.
    pub fn lose(&self, key: &str) {
        self.lock().map.remove(key);
    }

    /// Keys under a prefix.
    #[must_use]
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.lock().map.keys().filter(|k| k.starts_with(prefix)).cloned().collect()
    }

    /// From now on the store lies.
    pub fn lie(&self, lies: Lies) {
        self.lock().lies = lies;
    }

    /// From now on reads of keys with this prefix fail with this code.
    pub fn fail_reads(&self, failing: Option<(&str, Code)>) {
        self.lock().failing = failing.map(|(prefix, code)| (prefix.to_owned(), code));
    }

    pub(crate) fn put(&self, key: &str, body: &[u8], mode: PutMode) -> Result<()> {
        let mut objects = self.lock();
        let now = objects.now();
        if mode == PutMode::Create && objects.map.contains_key(key) && !objects.lies.broken_create {
            return Err(Error::new(Code::AlreadyExists, format!("{key} exists")));
        }
        if mode == PutMode::Create && key.starts_with("gc/") {
            objects.decided.insert(key.to_owned(), body.to_vec());
        }
        if !covers(objects.lies.lost_puts.as_ref(), key) {
            objects.map.insert(key.to_owned(), (body.to_vec(), now));
        }
        Ok(())
    }

    pub(crate) fn get(&self, key: &str, range: Option<(u64, u64)>, max: u64) -> Result<Vec<u8>> {
        let objects = self.lock();
        objects.answer(key)?;
        let (bytes, _) = objects.map.get(key).ok_or_else(|| missing(key))?;
        let (from, to) = range.map_or((0, bytes.len()), |(offset, len)| (offset as usize, (offset + len) as usize));
        if (to - from) as u64 > max {
            return Err(Error::new(Code::RangeInvalid, format!("{key}: more than {max} bytes")));
        }
        let beyond = || Error::new(Code::RangeInvalid, format!("{key}: beyond its end"));
        let mut got = bytes.get(from..to).ok_or_else(beyond)?.to_vec();
        if covers(objects.lies.flipped_reads.as_ref(), key)
            && let Some(byte) = got.get_mut((to - from) / 2)
        {
            *byte ^= 1;
        }
        Ok(got)
    }

    pub(crate) fn stat(&self, key: &str) -> Result<ObjectInfo> {
        let objects = self.lock();
        objects.answer(key)?;
        let (bytes, at) = objects.map.get(key).ok_or_else(|| missing(key))?;
        Ok(ObjectInfo { key: key.to_owned(), size: bytes.len() as u64, modified_ms: *at })
    }

    pub(crate) fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<ObjectInfo>> {
        let objects = self.lock();
        objects.answer(prefix)?;
        let shown = |key: &str| key.starts_with(prefix) && key > after && !covers(objects.lies.hidden.as_ref(), key);
        let now = objects.now();
        let is_late = |key: &str, at: i64| {
            let lie = objects.lies.hides_new.as_ref();
            lie.is_some_and(|(prefix, seconds)| key.starts_with(prefix.as_str()) && now < at + seconds * 1000)
        };
        let all = objects.map.iter().filter(|(key, (_, at))| shown(key) && !is_late(key, *at)).take(limit);
        Ok(all.map(|(k, (b, at))| ObjectInfo { key: k.clone(), size: b.len() as u64, modified_ms: *at }).collect())
    }

    pub(crate) fn delete(&self, keys: &[String]) {
        let mut objects = self.lock();
        for key in keys {
            objects.map.remove(key);
        }
    }
}

impl Objects {
    /// By the store's clock: a second an operation.
    fn now(&self) -> i64 {
        START_MS + self.leap_ms + self.operations.cast_signed() * 1000
    }

    fn answer(&self, key: &str) -> Result<()> {
        match &self.failing {
            Some((prefix, code)) if key.starts_with(prefix) => Err(Error::new(*code, "the simulated store fails")),
            _ => Ok(()),
        }
    }
}

fn covers(prefix: Option<&String>, key: &str) -> bool {
    prefix.is_some_and(|prefix| key.starts_with(prefix.as_str()))
}

fn missing(key: &str) -> Error {
    Error::new(Code::NotFound, format!("{key} does not exist"))
}
