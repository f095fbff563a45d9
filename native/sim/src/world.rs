//! The simulated world: what a process sees.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use packvault_core::error::Result;
use packvault_core::kernels::Kernels;
use packvault_core::progress::Call;
use packvault_core::world::{Clock, Compute, Entropy, ObjectInfo, PutMode, Sink, Source, Store, Task, World};

use crate::store::SimStore;
use crate::{Executor, Random};

/// One process of a simulation. Clones are the same process.
#[derive(Clone)]
pub struct SimWorld {
    /// The store that it sees.
    pub store: SimStore,
    /// Who runs its tasks.
    pub executor: Executor,
    /// Its clock, milliseconds since 1970.
    pub clock: Arc<AtomicI64>,
    /// How many workers its verbs start.
    pub threads: usize,
    /// Bytes of blocks that a call may hold.
    pub memory: usize,
    /// Most bytes of blocks that were held at once.
    pub peak: Arc<AtomicUsize>,
    held: Arc<AtomicUsize>,
    random: Arc<Mutex<Random>>,
    call: Arc<Call>,
}

impl SimWorld {
    /// A process with this seed on a store.
    #[must_use]
    pub fn new(seed: u64, store: &SimStore) -> Self {
        Self {
            store: store.clone(),
            executor: Executor::default(),
            clock: Arc::new(AtomicI64::new(1_795_500_000_000)),
            threads: 2,
            memory: 64 << 20,
            peak: Arc::default(),
            held: Arc::default(),
            random: Arc::new(Mutex::new(Random::new(seed))),
            call: Arc::default(),
        }
    }

    /// Runs a verb to its end.
    pub fn run<T: Send + 'static>(&self, verb: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let seed = self.random.lock().unwrap_or_else(PoisonError::into_inner).next();
        self.executor.run(&mut Random::new(seed), verb)
    }

    /// Lets others go first, now and then.
    async fn turn(&self) {
        let mut turns = self.random.lock().unwrap_or_else(PoisonError::into_inner).below(3);
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

/// A block of the simulated pool; counts itself.
pub struct Bytes {
    bytes: Vec<u8>,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsMut<[u8]> for Bytes {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl Store for SimWorld {
    type Block = Bytes;
    type Bytes = Vec<u8>;

    async fn block(&self, size: usize) -> Result<Bytes> {
        self.turn().await;
        let held = self.held.fetch_add(size, Ordering::Relaxed) + size;
        self.peak.fetch_max(held, Ordering::Relaxed);
        // Contents are unspecified: what a verb does not overwrite must not matter.
        Ok(Bytes { bytes: vec![0xA5; size], held: self.held.clone() })
    }

    async fn put(&self, key: &str, body: Bytes, len: usize, mode: PutMode, sha256: Option<[u8; 32]>) -> Result<()> {
        self.turn().await;
        let bytes = &body.as_ref()[..len];
        assert!(sha256.is_none_or(|hash| hash == packvault_core::crypto::sha256(bytes)), "{key}: wrong hash given");
        self.store.put(key, bytes, mode, self.now_ms())
    }

    async fn get(&self, key: &str, range: Option<(u64, u64)>, max: u64) -> Result<Vec<u8>> {
        self.turn().await;
        self.store.get(key, range, max)
    }

    async fn stat(&self, key: &str) -> Result<ObjectInfo> {
        self.turn().await;
        self.store.stat(key)
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<ObjectInfo>> {
        self.turn().await;
        self.store.list(prefix, after, limit)
    }

    async fn delete(&self, keys: Vec<String>) -> Result<()> {
        self.turn().await;
        self.store.delete(&keys)
    }
}

impl Clock for SimWorld {
    fn now_ms(&self) -> i64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    async fn sleep(&self, ms: u64) {
        self.clock.fetch_add(ms as i64, Ordering::Relaxed);
    }
}

impl Entropy for SimWorld {
    fn fill(&self, out: &mut [u8]) {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
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
        self.memory
    }

    fn kernels(&self) -> Kernels {
        Kernels::scalar()
    }
}

impl World for SimWorld {
    fn call(&self) -> &Arc<Call> {
        &self.call
    }
}

/// Items to ingest, in pieces of seeded sizes.
pub struct Items {
    world: SimWorld,
    items: VecDeque<Vec<u8>>,
    at: usize,
    current: usize,
    most: usize,
}

impl Items {
    /// These items, given in pieces of at most `most` bytes.
    #[must_use]
    pub fn new(world: &SimWorld, items: &[Vec<u8>], most: usize) -> Self {
        Self { world: world.clone(), items: items.iter().cloned().collect(), at: 0, current: 0, most }
    }
}

impl Source<SimWorld> for Items {
    async fn next(&mut self, item: usize) -> Result<Option<(Bytes, usize)>> {
        if item != self.current {
            self.current = item;
            self.at = 0;
            self.items.pop_front();
        }
        let left = self.items.front().map_or(0, |bytes| bytes.len() - self.at);
        if left == 0 {
            return Ok(None);
        }
        let most = self.world.random.lock().unwrap_or_else(PoisonError::into_inner).below(self.most) + 1;
        let len = left.min(most);
        let mut block = self.world.block(len).await?;
        if let Some(bytes) = self.items.front() {
            block.as_mut().copy_from_slice(&bytes[self.at..self.at + len]);
        }
        self.at += len;
        Ok(Some((block, len)))
    }
}

/// Collects what is restored, and checks that a stream comes in order.
#[derive(Default)]
pub struct Collected {
    bytes: Mutex<Vec<u8>>,
    ordered: bool,
}

impl Collected {
    /// A sink for a stream (`ordered`) or for a file.
    #[must_use]
    pub fn new(ordered: bool) -> Arc<Self> {
        Arc::new(Self { bytes: Mutex::default(), ordered })
    }

    /// What came.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink<SimWorld> for Collected {
    async fn write(&self, offset: u64, block: Bytes, len: usize) -> Result<()> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let at = offset as usize;
        assert!(!self.ordered || bytes.len() == at, "a stream came out of order");
        if bytes.len() < at + len {
            bytes.resize(at + len, 0);
        }
        bytes[at..at + len].copy_from_slice(&block.as_ref()[..len]);
        Ok(())
    }
}
