//! The operation queue: the engine asks, JavaScript performs and answers.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use napi::bindgen_prelude::{FnArgs, Uint8Array};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use packvault_core::error::{Code, Error, Result};

/// What the engine asks JavaScript to do.
#[napi(object)]
#[derive(Clone, Default)]
pub struct Operation {
    /// Its number; `answer` names it.
    pub id: u32,
    /// The call that it belongs to.
    pub call: u32,
    /// put, get, stat, list, delete, block, read, write, cancel.
    pub verb: String,
    /// Object name or prefix.
    pub key: String,
    /// list: only greater keys.
    pub after: String,
    /// Lent block.
    pub block: u32,
    /// get: first byte; write: position.
    pub offset: f64,
    /// Bytes; get: -1 for the whole object.
    pub length: f64,
    /// get: most bytes; list: most objects; read: the item; write: first byte in the block.
    pub limit: f64,
    /// put: create rather than overwrite.
    pub create: bool,
    /// put: SHA-256, hex, or nothing.
    pub sha256: String,
    /// delete: names.
    pub keys: Vec<String>,
}

/// How an operation ended.
pub enum Answer {
    /// put, delete, write.
    Done,
    /// get; block: the memory.
    Bytes(Uint8Array),
    /// stat, list: JSON. read: how many bytes.
    Text(String),
    /// Any.
    Failed(Error),
}

type Callback = ThreadsafeFunction<FnArgs<(Operation,)>, (), FnArgs<(Operation,)>, napi::Status, false, true, 0>;

/// Operations in flight.
pub struct Operations {
    callback: Callback,
    next: AtomicU32,
    table: Mutex<HashMap<u32, Slot>>,
}

#[derive(Default)]
struct Slot {
    answer: Option<Answer>,
    waiting: Option<Waker>,
    /// What must stay until JavaScript has answered, also when nobody waits any more.
    lent: Option<Uint8Array>,
    abandoned: bool,
}

impl Operations {
    /// A queue that hands operations to this callback.
    pub fn new(callback: Callback) -> Self {
        Self { callback, next: AtomicU32::new(1), table: Mutex::default() }
    }

    /// Asks for an operation. `lent` stays alive until it is answered. Dropping the future cancels it.
    pub fn ask(self: &Arc<Self>, mut operation: Operation, lent: Option<Uint8Array>) -> Asked {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        operation.id = id;
        let call = operation.call;
        self.lock().insert(id, Slot { lent, ..Slot::default() });
        self.callback.call(FnArgs::from((operation,)), ThreadsafeFunctionCallMode::NonBlocking);
        Asked { operations: self.clone(), id, call, over: false }
    }

    /// Tells JavaScript something that it does not answer.
    pub fn tell(&self, operation: Operation) {
        self.callback.call(FnArgs::from((operation,)), ThreadsafeFunctionCallMode::NonBlocking);
    }

    /// Takes JavaScript's answer.
    pub fn answer(&self, id: u32, answer: Answer) {
        let mut table = self.lock();
        let Some(slot) = table.get_mut(&id) else { return };
        if slot.abandoned {
            table.remove(&id);
            return;
        }
        slot.answer = Some(answer);
        let waker = slot.waiting.take();
        drop(table);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Slot>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An operation that was asked for. Gives the answer, and what was lent.
pub struct Asked {
    operations: Arc<Operations>,
    id: u32,
    call: u32,
    over: bool,
}

impl Asked {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.id
    }
}

impl Future for Asked {
    type Output = (Result<Answer>, Option<Uint8Array>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut table = self.operations.lock();
        let Some(slot) = table.get_mut(&self.id) else {
            return Poll::Ready((Err(Error::new(Code::Internal, "an operation was answered twice")), None));
        };
        let Some(answer) = slot.answer.take() else {
            slot.waiting = Some(context.waker().clone());
            return Poll::Pending;
        };
        let lent = slot.lent.take();
        table.remove(&self.id);
        drop(table);
        self.over = true;
        Poll::Ready(match answer {
            Answer::Failed(mut error) => {
                error.origin = Some(self.id);
                (Err(error), lent)
            }
            good => (Ok(good), lent),
        })
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut table = self.operations.lock();
        match table.get_mut(&self.id) {
            Some(slot) if slot.answer.is_none() => slot.abandoned = true,
            _ => {
                table.remove(&self.id);
                return;
            }
        }
        drop(table);
        let cancel = Operation { id: self.id, call: self.call, verb: "cancel".into(), ..Operation::default() };
        self.operations.tell(cancel);
    }
}
