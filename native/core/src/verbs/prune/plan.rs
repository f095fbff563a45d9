//! What a round would delete and rewrite. Pure: a survey in, a plan out; a dry run ends here.

use std::collections::{BTreeMap, BTreeSet};

use super::reach::Reach;
use super::survey::{Stored, Survey};
use crate::crypto::ring::ChunkId;
use crate::format::config::ParityScheme;
use crate::format::idx::{Group, Name};
use crate::index::{Index, Location};

/// How old an orphan must be, by the store's clock, before it is condemned: a courtesy to writers that take long.
const ORPHAN_MS: i64 = 48 * 3_600_000;
/// Packs below half of their target are merged when there are so many that half of them go.
const FEW_SMALL: usize = 8;

/// How a round weighs space against work.
pub struct Terms {
    /// Share of unused bytes that may stay, 0 to 1.
    pub max_unused: f64,
    /// Target size of packs, bytes.
    pub pack_size: u64,
    /// Parity of new groups.
    pub scheme: Option<ParityScheme>,
    /// The machine's time, or the store's where that is known to be later, milliseconds since 1970.
    pub now_ms: i64,
}

/// What a round will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Packs that nothing needs, and what they free.
    pub dead: BTreeSet<Name>,
    /// Packs whose needed chunks move, with these chunks.
    pub moving: BTreeMap<Name, Vec<ChunkId>>,
    /// Orphans that go.
    pub orphans: BTreeSet<Name>,
    /// Orphans that were seen, whether they go or not.
    pub seen: BTreeSet<Name>,
    /// Parity objects that are replaced or dropped.
    pub parity: BTreeSet<Name>,
    /// Parity orphans that go.
    pub parity_orphans: BTreeSet<Name>,
    /// Packs that only idx of running or broken-off backups name: they are left for a round, as a courtesy.
    pub fresh: BTreeSet<Name>,
    /// Whether some group has lost all of its rows: its members are put into others.
    pub bare: bool,
    /// Bytes of packs that become free.
    pub freed: u64,
}

impl Plan {
    /// Packs to condemn.
    pub fn packs(&self) -> impl Iterator<Item = &Name> {
        self.dead.iter().chain(self.moving.keys()).chain(&self.orphans)
    }

    /// Whether there is nothing to condemn.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packs().next().is_none() && self.parity.is_empty() && self.parity_orphans.is_empty() && !self.bare
    }
}

/// How much of a pack is needed.
#[derive(Clone, Default)]
struct Use {
    bytes: u64,
    /// Row numbers of the chunks: there may be millions.
    chunks: Vec<u32>,
}

impl Use {
    fn ids(&self, index: &Index) -> Vec<ChunkId> {
        self.chunks.iter().filter_map(|&number| index.table().row(number as usize)).map(|row| row.id).collect()
    }
}

/// Plans a round. `needed`: what stays; `forgotten`: what snapshots need that go.
#[must_use]
pub fn plan(survey: &Survey, needed: &Reach, forgotten: &Reach, stored: &Stored, terms: &Terms) -> Plan {
    let index = survey.index();
    let mut plan = Plan::default();
    let uses = uses(index, needed, stored);
    let released = packs_of(index, forgotten);
    let held = survey.held_packs();
    let is_free = |name: &Name| !held.contains(name) && stored.packs.contains_key(name);
    let mut partly = Vec::new();
    for (info, used) in index.packs().iter().zip(&uses) {
        if !is_free(&info.name) {
            continue;
        }
        if used.bytes == 0 && !info.listed && !released.contains(&info.name) {
            plan.fresh.insert(info.name);
        } else if used.bytes == 0 {
            plan.dead.insert(info.name);
            plan.freed += info.size;
        } else {
            partly.push((info.name, info.size, used));
        }
    }
    // A pack that is named and gone holds nothing; forgetting its name is all there is to do.
    let gone = index
        .packs()
        .iter()
        .zip(&uses)
        .filter(|(info, used)| !stored.packs.contains_key(&info.name) && used.bytes == 0);
    plan.dead.extend(gone.map(|(info, _)| info.name).filter(|name| !held.contains(name)));
    choose_moving(&mut plan, index, &mut partly, terms);
    orphans(&mut plan, survey, stored, terms);
    parity(&mut plan, &index.groups(), stored, index, terms);
    plan
}

/// One place for each needed chunk: the first that is stored and not withdrawn, else the first.
fn uses(index: &Index, needed: &Reach, stored: &Stored) -> Vec<Use> {
    let mut uses = vec![Use::default(); index.packs().len()];
    for number in needed.rows.numbers() {
        let Some(row) = index.table().row(number) else { continue };
        let places = index.locations(&row.id);
        let good = |at: &&Location| {
            stored.packs.contains_key(&index.packs()[at.pack as usize].name) && !index.is_withdrawn(at.pack, &row.id)
        };
        let Some(at) = places.iter().find(good).or_else(|| places.first()) else { continue };
        let pack = &mut uses[at.pack as usize];
        pack.bytes += u64::from(at.length);
        pack.chunks.push(number as u32);
    }
    uses
}

/// Every pack that holds one of these chunks.
fn packs_of(index: &Index, chunks: &Reach) -> BTreeSet<Name> {
    let rows = chunks.rows.numbers().filter_map(|number| index.table().row(number));
    rows.flat_map(|row| index.locations(&row.id)).map(|at| index.packs()[at.pack as usize].name).collect()
}

/// The emptiest packs first, until the share of unused bytes is small enough; and small packs where there are many.
fn choose_moving(plan: &mut Plan, index: &Index, partly: &mut [(Name, u64, &Use)], terms: &Terms) {
    let unused = |size: u64, used: &Use| size.saturating_sub(used.bytes);
    let needed: u64 = partly.iter().map(|(_, _, used)| used.bytes).sum();
    // Heads, tables and tails are not waste: what a full pack would have, too.
    let overhead = |size: u64| size / 64 + 4096;
    let mut waste: u64 = partly.iter().map(|(_, size, used)| unused(*size, used).saturating_sub(overhead(*size))).sum();
    #[allow(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "a share of bytes, to the nearest")]
    let tolerated = (needed as f64 * terms.max_unused / (1.0 - terms.max_unused).max(1e-9)) as u64;
    partly.sort_by_key(|(name, size, used)| (used.bytes.saturating_mul(1000) / (*size).max(1), *name));
    for (name, size, used) in partly.iter() {
        let own = unused(*size, used).saturating_sub(overhead(*size));
        if waste <= tolerated || own == 0 {
            break;
        }
        waste -= own;
        plan.freed += unused(*size, used);
        plan.moving.insert(*name, used.ids(index));
    }
    let small: Vec<_> = partly
        .iter()
        .filter(|(name, size, _)| *size < terms.pack_size / 2 && !plan.moving.contains_key(name))
        .collect();
    let bytes: u64 = small.iter().map(|(_, _, used)| used.bytes).sum();
    let after = bytes.div_ceil(terms.pack_size.max(1)) as usize + 2;
    if small.len() >= FEW_SMALL && after * 2 <= small.len() {
        for (name, size, used) in small {
            plan.freed += unused(*size, used);
            plan.moving.insert(*name, used.ids(index));
        }
    }
}

fn orphans(plan: &mut Plan, survey: &Survey, stored: &Stored, terms: &Terms) {
    let (rounds, index) = (&survey.view.rounds, survey.index());
    let old =
        |modified: i64, name: &Name| rounds.orphans.contains(name) && terms.now_ms.saturating_sub(modified) > ORPHAN_MS;
    let held = survey.held_packs();
    for (name, object) in &stored.packs {
        if index.pack(name).is_some() || held.contains(name) {
            continue;
        }
        plan.seen.insert(*name);
        if old(object.modified_ms, name) {
            plan.orphans.insert(*name);
            plan.freed += object.size;
        }
    }
    for (name, object) in &stored.parity {
        if index.names_parity(name) {
            continue;
        }
        plan.seen.insert(*name);
        if old(object.modified_ms, name) {
            plan.parity_orphans.insert(*name);
        }
    }
}

/// Parity of groups that lose members, and of short groups where fewer groups do.
fn parity(plan: &mut Plan, groups: &[Group], stored: &Stored, index: &Index, terms: &Terms) {
    let going: BTreeSet<Name> = plan.packs().copied().collect();
    let mut short: Vec<&Group> = Vec::new();
    let mut members = 0;
    for group in groups {
        let live: Vec<_> = group.members.iter().filter(|part| part.size > 0).collect();
        if group.parity.iter().all(|part| part.size == 0) {
            plan.bare = true;
        } else if live.iter().any(|part| going.contains(&part.name) || index.pack(&part.name).is_none()) {
            plan.parity.extend(rows(group));
        } else if let Some(scheme) = terms.scheme
            && live.len() < scheme.data as usize
            && live.iter().all(|part| stored.packs.contains_key(&part.name))
        {
            members += live.len();
            short.push(group);
        }
    }
    let per_group = terms.scheme.map_or(1, |scheme| scheme.data as usize).max(1);
    if short.len() > members.div_ceil(per_group).max(1) {
        plan.parity.extend(short.into_iter().flat_map(rows));
    }
    // Rows that were lost and written anew leave the old object behind.
    let current: BTreeSet<Name> = groups.iter().flat_map(rows).collect();
    plan.parity.extend(stored.parity.keys().filter(|name| index.names_parity(name) && !current.contains(*name)));
}

fn rows(group: &Group) -> impl Iterator<Item = Name> + '_ {
    group.parity.iter().filter(|part| part.size > 0).map(|part| part.name)
}
