//! What is stored, and what each process knows. Small enough to be kept by the million.

use std::hash::{Hash, Hasher};

use super::process::{At, Process};

/// Packs and parity objects that a state may name.
pub const NAMES: usize = 16;
/// Idx that a state may have.
pub const IDXS: usize = 16;
/// Processes of a state.
pub const PROCESSES: usize = 4;
/// Snapshot ids: one for each process, and one for what it does after a restart.
pub const IDS: usize = 2 * PROCESSES;
/// Generations, and rounds with round 0, which never is one.
pub const GENERATIONS: usize = 7;

/// Packs and parity objects, a bit each.
pub type Names = u16;
/// Chunks, a bit each.
pub type Chunks = u8;
/// Snapshot ids, a bit each.
pub type Ids = u8;
/// Snapshots, a bit for each id and generation.
pub type Snapshots = u64;
/// Idx, a bit each.
pub type IdxSet = u16;

/// The bit of a snapshot.
#[must_use]
pub fn snapshot(id: usize, generation: u8) -> Snapshots {
    1 << (id * 8 + usize::from(generation))
}

/// The snapshots of a set, as id and generation.
pub fn each_snapshot(set: Snapshots) -> impl Iterator<Item = (usize, u8)> {
    bits(set).map(|bit| (bit / 8, (bit % 8) as u8))
}

/// Positions of the bits of a set, lowest first.
pub fn bits(set: impl Into<u64>) -> impl Iterator<Item = usize> {
    let mut rest = set.into();
    std::iter::from_fn(move || {
        let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
        rest &= rest - 1;
        Some(bit)
    })
}

/// One idx, under a name of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Idx {
    /// Whether it is stored.
    pub there: bool,
    /// Its generation.
    pub generation: u8,
    /// Packs and parity objects that it names.
    pub names: Names,
    /// Packs that it withdraws.
    pub withdrawn: Names,
}

/// A condemn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Condemn {
    /// D.
    pub names: Names,
    /// Ids to forget.
    pub forgotten: Ids,
}

/// A checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// Snapshots that it lists.
    pub snapshots: Snapshots,
    /// Idx that it lists.
    pub idx: IdxSet,
    /// What may be deleted.
    pub deleted: Names,
}

/// The gc records of one round: copies `.a` and `.b` of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Round {
    /// `gc/<n>.condemn`.
    pub condemn: [Option<Condemn>; 2],
    /// `gc/<n>.checkpoint`.
    pub checkpoint: [Option<Checkpoint>; 2],
}

/// A hold: one copy, of one id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hold {
    /// Whether it is stored.
    pub there: bool,
    /// Its generation.
    pub generation: u8,
    /// Older packs that its writer relies on.
    pub names: Names,
}

/// N and r as somebody read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// Newest checkpoint.
    pub n: u8,
    /// Newest condemn, at least `n`.
    pub r: u8,
}

/// Events that the environment still has to spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Processes that stop and start again with nothing in memory.
    pub crashes: u8,
    /// Packs that are lost.
    pub lost_packs: u8,
    /// Idx that are lost.
    pub lost_idx: u8,
    /// Single copies of gc records or snapshots that are lost.
    pub lost_copies: u8,
    /// Puts that take effect again, long after.
    pub replays: u8,
}

/// What the properties must remember.
#[allow(clippy::struct_excessive_bools, reason = "each says one thing that may or may not be so")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    /// Ids that were acknowledged.
    pub acknowledged: Ids,
    /// Ids that a prune was asked to forget, from its condemn on.
    pub forgotten: Ids,
    /// Ids of which a prune told its caller that they are gone.
    pub told: Ids,
    /// Chunks of which the last readable copy was lost.
    pub lost: Chunks,
    /// Ids whose writer began when what was lost had been withdrawn.
    pub clean: Ids,
    /// Whether a repair has withdrawn what was lost.
    pub withdrawn: bool,
    /// Whether an idx was lost.
    pub unnamed: bool,
    /// Ids that must be whole although it was: acknowledged before a repair began, or begun after the loss.
    pub named: Ids,
    /// Packs and parity objects that were ever stored.
    pub made: Names,
    /// Snapshots that were ever put.
    pub put: Snapshots,
    /// Rounds whose condemn was decided, a bit each.
    pub condemns: u8,
    /// Rounds whose checkpoint was decided.
    pub checkpoints: u8,
    /// Whether a copy of something was lost.
    pub copy_lost: bool,
    /// A prune refused although nothing was lost.
    pub refused: bool,
    /// A writer that held its chunks was told that they are gone.
    pub hold_broken: bool,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Packs and parity objects that are stored.
    pub stored: Names,
    /// Packs that listings show and that can't be read.
    pub damaged: Names,
    /// Chunks of each pack that was ever made; names are never used twice.
    pub chunks: [Chunks; NAMES],
    /// Members of each parity object; none of a pack.
    pub members: [Names; NAMES],
    /// Idx.
    pub idx: [Idx; IDXS],
    /// Copies of snapshots, `.a` and `.b`.
    pub snapshots: [Snapshots; 2],
    /// Holds, by process.
    pub holds: [Hold; PROCESSES],
    /// gc records.
    pub gc: [Round; GENERATIONS],
    /// Processes.
    pub processes: [Process; PROCESSES],
    /// What may still happen.
    pub budget: Budget,
    /// For the properties alone; no process looks at it.
    pub ghost: Ghost,
}

impl Hash for State {
    /// Everything that is there; what is empty is passed over, since most of a state is.
    fn hash<H: Hasher>(&self, to: &mut H) {
        (self.stored, self.damaged, self.snapshots, self.budget, &self.ghost).hash(to);
        (&self.chunks, &self.holds).hash(to);
        if self.members != [0; NAMES] {
            self.members.hash(to);
        }
        for (i, idx) in self.idx.iter().enumerate().filter(|(_, idx)| idx.there) {
            (i as u8, idx).hash(to);
        }
        for (i, round) in self.gc.iter().enumerate().filter(|(_, round)| **round != Round::default()) {
            (i as u8, round).hash(to);
        }
        for (i, process) in self.processes.iter().enumerate().filter(|(_, process)| process.at != At::Done) {
            (i as u8, process).hash(to);
        }
    }
}

impl State {
    /// N and r, of decided records.
    #[must_use]
    pub fn newest(&self) -> View {
        let newest = |decided: u8| (7 - decided.leading_zeros().min(7)) as u8;
        let n = newest(self.ghost.checkpoints);
        View { n, r: n.max(newest(self.ghost.condemns)) }
    }

    /// Notes which records are decided, and what they forget.
    pub fn note_decisions(&mut self) {
        for (n, round) in self.gc.iter().enumerate() {
            self.ghost.condemns |= u8::from(round.condemn[0].is_some()) << n;
            self.ghost.checkpoints |= u8::from(round.checkpoint[0].is_some()) << n;
            self.ghost.forgotten |= round.condemn.iter().flatten().fold(0, |all, condemn| all | condemn.forgotten);
        }
    }

    /// Checkpoint `n`; nothing of round 0.
    #[must_use]
    pub fn checkpoint(&self, n: u8) -> Checkpoint {
        let copies = &self.gc[usize::from(n)].checkpoint;
        copies[0].or(copies[1]).unwrap_or_default()
    }

    /// What the condemns of these rounds name.
    #[must_use]
    pub fn condemned(&self, rounds: std::ops::RangeInclusive<u8>) -> Names {
        rounds
            .map(|n| &self.gc[usize::from(n)].condemn)
            .fold(0, |all, copies| all | copies[0].or(copies[1]).map_or(0, |condemn| condemn.names))
    }

    /// Idx that are stored and in force for who read checkpoint `n`.
    #[must_use]
    pub fn idx_in_force(&self, n: u8) -> IdxSet {
        let listed = self.checkpoint(n).idx;
        let in_force = |(i, idx): (usize, &Idx)| idx.there && (idx.generation >= n || listed & (1 << i) != 0);
        (0..IDXS).filter(|&i| in_force((i, &self.idx[i]))).fold(0, |all, i| all | 1 << i)
    }

    /// Snapshots of which a copy is stored and that are in force for who read checkpoint `n`.
    #[must_use]
    pub fn snapshots_in_force(&self, n: u8) -> Snapshots {
        let newer = u64::from(u8::MAX << n) * 0x0101_0101_0101_0101;
        (self.snapshots[0] | self.snapshots[1]) & (newer | self.checkpoint(n).snapshots)
    }

    /// What these idx name, and what they withdraw.
    #[must_use]
    pub fn named(&self, idx: IdxSet) -> (Names, Names) {
        bits(idx).fold((0, 0), |(names, withdrawn), i| (names | self.idx[i].names, withdrawn | self.idx[i].withdrawn))
    }

    /// Chunks of these packs.
    #[must_use]
    pub fn contents(&self, packs: Names) -> Chunks {
        bits(packs).fold(0, |all, pack| all | self.chunks[pack])
    }

    /// Packs of a set that hold a chunk.
    #[must_use]
    pub fn places(&self, packs: Names, chunk: usize) -> Names {
        bits(packs).filter(|&pack| self.chunks[pack] & (1 << chunk) != 0).fold(0, |all, pack| all | 1 << pack)
    }

    /// Parity objects of a set.
    #[must_use]
    pub fn parity(&self, names: Names) -> Names {
        bits(names).filter(|&name| self.members[name] != 0).fold(0, |all, name| all | 1 << name)
    }

    /// Writer step 2: packs that a writer may rely on, of these idx.
    #[must_use]
    pub fn relied(&self, view: View, idx: IdxSet) -> Names {
        let listed = self.checkpoint(view.n).idx;
        let good = bits(idx).filter(|&i| listed & (1 << i) != 0 || self.idx[i].generation >= view.r);
        good.fold(0, |all, i| all | self.idx[i].names)
    }
}
