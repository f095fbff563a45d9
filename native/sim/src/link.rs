//! How one process reaches the store: every operation is counted and noted, and one of them may go wrong.

use std::sync::{Arc, Mutex, PoisonError};

use packvault_core::error::{Code, Error, Result};
use packvault_core::world::{ObjectInfo, PutMode};

use crate::store::{Late, SimStore};
use crate::weather::{Blow, Weather};

/// How an operation is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It does not reach the store.
    Before,
    /// It takes effect, and its answer is lost.
    After,
    /// A delete of several keys is done in part. A put is whole or absent, so for a put this is `Before`.
    Torn,
}

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies at its mutating operation number `at`, counted from 0. Every later operation of it fails.
    Crash {
        /// Which operation.
        at: usize,
        /// How.
        when: When,
    },
    /// Operation number `at`, reads counted too, gets this error, and the process goes on.
    Fail {
        /// Which operation.
        at: usize,
        /// How.
        when: When,
        /// The error.
        code: Code,
    },
}

/// Something that happens in the world just before an operation.
type Hook = Box<dyn FnOnce(&SimStore) + Send>;

/// Somebody who hears of every operation before it takes place.
type Watcher = Box<dyn FnMut(&str, &SimStore) + Send>;

#[derive(Default)]
struct State {
    operations: usize,
    mutations: usize,
    fault: Option<Fault>,
    dead: bool,
    hooks: Vec<(usize, Hook)>,
    watcher: Option<Watcher>,
    weather: Option<Weather>,
}

/// One process's way to the store. Clones are the same process.
#[derive(Clone)]
pub struct Link {
    store: SimStore,
    process: u32,
    state: Arc<Mutex<State>>,
}

/// What becomes of an operation.
enum Fate {
    Well,
    Instead(Error),
    Torn(Error),
    Lost(Error),
    Late(u64),
    Twice(u64),
}

impl Fate {
    fn of(when: When, error: Error) -> Self {
        match when {
            When::Before => Self::Instead(error),
            When::After => Self::Lost(error),
            When::Torn => Self::Torn(error),
        }
    }

    fn apply<T>(self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        match self {
            Self::Well | Self::Twice(_) => work(),
            Self::Instead(error) | Self::Torn(error) => Err(error),
            Self::Late(_) => Err(timed_out()),
            Self::Lost(error) => work().and(Err(error.clone())).map_err(|_| error),
        }
    }
}

impl Link {
    /// A process, by number.
    #[must_use]
    pub fn new(store: &SimStore, process: u32) -> Self {
        Self { store: store.clone(), process, state: Arc::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what goes wrong from now on, and counts from 0 again. A dead process lives again.
    pub fn arm(&self, fault: Option<Fault>) {
        *self.lock() = State { fault, ..State::default() };
    }

    /// From now on operations go wrong as the weather has it. A dead process lives again.
    pub fn expose(&self, weather: Weather) {
        *self.lock() = State { weather: Some(weather), ..State::default() };
    }

    /// For how many turns the process stands still now.
    pub(crate) fn pause(&self) -> usize {
        let pause = self.lock().weather.as_mut().map_or(0, Weather::pause);
        if pause > 0 {
            self.store.leap(pause.cast_signed() as i64 * 3_600_000);
        }
        pause
    }

    /// Objects of the next page of a listing; `None` if it comes in one piece.
    pub(crate) fn page(&self) -> Option<usize> {
        self.lock().weather.as_mut().and_then(Weather::page)
    }

    /// The process's number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.process
    }

    /// Whether the process has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// Lets `happen` take place just before operation number `at`, after [`Self::arm`].
    pub fn before(&self, at: usize, happen: impl FnOnce(&SimStore) + Send + 'static) {
        self.lock().hooks.push((at, Box::new(happen)));
    }

    /// Lets `watcher` hear of every operation, after [`Self::arm`], just before it takes place.
    pub fn watch(&self, watcher: impl FnMut(&str, &SimStore) + Send + 'static) {
        self.lock().watcher = Some(Box::new(watcher));
    }

    /// Operations since [`Self::arm`].
    #[must_use]
    pub fn operations(&self) -> usize {
        self.lock().operations
    }

    /// Mutating operations since [`Self::arm`].
    #[must_use]
    pub fn mutations(&self) -> usize {
        self.lock().mutations
    }

    fn begin(&self, what: &str, mutates: bool) -> Result<Fate> {
        self.store.tick();
        self.store.note(format!("{} {what}", self.process));
        let (due, fate) = {
            let mut state = self.lock();
            if state.dead {
                return Err(dead());
            }
            let (operation, mutation) = (state.operations, state.mutations);
            state.operations += 1;
            state.mutations += usize::from(mutates);
            let fate = match state.fault {
                Some(Fault::Crash { at, when }) if mutates && at == mutation => {
                    state.dead = true;
                    Fate::of(when, dead())
                }
                Some(Fault::Fail { at, when, code }) if at == operation => {
                    Fate::of(when, Error::new(code, "the simulated store fails"))
                }
                _ => match state.weather.as_mut().and_then(|weather| weather.blow(mutates)) {
                    None => Fate::Well,
                    Some(Blow::Crash(when)) => {
                        state.dead = true;
                        Fate::of(when, dead())
                    }
                    Some(Blow::Fail(when, code)) => Fate::of(when, Error::new(code, "the simulated store fails")),
                    Some(Blow::Late(operations)) => Fate::Late(operations),
                    Some(Blow::Twice(operations)) => Fate::Twice(operations),
                },
            };
            let hooks = std::mem::take(&mut state.hooks);
            let (due, later): (Vec<_>, Vec<_>) = hooks.into_iter().partition(|(at, _)| *at <= operation);
            state.hooks = later;
            (due, fate)
        };
        for (_, hook) in due {
            hook(&self.store);
        }
        let watcher = self.lock().watcher.take();
        if let Some(mut watcher) = watcher {
            watcher(what, &self.store);
            self.lock().watcher = Some(watcher);
        }
        Ok(fate)
    }

    pub(crate) fn put(&self, key: &str, body: &[u8], mode: PutMode) -> Result<()> {
        let fate = self.begin(&format!("put {key} {}", body.len()), true)?;
        if let Fate::Late(operations) | Fate::Twice(operations) = fate {
            self.store.later(operations, Late::Put(key.to_owned(), body.to_vec(), mode));
        }
        fate.apply(|| self.store.put(key, body, mode))
    }

    pub(crate) fn get(&self, key: &str, range: Option<(u64, u64)>, max: u64) -> Result<Vec<u8>> {
        let fate = self.begin(&format!("get {key} {range:?}"), false)?;
        fate.apply(|| self.store.get(key, range, max))
    }

    pub(crate) fn stat(&self, key: &str) -> Result<ObjectInfo> {
        self.begin(&format!("stat {key}"), false)?.apply(|| self.store.stat(key))
    }

    pub(crate) fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<ObjectInfo>> {
        let fate = self.begin(&format!("list {prefix} {after}"), false)?;
        fate.apply(|| self.store.list(prefix, after, limit))
    }

    pub(crate) fn delete(&self, keys: &[String]) -> Result<()> {
        let fate = self.begin(&format!("delete {keys:?}"), true)?;
        if let Fate::Late(operations) | Fate::Twice(operations) = fate {
            self.store.later(operations, Late::Delete(keys.to_vec()));
        }
        let torn = matches!(fate, Fate::Torn(_));
        if torn {
            self.store.delete(&keys[..keys.len() / 2]);
        }
        fate.apply(|| {
            self.store.delete(keys);
            Ok(())
        })
    }
}

fn timed_out() -> Error {
    Error::new(Code::Unavailable, "the simulated store has not answered")
}

fn dead() -> Error {
    Error::new(Code::Unavailable, "the simulated process has crashed")
}
