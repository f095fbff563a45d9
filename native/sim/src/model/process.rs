//! What one process knows, and where it is.

use super::state::{Chunks, Ids, Idx, IdxSet, Names, Snapshots, View};

/// The next thing that a process does. One operation of the store, or a list of them that nobody can tell from one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum At {
    /// Reads the rounds (in two operations where the configuration says so).
    #[default]
    Start,
    /// Reads N, having read r.
    ReadN,
    /// Lists index.
    List,
    /// Puts a pack.
    Pack,
    /// Puts parity of the packs of this attempt.
    Parity,
    /// Puts an idx.
    Idx,
    /// Puts a hold.
    Hold,
    /// Puts the first copy of a snapshot.
    SnapshotA,
    /// Puts the second.
    SnapshotB,
    /// Lists gc: step 6.
    Check,
    /// A prune chooses what to condemn.
    Plan,
    /// Puts what stays of partly used packs.
    MovedPack,
    /// Puts the parity of that.
    MovedParity,
    /// Puts the idx of that.
    MovedIdx,
    /// Lists the copies of a gc record that it wants to create.
    Look,
    /// Creates `.b`.
    CreateB,
    /// Creates `.a`.
    CreateA,
    /// Lists both, completes a lone one, and reads what is decided.
    Settle,
    /// Prune step 4: lists snapshots.
    Snapshots,
    /// Prune step 4: lists index, and settles what stays.
    Index,
    /// Puts parity anew.
    NewParity,
    /// Puts the compacted idx.
    NewIdx,
    /// Deletes what the checkpoint names, and what is void.
    Delete,
    /// Deletes what is void, where that is an operation of its own.
    Sweep,
    /// Has done what it was started for.
    Done,
}

/// A process.
#[allow(clippy::struct_excessive_bools, reason = "each says one thing that may or may not be so")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Process {
    /// What it does next.
    pub at: At,
    /// The rounds as it read them.
    pub view: View,
    /// Whether it runs for the second time, after a crash.
    pub restarted: bool,
    /// Rounds that a prune has run, and names that a process has used up.
    pub used: Used,
    /// A writer: it starts again because of a condemn. A prune: the record that it creates is the checkpoint.
    pub again: bool,
    /// A streaming writer has published its first part.
    pub second_part: bool,
    /// Own packs and parity objects that may be named.
    pub own: Names,
    /// Of this attempt.
    pub fresh: Names,
    /// Packs that it has seen, from which it can read.
    pub known: Names,
    /// Chunks that it may rely on.
    pub have: Chunks,
    /// Chunks that it must still store.
    pub lacks: Chunks,
    /// Snapshots that a prune has listed.
    pub snapshots: Snapshots,
    /// Holds that a prune has listed, by process; withdrawals of a repair.
    pub held: Names,
    /// Idx that a prune has listed.
    pub idx: IdxSet,
    /// What a prune wants to delete.
    pub going: Names,
    /// Ids that a prune forgets.
    pub forgotten: Ids,
    /// Whether the condemn is its own.
    pub ours: bool,
    /// The idx that a prune or repair will put.
    pub new: Idx,
    /// A repair that looked after the loss of a pack.
    pub sees_loss: bool,
    /// Ids that were acknowledged when a repair began that looked after the loss of an idx.
    pub sees: Ids,
}

/// What stays used for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Used {
    /// Rounds.
    pub rounds: u8,
    /// Names of packs and parity objects.
    pub names: u8,
    /// Names of idx.
    pub idx: u8,
}

impl Process {
    /// The same process with nothing in memory, at its start or end.
    #[must_use]
    pub fn cleared(&self, at: At) -> Self {
        if at == At::Done {
            return Self { at, ..Self::default() };
        }
        Self { at, restarted: self.restarted, used: self.used, ..Self::default() }
    }
}
