//! One verb on one repository, to be hit at every operation.

use std::collections::BTreeMap;
use std::sync::Arc;

use packvault_core::error::Result;
use packvault_core::verbs::{Level, RepairResult, Repository};
use packvault_sim::{SimStore, SimWorld};

use super::fixture::{Fixture, Shape, whole};
use super::{ingest, ingest_long, reindex, repair, restore, verify};

/// What a verb acknowledged: snapshots, and what they must give.
pub type Acknowledged = Vec<(String, Vec<u8>)>;

/// Runs the verb under test.
pub type Act = Box<dyn Fn(&SimWorld, &Arc<Repository>) -> Result<Acknowledged>>;

/// A verb, and where it starts.
pub struct Scenario {
    pub name: &'static str,
    pub fixture: Fixture,
    /// The store when the verb starts.
    pub before: BTreeMap<String, Vec<u8>>,
    pub act: Act,
    /// Whether what is damaged at the start can all be made good.
    pub healable: bool,
    /// Whether every snapshot restores even before that: no idx is lost.
    pub at_once: bool,
}

impl Scenario {
    fn new(name: &'static str, fixture: Fixture, act: Act) -> Self {
        let before = fixture.objects();
        Self { name, fixture, before, act, healable: true, at_once: true }
    }

    /// Snapshots restore only once the verb has done its work.
    fn after_repair(mut self) -> Self {
        self.at_once = false;
        self
    }

    /// A new process at the start of the verb.
    pub fn start(&self, seed: u64) -> (SimWorld, Arc<Repository>) {
        self.fixture.store.load(&self.before);
        let world = self.fixture.restarted(seed);
        let repo = super::open(&world, self.fixture.encrypted).unwrap();
        world.link.arm(None);
        (world, repo)
    }

    /// The verb without any trouble: its operations in order, those that change the store marked.
    pub fn rehearse(&self, seed: u64) -> Vec<(String, bool)> {
        let (world, repo) = self.start(seed);
        let from = self.fixture.store.trace().len();
        (self.act)(&world, &repo).unwrap();
        let names = self.fixture.store.trace().split_off(from);
        let kind = |what: &str| what.split(' ').nth(1).is_some_and(|verb| verb == "put" || verb == "delete");
        names.into_iter().map(|what| (what.clone(), kind(&what))).collect()
    }

    /// What was acknowledged before the verb is whole, seen by a new process.
    pub fn assert_nothing_lost(&self, what: &str) {
        if !(self.healable && self.at_once) {
            return;
        }
        if let Err(error) = self.fixture.check(&self.fixture.restarted(2)) {
            panic!("{}, {what}: {error}", self.name);
        }
    }

    /// After a retry that went well: all is whole, repair brings what verify still finds, and a second repair writes nothing.
    pub fn assert_converges(&self, new: &Acknowledged, what: &str) {
        let what = format!("{}, {what}", self.name);
        let world = self.fixture.restarted(3);
        let repo = super::open(&world, self.fixture.encrypted).unwrap();
        let mut expected = new.clone();
        if self.healable {
            expected.extend(self.fixture.acknowledged.clone());
        }
        whole(&world, &repo, &expected).unwrap_or_else(|error| panic!("{what}: {error}"));
        repair(&world, &repo).unwrap_or_else(|error| panic!("{what}: repair: {error}"));
        if self.healable {
            let found = verify(&world, &repo, Level::Full);
            assert!(found.ok, "{what}: {:?}", found.errors);
        }
        world.link.arm(None);
        let again = repair(&world, &repo).unwrap();
        assert_eq!(world.link.mutations(), 0, "{what}: a second repair writes nothing: {again:?}");
        assert_eq!(RepairResult { snapshots_damaged: Vec::new(), ..again }, RepairResult::default(), "{what}");
        whole(&world, &repo, &expected).unwrap_or_else(|error| panic!("{what}, after repair: {error}"));
    }
}

fn acknowledge(got: Result<packvault_core::format::snapshot::Snapshot>, content: &[u8]) -> Result<Acknowledged> {
    Ok(vec![(got?.id, content.to_vec())])
}

/// Bytes of a small fixture: a few packs.
const SMALL: usize = 150_000;

/// The first backup of an empty repository.
pub fn first_ingest() -> Scenario {
    let mut fixture = Shape::new(31, Some((2, 1)), true).len(SMALL).make();
    let empty: BTreeMap<String, Vec<u8>> =
        fixture.objects().into_iter().filter(|(key, _)| key.starts_with("config")).collect();
    fixture.store.load(&empty);
    let (_, content) = fixture.acknowledged.remove(0);
    fixture.acknowledged.clear();
    Scenario::new(
        "first ingest",
        fixture,
        Box::new(move |w, r| acknowledge(ingest(w, r, std::slice::from_ref(&content)), &content)),
    )
}

/// A backup that finds most of its data there.
pub fn incremental_ingest() -> Scenario {
    let fixture = Shape::new(33, Some((2, 1)), false).len(SMALL).make();
    let mut content = fixture.acknowledged[1].1.clone();
    content.splice(70_000..70_100, packvault_sim::Random::new(33).text(9_000));
    let act: Act = Box::new(move |w, r| acknowledge(ingest(w, r, std::slice::from_ref(&content)), &content));
    Scenario::new("incremental ingest", fixture, act)
}

/// A backup that holds what it relies on, again and again.
pub fn long_ingest() -> Scenario {
    let fixture = Shape::new(47, Some((2, 1)), true).len(SMALL).make();
    let mut content = fixture.acknowledged[1].1.clone();
    content.splice(30_000..30_100, packvault_sim::Random::new(47).text(9_000));
    let act: Act = Box::new(move |w, r| acknowledge(ingest_long(w, r, &content, 3), &content));
    Scenario::new("long ingest", fixture, act)
}

fn repairing() -> Act {
    Box::new(|w, r| repair(w, r).map(|_| Vec::new()))
}

fn flip(store: &SimStore, key: &str, from: usize, len: usize) {
    store.damage(key, |bytes| {
        bytes.iter_mut().skip(from).take(len).for_each(|b| *b ^= 0x5A);
        true
    });
}

/// A pack, an idx and a parity object are lost, another pack is damaged; parity covers it.
pub fn repair_packs() -> Scenario {
    let fixture = Shape::new(35, Some((3, 3)), true).len(SMALL).make();
    let store = &fixture.store;
    let packs = store.keys("packs/data/");
    store.lose(&packs[0]);
    flip(store, &packs[1], 500, 40);
    store.lose(&store.keys("index/")[0]);
    let rows = store.keys("packs/parity/");
    store.lose(rows.last().unwrap());
    Scenario::new("repair of packs", fixture, repairing()).after_repair()
}

/// A pack is lost and another one damaged; every idx is there.
pub fn repair_members() -> Scenario {
    let fixture = Shape::new(36, Some((3, 2)), false).len(SMALL).make();
    let packs = fixture.store.keys("packs/data/");
    fixture.store.lose(&packs[1]);
    flip(&fixture.store, &packs[2], 3_000, 9);
    Scenario::new("repair of members", fixture, repairing())
}

/// An idx can't be read: its packs are found again, and it goes.
pub fn repair_idx() -> Scenario {
    let fixture = Shape::new(38, None, true).len(SMALL).make();
    flip(&fixture.store, &fixture.store.keys("index/")[1], 100, 4);
    Scenario::new("repair of idx", fixture, repairing()).after_repair()
}

/// Second copies are lost or damaged.
pub fn repair_copies() -> Scenario {
    let fixture = Shape::new(37, None, true).len(SMALL).make();
    let store = &fixture.store;
    store.lose("config.copy.json");
    for (i, key) in store.keys("snapshots/").into_iter().filter(|k| k.as_bytes().ends_with(b".b")).enumerate() {
        if i == 0 {
            store.lose(&key);
        } else {
            flip(store, &key, 90, 3);
        }
    }
    Scenario::new("repair of copies", fixture, repairing())
}

/// No parity and no idx, and every pack's head and tail are damaged: what is in it is stored again.
pub fn repair_salvage() -> Scenario {
    let fixture = Shape::new(39, None, true).len(SMALL).make();
    let store = &fixture.store;
    for pack in store.keys("packs/data/") {
        flip(store, &pack, 40, 20);
        let len = store.snapshot()[&pack].len();
        flip(store, &pack, len - 130, 60);
    }
    store.keys("index/").iter().for_each(|key| store.lose(key));
    Scenario::new("repair by salvage", fixture, repairing()).after_repair()
}

/// More is lost than parity covers.
pub fn repair_beyond() -> Scenario {
    let fixture = Shape::new(41, Some((3, 1)), true).len(SMALL).make();
    let store = &fixture.store;
    let packs = store.keys("packs/data/");
    packs.iter().take(2).for_each(|pack| store.lose(pack));
    // What is left of this one is saved.
    flip(store, &packs[2], 500, 40);
    let mut scenario = Scenario::new("repair beyond parity", fixture, repairing());
    scenario.healable = false;
    scenario
}

/// All idx are lost, and a pack with them.
pub fn reindexing() -> Scenario {
    let fixture = Shape::new(43, Some((3, 1)), true).len(SMALL).make();
    let store = &fixture.store;
    store.keys("index/").iter().for_each(|key| store.lose(key));
    store.lose(&store.keys("packs/data/")[2]);
    Scenario::new("reindex", fixture, Box::new(|w, r| reindex(w, r).map(|()| Vec::new()))).after_repair()
}

/// Verbs that only read.
pub fn reading() -> Scenario {
    let fixture = Shape::new(45, Some((3, 1)), true).len(SMALL).make();
    fixture.store.lose(&fixture.store.keys("packs/data/")[1]);
    let act: Act = Box::new(|w, r| {
        let all = super::list(w, r)?;
        super::try_verify(w, r, Level::Full)?;
        let last = all.last().map(|s| s.id.clone()).unwrap_or_default();
        Ok(vec![(last.clone(), restore(w, r, &last, None, true)?)])
    });
    Scenario::new("list, verify, restore", fixture, act)
}

/// Every verb that changes a repository.
pub fn writers() -> Vec<fn() -> Scenario> {
    vec![
        first_ingest,
        incremental_ingest,
        long_ingest,
        repair_packs,
        repair_members,
        repair_idx,
        repair_copies,
        repair_salvage,
        repair_beyond,
        reindexing,
    ]
}
