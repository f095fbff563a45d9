//! What the engine needs from outside: a store, memory, a clock, randomness and somebody who runs its workers.
//!
//! `native/node` answers these traits with JavaScript and a thread pool, `native/sim` with a simulated world; verbs can't
//! tell which. Every future here may be dropped at any time: the operation may then still take effect, or not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::Result;
use crate::kernels::Kernels;
use crate::progress::Call;

/// How a put treats an object that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Of any number of racing creates one wins, the others get `ALREADY_EXISTS` (if the store can).
    Create,
    /// The object is replaced as a whole.
    Overwrite,
}

/// What a listing says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its name.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was stored, by the store's clock, in milliseconds since 1970; no safety decision reads it.
    pub modified_ms: i64,
}

/// A flat store of immutable objects: the engine's half of `StorageBackend` (src/core/backend.ts states the guarantees).
pub trait Store: Send + Sync {
    /// Memory that the engine fills and hands to [`Store::put`]: fixed size, contents unspecified.
    type Block: AsRef<[u8]> + AsMut<[u8]> + Send + Sync + 'static;
    /// What [`Store::get`] returns.
    type Bytes: AsRef<[u8]> + Send + Sync + 'static;

    /// A block of at least `size` bytes (and less than 64 KiB more, above 256 KiB); waits while the call's share of memory is in use. Blocks that a call
    /// holds while it waits here must be able to become free without this one.
    fn block(&self, size: usize) -> impl Future<Output = Result<Self::Block>> + Send;

    /// Stores the first `len` bytes of `body`. `sha256` of them, if known, is for the store's own upload check.
    fn put(
        &self,
        key: &str,
        body: Self::Block,
        len: usize,
        mode: PutMode,
        sha256: Option<[u8; 32]>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// The bytes asked for, exactly: `range` is (offset, length); without it the whole object, which is refused
    /// before it is read when it is longer than `max` bytes.
    fn get(&self, key: &str, range: Option<(u64, u64)>, max: u64) -> impl Future<Output = Result<Self::Bytes>> + Send;

    /// Size and time of an object.
    fn stat(&self, key: &str) -> impl Future<Output = Result<ObjectInfo>> + Send;

    /// At most `limit` objects under `prefix` whose key is greater than `after`, in ascending byte order.
    fn list(&self, prefix: &str, after: &str, limit: usize) -> impl Future<Output = Result<Vec<ObjectInfo>>> + Send;

    /// Deletes objects; absent ones are fine.
    fn delete(&self, keys: Vec<String>) -> impl Future<Output = Result<()>> + Send;
}

/// Time for people: display, retention, courtesy. Never for safety.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;

    /// Resolves after about so many milliseconds.
    fn sleep(&self, ms: u64) -> impl Future<Output = ()> + Send;
}

/// Randomness for keys, salts and names.
pub trait Entropy: Send + Sync {
    /// Fills `out`.
    fn fill(&self, out: &mut [u8]);

    /// 16 random bytes.
    fn id16(&self) -> [u8; 16] {
        let mut out = [0; 16];
        self.fill(&mut out);
        out
    }

    /// 32 random bytes.
    fn id32(&self) -> [u8; 32] {
        let mut out = [0; 32];
        self.fill(&mut out);
        out
    }
}

/// A worker that runs beside its parent. Dropping it cancels it.
pub type Task<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// Who runs workers.
pub trait Compute: Send + Sync {
    /// Starts a worker. It makes progress without being polled by the caller. A panic in it is `INTERNAL`.
    fn spawn<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Task<T>;

    /// How many workers can run at once, at least 1.
    fn threads(&self) -> usize;

    /// Bytes of blocks that this call may hold.
    fn memory(&self) -> usize;

    /// The vector kernels of this machine.
    fn kernels(&self) -> Kernels;
}

/// Everything outside, as one call of a verb sees it.
pub trait World: Store + Clock + Entropy + Compute + Clone + 'static {
    /// Progress and events of the call.
    fn call(&self) -> &Arc<Call>;
}

/// Bytes to ingest.
pub trait Source<W: World>: Send + 'static {
    /// The next bytes of item `item`: a block and how much of it is filled (more than 0). `None` at the item's end.
    /// Items are asked for in order, each up to its end.
    fn next(&mut self, item: usize) -> impl Future<Output = Result<Option<(W::Block, usize)>>> + Send;
}

/// Where restored bytes go.
pub trait Sink<W: World>: Send + Sync + 'static {
    /// Takes `len` bytes of `block` from `from` on, which belong at `offset` of what is restored. Resolves with the block when the sink can
    /// take more. Streams are written in order, one at a time; files in any order, several at a time.
    fn write(
        &self,
        offset: u64,
        block: W::Block,
        from: usize,
        len: usize,
    ) -> impl Future<Output = Result<W::Block>> + Send;
}
