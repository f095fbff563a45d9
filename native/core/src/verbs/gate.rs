//! A value that tasks change, and wait for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The value, and who waits.
#[derive(Default)]
pub struct Gate<T>(Mutex<(T, Vec<Waker>)>);

impl<T> Gate<T> {
    /// With this value.
    pub fn new(value: T) -> Self {
        Self(Mutex::new((value, Vec::new())))
    }

    /// Waits until `take` gives something. It may change the value then.
    pub async fn wait<R>(&self, mut take: impl FnMut(&mut T) -> Option<R>) -> R {
        std::future::poll_fn(|context| {
            let mut state = self.lock();
            if let Some(taken) = take(&mut state.0) {
                return Poll::Ready(taken);
            }
            state.1.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Changes the value, and lets everybody who waits look again: one that was dropped meanwhile must not swallow the wake-up.
    pub fn change(&self, change: impl FnOnce(&mut T)) {
        let mut state = self.lock();
        change(&mut state.0);
        state.1.drain(..).for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, (T, Vec<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
