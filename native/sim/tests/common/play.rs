//! A backup beside a deletion round that a test plays.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use packvault_core::verbs::{Level, Repository};
use packvault_sim::{Lies, Random, SimStore, SimWorld};

use super::fixture::{Fixture, Shape, whole};
use super::pruner::{Pruner, Survey, Wish};
use super::{ingest, open, verify};

/// Two snapshots of unlike contents, and a content like the first one's, to be backed up while the first is forgotten.
pub struct Play {
    pub fixture: Fixture,
    pub before: BTreeMap<String, Vec<u8>>,
    pub content: Vec<u8>,
    pub wish: Wish,
}

impl Play {
    /// `len`: bytes of the first snapshot.
    pub fn new(seed: u64, len: usize) -> Self {
        let mut fixture = Shape::new(seed, Some((2, 1)), true).len(len).make();
        let repo = fixture.open();
        let other = Random::new(seed + 1).text(120_000);
        let snapshot = ingest(&fixture.world, &repo, std::slice::from_ref(&other)).unwrap();
        let forget: Vec<String> = fixture.acknowledged.iter().map(|(id, _)| id.clone()).collect();
        let mut content = fixture.acknowledged[0].1.clone();
        content.splice(100_000..100_010, Random::new(seed + 2).text(3_000));
        fixture.acknowledged = vec![(snapshot.id, other)];
        // A round came before, so that what is there is relied on because a checkpoint lists it.
        assert!(Pruner::new(&repo, seed + 3).round(&fixture.store, &Wish::default()));
        let before = fixture.objects();
        Self { fixture, before, content, wish: Wish { forget, orphans: false } }
    }

    pub fn start(&self, seed: u64) -> (SimWorld, Arc<Repository>) {
        self.fixture.store.load(&self.before);
        self.fixture.store.lie(Lies::default());
        let world = self.fixture.restarted(seed);
        let repo = open(&world, true).unwrap();
        world.link.arm(None);
        (world, repo)
    }

    /// Everything that was acknowledged restores once the round is over; says what does not.
    pub fn check(&self, acknowledged: Option<String>) -> Result<(), String> {
        let world = self.fixture.restarted(7);
        let repo = open(&world, true).map_err(|e| e.to_string())?;
        let mut all = self.fixture.acknowledged.clone();
        all.extend(acknowledged.map(|id| (id, self.content.clone())));
        whole(&world, &repo, &all)?;
        let found = verify(&world, &repo, Level::Full);
        if found.ok { Ok(()) } else { Err(format!("{:?}", found.errors)) }
    }
}

/// A round in three steps, each just before an operation of the writer: condemn; survey; checkpoint and deletion. What has not come to
/// pass when the writer has ended is done by `finish`.
#[derive(Clone)]
pub struct Steps {
    pruner: Pruner,
    wish: Wish,
    survey: Arc<Mutex<Option<Survey>>>,
    done: Arc<Mutex<usize>>,
}

impl Steps {
    pub fn new(pruner: Pruner, wish: &Wish) -> Self {
        Self { pruner, wish: wish.clone(), survey: Arc::default(), done: Arc::default() }
    }

    pub fn arm(&self, world: &SimWorld, at: [usize; 3]) {
        for at in at {
            let steps = self.clone();
            world.link.before(at, move |store: &SimStore| steps.step(store));
        }
    }

    pub fn step(&self, store: &SimStore) {
        let mut done = self.done.lock().unwrap();
        match *done {
            0 => drop(self.pruner.condemn(store, &self.wish)),
            1 => *self.survey.lock().unwrap() = self.pruner.survey(store).ok(),
            2 => {
                if let Some(survey) = self.survey.lock().unwrap().take() {
                    let checkpoint = self.pruner.conclude(store, survey);
                    self.pruner.delete(store, &checkpoint);
                }
            }
            _ => {}
        }
        *done += 1;
    }

    pub fn finish(&self, store: &SimStore) {
        while *self.done.lock().unwrap() < 3 {
            self.step(store);
        }
    }
}
