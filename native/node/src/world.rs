//! The world of one call: its store is JavaScript, its workers run on the engine's threads.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use async_executor::Executor;
use futures_lite::FutureExt;
use napi::bindgen_prelude::Uint8Array;
use packvault_core::error::{Code, Error, Result};
use packvault_core::kernels::Kernels;
use packvault_core::progress::Call;
use packvault_core::world::{Clock, Compute, Entropy, ObjectInfo, PutMode, Sink, Source, Store, Task, World};
use serde::Deserialize;

use crate::block::{Block, Lent, Pool};
use crate::operations::{Answer, Asked, Operation, Operations};

/// Bytes that a source is asked for at once.
const READ: usize = 1 << 20;
/// Reads of a source that are asked for ahead.
const AHEAD: usize = 3;

/// One call, as the engine sees the world.
#[derive(Clone)]
pub struct NodeWorld {
    /// The call's number.
    pub id: u32,
    /// The queue to JavaScript.
    pub operations: Arc<Operations>,
    /// Bytes that the call may hold.
    pub memory: usize,
    /// The part of them that is lent in blocks.
    pub pool: Arc<Pool>,
    /// The engine's threads. Workers must not keep it alive: it holds them.
    pub executor: Weak<Executor<'static>>,
    /// How many there are.
    pub threads: usize,
    /// Set by a panic: the engine can't be trusted any more.
    pub poisoned: Arc<AtomicBool>,
    /// Progress and events.
    pub call: Arc<Call>,
}

/// What a get returned; JavaScript does not touch it any more.
pub struct Bytes(Uint8Array);

// SAFETY: nothing writes to what a backend has returned.
unsafe impl Sync for Bytes {}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    key: String,
    size: u64,
    modified_ms: i64,
}

impl From<Info> for ObjectInfo {
    fn from(info: Info) -> Self {
        Self { key: info.key, size: info.size, modified_ms: info.modified_ms }
    }
}

impl NodeWorld {
    fn operation(&self, verb: &str, key: &str) -> Operation {
        Operation { call: self.id, verb: verb.into(), key: key.into(), ..Operation::default() }
    }

    async fn text<T: for<'a> Deserialize<'a>>(&self, operation: Operation) -> Result<T> {
        match self.operations.ask(operation, None).await.0? {
            Answer::Text(text) => {
                serde_json::from_str(&text).map_err(|e| Error::new(Code::Internal, format!("bridge: {e}")))
            }
            _ => Err(wrong_answer()),
        }
    }

    /// An operation on a block that the engine gets back when it went well, and gives up when it did not.
    async fn with_block(&self, mut operation: Operation, block: Block) -> Result<(Answer, Block)> {
        let lent = block.take().ok_or_else(wrong_answer)?;
        operation.block = lent.id;
        let id = lent.id;
        self.settle(id, self.operations.ask(operation, Some(lent.array))).await
    }

    /// The answer to an operation that was lent block `id`.
    async fn settle(&self, id: u32, asked: Asked) -> Result<(Answer, Block)> {
        let (answer, array) = asked.await;
        let lent = Lent { array: array.ok_or_else(wrong_answer)?, id };
        match answer {
            Ok(answer) => Ok((answer, self.pool.adopt(lent))),
            Err(error) => {
                self.pool.give_up(lent);
                Err(error)
            }
        }
    }
}

fn wrong_answer() -> Error {
    Error::new(Code::Internal, "bridge: an operation got an answer of the wrong kind")
}

impl Store for NodeWorld {
    type Block = Block;
    type Bytes = Bytes;

    async fn block(&self, size: usize) -> Result<Block> {
        self.pool.block(size).await
    }

    async fn put(&self, key: &str, body: Block, len: usize, mode: PutMode, sha256: Option<[u8; 32]>) -> Result<()> {
        let operation = Operation {
            length: len as f64,
            create: mode == PutMode::Create,
            sha256: sha256.map(hex::encode).unwrap_or_default(),
            ..self.operation("put", key)
        };
        self.with_block(operation, body).await.map(|_| ())
    }

    async fn get(&self, key: &str, range: Option<(u64, u64)>, max: u64) -> Result<Bytes> {
        let (offset, length) = range.map_or((0.0, -1.0), |(offset, length)| (offset as f64, length as f64));
        let operation = Operation { offset, length, limit: max as f64, ..self.operation("get", key) };
        match self.operations.ask(operation, None).await.0? {
            Answer::Bytes(bytes)
                if range.map_or(bytes.len() as u64 <= max, |(_, length)| bytes.len() as u64 == length) =>
            {
                Ok(Bytes(bytes))
            }
            Answer::Bytes(_) => {
                Err(Error::new(Code::RangeInvalid, format!("{key}: the store returned another number of bytes")))
            }
            _ => Err(wrong_answer()),
        }
    }

    async fn stat(&self, key: &str) -> Result<ObjectInfo> {
        self.text::<Info>(self.operation("stat", key)).await.map(ObjectInfo::from)
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<ObjectInfo>> {
        let operation = Operation { after: after.into(), limit: limit as f64, ..self.operation("list", prefix) };
        Ok(self.text::<Vec<Info>>(operation).await?.into_iter().map(ObjectInfo::from).collect())
    }

    async fn delete(&self, keys: Vec<String>) -> Result<()> {
        self.operations.ask(Operation { keys, ..self.operation("delete", "") }, None).await.0.map(|_| ())
    }
}

impl Clock for NodeWorld {
    fn now_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }

    async fn sleep(&self, ms: u64) {
        // A timer that fails has only been short.
        let _ = self.operations.ask(Operation { length: ms as f64, ..self.operation("sleep", "") }, None).await;
    }
}

impl Entropy for NodeWorld {
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system gives randomness");
    }
}

impl Compute for NodeWorld {
    fn spawn<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Task<T> {
        let poisoned = self.poisoned.clone();
        let guarded = async move {
            AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
                poisoned.store(true, Ordering::Relaxed);
                Err(panicked(panic.as_ref()))
            })
        };
        match self.executor.upgrade() {
            Some(executor) => Box::pin(executor.spawn(guarded)),
            None => Box::pin(std::future::ready(Err(Error::new(Code::Closed, "The repository is closed.")))),
        }
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn memory(&self) -> usize {
        self.memory
    }

    fn kernels(&self) -> Kernels {
        Kernels { scan: packvault_simd::cut::scan, mul_add: packvault_simd::erasure::mul_add }
    }
}

impl World for NodeWorld {
    fn call(&self) -> &Arc<Call> {
        &self.call
    }
}

/// What a panic said.
pub fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into());
    Error::new(
        Code::Internal,
        format!(
            "The engine met a defect of its own: {text}. What was stored before is not harmed. Open the repository again."
        ),
    )
}

/// A read that JavaScript was asked for.
struct Read {
    block: u32,
    /// Bytes that the block holds: fewer come only at the item's end.
    wanted: usize,
    asked: Asked,
}

/// Items that JavaScript reads into blocks, a few blocks ahead where there is memory for that.
pub struct NodeSource {
    world: NodeWorld,
    item: usize,
    ended: bool,
    /// How many reads may be under way: one until an item has shown that it fills a block.
    depth: usize,
    ahead: VecDeque<Read>,
}

impl NodeSource {
    /// The items of a call.
    pub fn new(world: NodeWorld) -> Self {
        Self { world, item: 0, ended: false, depth: 1, ahead: VecDeque::new() }
    }

    /// Asks for a read. JavaScript performs reads in the order in which they were asked for.
    fn ask(&mut self, block: Block) -> Result<()> {
        let wanted = block.as_ref().len();
        let lent = block.take().ok_or_else(wrong_answer)?;
        let limit = self.item as f64;
        let operation = Operation { block: lent.id, length: wanted as f64, limit, ..self.world.operation("read", "") };
        let asked = self.world.operations.ask(operation, Some(lent.array));
        self.ahead.push_back(Read { block: lent.id, wanted, asked });
        Ok(())
    }

    async fn settle(&self, read: Read) -> Result<(Block, usize)> {
        let (answer, block) = self.world.settle(read.block, read.asked).await?;
        let Answer::Text(count) = answer else { return Err(wrong_answer()) };
        let len = count.parse().ok().filter(|len| *len <= read.wanted).ok_or_else(wrong_answer)?;
        Ok((block, len))
    }

    /// Takes back the blocks of reads beyond the end, which give nothing.
    async fn end(&mut self) -> Result<()> {
        self.ended = true;
        while let Some(read) = self.ahead.pop_front() {
            self.settle(read).await?;
        }
        Ok(())
    }
}

impl Source<NodeWorld> for NodeSource {
    async fn next(&mut self, item: usize) -> Result<Option<(Block, usize)>> {
        if item != self.item {
            (self.item, self.ended, self.depth) = (item, false, 1);
        }
        if self.ended {
            return Ok(None);
        }
        if self.ahead.is_empty() {
            let block = self.world.pool.block(READ).await?;
            self.ask(block)?;
        }
        while self.ahead.len() < self.depth {
            let Some(block) = self.world.pool.spare(READ).await? else { break };
            self.ask(block)?;
        }
        let Some(read) = self.ahead.pop_front() else { return Err(wrong_answer()) };
        let wanted = read.wanted;
        let (block, len) = self.settle(read).await?;
        // Packs and parity count with all but an eighth of the memory.
        self.depth = (self.world.memory / 8 / READ).clamp(1, AHEAD);
        if len < wanted {
            self.end().await?;
        }
        Ok((len > 0).then_some((block, len)))
    }
}

/// Where JavaScript takes restored bytes.
pub struct NodeSink(pub NodeWorld);

impl Sink<NodeWorld> for NodeSink {
    async fn write(&self, offset: u64, block: Block, from: usize, len: usize) -> Result<Block> {
        let (offset, length, limit) = (offset as f64, len as f64, from as f64);
        let operation = Operation { offset, length, limit, ..self.0.operation("write", "") };
        self.0.with_block(operation, block).await.map(|(_, block)| block)
    }
}
