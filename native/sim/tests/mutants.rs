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

/// The first seed of a calm, busy history that fails on such a store, and what was found.
fn first_failure(lies: &Lies) -> Option<(u64, String)> {
    (0..SEEDS).find_map(|seed| {
        let store = SimStore::default();
        let cast = Cast { pruners: 2, turns: 4, rates: Rates { pause: 50, ..Rates::CALM }, ..Cast::of(seed) };
        store.lie(lies.clone());
        run_with(seed, cast, &store).err().map(|violation| (seed, violation))
    })
}

#[test]
fn creates_that_overwrite_are_noticed() {
    let (_, found) = first_failure(&Lies { broken_create: true, ..Lies::default() }).expect("no history failed");
    assert!(found.contains("acknowledged"), "{found}");
}

#[test]
fn listings_that_hide_new_snapshots_are_noticed() {
    let (_, found) = first_failure(&Lies { hides_new: Some(("snapshots/".into(), 40)), ..Lies::default() })
        .expect("no history failed");
    assert!(found.contains("acknowledged"), "{found}");
}

#[test]
fn listings_that_hide_new_rounds_are_noticed() {
    let (_, found) =
        first_failure(&Lies { hides_new: Some(("gc/".into(), 40)), ..Lies::default() }).expect("no history failed");
    assert!(found.contains("acknowledged"), "{found}");
}

#[test]
fn lost_puts_are_noticed() {
    for prefix in ["packs/data/", "index/", "snapshots/"] {
        let (_, found) =
            first_failure(&Lies { lost_puts: Some(prefix.into()), ..Lies::default() }).expect("no history failed");
        assert!(!found.is_empty(), "{prefix}: {found}");
    }
}
