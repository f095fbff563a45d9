//! The rules of the protocol, each with what happens when it is left out.

/// A rule that a model leaves out. Each must lead to a violation in some configuration, or the model would not show that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// W6: acknowledges without listing gc.
    NoCheck,
    /// W6 before W5.
    CheckBeforeSnapshot,
    /// P4 lists index before snapshots.
    IndexBeforeSnapshots,
    /// P6 puts compacted idx at generation N + 1.
    CompactedAtNext,
    /// P3 overwrites.
    PlainCondemn,
    /// P7 overwrites.
    PlainCheckpoint,
    /// W2 relies on every idx in force.
    ReliesOnOlderIdx,
    /// W2 relies on condemned packs.
    ReliesOnCondemned,
    /// W6 compares own packs with the condemns of N + 1 … r only.
    OwnAgainstOpenRounds,
    /// W6 keeps its generation when it starts again.
    SameGeneration,
    /// A writer that starts again names its pack as before (names come from chunks alone).
    ReusedNames,
    /// gc records of older rounds are removed.
    TrimmedHeaders,
    /// P7 lists only what is new since the checkpoint before.
    ListsWhatIsNew,
    /// W1 reads N before r.
    ReadsNFirst,
    /// No P5.
    NoRescue,
    /// P8 before P7.
    DeletesBeforeCheckpoint,
    /// Who lost the checkpoint deletes what it had planned itself.
    DeletesOwnPlan,
    /// A helper goes on with a D of its own.
    HelpersOwnPlan,
    /// The condemn does not say what is forgotten.
    ForgottenNotSaid,
    /// `.b` of a gc record is put plainly.
    PlainFirstCopy,
    /// `.a` of a gc record is put plainly.
    PlainSecondCopy,
    /// A lone copy of a gc record counts before it is completed.
    LoneCopyCounts,
    /// W6 before the second copy of the snapshot.
    OneSnapshotCopy,
    /// A writer that streams copies forward only what was condemned.
    KeepsVoidedIdx,
    /// A writer that starts again and can't read what it must copy does not look whether a round came between.
    GivesUpAtOnce,
    /// P5 ignores holds.
    IgnoresHolds,
    /// P4 does not refuse.
    NeverRefuses,
    /// A repair counts what is named as cover, condemned or soon void as it may be.
    CondemnedCovers,
    /// W6 lists own packs again whose group has lost a member, without parity.
    KeepsBrokenGroups,
    /// P6 drops withdrawals.
    DropsWithdrawals,
    /// P5 takes back a pack of several without looking whether it is there.
    RescuesWhatIsGone,
    /// P5 counts a withdrawn pack as cover.
    WithdrawnCovers,
    /// W2 relies on withdrawn packs.
    ReliesOnWithdrawn,
    /// A withdrawal counts without step 6.
    WithdrawsWithoutCheck,
    /// A repair takes a withdrawal for put that it sees in an idx of an older generation, which may be void soon.
    WithdrawalSeenIsEnough,
    /// Repair names packs of retained delete sets.
    AdoptsDeleted,
    /// Repair names condemned packs.
    AdoptsCondemned,
    /// Repair is done without step 6.
    AdoptsWithoutCheck,
    /// P5 deletes the parity that it has written anew at once.
    ParityDeletedEarly,
    /// P5 writes no parity anew.
    ParityNotRenewed,
}
