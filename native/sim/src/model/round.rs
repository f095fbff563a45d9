//! What a prune decides, from what it has listed: pure. As `native/core/src/verbs/prune/{plan,finish}.rs`.

use super::state::{Chunks, Ids, Idx, IdxSet, Names, Snapshots, State, bits, each_snapshot};
use super::{Model, Mutant, Role};

/// What a prune would condemn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// D.
    pub names: Names,
    /// Chunks that move into a new pack first.
    pub moving: Chunks,
}

/// What the second half of a round comes to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settled {
    /// What may be deleted.
    pub going: Names,
    /// Idx that stay.
    pub idx: IdxSet,
    /// The compacted idx.
    pub new: Idx,
    /// Members of the parity group that is written anew.
    pub members: Names,
}

impl Model {
    /// Chunks that these snapshots need, forgotten ids apart.
    pub(super) fn needs(&self, snapshots: Snapshots, forgotten: Ids) -> Chunks {
        let kept = each_snapshot(snapshots).filter(|(id, _)| forgotten & (1 << id) == 0);
        kept.fold(0, |all, (id, _)| all | self.wants(id))
    }

    /// Chunks of these holds, and the packs that they name.
    fn holds(&self, s: &State, held: Names) -> (Chunks, Names) {
        bits(held).fold((0, 0), |(chunks, names), i| {
            let first = if let Role::Writer { first, .. } = self.config.roles[i] { first } else { 0 };
            (chunks | first, names | s.holds[i].names)
        })
    }

    /// P2. Nothing where a chunk of a snapshot in force is named by no idx in force.
    pub(super) fn plan(&self, s: &State, n: u8, forgotten: Ids) -> Option<Plan> {
        let idx = s.idx_in_force(n);
        let (named, withdrawn) = s.named(idx);
        let snapshots = self.needs(s.snapshots_in_force(n), forgotten);
        let (held, held_names) = self.holds(s, holds_in_force(s, n));
        if snapshots & !s.contents(named) != 0 && !self.breaks(Mutant::NeverRefuses) {
            return None;
        }
        let mut uses: [Chunks; super::NAMES] = [0; super::NAMES];
        for chunk in bits(snapshots | held) {
            let places = s.places(named, chunk);
            let good = places & (s.stored | s.damaged) & !withdrawn;
            if let Some(pack) = bits(if good == 0 { places } else { good }).next() {
                uses[pack] |= 1 << chunk;
            }
        }
        let packs = (s.stored | s.damaged | named) & !s.parity(s.stored | named);
        let mut plan = Plan::default();
        for pack in bits(packs & !held_names) {
            if uses[pack] == 0 {
                plan.names |= 1 << pack;
            } else if self.config.repack && uses[pack] != s.chunks[pack] && s.stored & (1 << pack) != 0 {
                plan.names |= 1 << pack;
                plan.moving |= uses[pack];
            }
        }
        let parity = s.parity(s.stored | named);
        let goes = |x: &usize| named & (1 << x) == 0 || s.members[*x] & (plan.names | !named) != 0;
        plan.names |= bits(parity).filter(goes).fold(0, |all, x| all | 1 << x);
        Some(plan)
    }

    /// P4 to P6, of what was listed. Nothing where the prune refuses.
    pub(super) fn settle(&self, s: &State, i: usize) -> Option<Settled> {
        let p = &s.processes[i];
        let (named, withdrawn) = s.named(p.idx);
        let needed = self.needs(p.snapshots, p.forgotten);
        if needed & !s.contents(named) != 0 && !self.breaks(Mutant::NeverRefuses) {
            return None;
        }
        let held = if self.breaks(Mutant::IgnoresHolds) { 0 } else { p.held };
        let (chunks, held_names) = self.holds(s, held);
        let going = if self.breaks(Mutant::NoRescue) {
            p.going
        } else {
            let lost = if self.breaks(Mutant::WithdrawnCovers) { 0 } else { withdrawn };
            let there = if self.breaks(Mutant::RescuesWhatIsGone) { Names::MAX } else { s.stored | s.damaged };
            rescue(s, p.going, needed | chunks, &Places { named, held: held_names, good: there & !lost })
        };
        Some(self.compact(s, i, going))
    }

    /// P5's parity and P6.
    fn compact(&self, s: &State, i: usize, mut going: Names) -> Settled {
        let p = &s.processes[i];
        let n = p.view.n;
        let (named, _) = s.named(p.idx);
        let parity = s.parity(named);
        let loses = |x: &usize| s.members[*x] & (going | !named) != 0;
        let losing = bits(parity).filter(loses).fold(0, |all: Names, x| all | 1 << x);
        // Parity that no group which stays names goes, if it was condemned; of a newer generation it stays.
        let old = bits(p.idx).filter(|&x| s.idx[x].generation <= n).fold(0, |all: IdxSet, x| all | 1 << x);
        let newer = s.named(p.idx & !old).0;
        let stays = (parity & !losing) | newer;
        going &= !(s.parity(going) & stays);
        let renew = if self.breaks(Mutant::ParityNotRenewed) { 0 } else { losing };
        let members = bits(renew).fold(0, |all, x| all | s.members[x]) & named & !going;
        let covered = bits(parity & !losing).fold(0, |all, x| all | s.members[x]);
        let clean = |x: &usize| {
            let idx = &s.idx[*x];
            idx.names & (going | losing) == 0 && idx.withdrawn & going == 0 && !self.config.merge
        };
        let kept = bits(old).filter(clean).fold(0, |all, x| all | 1 << x);
        let (dissolved, lost) = s.named(old & !kept);
        let lost = if self.breaks(Mutant::DropsWithdrawals) { 0 } else { lost & named & !going };
        let generation = if self.breaks(Mutant::CompactedAtNext) { n + 1 } else { n };
        let new = Idx { there: true, generation, names: dissolved & !going & !losing, withdrawn: lost };
        Settled { going, idx: kept, new, members: members & !covered & s.stored }
    }
}

/// Holds in force, by process.
pub(super) fn holds_in_force(s: &State, n: u8) -> Names {
    let in_force = |i: &usize| s.holds[*i].there && s.holds[*i].generation >= n;
    (0..s.holds.len()).filter(in_force).fold(0, |all, i| all | 1 << i)
}

/// Where P5 looks.
struct Places {
    /// Packs that idx in force name.
    named: Names,
    /// Those that holds name.
    held: Names,
    /// Packs that a listing shows and that are not withdrawn.
    good: Names,
}

/// P5: takes back what is still needed. Places that are good come first.
fn rescue(s: &State, going: Names, needed: Chunks, at: &Places) -> Names {
    let mut back = going & at.held;
    for chunk in bits(needed) {
        let places = s.places(at.named, chunk);
        if places & at.good & (!going | back) != 0 {
            continue;
        }
        let good = places & at.good;
        if let Some(pack) = bits(if good == 0 { places } else { good }).next() {
            back |= 1 << pack;
        }
    }
    going & !back
}

/// Names of packs and parity objects, for traces.
#[must_use]
pub fn names(set: Names) -> String {
    let all: Vec<String> = bits(set).map(|name| format!("p{name}")).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" ") }
}
