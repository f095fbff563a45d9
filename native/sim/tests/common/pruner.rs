//! A prune made by hand, step by step and all at once within a step: what writers and readers have to live beside. It keeps the rules of
//! docs/format.md §14 and §15 and none of the courtesies, such as waiting before an orphan is condemned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use packvault_core::crypto::ring::ChunkId;
use packvault_core::crypto::sha256;
use packvault_core::format::gc::{self, Checkpoint, Condemn, Deleted, Listed};
use packvault_core::format::idx::{Idx, Name};
use packvault_core::format::snapshot::{Hold, Snapshot};
use packvault_core::format::{Kind, list, names, pack, record};
use packvault_core::index::{Index, Loaded};
use packvault_core::verbs::Repository;
use packvault_core::verbs::fetch::Opener;
use packvault_sim::{Random, SimStore};

type Objects = BTreeMap<String, Vec<u8>>;

/// What a round wants to be rid of.
#[derive(Clone, Default)]
pub struct Wish {
    /// Snapshots.
    pub forget: Vec<String>,
    /// Whether packs that no idx in force names go, too.
    pub orphans: bool,
}

#[derive(Clone)]
pub struct Pruner {
    repo: Arc<Repository>,
    random: Arc<Mutex<Random>>,
    /// A planted fault: keeps nothing for holds.
    pub ignores_holds: bool,
    /// A planted fault: the condemn names nothing to others, so that a writer which starts again relies on what it relied on before.
    pub hides_condemned: Arc<Mutex<Option<Vec<String>>>>,
}

/// What a round is about to decide.
pub struct Survey {
    round: u64,
    previous: [u8; 32],
    idx: (String, Vec<u8>),
    checkpoint: Checkpoint,
}

/// Idx and snapshots in force, as one listing shows them.
struct Sight {
    n: u64,
    previous: [u8; 32],
    objects: Objects,
    idx: Vec<(u64, Idx)>,
    /// Logical name, generation, hash of the object.
    snapshots: Vec<(String, u64, [u8; 32], Snapshot)>,
}

impl Pruner {
    pub fn new(repo: &Arc<Repository>, seed: u64) -> Self {
        let random = Arc::new(Mutex::new(Random::new(seed)));
        Self { repo: repo.clone(), random, ignores_holds: false, hides_condemned: Arc::default() }
    }

    fn fresh<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.random.lock().unwrap().fill(&mut out);
        out
    }

    fn seal(&self, kind: Kind, name: &str, generation: u64, body: &[u8]) -> Vec<u8> {
        record::seal(&self.repo.ring, kind, name, generation, &self.fresh(), body).unwrap()
    }

    /// Creates condemn N + 1. Returns its round.
    pub fn condemn(&self, store: &SimStore, wish: &Wish) -> u64 {
        let sight = self.look(store);
        let round = sight.n + 1;
        let name = names::condemn(round);
        assert!(!sight.objects.contains_key(&format!("{name}.a")), "round {round} is open");
        let mut condemned = Condemn {
            packs: sight.disposable(&self.repo, wish).iter().map(hex::encode).collect(),
            parity: Vec::new(),
            forgotten: wish.forget.clone(),
        };
        if let Some(hidden) = &mut *self.hides_condemned.lock().unwrap() {
            *hidden = std::mem::take(&mut condemned.packs);
        }
        let body = gc::encode("condemn", round, &sight.previous, &condemned).unwrap();
        self.decide(store, Kind::Condemn, &name, round, &body);
        round
    }

    fn decide(&self, store: &SimStore, kind: Kind, name: &str, round: u64, body: &[u8]) {
        let stored = self.seal(kind, name, round, body);
        store.plant(&format!("{name}.b"), &stored);
        store.plant(&format!("{name}.a"), &stored);
    }

    /// Lists snapshots and idx after the condemn, and draws up what the checkpoint will say. `Err` if a chunk that a snapshot needs is
    /// named by no idx: then nothing is deleted.
    pub fn survey(&self, store: &SimStore) -> Result<Survey, String> {
        let sight = self.look(store);
        let round = sight.n + 1;
        let name = names::condemn(round);
        let body = record::open(&self.repo.ring, Kind::Condemn, &name, &sight.objects[&format!("{name}.a")]).unwrap();
        let rest = gc::decode("condemn", round, &body).unwrap().rest.unwrap();
        let mut condemn: Condemn = record::json(&name, &rest).unwrap();
        condemn.packs.extend(self.hides_condemned.lock().unwrap().take().into_iter().flatten());
        let mut needed = sight.needed(&self.repo, &condemn.forgotten)?;
        if !self.ignores_holds {
            needed.extend(self.held(&sight));
        }
        let unneeded = |pack: &&String| !needed.contains(&names::hash(pack).unwrap());
        let deleted: Vec<String> = condemn.packs.iter().filter(unneeded).cloned().collect();
        let gone: BTreeSet<Name> = deleted.iter().map(|pack| names::hash(pack).unwrap()).collect();
        let compacted = names::idx(sight.n, &self.fresh());
        let stored = self.seal(Kind::Idx, &compacted, sight.n, &sight.compact(&gone).encode());
        let listed = |key: &str, hash: &[u8; 32]| Listed { key: key.into(), sha256: hex::encode(hash), time: None };
        let keep = |generation: u64, s: &Snapshot| generation <= sight.n && !condemn.forgotten.contains(&s.id);
        let kept = sight.snapshots.iter().filter(|(_, generation, _, s)| keep(*generation, s));
        let checkpoint = Checkpoint {
            snapshots: kept.map(|(name, _, hash, _)| listed(name, hash)).collect(),
            idx: vec![listed(&compacted, &sha256(&stored))],
            deleted: Deleted { packs: deleted, parity: Vec::new() },
            forgotten: condemn.forgotten.clone(),
            orphans: Deleted::default(),
        };
        Ok(Survey { round, previous: sight.previous, idx: (compacted, stored), checkpoint })
    }

    /// Packs that holds in force name.
    fn held(&self, sight: &Sight) -> Vec<Name> {
        let mut packs = Vec::new();
        for (key, stored) in &sight.objects {
            let Some(entry) = names::parse_generational("snapshots", key, &[".hold"]) else { continue };
            if entry.generation >= sight.n {
                let body = record::open(&self.repo.ring, Kind::Hold, key, stored).unwrap();
                let hold: Hold = record::json(key, &body).unwrap();
                packs.extend(hold.packs.iter().map(|pack| names::hash(pack).unwrap()));
            }
        }
        packs
    }

    /// Puts the compacted idx and creates the checkpoint.
    pub fn conclude(&self, store: &SimStore, survey: Survey) -> Checkpoint {
        store.plant(&survey.idx.0, &survey.idx.1);
        let body = gc::encode("checkpoint", survey.round, &survey.previous, &survey.checkpoint).unwrap();
        self.decide(store, Kind::Checkpoint, &names::checkpoint(survey.round), survey.round, &body);
        survey.checkpoint
    }

    /// Finishes the open round up to its checkpoint.
    pub fn checkpoint(&self, store: &SimStore) -> Result<Checkpoint, String> {
        self.survey(store).map(|survey| self.conclude(store, survey))
    }

    /// Deletes what a checkpoint names, and the snapshots and idx that it made void.
    pub fn delete(&self, store: &SimStore, checkpoint: &Checkpoint) {
        for pack in &checkpoint.deleted.packs {
            store.lose(&names::pack(&names::hash(pack).unwrap()));
        }
        let sight = self.look(store);
        let kept = |name: &str| checkpoint.snapshots.iter().chain(&checkpoint.idx).any(|l| l.key == name);
        for key in sight.objects.keys() {
            let old = |folder, suffixes: &[&'static str]| {
                names::parse_generational(folder, key, suffixes)
                    .is_some_and(|g| g.generation < sight.n && !kept(&g.name))
            };
            if old("snapshots", &[".a", ".b", ".hold"]) || old("index", &[".idx"]) {
                store.lose(key);
            }
        }
    }

    /// A whole round. False if it was refused.
    pub fn round(&self, store: &SimStore, wish: &Wish) -> bool {
        self.condemn(store, wish);
        match self.checkpoint(store) {
            Ok(checkpoint) => {
                self.delete(store, &checkpoint);
                true
            }
            Err(_) => false,
        }
    }

    fn look(&self, store: &SimStore) -> Sight {
        let objects = store.snapshot();
        let ring = &self.repo.ring;
        let rounds = objects.keys().filter_map(|key| names::parse_gc(key));
        let n =
            rounds.filter(|(_, checkpoint, suffix)| *checkpoint && *suffix == ".a").map(|(n, ..)| n).max().unwrap_or(0);
        let mut previous = [0; 32];
        let mut newest = Checkpoint::default();
        if n > 0 {
            let name = names::checkpoint(n);
            let body = record::open(ring, Kind::Checkpoint, &name, &objects[&format!("{name}.a")]).unwrap();
            let record = gc::decode("checkpoint", n, &body).unwrap();
            previous = record.hash;
            newest = record::json(&name, &record.rest.unwrap()).unwrap();
        }
        let in_force = |listed: &[Listed], generation: u64, name: &str, stored: &[u8]| {
            let hash = hex::encode(sha256(stored));
            generation >= n || listed.iter().any(|l| l.key == name && l.sha256 == hash)
        };
        let (mut idx, mut snapshots) = (Vec::new(), Vec::new());
        for (key, stored) in &objects {
            if let Some(g) = names::parse_generational("index", key, &[".idx"])
                && in_force(&newest.idx, g.generation, &g.name, stored)
            {
                let body = record::open(ring, Kind::Idx, &g.name, stored).unwrap();
                idx.push((g.generation, Idx::decode(&body).unwrap()));
            }
            if let Some(g) = names::parse_generational("snapshots", key, &[".a"])
                && in_force(&newest.snapshots, g.generation, &g.name, stored)
            {
                let body = record::open(ring, Kind::Snapshot, &g.name, stored).unwrap();
                let snapshot = Snapshot::decode(&g.name, &g.id, &body).unwrap();
                snapshots.push((g.name, g.generation, sha256(stored), snapshot));
            }
        }
        Sight { n, previous, objects, idx, snapshots }
    }
}

impl Sight {
    fn index(&self) -> Index {
        let mut index = Index::default();
        for (generation, idx) in &self.idx {
            index.add(&[Loaded { generation: *generation, ..Loaded::candidate(idx.clone()) }]);
        }
        index
    }

    /// Packs without which the wish can come true, before anybody looks for late snapshots.
    fn disposable(&self, repo: &Arc<Repository>, wish: &Wish) -> BTreeSet<Name> {
        let index = self.index();
        let needed = self.needed(repo, &wish.forget).unwrap_or_else(|_| index.packs().iter().map(|p| p.name).collect());
        let named = index.packs().iter().map(|p| p.name).filter(|name| !needed.contains(name));
        let orphan = |name: &Name| wish.orphans && index.pack(name).is_none();
        let stored = self.objects.keys().filter_map(|key| names::parse_pack(key)).filter(orphan);
        named.chain(stored).collect()
    }

    /// Packs that snapshots need, but for those to forget: one for each chunk. `Err`: a chunk that no idx names.
    fn needed(&self, repo: &Arc<Repository>, forget: &[String]) -> Result<BTreeSet<Name>, String> {
        let index = self.index();
        let mut packs = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for (_, _, _, snapshot) in self.snapshots.iter().filter(|(_, _, _, s)| !forget.contains(&s.id)) {
            let mut stack: Vec<(bool, ChunkId)> = snapshot.items.iter().map(|i| (true, i.root_id().unwrap())).collect();
            while let Some((is_list, id)) = stack.pop() {
                if !seen.insert(id) {
                    continue;
                }
                let place = index.locations(&id).first().copied().ok_or("a chunk is named by no idx")?;
                packs.insert(index.packs()[place.pack as usize].name);
                if is_list {
                    let list = list::decode(&self.read(repo, &index, &id)).unwrap();
                    stack.extend(list.entries.iter().map(|e| (list.level > 0, e.id)));
                }
            }
        }
        Ok(packs)
    }

    fn read(&self, repo: &Arc<Repository>, index: &Index, id: &ChunkId) -> Vec<u8> {
        let place = index.locations(id)[0];
        let info = &index.packs()[place.pack as usize];
        let stored = &self.objects[&names::pack(&info.name)];
        let frame = &stored[place.offset as usize..][..place.length as usize];
        let keys = pack::keys_by_frame(&repo.ring, info.salt, frame);
        let mut out = vec![0; place.raw_len as usize];
        Opener::default().open(repo, keys.as_ref(), id, frame, &mut out).unwrap();
        out
    }

    /// All idx of generation N and before as one, without what goes.
    fn compact(&self, gone: &BTreeSet<Name>) -> Idx {
        let mut packs = BTreeMap::new();
        let mut out = Idx::default();
        for (_, idx) in self.idx.iter().filter(|(generation, _)| *generation <= self.n) {
            packs.extend(idx.packs.iter().map(|p| (p.name, p.clone())));
            let whole = |g: &&packvault_core::format::idx::Group| g.members.iter().all(|m| !gone.contains(&m.name));
            out.groups.extend(idx.groups.iter().filter(whole).cloned());
            out.withdrawals.extend(idx.withdrawals.iter().filter(|w| !gone.contains(&w.pack)));
        }
        packs.retain(|name, _| !gone.contains(name));
        out.packs = packs.into_values().collect();
        out
    }
}
