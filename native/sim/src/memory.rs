//! The blocks that a simulated call may hold: bounded as in production, so that a verb which waits for itself is found.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

#[derive(Default)]
struct State {
    held: usize,
    peak: usize,
    waiting: Vec<Waker>,
}

/// Counts the blocks of one process. Clones share it.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

impl Memory {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Most bytes that were held at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.lock().peak
    }

    /// Bytes that are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.lock().held
    }

    /// Waits until `size` more bytes fit into `limit`; more than `limit` is granted when nothing else is held.
    pub(crate) async fn take(&self, size: usize, limit: usize) {
        std::future::poll_fn(|context| {
            let mut state = self.lock();
            if state.held + size <= limit || state.held == 0 {
                state.held += size;
                state.peak = state.peak.max(state.held);
                return Poll::Ready(());
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn give(&self, size: usize) {
        let mut state = self.lock();
        state.held -= size;
        state.waiting.drain(..).for_each(Waker::wake);
    }
}

/// A block of the simulated pool. As in production it may be longer than what was asked for, and its contents are unspecified:
/// what a verb does not overwrite must not matter.
pub struct Block {
    bytes: Vec<u8>,
    counted: usize,
    memory: Memory,
}

impl Block {
    pub(crate) fn new(memory: &Memory, size: usize, spare: usize) -> Self {
        Self { bytes: vec![0xA5; size + spare], counted: size, memory: memory.clone() }
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsMut<[u8]> for Block {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.memory.give(self.counted);
    }
}
