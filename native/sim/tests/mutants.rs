//! Rules of the deletion protocol taken away by a store that breaks its contract: the oracles of the histories must notice.
//!
//! Creates that overwrite: two prunes decide one round differently. New snapshots hidden: a prune looks before the snapshots instead of
//! after the condemn. New rounds hidden: a writer acknowledges without looking for rounds. Lost puts: an object is relied on before it is
//! stored. What a process does without asking the store (which idx it relies on, how it names things) no lie can change; verbs have no
//! switches for it.

use packvault_sim::history::{Cast, run_with};
use packvault_sim::{Lies, Rates, SimStore};

/// How many histories may pass before one must fail.
const SEEDS: u64 = 400;

/// The first seed of a calm, busy history on such a store in which an oracle finds this.
fn first_failure(lies: &Lies, what: &str) -> Option<u64> {
    (0..SEEDS).find(|&seed| {
        let store = SimStore::default();
        let cast = Cast { pruners: 2, turns: 4, rates: Rates { pause: 50, ..Rates::CALM }, ..Cast::of(seed) };
        store.lie(lies.clone());
        run_with(seed, cast, &store).is_err_and(|violation| violation.contains(what))
    })
}

const LOST: &str = "acknowledged";

#[test]
fn creates_that_overwrite_are_noticed() {
    let lies = Lies { broken_create: true, ..Lies::default() };
    assert!(first_failure(&lies, LOST).is_some());
}

#[test]
fn listings_that_hide_new_objects_are_noticed() {
    for prefix in ["snapshots/", "gc/"] {
        let lies = Lies { hides_new: Some((prefix.into(), 40)), ..Lies::default() };
        assert!(first_failure(&lies, LOST).is_some(), "{prefix}");
    }
}

#[test]
fn lost_puts_are_noticed() {
    for prefix in ["packs/data/", "index/", "snapshots/"] {
        let lies = Lies { lost_puts: Some(prefix.into()), ..Lies::default() };
        assert!(first_failure(&lies, "").is_some(), "{prefix}");
    }
}
