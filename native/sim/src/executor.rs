//! One thread, many tasks, and a seeded choice of who goes next.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use packvault_core::error::{Code, Error, Result};
use packvault_core::world::Task;

use crate::Random;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct State {
    next: u64,
    tasks: BTreeMap<u64, Option<Work>>,
    ready: Vec<u64>,
}

/// The scheduler. Clones share it.
#[derive(Clone, Default)]
pub struct Executor(Arc<Mutex<State>>);

struct Wakes {
    executor: Executor,
    id: u64,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        let mut state = self.executor.lock();
        if state.tasks.contains_key(&self.id) && !state.ready.contains(&self.id) {
            state.ready.push(self.id);
        }
    }
}

/// What a task leaves for whoever waits for it.
struct Slot<T> {
    value: Option<T>,
    waiting: Option<Waker>,
}

/// Ends its task when it is dropped.
struct Handle<T> {
    slot: Arc<Mutex<Slot<T>>>,
    executor: Executor,
    id: u64,
    done: Arc<AtomicBool>,
}

impl<T> Future for Handle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = slot.value.take() {
            return Poll::Ready(value);
        }
        slot.waiting = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        if !self.done.load(Ordering::Relaxed) {
            let work = self.executor.lock().tasks.remove(&self.id);
            drop(work);
        }
    }
}

impl Executor {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a task.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Task<T> {
        let slot = Arc::new(Mutex::new(Slot { value: None, waiting: None }));
        let done = Arc::new(AtomicBool::new(false));
        let (into, ended) = (slot.clone(), done.clone());
        let work: Work = Box::pin(async move {
            let value = work.await;
            ended.store(true, Ordering::Relaxed);
            let mut slot = into.lock().unwrap_or_else(PoisonError::into_inner);
            slot.value = Some(value);
            if let Some(waker) = slot.waiting.take() {
                waker.wake();
            }
        });
        let id = {
            let mut state = self.lock();
            state.next += 1;
            let id = state.next;
            state.tasks.insert(id, Some(work));
            state.ready.push(id);
            id
        };
        Box::pin(Handle { slot, executor: self.clone(), id, done })
    }

    /// Runs a future, and all that it spawns, to its end. `INTERNAL` if nothing can go on.
    pub fn run<T: Send + 'static>(
        &self,
        random: &mut Random,
        main: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let result = Arc::new(Mutex::new(None));
        let into = result.clone();
        let _main = self.spawn(async move {
            let value = main.await;
            *into.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        });
        loop {
            if let Some(value) = result.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return value;
            }
            if !self.step(random) {
                return Err(Error::new(Code::Internal, "deadlock: no task of the simulation can go on"));
            }
        }
    }

    /// Lets one task go on.
    fn step(&self, random: &mut Random) -> bool {
        let (id, mut work) = {
            let mut state = self.lock();
            if state.ready.is_empty() {
                return false;
            }
            let chosen = random.below(state.ready.len());
            let id = state.ready.swap_remove(chosen);
            let Some(work) = state.tasks.get_mut(&id).and_then(Option::take) else { return true };
            (id, work)
        };
        let waker = Waker::from(Arc::new(Wakes { executor: self.clone(), id }));
        let done = work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let mut state = self.lock();
        if done {
            state.tasks.remove(&id);
        } else if let Some(place) = state.tasks.get_mut(&id) {
            *place = Some(work);
            return true;
        }
        drop(state);
        drop(work);
        true
    }
}
