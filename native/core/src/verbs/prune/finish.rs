//! The second half of a round, from its condemn to its checkpoint: any process can do it (docs/format.md §15; the rules are in docs/architecture.md).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::parity::{Regrouped, regroup};
use super::reach::Reach;
use super::survey::{Stored, Survey};
use crate::error::{Code, Error, Result};
use crate::format::gc::{self, Checkpoint, Condemn, Deleted, Listed};
use crate::format::idx::{Group, Idx, Name, PackEntry};
use crate::format::{limits, names};
use crate::index::{IdxInfo, Index, Location};
use crate::verbs::rounds::{self, Rounds};
use crate::verbs::writer::put_idx;
use crate::verbs::{Repository, inspect::Frames};
use crate::world::World;

/// Idx of less than this are put together when there are more than a few.
const SMALL_IDX: usize = 1 << 20;
const FEW_SMALL: usize = 8;

/// What a condemn names, as names.
pub struct Condemned {
    /// Packs.
    pub packs: BTreeSet<Name>,
    /// Parity objects.
    pub parity: BTreeSet<Name>,
    /// Snapshot ids.
    pub forgotten: BTreeSet<String>,
    /// Orphans that the survey before it saw. A helper knows none, which only makes them wait.
    pub orphans: Deleted,
}

impl Condemned {
    /// What a condemn record says.
    pub fn of(record: &Condemn, orphans: Deleted) -> Result<Self> {
        Ok(Self {
            packs: rounds::packs(&record.packs)?.into_iter().collect(),
            parity: rounds::packs(&record.parity)?.into_iter().collect(),
            forgotten: record.forgotten.iter().cloned().collect(),
            orphans,
        })
    }
}

/// Steps 4 to 7 of the round that is open: `rounds.n + 1`. Returns the checkpoint that was decided, which may be another process's.
pub async fn finish<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    rounds: &Rounds,
    condemned: &Condemned,
) -> Result<Checkpoint> {
    world.call().set_phase("finishing the round");
    let survey = Survey::take(world, repo, rounds).await?;
    survey.complete_copies(world).await?;
    let needed = survey.needed(world, repo, &condemned.forgotten).await?;
    let mut going = condemned.packs.clone();
    rescue(&survey, &needed, &Stored::list(world).await?, &mut going);
    let (going, groups) = settle_parity(world, repo, &survey, condemned, going).await?;
    let parity = parity_to_delete(&survey, condemned, &groups);
    let idx = compact(world, repo, &survey, &going, &parity, groups).await?;
    let checkpoint = Checkpoint {
        snapshots: survey.listed(&condemned.forgotten),
        idx,
        deleted: Deleted { packs: hex_all(&going), parity: hex_all(&parity) },
        forgotten: condemned.forgotten.iter().cloned().collect(),
        orphans: condemned.orphans.clone(),
    };
    let round = rounds.n + 1;
    let body = gc::encode("checkpoint", round, &rounds.hash, &checkpoint)?;
    if rounds::create(world, &repo.ring, round, true, &body).await? {
        return Ok(checkpoint);
    }
    let now = repo.rounds(world).await?;
    if now.n < round {
        return Err(Error::new(
            Code::Conflict,
            "Another prune was at the same round. Nothing was deleted. Run it again.",
        ));
    }
    rounds::read_checkpoint(world, &repo.ring, round).await
}

/// Takes packs back that something in force still needs: what only condemned packs hold, and what holds name.
fn rescue(survey: &Survey, needed: &Reach, stored: &Stored, going: &mut BTreeSet<Name>) {
    let index = survey.index();
    let there: Vec<bool> = index.packs().iter().map(|pack| stored.packs.contains_key(&pack.name)).collect();
    let mut back = BTreeSet::new();
    for name in survey.held_packs() {
        if going.contains(&name) {
            back.insert(name);
        }
    }
    for number in needed.rows.numbers() {
        let Some(row) = index.table().row(number) else { continue };
        let name = |pack: u32| index.packs()[pack as usize].name;
        let places = index.locations(&row.id);
        let stays = |pack: u32| !going.contains(&name(pack)) || back.contains(&name(pack));
        let good = |at: &&Location| there[at.pack as usize] && !index.is_withdrawn(at.pack, &row.id);
        if places.iter().any(|at| stays(at.pack) && good(&at)) {
            continue;
        }
        // A place that is not stored, or withdrawn, is kept where nothing else holds the chunk.
        if let Some(at) = places.iter().find(good).or_else(|| places.first()) {
            back.insert(name(at.pack));
        }
    }
    going.retain(|name| !back.contains(name));
}

/// Writes parity anew. Where a group can't be, its members stay, and what follows from that is settled again.
async fn settle_parity<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    survey: &Survey,
    condemned: &Condemned,
    mut going: BTreeSet<Name>,
) -> Result<(BTreeSet<Name>, Vec<Group>)> {
    let rounds = &survey.view.rounds;
    let known: Vec<Group> = survey.index().groups();
    // A member that no idx names is nobody's any more.
    let members = known.iter().flat_map(|group| &group.members).filter(|part| part.size > 0);
    let unnamed: Vec<Name> = members.map(|part| part.name).filter(|name| survey.index().pack(name).is_none()).collect();
    loop {
        let leaving: BTreeSet<Name> = going.iter().chain(&unnamed).copied().collect();
        let Regrouped { groups, stuck } = regroup(world, repo, rounds.n, &known, &leaving, &condemned.parity).await?;
        let before = going.len();
        going.retain(|name| !stuck.contains(name));
        if going.len() == before {
            return Ok((going, groups));
        }
    }
}

/// Condemned parity objects that no group which stays names.
fn parity_to_delete(survey: &Survey, condemned: &Condemned, groups: &[Group]) -> BTreeSet<Name> {
    let stays: BTreeSet<Name> = groups.iter().flat_map(|g| &g.parity).map(|part| part.name).collect();
    // A group of an idx of the next generation keeps what it names, whatever the condemn says.
    let newer = survey.index().loaded().values().filter(|info| info.generation > survey.view.rounds.n);
    let newer: BTreeSet<Name> = newer.flat_map(|i| &i.groups).flat_map(|g| &g.parity).map(|part| part.name).collect();
    condemned.parity.iter().filter(|name| !stays.contains(*name) && !newer.contains(*name)).copied().collect()
}

/// Step 6. Idx that name nothing deleted and are of a fair size stay; the others are put together, at generation N, so that they count only
/// if the checkpoint names them. What a withdrawal says of a pack that stays, stays.
async fn compact<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    survey: &Survey,
    going: &BTreeSet<Name>,
    parity: &BTreeSet<Name>,
    groups: Vec<Group>,
) -> Result<Vec<Listed>> {
    let (n, index) = (survey.view.rounds.n, survey.index());
    let old: Vec<(&String, &IdxInfo)> = index.loaded().iter().filter(|(_, info)| info.generation <= n).collect();
    let current: BTreeSet<(Vec<Name>, Vec<Name>)> = groups.iter().map(identity).collect();
    let is_clean = |info: &IdxInfo| {
        info.packs.iter().all(|name| !going.contains(name))
            && info.groups.iter().all(|group| current.contains(&identity(group)))
            && info.withdrawals.iter().all(|w| !going.contains(&w.pack) && !parity.contains(&w.pack))
    };
    let small = old.iter().filter(|(_, info)| info.size < SMALL_IDX).count();
    let stays = |info: &IdxInfo| is_clean(info) && (info.size >= SMALL_IDX || small <= FEW_SMALL);
    let mut listed: Vec<Listed> =
        old.iter().filter(|(_, info)| stays(info)).map(|(key, info)| listed(key, &info.hash)).collect();
    let dissolved: Vec<&IdxInfo> = old.iter().map(|(_, info)| *info).filter(|info| !stays(info)).collect();
    let named: BTreeSet<(Vec<Name>, Vec<Name>)> =
        old.iter().filter(|(_, info)| stays(info)).flat_map(|(_, info)| &info.groups).map(identity).collect();
    let mut new =
        Idx { groups: groups.into_iter().filter(|g| !named.contains(&identity(g))).collect(), ..Idx::default() };
    let kept: BTreeSet<Name> =
        dissolved.iter().flat_map(|info| &info.packs).filter(|name| !going.contains(*name)).copied().collect();
    let withdrawn: BTreeSet<_> = dissolved.iter().flat_map(|info| &info.withdrawals).copied().collect();
    new.withdrawals = withdrawn.into_iter().filter(|w| names_still(index, going, parity, &w.pack)).collect();
    let put = put_packs(world, repo, n, new, index, &kept).await?;
    listed.extend(put.iter().map(|(key, hash)| self::listed(key, hash)));
    Ok(listed)
}

/// Whether a withdrawal of this object still has a meaning.
fn names_still(index: &Index, going: &BTreeSet<Name>, parity: &BTreeSet<Name>, name: &Name) -> bool {
    let pack = index.pack(name).is_some() && !going.contains(name);
    let shard = index.names_parity(name) && !parity.contains(name);
    pack || shard
}

fn identity(group: &Group) -> (Vec<Name>, Vec<Name>) {
    let names = |parts: &[crate::format::idx::Part]| parts.iter().map(|part| part.name).collect();
    (names(&group.members), names(&group.parity))
}

/// Puts what `idx` says, and these packs. Of what millions of chunks need only one object is in memory.
async fn put_packs<W: World>(
    world: &W,
    repo: &Repository,
    generation: u64,
    mut idx: Idx,
    index: &Arc<Index>,
    packs: &BTreeSet<Name>,
) -> Result<Vec<(String, [u8; 32])>> {
    if packs.is_empty() {
        return put_idx(world, repo, generation, idx).await;
    }
    let frames = Frames::new(index);
    let mut put = Vec::new();
    let mut size = idx.raw_len();
    for (ordinal, info) in packs.iter().filter_map(|name| index.pack(name)) {
        let entries = frames.of(ordinal);
        let pack = PackEntry { name: info.name, salt: info.salt, size: info.size, entries };
        let more = pack.raw_len();
        if size + more > limits::IDX_TARGET {
            put.extend(put_idx(world, repo, generation, std::mem::take(&mut idx)).await?);
            size = idx.raw_len();
        }
        size += more;
        idx.packs.push(pack);
    }
    put.extend(put_idx(world, repo, generation, idx).await?);
    Ok(put)
}

fn listed(key: &str, hash: &[u8; 32]) -> Listed {
    Listed { key: key.to_owned(), sha256: hex::encode(hash), time: None }
}

/// Names as hex, in order.
#[must_use]
pub fn hex_all<'a>(names: impl IntoIterator<Item = &'a Name>) -> Vec<String> {
    names.into_iter().map(hex::encode).collect()
}

/// Whether an object of `index/` or `snapshots/` is void for ever. Any process may delete it, at any time. A snapshot that checkpoint N lists under another
/// hash is left to those who look closer.
#[must_use]
pub fn is_void(rounds: &Rounds, key: &str) -> bool {
    if let Some(idx) = names::parse_generational("index", key, &[".idx"]) {
        return idx.generation < rounds.n && !rounds.lists_idx(&idx.name);
    }
    let Some(entry) = names::parse_generational("snapshots", key, &[".a", ".b", ".hold"]) else { return false };
    match entry.suffix {
        ".hold" => entry.generation < rounds.n,
        _ => !rounds.may_hold_snapshot(entry.generation, &entry.name),
    }
}
