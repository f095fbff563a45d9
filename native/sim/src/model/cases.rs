//! The configurations, and the mutants with the configuration that finds each.

use super::config::{Config, Role};
use super::rules::Mutant;
use super::state::{Budget, Chunks, Ids};

const fn writer(wants: Chunks) -> Role {
    Role::Writer { wants, first: 0 }
}

const fn pruner(rounds: u8, forgets: Ids) -> Role {
    Role::Pruner { rounds, forgets }
}

/// Old snapshots have the ids 3 and 7.
const OLD: Ids = 1 << 3;

/// The configurations of the tests.
#[must_use]
pub fn configurations() -> Vec<Config> {
    [core(), copies_and_holds(), losses(), moves(), combinations()].concat()
}

/// Writers, prunes and rounds.
fn core() -> Vec<Config> {
    vec![
        Config {
            name: "core",
            about: "two writers of what an old snapshot has, which one prune forgets, and what is new",
            roles: [writer(0b01), writer(0b11), pruner(2, OLD), Role::Nobody],
            old: vec![0b01],
            ..Config::default()
        },
        Config {
            name: "core-1-2-2",
            about: "one writer, two prunes, two rounds",
            roles: [writer(0b11), pruner(2, OLD), pruner(2, OLD), Role::Nobody],
            old: vec![0b01],
            merge: true,
            ..Config::default()
        },
        Config {
            name: "reads",
            about: "r and N are read one after the other, deletes take long",
            roles: [writer(0b01), pruner(2, 0), pruner(1, OLD), Role::Nobody],
            old: vec![0b01],
            rounds: 3,
            split_reads: true,
            ..Config::default()
        },
        Config {
            name: "replays",
            about: "puts that take effect again, forget, everything condemned",
            roles: [writer(0b01), pruner(2, OLD | 1), Role::Nobody, Role::Nobody],
            old: vec![0b01],
            greedy: true,
            budget: Budget { replays: 2, crashes: 1, ..Budget::default() },
            ..Config::default()
        },
    ]
}

/// Two copies of each record; streams.
fn copies_and_holds() -> Vec<Config> {
    vec![
        Config {
            name: "copies",
            about: "gc records and snapshots exist twice, one copy may be lost, two prunes race",
            roles: [writer(0b01), pruner(1, OLD), pruner(1, OLD), Role::Nobody],
            old: vec![0b01],
            rounds: 1,
            copies: true,
            budget: Budget { lost_copies: 1, ..Budget::default() },
            ..Config::default()
        },
        Config {
            name: "holds",
            about: "a writer that streams, two rounds",
            roles: [Role::Writer { wants: 0b11, first: 0b01 }, pruner(2, OLD), pruner(1, 0), Role::Nobody],
            old: vec![0b01],
            ..Config::default()
        },
        Config {
            name: "holds-beside",
            about: "a writer that streams and relies on what another has just stored",
            roles: [Role::Writer { wants: 0b11, first: 0b01 }, writer(0b01), pruner(1, 0), Role::Nobody],
            ..Config::default()
        },
    ]
}

/// What is lost is withdrawn, or found again.
fn losses() -> Vec<Config> {
    vec![
        Config {
            name: "withdrawals",
            about: "a pack is lost, a repair withdraws it, the next backup heals",
            roles: [writer(0b01), Role::Repair, pruner(2, 0), Role::Nobody],
            old: vec![0b01],
            merge: true,
            greedy: true,
            budget: Budget { lost_packs: 1, ..Budget::default() },
            ..Config::default()
        },
        Config {
            name: "withdrawals-calm",
            about: "the same beside prunes that condemn nothing of it",
            roles: [writer(0b01), Role::Repair, pruner(2, 0), Role::Nobody],
            old: vec![0b01],
            merge: true,
            budget: Budget { lost_packs: 1, ..Budget::default() },
            ..Config::default()
        },
        Config {
            name: "adoption",
            about: "an idx is lost, a repair adopts beside a prune",
            roles: [writer(0b01), Role::Repair, pruner(2, OLD), Role::Nobody],
            old: vec![0b01],
            budget: Budget { lost_idx: 1, ..Budget::default() },
            ..Config::default()
        },
    ]
}

/// Packs are written anew, and their parity.
fn moves() -> Vec<Config> {
    vec![
        Config {
            name: "repack",
            about: "what stays of a partly used pack moves",
            roles: [writer(0b01), pruner(2, OLD), pruner(1, OLD), Role::Nobody],
            old: vec![0b11, 0b01],
            repack: true,
            ..Config::default()
        },
        Config {
            name: "parity",
            about: "groups lose members",
            roles: [writer(0b101), pruner(2, OLD), pruner(1, 0), Role::Nobody],
            old: vec![0b11, 0b01],
            split_packs: true,
            parity: true,
            names: [8, 3, 2, 0],
            ..Config::default()
        },
    ]
}

/// Several of these at once.
fn combinations() -> Vec<Config> {
    vec![
        Config {
            name: "copies-crash",
            about: "copies, with processes that crash and come back, two rounds",
            roles: [writer(0b01), pruner(2, OLD), Role::Nobody, Role::Nobody],
            old: vec![0b01],
            copies: true,
            budget: Budget { lost_copies: 1, crashes: 2, ..Budget::default() },
            ..Config::default()
        },
        Config {
            name: "holds-repack",
            about: "a writer that streams beside prunes that move what it relies on",
            roles: [Role::Writer { wants: 0b11, first: 0b10 }, pruner(2, OLD), Role::Nobody, Role::Nobody],
            old: vec![0b11, 0b01],
            repack: true,
            names: [7, 4, 0, 0],
            budget: Budget { crashes: 1, ..Budget::default() },
            ..Config::default()
        },
        Config {
            name: "withdrawals-race",
            about: "withdrawals beside two prunes",
            roles: [writer(0b01), Role::Repair, pruner(1, 0), pruner(1, 0)],
            old: Vec::new(),
            names: [4, 4, 2, 2],
            rounds: 1,
            greedy: true,
            budget: Budget { lost_packs: 1, ..Budget::default() },
            ..Config::default()
        },
        Config {
            name: "adoption-repack",
            about: "an idx is lost beside a prune that moves chunks",
            roles: [writer(0b10), Role::Repair, pruner(1, OLD), Role::Nobody],
            old: vec![0b11, 0b01],
            rounds: 1,
            repack: true,
            budget: Budget { lost_idx: 1, ..Budget::default() },
            ..Config::default()
        },
    ]
}

/// Larger bounds of the same, to be explored by hand.
#[must_use]
pub fn larger() -> Vec<Config> {
    let mut all = configurations();
    all.retain(|config| matches!(config.name, "core" | "copies" | "holds" | "repack"));
    for config in &mut all {
        match config.name {
            "core" => {
                config.roles = [writer(0b01), writer(0b11), pruner(1, OLD), pruner(1, 0)];
                (config.rounds, config.names) = (1, [4, 3, 3, 3]);
            }
            "copies" => (config.rounds, config.roles[1]) = (2, pruner(2, OLD)),
            "holds" => config.greedy = true,
            _ => config.roles[2] = writer(0b10),
        }
    }
    all
}

/// Each rule that is left out, and the configuration that shows why it is there.
#[must_use]
pub fn mutants() -> Vec<(Mutant, &'static str)> {
    vec![
        (Mutant::NoCheck, "core"),
        (Mutant::CheckBeforeSnapshot, "core"),
        (Mutant::IndexBeforeSnapshots, "core"),
        (Mutant::CompactedAtNext, "core-1-2-2"),
        (Mutant::PlainCondemn, "core-1-2-2"),
        (Mutant::PlainCheckpoint, "core-1-2-2"),
        (Mutant::ReliesOnOlderIdx, "core"),
        (Mutant::ReliesOnCondemned, "core"),
        (Mutant::OwnAgainstOpenRounds, "core"),
        (Mutant::SameGeneration, "core"),
        (Mutant::ReusedNames, "core-1-2-2"),
        (Mutant::TrimmedHeaders, "core-1-2-2"),
        (Mutant::ListsWhatIsNew, "core"),
        (Mutant::ReadsNFirst, "reads"),
        (Mutant::NoRescue, "core"),
        (Mutant::DeletesBeforeCheckpoint, "core-1-2-2"),
        (Mutant::DeletesOwnPlan, "core-1-2-2"),
        (Mutant::HelpersOwnPlan, "core-1-2-2"),
        (Mutant::ForgottenNotSaid, "core-1-2-2"),
        (Mutant::PlainFirstCopy, "copies"),
        (Mutant::PlainSecondCopy, "copies"),
        (Mutant::LoneCopyCounts, "copies"),
        (Mutant::OneSnapshotCopy, "copies"),
        (Mutant::KeepsVoidedIdx, "holds-beside"),
        (Mutant::GivesUpAtOnce, "holds-beside"),
        (Mutant::IgnoresHolds, "holds"),
        (Mutant::NeverRefuses, "adoption"),
        (Mutant::DropsWithdrawals, "withdrawals"),
        (Mutant::WithdrawnCovers, "withdrawals"),
        (Mutant::RescuesWhatIsGone, "withdrawals"),
        (Mutant::ReliesOnWithdrawn, "withdrawals"),
        (Mutant::WithdrawsWithoutCheck, "withdrawals"),
        (Mutant::WithdrawalSeenIsEnough, "withdrawals-calm"),
        (Mutant::AdoptsDeleted, "adoption"),
        (Mutant::AdoptsCondemned, "adoption"),
        (Mutant::AdoptsWithoutCheck, "adoption"),
        (Mutant::CondemnedCovers, "adoption"),
        (Mutant::KeepsBrokenGroups, "parity"),
        (Mutant::ParityDeletedEarly, "parity"),
        (Mutant::ParityNotRenewed, "parity"),
    ]
}
