//! Deletion rounds as readers and writers see them (docs/format.md §14): what is in force, and what may be relied on.

use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::ring::KeyRing;
use crate::error::{Code, Error, Result};
use crate::format::gc::{self, Checkpoint, Condemn, GcRecord};
use crate::format::idx::Name;
use crate::format::{Kind, names, record, time};
use crate::index::list_all;
use crate::verbs::rollback::{self, Seen};
use crate::world::{PutMode, World};

/// How often a listing may be overtaken by rounds before something else must be wrong.
const LISTINGS: usize = 3;

/// The newest rounds.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    /// N: newest checkpoint, 0 if none.
    pub n: u64,
    /// r: newest condemn, at least N.
    pub r: u64,
    /// Packs and parity objects that condemns of N + 1 … r name.
    pub condemned: BTreeSet<Name>,
    /// When the newest record was stored, by the store's clock, milliseconds since 1970; for courtesies only.
    pub newest_ms: i64,
    /// SHA-256 of the header of checkpoint N; zeros if there is none.
    pub hash: [u8; 32],
    /// What checkpoint N says of the header before it; zeros if there is none.
    pub(super) previous: [u8; 32],
    /// Packs and parity objects that checkpoint N has seen without an idx.
    pub orphans: BTreeSet<Name>,
    /// Round and kind (whether it is a checkpoint) of gc records → size of the larger copy, bytes as stored.
    pub stored: BTreeMap<(u64, bool), u64>,
    /// A record of which both copies are damaged. What it said is not known: readers see what was in force before it, which is never less
    /// and may be more than there is; writers refuse.
    doubt: Option<Error>,
    snapshots: BTreeMap<String, [u8; 32]>,
    times: BTreeMap<String, i64>,
    idx: BTreeMap<String, [u8; 32]>,
}

impl Rounds {
    /// Whether checkpoint N lists this idx.
    #[must_use]
    pub fn lists_idx(&self, key: &str) -> bool {
        self.idx.contains_key(key)
    }

    /// The hash that checkpoint N lists for an idx.
    #[must_use]
    pub fn idx_hash(&self, key: &str) -> Option<[u8; 32]> {
        self.idx.get(key).copied()
    }

    /// The effective time that checkpoint N lists for a snapshot.
    #[must_use]
    pub fn snapshot_time(&self, name: &str) -> Option<i64> {
        self.times.get(name).copied()
    }

    /// Whether a snapshot can be in force, by what its name says.
    #[must_use]
    pub fn may_hold_snapshot(&self, generation: u64, name: &str) -> bool {
        generation >= self.n || self.snapshots.contains_key(name)
    }

    /// Whether a snapshot is in force, given the hash of the object as stored.
    #[must_use]
    pub fn holds_snapshot(&self, generation: u64, name: &str, hash: &[u8; 32]) -> bool {
        generation >= self.n || self.snapshots.get(name) == Some(hash)
    }

    /// Snapshots that checkpoint N lists.
    pub fn listed_snapshots(&self) -> impl Iterator<Item = &String> {
        self.snapshots.keys()
    }

    /// Refuses to write where it is not known what is in force.
    pub fn certain(&self) -> Result<()> {
        self.doubt.clone().map_or(Ok(()), Err)
    }

    /// Whether a writer may rely on a pack: an idx that names it is listed by checkpoint N or of generation r, and no condemn names the pack.
    #[must_use]
    pub fn relies_on(&self, pack: &crate::index::PackInfo) -> bool {
        (pack.listed || pack.generation >= self.r) && !self.condemned.contains(&pack.name)
    }
}

/// Writer step 6: whether a round after generation r was condemned meanwhile. A lone second copy is completed first; one that is
/// damaged was never decided, and counts for nothing.
pub async fn has_newer<W: World>(world: &W, ring: &KeyRing, generation: u64) -> Result<bool> {
    for ((round, checkpoint), copies) in listing(world, &format!("gc/{generation:016}.z")).await?.copies {
        if decide(world, ring, round, checkpoint, copies).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a round was begun or decided since these were read: what is missing now may be what it has deleted.
pub async fn have_moved<W: World>(world: &W, ring: &KeyRing, rounds: &Rounds) -> Result<bool> {
    let now = read(world, ring, None).await?;
    Ok((now.n, now.r) != (rounds.n, rounds.r))
}

/// Packs and parity objects that the condemns of rounds `from` to `to` name. `CONFLICT` if one of them was trimmed:
/// then nobody knows any more.
pub async fn condemned_between<W: World>(world: &W, ring: &KeyRing, from: u64, to: u64) -> Result<BTreeSet<Name>> {
    let mut out = BTreeSet::new();
    for round in from..=to {
        let rest = read_record(world, ring, round, false).await?.rest.ok_or_else(|| {
            Error::new(Code::Conflict, "This backup took longer than deletion rounds are remembered. No earlier backup was harmed. Run it again.")
        })?;
        let condemn: Condemn = record::json(&names::condemn(round), &rest)?;
        out.extend(packs(&condemn.packs)?);
        out.extend(packs(&condemn.parity)?);
    }
    Ok(out)
}

/// The gc objects of one round and kind that a listing showed: which copies.
type Copies = BTreeMap<(u64, bool), [bool; 2]>;

/// Reads the newest rounds. A lone copy of a record is completed first, where the store lets us. `ROLLED_BACK` if they do not follow from
/// those that were seen.
pub async fn read<W: World>(world: &W, ring: &KeyRing, seen: Option<Seen>) -> Result<Rounds> {
    // Round r begins only when checkpoint r - 1 is decided. A listing that shows otherwise was overtaken by the rounds: the next is not.
    for _ in 0..LISTINGS {
        let rounds = read_once(world, ring, seen).await?;
        if let Some(seen) = &seen {
            rollback::check(world, ring, &rounds, seen).await?;
        }
        if rounds.r <= rounds.n + 1 || rounds.doubt.is_some() {
            return Ok(rounds);
        }
    }
    Err(Error::corrupt(
        "A deletion round was begun and the checkpoint before it is missing, so it is not known what is in force. Nothing was changed. \
         Put gc/ back from a copy of the repository.",
    ))
}

async fn read_once<W: World>(world: &W, ring: &KeyRing, seen: Option<Seen>) -> Result<Rounds> {
    let Listing { copies, newest_ms, stored } = listing(world, "").await?;
    // Before a lone copy is completed: in a store that was put back nothing is changed.
    let found = copies.keys().filter(|(_, checkpoint)| *checkpoint).map(|(round, _)| *round).max().unwrap_or(0);
    if let Some(seen) = seen.filter(|seen| found < seen.round) {
        return Err(rollback::regressed(&seen, found));
    }
    let mut rounds = Rounds { newest_ms, stored, ..Rounds::default() };
    if let Some((n, record)) = newest(world, ring, &copies, &mut rounds.doubt).await? {
        rounds.n = n;
        rounds.hash = record.hash;
        rounds.previous = record.previous()?;
        let rest = record.rest.ok_or_else(|| unreadable(&names::checkpoint(n)))?;
        let checkpoint: Checkpoint = record::json(&names::checkpoint(n), &rest)?;
        rounds.orphans.extend(packs(&checkpoint.orphans.packs)?);
        rounds.orphans.extend(packs(&checkpoint.orphans.parity)?);
        let timed = |l: &gc::Listed| l.time.as_deref().and_then(time::parse).map(|at| (l.key.clone(), at));
        rounds.times = checkpoint.snapshots.iter().filter_map(timed).collect();
        rounds.snapshots = hashes(&checkpoint.snapshots)?;
        rounds.idx = hashes(&checkpoint.idx)?;
    }
    rounds.r = rounds.n;
    for (&(round, _), &found) in copies.iter().filter(|((round, checkpoint), _)| !checkpoint && *round > rounds.n) {
        match decided(world, ring, round, false, found).await {
            Ok(Some(record)) => {
                let name = names::condemn(round);
                let condemn: Condemn = record::json(&name, &record.rest.ok_or_else(|| unreadable(&name))?)?;
                rounds.condemned.extend(packs(&condemn.packs)?);
                rounds.condemned.extend(packs(&condemn.parity)?);
            }
            Ok(None) => continue,
            Err(e) if e.is_damage() => rounds.doubt = Some(unreadable(&names::condemn(round))),
            Err(e) => return Err(e),
        }
        rounds.r = rounds.r.max(round);
    }
    Ok(rounds)
}

/// Packs and parity objects of the delete sets that are retained, newest checkpoints first.
pub async fn deleted<W: World>(world: &W, ring: &KeyRing, rounds: &Rounds) -> Result<BTreeSet<Name>> {
    let mut out = BTreeSet::new();
    for round in (1..=rounds.n).rev() {
        let Some(rest) = read_record(world, ring, round, true).await?.rest else { break };
        let checkpoint: Checkpoint = record::json(&names::checkpoint(round), &rest)?;
        out.extend(packs(&checkpoint.deleted.packs)?);
        out.extend(packs(&checkpoint.deleted.parity)?);
    }
    Ok(out)
}

/// What a listing shows of `gc/`.
#[derive(Default)]
struct Listing {
    copies: Copies,
    /// When the newest was stored, by the store's clock.
    newest_ms: i64,
    /// Size of the larger copy of each.
    stored: BTreeMap<(u64, bool), u64>,
}

async fn listing<W: World>(world: &W, after: &str) -> Result<Listing> {
    let mut found = Listing::default();
    for object in list_all(world, "gc/", after).await? {
        if let Some((round, checkpoint, suffix)) = names::parse_gc(&object.key) {
            found.copies.entry((round, checkpoint)).or_default()[usize::from(suffix == ".b")] = true;
            found.newest_ms = found.newest_ms.max(object.modified_ms);
            let size = found.stored.entry((round, checkpoint)).or_default();
            *size = object.size.max(*size);
        }
    }
    Ok(found)
}

/// The newest checkpoint that is decided and opens. One without a readable copy is passed over, as if its round were still open.
async fn newest<W: World>(
    world: &W,
    ring: &KeyRing,
    copies: &Copies,
    doubt: &mut Option<Error>,
) -> Result<Option<(u64, GcRecord)>> {
    for (&(round, _), &found) in copies.iter().rev().filter(|((_, checkpoint), _)| *checkpoint) {
        match decided(world, ring, round, true, found).await {
            Ok(Some(record)) => return Ok(Some((round, record))),
            Ok(None) => {}
            Err(e) if e.is_damage() && doubt.is_none() => *doubt = Some(unreadable(&names::checkpoint(round))),
            Err(e) => return Err(e),
        }
    }
    Ok(None)
}

/// A record that a listing showed, if it is decided.
async fn decided<W: World>(
    world: &W,
    ring: &KeyRing,
    round: u64,
    checkpoint: bool,
    found: [bool; 2],
) -> Result<Option<GcRecord>> {
    if !decide(world, ring, round, checkpoint, found).await? {
        return Ok(None);
    }
    read_record(world, ring, round, checkpoint).await.map(Some)
}

/// Completes a lone copy. Whether the record is decided: its `.a` exists.
async fn decide<W: World>(world: &W, ring: &KeyRing, round: u64, checkpoint: bool, copies: [bool; 2]) -> Result<bool> {
    if copies == [true, true] {
        return Ok(true);
    }
    let (have, lack) = if copies[0] { (".a", ".b") } else { (".b", ".a") };
    let (name, kind) = name_of(round, checkpoint);
    let stored = world.get(&format!("{name}{have}"), None, record::max_stored(kind)).await?;
    let opens = record::open(ring, kind, &name, stored.as_ref());
    if let Err(error) = opens {
        // A lone `.a` that is damaged is decided but can't be read: fail closed. A lone `.b` that is damaged was never decided.
        return if copies[0] { Err(error) } else { Ok(false) };
    }
    match super::objects::put_small(world, &format!("{name}{lack}"), stored.as_ref(), PutMode::Create).await {
        Ok(()) => Ok(true),
        Err(e) if e.code == Code::AlreadyExists => Ok(true),
        // Who can't write here reads what is decided.
        Err(e) if matches!(e.code, Code::PermissionDenied | Code::Unsupported | Code::OutOfSpace) => Ok(copies[0]),
        Err(e) => Err(e),
    }
}

/// Logical name and kind of a gc record.
#[must_use]
pub fn name_of(round: u64, checkpoint: bool) -> (String, Kind) {
    if checkpoint { (names::checkpoint(round), Kind::Checkpoint) } else { (names::condemn(round), Kind::Condemn) }
}

/// Creates a record, `.b` then `.a`, each only if it is absent. Whether this body is the one that was decided: false if somebody else was first.
pub async fn create<W: World>(world: &W, ring: &KeyRing, round: u64, checkpoint: bool, body: &[u8]) -> Result<bool> {
    let (name, kind) = name_of(round, checkpoint);
    let present = list_all(world, &format!("{name}."), "").await?;
    if present.is_empty() {
        let stored = record::seal(ring, kind, &name, round, &world.id32(), body)?;
        for suffix in [".b", ".a"] {
            match super::objects::put_small(world, &format!("{name}{suffix}"), &stored, PutMode::Create).await {
                Ok(()) => {}
                // Somebody else's, or our own whose answer was lost: what is read below tells.
                Err(e) if e.code == Code::AlreadyExists => break,
                Err(e) => return Err(e),
            }
        }
    }
    let copies = list_all(world, &format!("{name}."), "").await?;
    let has = |suffix: &str| copies.iter().any(|o| o.key.ends_with(suffix));
    if !decide(world, ring, round, checkpoint, [has(".a"), has(".b")]).await? {
        return Ok(false);
    }
    let decided = read_record(world, ring, round, checkpoint).await?;
    let own = gc::decode(if checkpoint { "checkpoint" } else { "condemn" }, round, body)?;
    Ok(decided.hash == own.hash)
}

/// The condemn of a round that is open.
pub async fn read_condemn<W: World>(world: &W, ring: &KeyRing, round: u64) -> Result<Condemn> {
    let name = names::condemn(round);
    let rest = read_record(world, ring, round, false).await?.rest.ok_or_else(|| unreadable(&name))?;
    record::json(&name, &rest)
}

/// A checkpoint with its rest.
pub async fn read_checkpoint<W: World>(world: &W, ring: &KeyRing, round: u64) -> Result<Checkpoint> {
    let name = names::checkpoint(round);
    let rest = read_record(world, ring, round, true).await?.rest.ok_or_else(|| unreadable(&name))?;
    record::json(&name, &rest)
}

/// A decided record: `.a` wins over `.b`, and `.b` serves where `.a` is damaged.
pub async fn read_record<W: World>(world: &W, ring: &KeyRing, round: u64, checkpoint: bool) -> Result<GcRecord> {
    let (name, kind) = name_of(round, checkpoint);
    let label = if checkpoint { "checkpoint" } else { "condemn" };
    let mut first = None;
    for suffix in names::COPIES {
        let got = async {
            let stored = world.get(&format!("{name}{suffix}"), None, record::max_stored(kind)).await?;
            gc::decode(label, round, &record::open(ring, kind, &name, stored.as_ref())?)
        };
        match got.await {
            Ok(record) => return Ok(record),
            Err(e) if e.is_damage() => first = first.or(Some(e)),
            Err(e) => return Err(e),
        }
    }
    Err(first.unwrap_or_else(|| unreadable(&name)))
}

fn unreadable(name: &str) -> Error {
    Error::corrupt(format!(
        "Neither copy of {name} can be read, so it is not known what is in force. Nothing was changed. Every snapshot can still be \
         restored; to write, put the record back from a copy of the repository."
    ))
    .with("key", name)
}

fn hashes(listed: &[gc::Listed]) -> Result<BTreeMap<String, [u8; 32]>> {
    listed
        .iter()
        .map(|l| names::hash(&l.sha256).map(|h| (l.key.clone(), h)))
        .collect::<Option<_>>()
        .ok_or_else(|| Error::corrupt("A checkpoint lists something that is not a hash."))
}

/// Names from hex.
pub fn packs(hex: &[String]) -> Result<Vec<Name>> {
    hex.iter()
        .map(|name| names::hash(name))
        .collect::<Option<_>>()
        .ok_or_else(|| Error::corrupt("A gc record names something that is not a hash."))
}
