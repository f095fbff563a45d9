//! Giving back what was stored: only bytes whose chunk id was recomputed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::lock::Mutex;

use super::content::{Leaf, Walk};
use super::current::Current;
use super::fetch::Opener;
use super::gate::Gate;
use super::plan::{Plan, Target};
use super::{Repository, RestoreOptions, Restored, snapshots};
use crate::crypto::ring::ChunkId;
use crate::error::{Code, Error, Result};
use crate::format::snapshot::Snapshot;
use crate::index::Index;
use crate::world::{Sink, World};

/// Chunks that are planned at once: more make fewer requests per pack, and take more memory.
const SEGMENT: usize = 4096;

/// How many bytes a restore with these options gives. `NOT_FOUND`: no such snapshot or item; `INVALID_ARGUMENT`: a range beyond the end.
pub async fn size<W: World>(world: &W, repo: &Arc<Repository>, options: &RestoreOptions) -> Result<u64> {
    let snapshot = snapshots::get(world, repo, &options.snapshot).await?;
    let parts = parts(&snapshot, options.item.as_deref())?;
    let (from, to) = span(&parts, options)?;
    Ok(to - from)
}

/// Restores to `sink`. Damage is made good from other copies and parity; where that fails, the error is `CORRUPT` and the sink has got nothing wrong.
/// A prune may run beside it: what is rewritten meanwhile is found again. A restore that may write to the store holds what it reads, and
/// ends well even if the snapshot itself is removed; one that may not, or was cut off for several rounds, ends with `CONFLICT` then.
pub async fn restore<W: World, K: Sink<W>>(
    world: &W,
    repo: &Arc<Repository>,
    sink: Arc<K>,
    options: RestoreOptions,
) -> Result<Restored> {
    let snapshot = snapshots::get(world, repo, &options.snapshot).await?;
    let parts = parts(&snapshot, options.item.as_deref())?;
    let (from, to) = span(&parts, &options)?;
    world.call().set_totals(to - from, 0);
    world.call().set_phase("reading the index");
    let roots = parts.iter().map(|part| part.root).collect();
    let current = Arc::new(Current::read(world, repo, &snapshot.id, roots, options.hold_interval_ms).await?);
    world.call().set_phase("restoring");
    let lister = Lister { current: &current, parts: &parts, next: 0, walk: None, from, to };
    let done = give(world, repo, &sink, options.ordered, lister).await;
    current.release().await;
    done
}

/// Gives what the lister lists.
async fn give<W: World, K: Sink<W>>(
    world: &W,
    repo: &Arc<Repository>,
    sink: &Arc<K>,
    ordered: bool,
    mut lister: Lister<'_, W>,
) -> Result<Restored> {
    let (current, bytes) = (lister.current, lister.to - lister.from);
    let healed = Arc::new(AtomicU64::new(0));
    loop {
        let leaves = lister.segment().await?;
        if leaves.is_empty() {
            break;
        }
        let budget = (world.memory() as u64 / 8 * 7).max(1);
        let index = current.index();
        let plan = Arc::new(Plan::new(&index, &leaves, ordered, budget));
        let segment = Arc::new(Segment {
            world: world.clone(),
            repo: repo.clone(),
            current: current.clone(),
            index,
            turn: ordered.then(Gate::default),
            plan,
            next: Mutex::new(0),
            sink: sink.clone(),
            healed: healed.clone(),
        });
        segment.run().await?;
    }
    Ok(Restored { bytes, healed: healed.load(Ordering::Relaxed) })
}

/// One item: root, size, and where its bytes start in what is restored.
struct Part {
    root: ChunkId,
    size: u64,
    base: u64,
}

fn parts(snapshot: &Snapshot, item: Option<&str>) -> Result<Vec<Part>> {
    let mut out = Vec::new();
    let mut base = 0_u64;
    for candidate in snapshot.items.iter().filter(|i| item.is_none_or(|name| i.name == name)) {
        out.push(Part { root: candidate.root_id()?, size: candidate.size, base });
        base =
            base.checked_add(candidate.size).ok_or_else(|| Error::corrupt("A snapshot's sizes are out of bounds."))?;
    }
    match item {
        Some(name) if out.is_empty() => {
            Err(Error::new(Code::NotFound, format!("Snapshot {} has no item {name:?}.", snapshot.id)))
        }
        _ => Ok(out),
    }
}

fn span(parts: &[Part], options: &RestoreOptions) -> Result<(u64, u64)> {
    let size = parts.iter().map(|p| p.size).sum::<u64>();
    let end = options.length.map_or(Some(size), |length| options.offset.checked_add(length));
    match end {
        Some(end) if options.offset <= end && end <= size => Ok((options.offset, end)),
        _ => Err(Error::invalid(format!("The range is beyond the end: there are {size} bytes."))),
    }
}

/// Gives the chunks of a range, across items.
struct Lister<'a, W: World> {
    current: &'a Arc<Current<W>>,
    parts: &'a [Part],
    next: usize,
    walk: Option<(u64, Walk<'a, W>)>,
    from: u64,
    to: u64,
}

impl<W: World> Lister<'_, W> {
    async fn segment(&mut self) -> Result<Vec<(Leaf, Target)>> {
        let mut out = Vec::new();
        while out.len() < SEGMENT {
            let Some((base, walk)) = &mut self.walk else {
                let Some(part) = self.parts.get(self.next) else { break };
                self.next += 1;
                if part.base + part.size > self.from && part.base < self.to {
                    let skip = self.from.saturating_sub(part.base);
                    let walk = Walk::start(self.current, &part.root, part.size, skip).await?;
                    self.walk = Some((part.base, walk));
                }
                continue;
            };
            let base = *base;
            match walk.next().await? {
                Some(leaf) if base + leaf.offset < self.to => {
                    let start = base + leaf.offset;
                    let (lo, hi) = (start.max(self.from), (start + leaf.len).min(self.to));
                    if lo < hi {
                        let target = Target { at: lo - self.from, skip: (lo - start) as u32, take: (hi - lo) as u32 };
                        out.push((leaf, target));
                    }
                }
                _ => self.walk = None,
            }
        }
        Ok(out)
    }
}

/// Chunks that are planned together, shared by workers.
struct Segment<W: World, K: Sink<W>> {
    world: W,
    repo: Arc<Repository>,
    current: Arc<Current<W>>,
    index: Arc<Index>,
    plan: Arc<Plan<W>>,
    next: Mutex<usize>,
    /// The job whose turn it is to deliver, where order matters.
    turn: Option<Gate<usize>>,
    sink: Arc<K>,
    healed: Arc<AtomicU64>,
}

impl<W: World, K: Sink<W>> Segment<W, K> {
    async fn run(self: &Arc<Self>) -> Result<()> {
        let workers: Vec<_> = (0..self.world.threads().max(1))
            .map(|_| {
                let segment = self.clone();
                self.world.spawn(async move { segment.work().await })
            })
            .collect();
        futures_util::future::try_join_all(workers).await.map(|_| ())
    }

    async fn work(&self) -> Result<()> {
        let mut opener = Opener::default();
        loop {
            self.current.keep().await?;
            // Jobs get their memory in order, so that the head of the line always has some.
            let mut next = self.next.lock().await;
            let number = *next;
            let Some(job) = self.plan.jobs.get(number) else { return Ok(()) };
            *next += 1;
            let len = job.leaf.len as usize;
            let mut block = self.world.block(len.max(1)).await?;
            drop(next);
            self.plan.prefetch(&self.world, number);
            self.decode(number, &mut opener, &mut block.as_mut()[..len]).await?;
            self.plan.done(number);
            self.deliver(number, block).await?;
        }
    }

    /// The chunk's raw bytes, verified, in `out`.
    async fn decode(&self, number: usize, opener: &mut Opener, out: &mut [u8]) -> Result<()> {
        let job = &self.plan.jobs[number];
        let tried = match job.place.filter(|place| place.raw_len as usize == out.len()) {
            None => Err(Error::corrupt("The index has no place for a chunk.")),
            Some(place) => self.decode_at(number, place, opener, out).await,
        };
        match tried {
            Err(error) if error.is_damage() => {}
            other => return other,
        }
        let (raw, moved) = self.current.chunk(&self.index, &job.leaf.id, job.place).await?;
        if raw.len() != out.len() {
            return Err(Error::corrupt("A chunk has another length than its list says.")
                .with("chunk", hex::encode(job.leaf.id)));
        }
        out.copy_from_slice(&raw);
        if !moved {
            self.healed.fetch_add(raw.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn decode_at(
        &self,
        number: usize,
        place: crate::index::Location,
        opener: &mut Opener,
        out: &mut [u8],
    ) -> Result<()> {
        let (bytes, at) = self.plan.frame(&self.world, number, place).await?;
        let stored = bytes.as_ref().as_ref();
        let frame = stored.get(at..at + place.length as usize).ok_or_else(|| Error::corrupt("A pack is cut short."))?;
        let keys = self.plan.keys.of(&self.repo, &self.index, place.pack, frame);
        opener.open(&self.repo, keys.as_deref(), &self.plan.jobs[number].leaf.id, frame, out)
    }

    async fn deliver(&self, number: usize, mut block: W::Block) -> Result<()> {
        let job = &self.plan.jobs[number];
        if let Some(turn) = &self.turn {
            turn.wait(|turn| (*turn == number).then_some(())).await;
        }
        for target in &job.targets {
            let (from, take) = (target.skip as usize, target.take as usize);
            block = self.sink.write(target.at, block, from, take).await?;
            self.world.call().add_bytes(u64::from(target.take));
        }
        if let Some(turn) = &self.turn {
            turn.change(|turn| *turn += 1);
        }
        Ok(())
    }
}
