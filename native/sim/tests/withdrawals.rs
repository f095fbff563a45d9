//! A repair that withdraws a damaged pack beside a deletion round: once it has succeeded, the next backup of the same data is whole, wherever
//! the steps of the round came between. The model of the protocol found the order in which it was not (docs/adr/0008-what-the-model-refuted.md).

mod common;

use std::sync::{Arc, Mutex};

use common::fixture::{Fixture, Shape, whole};
use common::pruner::{Pruner, Survey, Wish};
use common::{ingest, open, repair};
use packvault_sim::SimStore;

/// Without parity, and with a byte of a data chunk wrong.
fn damaged() -> (Fixture, std::collections::BTreeMap<String, Vec<u8>>) {
    let fixture = Shape::new(91, None, true).len(150_000).make();
    let (key, mut bytes) = fixture.objects().into_iter().find(|(key, _)| key.starts_with("packs/")).expect("a pack");
    bytes[5_000] ^= 1;
    fixture.store.plant(&key, &bytes);
    let before = fixture.objects();
    (fixture, before)
}

/// Repairs while a round condemns nothing before operation `at[0]`, looks before `at[1]`, and decides before `at[2]` or when the repair is done.
fn repair_beside(fixture: &Fixture, seed: u64, at: [usize; 3]) -> Result<(), String> {
    let world = fixture.restarted(seed);
    let repo = open(&world, true).unwrap();
    let pruner = Pruner::new(&repo, seed);
    let survey: Arc<Mutex<Option<Survey>>> = Arc::default();
    world.link.arm(None);
    let condemner = pruner.clone();
    world.link.before(at[0], move |store: &SimStore| {
        condemner.condemn(store, &Wish::default());
    });
    let (looker, put) = (pruner.clone(), survey.clone());
    world.link.before(at[1], move |store: &SimStore| *put.lock().unwrap() = looker.survey(store).ok());
    let decide = move |store: &SimStore, survey: Option<Survey>| {
        if let Some(survey) = survey {
            let checkpoint = pruner.conclude(store, survey);
            pruner.delete(store, &checkpoint);
        }
    };
    let (decider, take) = (decide.clone(), survey.clone());
    world.link.before(at[2], move |store: &SimStore| decider(store, take.lock().unwrap().take()));
    repair(&world, &repo).map_err(|e| format!("repair: {e}"))?;
    decide(&fixture.store, survey.lock().unwrap().take());
    let world = fixture.restarted(seed + 1);
    let repo = open(&world, true).unwrap();
    let content = fixture.acknowledged[0].1.clone();
    let again = ingest(&world, &repo, std::slice::from_ref(&content)).map_err(|e| format!("ingest: {e}"))?;
    whole(&world, &repo, &[(again.id, content)])
}

#[test]
fn what_a_repair_withdrew_beside_a_round_is_healed_by_the_next_backup() {
    let (fixture, before) = damaged();
    let world = fixture.restarted(92);
    let repo = open(&world, true).unwrap();
    world.link.arm(None);
    assert_eq!(repair(&world, &repo).unwrap().packs_lost.len(), 1);
    let most = world.link.operations();
    for first in 1..=most {
        for (second, third) in
            [(first + 1, first + 2), (first + 1, first + 5), (first + 1, most * 2), (first + 4, most * 2)]
        {
            fixture.store.load(&before);
            repair_beside(&fixture, 93, [first, second, third])
                .unwrap_or_else(|e| panic!("steps of a round before operations {first}, {second}, {third}: {e}"));
        }
    }
}
