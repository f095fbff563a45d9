//! The class that JavaScript sees: one engine per repository, with its threads and its running calls.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_executor::Executor;
use futures_lite::FutureExt;
use futures_util::future::{AbortHandle, Abortable};
use napi::bindgen_prelude::{FnArgs, Function, Object, Uint8Array};
use napi::{Env, Result};
use napi_derive::napi;
use packvault_core::error::{Code, Error};
use packvault_core::progress::{Call, Event};
use zeroize::Zeroizing;

use crate::block::Pool;
use crate::operations::{Answer, Operation, Operations};
use crate::pending::{Failure, Pending, quiet_thread};
use crate::verbs::{Opened, expected, run, seen};
use crate::world::{NodeWorld, panicked};

/// The Rust side of one repository. All verbs are asynchronous; the store is JavaScript's.
#[napi]
pub struct Engine {
    operations: Arc<Operations>,
    executor: Arc<Executor<'static>>,
    threads: Vec<JoinHandle<()>>,
    stop: Option<async_executor_stop::Stop>,
    opened: Opened,
    poisoned: Arc<AtomicBool>,
    running: Arc<Mutex<HashMap<u32, Running>>>,
}

/// A call of a verb.
#[napi(object)]
pub struct Request {
    /// Its number; operations name it.
    pub call: u32,
    /// What to do.
    pub verb: String,
    /// JSON.
    pub options: String,
    /// Bytes that it may hold.
    pub memory: f64,
}

struct Running {
    abort: AbortHandle,
    call: Arc<Call>,
}

/// A signal that ends the threads: they wait for a channel that closes when this is dropped.
mod async_executor_stop {
    use futures_util::FutureExt;
    use futures_util::future::{BoxFuture, Shared};

    /// Dropped: the threads end.
    pub struct Stop {
        _sender: futures_channel::oneshot::Sender<()>,
    }

    /// A stop signal and what the threads wait for.
    pub fn channel() -> (Stop, Shared<BoxFuture<'static, ()>>) {
        let (sender, receiver) = futures_channel::oneshot::channel();
        (Stop { _sender: sender }, receiver.map(|_| ()).boxed().shared())
    }
}

#[napi]
#[allow(clippy::needless_pass_by_value, reason = "what JavaScript gives is owned")]
impl Engine {
    /// Starts the threads. `perform` is called with each operation on JavaScript's thread; it must not throw.
    #[napi(constructor, catch_unwind)]
    pub fn new(threads: u32, perform: Function<'_, FnArgs<(Operation,)>, ()>) -> Result<Self> {
        let callback = perform.build_threadsafe_function().weak::<true>().callee_handled::<false>().build()?;
        let executor = Arc::new(Executor::new());
        let (stop, stopped) = async_executor_stop::channel();
        let handles = (0..threads.clamp(1, 256)).map(|number| {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            std::thread::Builder::new().name(format!("packvault-{number}")).spawn(move || {
                quiet_thread();
                futures_lite::future::block_on(executor.run(stopped));
            })
        });
        Ok(Self {
            operations: Arc::new(Operations::new(callback)),
            threads: handles.collect::<std::io::Result<Vec<_>>>()?,
            executor,
            stop: Some(stop),
            opened: Opened::default(),
            poisoned: Arc::default(),
            running: Arc::default(),
        })
    }

    /// Starts a call. `secret` is copied. The promise gives JSON.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn call<'env>(&self, env: &'env Env, request: Request, secret: Option<Uint8Array>) -> Result<Object<'env>> {
        let Request { call: id, verb, options, memory } = request;
        let (pending, promise) = Pending::new(env)?;
        if self.poisoned.load(Ordering::Relaxed) || self.stop.is_none() {
            let code = if self.stop.is_none() { Code::Closed } else { Code::Internal };
            let error = Error::new(code, "The engine has ended. Open the repository again.");
            pending.settle(Err(failure(&error)));
            return Ok(promise);
        }
        let call = Arc::new(Call::default());
        let memory = memory as usize;
        // What a restore fetches takes the rest.
        let blocks = if verb == "restore" { memory / 8 } else { memory };
        let world = NodeWorld {
            id,
            operations: self.operations.clone(),
            memory,
            pool: Pool::new(self.operations.clone(), id, blocks),
            executor: Arc::downgrade(&self.executor),
            threads: self.threads.len(),
            poisoned: self.poisoned.clone(),
            call: call.clone(),
        };
        let (abort, registration) = AbortHandle::new_pair();
        self.running().insert(id, Running { abort, call });
        let secret = secret.map(|bytes| Zeroizing::new(bytes.to_vec()));
        let work = run(world, self.opened.clone(), verb, options, secret);
        let poisoned = self.poisoned.clone();
        let guarded = async move {
            let caught = AssertUnwindSafe(Abortable::new(work, registration)).catch_unwind().await;
            let outcome = match caught {
                Ok(Ok(result)) => result,
                Ok(Err(_aborted)) => Err(Error::new(Code::Aborted, "The call was aborted.")),
                Err(panic) => {
                    poisoned.store(true, Ordering::Relaxed);
                    Err(panicked(panic.as_ref()))
                }
            };
            pending.settle(outcome.map_err(|error| failure(&error)));
        };
        self.executor.spawn(guarded).detach();
        Ok(promise)
    }

    /// The newest checkpoint that the repository has shown, as JSON; `null` before rounds were read.
    #[napi(catch_unwind)]
    pub fn seen(&self) -> String {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        seen(opened.as_ref().and_then(|repo| repo.seen()))
    }

    /// Says what this client has seen of the repository that is open, as `seen` gives it.
    #[napi(catch_unwind)]
    pub fn expect(&self, text: String) {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(repo), Some(seen)) = (opened.as_ref(), expected(&text)) {
            repo.expect(seen);
        }
    }

    /// Aborts a call: its promise rejects with ABORTED unless it is settled already.
    #[napi(catch_unwind)]
    pub fn abort(&self, id: u32) {
        if let Some(running) = self.running().get(&id) {
            running.abort.abort();
        }
    }

    /// Forgets a call whose promise is settled. Returns the progress that nobody has seen, as `progress` does.
    #[napi(catch_unwind)]
    pub fn finish(&self, id: u32) -> String {
        let text = self.progress(id);
        self.running().remove(&id);
        text
    }

    /// Progress of a call and its events since the last time, as JSON.
    #[napi(catch_unwind)]
    pub fn progress(&self, id: u32) -> String {
        let Some(call) = self.running().get(&id).map(|running| running.call.clone()) else { return "null".into() };
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let events: Vec<serde_json::Value> = call.take_events().into_iter().map(event).collect();
        serde_json::json!({
            "phase": call.phase(),
            "bytesDone": read(&call.bytes),
            "bytesTotal": read(&call.bytes_total),
            "objectsDone": read(&call.objects),
            "objectsTotal": read(&call.objects_total),
            "events": events,
        })
        .to_string()
    }

    /// Answers put, delete and write.
    #[napi(catch_unwind)]
    pub fn done(&self, id: u32) {
        self.operations.answer(id, Answer::Done);
    }

    /// Answers get and block. The engine has the array until it drops it; nobody else may write to it.
    #[napi(catch_unwind)]
    pub fn bytes(&self, id: u32, bytes: Uint8Array) {
        self.operations.answer(id, Answer::Bytes(bytes));
    }

    /// Answers stat and list with JSON, and read with the number of bytes.
    #[napi(catch_unwind)]
    pub fn text(&self, id: u32, text: String) {
        self.operations.answer(id, Answer::Text(text));
    }

    /// Answers any operation with an error.
    #[napi(catch_unwind)]
    pub fn failed(&self, id: u32, code: String, message: String) {
        self.operations.answer(id, Answer::Failed(Error::new(Code::from_name(&code), message)));
    }

    /// Ends the threads once they are idle, and wipes the keys. Later calls are CLOSED.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.stop.take();
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A thread that outlived its JavaScript environment would read buffers that are gone.
        self.stop.take();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn failure(error: &Error) -> Failure {
    let context: serde_json::Map<String, serde_json::Value> =
        error.context.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    let detail = serde_json::json!({ "message": error.message, "context": context, "origin": error.origin });
    Failure { code: error.code.as_str(), detail: detail.to_string() }
}

fn event(event: Event) -> serde_json::Value {
    match event {
        Event::Healed { pack, bytes } => serde_json::json!({ "type": "healed", "pack": pack, "bytes": bytes }),
        Event::Fault(fault) => serde_json::json!({ "type": "fault", "fault": fault }),
    }
}
