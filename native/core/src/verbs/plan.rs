//! Planning the reads of a restore: chunks grouped by pack, ranges joined, and each range fetched once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use super::content::Leaf;
use super::fetch::PackKeys;
use crate::error::Result;
use crate::format::names;
use crate::index::{Index, Location};
use crate::world::{Task, World};

/// Bytes between two frames that are read along rather than skipped with another request.
const GAP: u32 = 1 << 20;
/// Bytes of one request at most, unless one frame is more.
const UNIT: u32 = 32 << 20;
/// A unit that one of so many next jobs needs is not dropped to make room for another.
const NEAR: usize = 64;

/// Which bytes of a chunk are wanted, and where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Position in what is restored.
    pub at: u64,
    /// Bytes of the chunk that come before what is wanted.
    pub skip: u32,
    /// Bytes that are wanted.
    pub take: u32,
}

/// One chunk to decode, and where its bytes go.
pub struct Job {
    /// The chunk as the content names it.
    pub leaf: Leaf,
    /// More than one where the chunk occurs again and order does not matter.
    pub targets: Vec<Target>,
    /// Where it is read from; none if the index knows no place.
    pub place: Option<Location>,
    /// Ordinal of its unit.
    pub unit: usize,
}

/// A range of a pack that is fetched at once.
struct Unit<W: World> {
    pack: u32,
    offset: u32,
    len: u32,
    /// First and last use, in bytes of frames that are used up to there.
    span: (u64, u64),
    /// Jobs that still need it, by position; in order.
    users: Vec<usize>,
    state: State<W>,
    waiting: Vec<Waker>,
}

enum State<W: World> {
    Idle,
    Fetching,
    Here(Arc<W::Bytes>),
    Failed(crate::error::Error),
}

/// Jobs of one segment of a restore, in the order in which they are done, and their units.
pub struct Plan<W: World> {
    /// In order of work.
    pub jobs: Vec<Job>,
    /// Keys of packs.
    pub keys: PackKeys,
    index: Arc<Index>,
    units: Mutex<Units<W>>,
    budget: u64,
}

struct Units<W: World> {
    all: Vec<Unit<W>>,
    held: u64,
    /// Jobs that are done, and the first that is not: that one is never refused memory.
    done: Vec<bool>,
    head: usize,
    /// Jobs that wait for room.
    blocked: Vec<Waker>,
    /// Fetches, kept so that they end with the plan.
    tasks: Vec<Task<()>>,
}

impl<W: World> Plan<W> {
    /// A plan for these chunks. `ordered`: work goes in the order of the content, else by pack. `budget`: bytes of ranges to hold, which
    /// only the range that the first unfinished job needs may exceed.
    #[must_use]
    pub fn new(index: &Arc<Index>, leaves: &[(Leaf, Target)], ordered: bool, budget: u64) -> Self {
        let mut jobs: Vec<Job> = Vec::with_capacity(leaves.len());
        let mut known: BTreeMap<[u8; 32], usize> = BTreeMap::new();
        for (leaf, target) in leaves {
            if let Some(&job) = known.get(&leaf.id).filter(|_| !ordered) {
                jobs[job].targets.push(*target);
                continue;
            }
            known.insert(leaf.id, jobs.len());
            let place = index.locations(&leaf.id).first().copied();
            jobs.push(Job { leaf: *leaf, targets: vec![*target], place, unit: usize::MAX });
        }
        if !ordered {
            jobs.sort_by_key(|job| job.place.map(|p| (p.pack, p.offset)));
        }
        let most = u64::from(UNIT).min(budget / 3 * 2).max(1) as u32;
        // What is needed much later would only be dropped and fetched again.
        let reach = if ordered { budget } else { u64::MAX };
        let all = units(&mut jobs, most, reach);
        let done = vec![false; jobs.len()];
        Self {
            jobs,
            keys: PackKeys::default(),
            index: index.clone(),
            units: Mutex::new(Units { all, held: 0, done, head: 0, blocked: Vec::new(), tasks: Vec::new() }),
            budget,
        }
    }

    /// The bytes that hold a job's frame, and the frame's position in them. Whoever asks first fetches; the others wait.
    pub async fn frame(self: &Arc<Self>, world: &W, job: usize, place: Location) -> Result<(Arc<W::Bytes>, usize)> {
        let unit = self.jobs[job].unit;
        let bytes = std::future::poll_fn(|context| {
            let mut units = self.lock();
            match &units.all[unit].state {
                State::Here(bytes) => return Poll::Ready(Ok(bytes.clone())),
                State::Failed(error) => return Poll::Ready(Err(error.clone())),
                State::Fetching => {}
                State::Idle => {
                    if !units.make_room(unit, job, self.budget) {
                        units.blocked.push(context.waker().clone());
                        return Poll::Pending;
                    }
                    self.start(world, &mut units, unit);
                }
            }
            units.all[unit].waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await?;
        let at = place.offset - self.lock().all[unit].offset;
        Ok((bytes, at as usize))
    }

    /// Fetches units that jobs after `job` will need, as far as the budget goes.
    pub fn prefetch(self: &Arc<Self>, world: &W, job: usize) {
        let mut units = self.lock();
        for next in job..self.jobs.len() {
            let unit = self.jobs[next].unit;
            if unit == usize::MAX || !matches!(units.all[unit].state, State::Idle) {
                continue;
            }
            if units.held + u64::from(units.all[unit].len) > self.budget {
                return;
            }
            self.start(world, &mut units, unit);
        }
    }

    /// Says that a job is done: its unit is dropped after its last user.
    pub fn done(&self, job: usize) {
        let unit = self.jobs[job].unit;
        let mut units = self.lock();
        units.done[job] = true;
        while units.done.get(units.head).copied().unwrap_or(false) {
            units.head += 1;
        }
        if unit != usize::MAX {
            units.all[unit].users.retain(|&user| user != job);
            if units.all[unit].users.is_empty() {
                units.release(unit);
            }
        }
        units.wake();
    }

    fn start(self: &Arc<Self>, world: &W, units: &mut Units<W>, unit: usize) {
        let target = &mut units.all[unit];
        let key = names::pack(&self.index.packs()[target.pack as usize].name);
        let (offset, len) = (u64::from(target.offset), u64::from(target.len));
        let plan = Arc::downgrade(self);
        let task_world = world.clone();
        target.state = State::Fetching;
        units.held += len;
        let task = world.spawn(async move {
            let got = task_world.get(&key, Some((offset, len)), len).await;
            if let Some(plan) = plan.upgrade() {
                plan.arrived(unit, got);
            }
            Ok(())
        });
        units.tasks.push(task);
    }

    fn arrived(&self, unit: usize, got: Result<W::Bytes>) {
        let mut units = self.lock();
        units.all[unit].state = match got {
            Ok(bytes) => State::Here(Arc::new(bytes)),
            Err(error) => {
                units.held -= u64::from(units.all[unit].len);
                State::Failed(error)
            }
        };
        units.all[unit].waiting.drain(..).for_each(Waker::wake);
        units.wake();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Units<W>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: World> Units<W> {
    /// Whether a job may fetch its unit. Units that are used later than others make room, farthest first; the head of the line may go
    /// beyond the budget where that is not enough, so that there is always one job that goes on.
    fn make_room(&mut self, unit: usize, job: usize, budget: u64) -> bool {
        let len = u64::from(self.all[unit].len);
        let head = job == self.head;
        let near = if head { job } else { job + NEAR };
        while self.held + len > budget {
            let next = |u: &Unit<W>| u.users.first().copied().unwrap_or(usize::MAX);
            let here = self.all.iter().enumerate().filter(|(_, u)| matches!(u.state, State::Here(_)));
            let Some((farthest, _)) = here.max_by_key(|(_, u)| next(u)).filter(|(_, u)| next(u) > near) else {
                return head;
            };
            self.release(farthest);
        }
        true
    }

    fn wake(&mut self) {
        self.blocked.drain(..).for_each(Waker::wake);
    }

    fn release(&mut self, unit: usize) {
        if matches!(self.all[unit].state, State::Here(_)) {
            self.all[unit].state = State::Idle;
            self.held -= u64::from(self.all[unit].len);
        }
    }
}

/// Joins the frames of each pack into ranges of at most `most` bytes, unless one frame is more, and tells each job its range. Between the
/// first and the last use of a range, at most `reach` bytes of frames are used.
fn units<W: World>(jobs: &mut [Job], most: u32, reach: u64) -> Vec<Unit<W>> {
    let mut order: Vec<usize> = (0..jobs.len()).filter(|&j| jobs[j].place.is_some()).collect();
    order.sort_by_key(|&j| jobs[j].place.map(|p| (p.pack, p.offset)));
    let mut used = 0;
    let positions: Vec<u64> = jobs
        .iter()
        .map(|job| {
            used += job.place.map_or(0, |place| u64::from(place.length));
            used
        })
        .collect();
    let mut units: Vec<Unit<W>> = Vec::new();
    for job in order {
        let Some(place) = jobs[job].place else { continue };
        let end = place.offset + place.length;
        let at = positions[job];
        let fits = units.last().is_some_and(|u| {
            u.pack == place.pack
                && place.offset <= u.offset + u.len + GAP
                && end.max(u.offset + u.len) - u.offset <= most
                && u.span.1.max(at) - u.span.0.min(at) <= reach
        });
        match units.last_mut().filter(|_| fits) {
            Some(unit) => {
                unit.len = unit.len.max(end - unit.offset);
                unit.span = (unit.span.0.min(at), unit.span.1.max(at));
                unit.users.push(job);
            }
            None => units.push(Unit {
                pack: place.pack,
                offset: place.offset,
                len: place.length,
                span: (at, at),
                users: vec![job],
                state: State::Idle,
                waiting: Vec::new(),
            }),
        }
        jobs[job].unit = units.len() - 1;
    }
    for unit in &mut units {
        unit.users.sort_unstable();
    }
    units
}
