//! The simulated world: what a process sees.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use packvault_core::error::Result;
use packvault_core::kernels::Kernels;
use packvault_core::progress::Call;
use packvault_core::world::{Clock, Compute, Entropy, ObjectInfo, PutMode, Store, Task, World};

use crate::memory::{Block, Memory};
use crate::store::{START_MS, SimStore};
use crate::{Executor, Link, Random};

/// One process of a simulation. Clones are the same process.
#[derive(Clone)]
pub struct SimWorld {
    /// The store that it sees.
    pub store: SimStore,
    /// Its way to the store.
    pub link: Link,
    /// Who runs its tasks.
    pub executor: Executor,
    /// Its clock, milliseconds since 1970.
    pub clock: Arc<AtomicI64>,
    /// How many workers its verbs start.
    pub threads: usize,
    /// Bytes of blocks that a call may hold.
    pub limit: usize,
    /// The blocks that are held.
    pub blocks: Memory,
    /// Its vector kernels: the scalar reference, or a wrong one that a test plants.
    pub kernels: Kernels,
    random: Arc<Mutex<Random>>,
    call: Arc<Call>,
}

impl SimWorld {
    /// A process with this seed on a store.
    #[must_use]
    pub fn new(seed: u64, store: &SimStore) -> Self {
        Self::process(seed, store, 1, Executor::default())
    }

    fn process(seed: u64, store: &SimStore, number: u32, executor: Executor) -> Self {
        Self {
            store: store.clone(),
            link: Link::new(store, number),
            executor,
            clock: Arc::new(AtomicI64::new(START_MS)),
            threads: 2,
            limit: 64 << 20,
            blocks: Memory::default(),
            kernels: Kernels::scalar(),
            random: Arc::new(Mutex::new(Random::new(seed))),
            call: Arc::default(),
        }
    }

    /// Another process, by number, on the same store and under the same scheduler.
    #[must_use]
    pub fn beside(&self, seed: u64, number: u32) -> Self {
        Self::process(seed, &self.store, number, self.executor.clone())
    }

    /// Runs a verb to its end.
    pub fn run<T: Send + 'static>(&self, verb: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let seed = self.random().draw();
        self.executor.run(&mut Random::new(seed), verb)
    }

    fn random(&self) -> std::sync::MutexGuard<'_, Random> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seeded number below `n`.
    #[must_use]
    pub fn below(&self, n: usize) -> usize {
        self.random().below(n)
    }

    /// Lets others go first, now and then.
    pub(crate) async fn turn(&self) {
        let mut turns = self.below(3) + self.link.pause();
        std::future::poll_fn(|context| {
            if turns == 0 {
                return Poll::Ready(());
            }
            turns -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

impl Store for SimWorld {
    type Block = Block;
    type Bytes = Vec<u8>;

    async fn block(&self, size: usize) -> Result<Block> {
        self.turn().await;
        self.blocks.take(size, self.limit).await;
        let spare = self.below(3) * 31;
        Ok(Block::new(&self.blocks, size, spare))
    }

    async fn put(&self, key: &str, body: Block, len: usize, mode: PutMode, sha256: Option<[u8; 32]>) -> Result<()> {
        self.turn().await;
        let bytes = &body.as_ref()[..len];
        assert!(sha256.is_none_or(|hash| hash == packvault_core::crypto::sha256(bytes)), "{key}: wrong hash given");
        let done = self.link.put(key, bytes, mode);
        // The answer takes its time, too, and the block is held meanwhile.
        self.turn().await;
        done
    }

    async fn get(&self, key: &str, range: Option<(u64, u64)>, max: u64) -> Result<Vec<u8>> {
        self.turn().await;
        self.link.get(key, range, max)
    }

    async fn stat(&self, key: &str) -> Result<ObjectInfo> {
        self.turn().await;
        self.link.stat(key)
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<ObjectInfo>> {
        let mut all: Vec<ObjectInfo> = Vec::new();
        loop {
            self.turn().await;
            let from = all.last().map_or(after, |object| object.key.as_str());
            let size = self.link.page().unwrap_or(limit).min(limit - all.len());
            let page = self.link.list(prefix, from, size)?;
            let last = page.len() < size;
            all.extend(page);
            if last || all.len() == limit {
                return Ok(all);
            }
        }
    }

    async fn delete(&self, keys: Vec<String>) -> Result<()> {
        self.turn().await;
        self.link.delete(&keys)
    }
}

impl Clock for SimWorld {
    fn now_ms(&self) -> i64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    async fn sleep(&self, ms: u64) {
        self.clock.fetch_add(ms.cast_signed(), Ordering::Relaxed);
        for _ in 0..(ms / 10_000).min(30) {
            self.turn().await;
        }
    }
}

impl Entropy for SimWorld {
    fn fill(&self, out: &mut [u8]) {
        self.random().fill(out);
    }
}

impl Compute for SimWorld {
    fn spawn<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Task<T> {
        self.executor.spawn(work)
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn memory(&self) -> usize {
        self.limit
    }

    fn kernels(&self) -> Kernels {
        self.kernels
    }
}

impl World for SimWorld {
    fn call(&self) -> &Arc<Call> {
        &self.call
    }
}
