//! Memory that JavaScript allocated and lent to one call of the engine. It is recycled within the call and bounded by its share.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use napi::bindgen_prelude::Uint8Array;
use packvault_core::error::{Code, Error, Result};

use crate::operations::{Answer, Operation, Operations};

/// A lent block. The engine has it alone, unless it is part of an operation in flight: then nobody writes to it.
pub struct Block {
    lent: Option<Lent>,
    pool: Arc<Pool>,
}

/// A block's memory and the number under which JavaScript knows it.
pub struct Lent {
    /// The memory.
    pub array: Uint8Array,
    /// Its number.
    pub id: u32,
}

// SAFETY: through `&Block` the bytes are only read, and nobody writes to them meanwhile: JavaScript writes to a block only while it
// performs a `read` operation, which holds the block by value.
unsafe impl Sync for Block {}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        self.lent.as_ref().map_or(&[], |lent| lent.array.as_ref())
    }
}

impl AsMut<[u8]> for Block {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: the package allocated the array, never detaches it and lends it to this block alone; `&mut self` is exclusive.
        self.lent.as_mut().map_or(&mut [], |lent| unsafe { lent.array.as_mut() })
    }
}

impl Block {
    /// Takes the memory out, for an operation. It goes back with [`Pool::put_back`], or is given up with [`Pool::give_up`].
    pub fn take(mut self) -> Option<Lent> {
        self.lent.take()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(lent) = self.lent.take() {
            self.pool.put_back(lent);
        }
    }
}

/// The blocks of one call.
pub struct Pool {
    operations: Arc<Operations>,
    call: u32,
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    free: Vec<Lent>,
    allocated: usize,
    waiting: VecDeque<Waker>,
}

/// What a request for a block comes to.
enum Found {
    Free(Lent),
    Allocate,
}

impl Pool {
    /// A pool of at most `limit` bytes.
    pub fn new(operations: Arc<Operations>, call: u32, limit: usize) -> Arc<Self> {
        Arc::new(Self { operations, call, limit, state: Mutex::default() })
    }

    /// A block of at least `size` bytes. A request that is larger than the whole share is granted when nothing else is held.
    pub async fn block(self: &Arc<Self>, size: usize) -> Result<Block> {
        let found = std::future::poll_fn(|context| {
            let mut state = self.lock();
            if let Some(found) = self.find(&mut state, size) {
                return Poll::Ready(found);
            }
            state.waiting.push_back(context.waker().clone());
            Poll::Pending
        })
        .await;
        self.lend(found, size).await
    }

    /// A block like that if there is memory for it now and nobody waits: for what would be nice to have.
    pub async fn spare(self: &Arc<Self>, size: usize) -> Result<Option<Block>> {
        let found = {
            let mut state = self.lock();
            if !state.waiting.is_empty() {
                return Ok(None);
            }
            self.find(&mut state, size)
        };
        match found {
            Some(found) => self.lend(found, size).await.map(Some),
            None => Ok(None),
        }
    }

    /// Memory for `size` bytes, if the limit has room: a free block, or leave to allocate one.
    fn find(&self, state: &mut State, size: usize) -> Option<Found> {
        let class = class(size);
        // Of the very size: whoever got a larger one would take memory that others count with.
        if let Some(at) = state.free.iter().position(|lent| lent.array.len() == class) {
            return Some(Found::Free(state.free.swap_remove(at)));
        }
        while state.allocated + class > self.limit && !state.free.is_empty() {
            let unused = state.free.remove(0);
            state.allocated -= unused.array.len();
            self.forget(unused.id);
        }
        if state.allocated + class > self.limit && state.allocated > 0 {
            return None;
        }
        state.allocated += class;
        Some(Found::Allocate)
    }

    async fn lend(self: &Arc<Self>, found: Found, size: usize) -> Result<Block> {
        let lent = match found {
            Found::Free(lent) => lent,
            Found::Allocate => self.allocate(class(size)).await?,
        };
        Ok(self.adopt(lent))
    }

    async fn allocate(self: &Arc<Self>, size: usize) -> Result<Lent> {
        let ask = Operation { call: self.call, verb: "block".into(), length: size as f64, ..Operation::default() };
        let asked = self.operations.ask(ask, None);
        let id = asked.id();
        match asked.await.0 {
            Ok(Answer::Bytes(array)) if array.len() == size => Ok(Lent { array, id }),
            Ok(_) => Err(Error::new(Code::Internal, "no memory was lent")),
            Err(error) => Err(error),
        }
    }

    /// A block again, after an operation.
    pub fn adopt(self: &Arc<Self>, lent: Lent) -> Block {
        Block { lent: Some(lent), pool: self.clone() }
    }

    /// Takes a block back.
    pub fn put_back(&self, lent: Lent) {
        let mut state = self.lock();
        state.free.push(lent);
        state.waiting.drain(..).for_each(Waker::wake);
    }

    /// Gives a block up: somebody may still read it.
    pub fn give_up(&self, lent: Lent) {
        let Lent { array, id } = lent;
        let mut state = self.lock();
        state.allocated -= array.len();
        state.waiting.drain(..).for_each(Waker::wake);
        drop(state);
        self.forget(id);
    }

    /// Tells JavaScript that the engine no longer uses a block.
    fn forget(&self, id: u32) {
        self.operations.tell(Operation { call: self.call, verb: "forget".into(), block: id, ..Operation::default() });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Small blocks come in a few sizes, so that they fit again. Larger ones are as asked, rounded to 64 KiB: a pack must not take more
/// memory than its writer counts with.
fn class(size: usize) -> usize {
    if size <= 256 << 10 { size.next_power_of_two().max(64 << 10) } else { size.next_multiple_of(64 << 10) }
}
