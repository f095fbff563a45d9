//! The model of the deletion protocol: all of it within small bounds, and every rule left out once.
//!
//! Counts are asserted so that a change which makes the model look at less is noticed. When a rule or a configuration changes for a reason, look at
//! what `cargo run --release -p packvault-sim --example model` prints, and write the new numbers here and into docs/simulation.md.

use packvault_sim::model::{Model, Mutant, configurations, explore, mutants};

/// More than any configuration has.
const MOST: usize = 8_000_000;

/// States of each configuration, operations on the longest of the shortest ways, and states in which everybody has finished.
const EXPLORED: &[(&str, usize, usize, usize)] = &[
    ("core", 3_590_646, 50, 7_113),
    ("core-1-2-2", 1_774_719, 45, 489),
    ("reads", 498_025, 51, 775),
    ("replays", 232_092, 37, 3_903),
    ("copies", 593_852, 37, 115),
    ("holds", 995_523, 41, 584),
    ("holds-beside", 175_475, 35, 508),
    ("withdrawals", 4_465_721, 49, 20_462),
    ("withdrawals-calm", 942_217, 49, 2_817),
    ("adoption", 1_394_746, 47, 6_411),
    ("repack", 1_045_170, 40, 339),
    ("parity", 2_768_578, 48, 3_409),
    ("copies-crash", 3_268_398, 53, 24_269),
    ("holds-repack", 138_808, 44, 3_326),
    ("withdrawals-race", 1_227_379, 31, 203),
    ("adoption-repack", 116_788, 32, 689),
];

/// Operations until each mutant is found out.
const FOUND: &[(Mutant, usize)] = &[
    (Mutant::NoCheck, 10),
    (Mutant::CheckBeforeSnapshot, 10),
    (Mutant::IndexBeforeSnapshots, 10),
    (Mutant::CompactedAtNext, 15),
    (Mutant::PlainCondemn, 13),
    (Mutant::PlainCheckpoint, 19),
    (Mutant::ReliesOnOlderIdx, 15),
    (Mutant::ReliesOnCondemned, 26),
    (Mutant::OwnAgainstOpenRounds, 16),
    (Mutant::SameGeneration, 16),
    (Mutant::ReusedNames, 16),
    (Mutant::TrimmedHeaders, 24),
    (Mutant::ListsWhatIsNew, 17),
    (Mutant::ReadsNFirst, 23),
    (Mutant::NoRescue, 10),
    (Mutant::DeletesBeforeCheckpoint, 20),
    (Mutant::DeletesOwnPlan, 22),
    (Mutant::HelpersOwnPlan, 11),
    (Mutant::ForgottenNotSaid, 12),
    (Mutant::PlainFirstCopy, 12),
    (Mutant::PlainSecondCopy, 27),
    (Mutant::LoneCopyCounts, 16),
    (Mutant::OneSnapshotCopy, 5),
    (Mutant::KeepsVoidedIdx, 18),
    (Mutant::GivesUpAtOnce, 24),
    (Mutant::IgnoresHolds, 18),
    (Mutant::NeverRefuses, 12),
    (Mutant::DropsWithdrawals, 16),
    (Mutant::WithdrawnCovers, 18),
    (Mutant::RescuesWhatIsGone, 20),
    (Mutant::ReliesOnWithdrawn, 9),
    (Mutant::WithdrawsWithoutCheck, 16),
    (Mutant::WithdrawalSeenIsEnough, 19),
    (Mutant::AdoptsDeleted, 24),
    (Mutant::AdoptsCondemned, 9),
    (Mutant::AdoptsWithoutCheck, 15),
    (Mutant::CondemnedCovers, 16),
    (Mutant::KeepsBrokenGroups, 27),
    (Mutant::ParityDeletedEarly, 6),
    (Mutant::ParityNotRenewed, 7),
];

#[test]
fn long_nothing_bad_is_reached_in_any_configuration() {
    let mut expected = EXPLORED.iter();
    for config in configurations() {
        let name = config.name;
        let found = explore(&Model::new(config), MOST).unwrap_or_else(|violation| panic!("{name}:\n{violation}"));
        assert_eq!(expected.next(), Some(&(name, found.states, found.depth, found.last)));
    }
    assert_eq!(expected.next(), None);
}

#[test]
fn long_every_rule_is_needed() {
    let configs = configurations();
    let mut expected = FOUND.iter();
    for (mutant, name) in mutants() {
        let config = configs.iter().find(|config| config.name == name).expect("a configuration of this name");
        let violation =
            explore(&Model::without(config.clone(), mutant), MOST).expect_err(&format!("{mutant:?} in {name}"));
        assert_eq!(expected.next(), Some(&(mutant, violation.trace.len())), "{violation}");
    }
    assert_eq!(expected.next(), None);
}

/// What an exploration says of a violation is a way that a reader can follow.
#[test]
fn a_violation_is_told_step_by_step() {
    let configs = configurations();
    let config = configs.iter().find(|config| config.name == "copies").expect("a configuration of this name");
    let violation =
        explore(&Model::without(config.clone(), Mutant::OneSnapshotCopy), MOST).expect_err("a rule is left out");
    assert_eq!(
        violation.trace,
        [
            "writer 0 reads rounds: N = 0, r = 0",
            "writer 0 lists index; must store chunks 0000",
            "writer 0 puts snapshot 0-0",
            "writer 0 lists gc: no newer round; ACKNOWLEDGED",
            "copy a of snapshot 0-0 is lost",
        ]
    );
    assert_eq!(violation.what, "snapshot 0 was acknowledged and is not in force");
}
