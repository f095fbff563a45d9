//! What must hold in every state.

use super::process::At;
use super::state::{Names, State, bits, each_snapshot};
use super::{Config, Model, NAMES, Next};

impl Model {
    /// What is wrong in a state, if anything is.
    #[must_use]
    pub fn violation(&self, s: &State) -> Option<String> {
        let n = s.newest().n;
        let (named, _) = s.named(s.idx_in_force(n));
        let there = each_snapshot(s.snapshots_in_force(n)).fold(0, |all: u8, (id, _)| all | 1 << id);
        let kept = s.ghost.acknowledged & !s.ghost.forgotten;
        if let Some(id) = bits(kept & !there).next() {
            return Some(format!("snapshot {id} was acknowledged and is not in force"));
        }
        for id in bits(kept) {
            let excused = if s.ghost.clean & (1 << id) == 0 { s.ghost.lost } else { 0 };
            let packs = if s.ghost.unnamed && s.ghost.named & (1 << id) == 0 { s.ghost.made } else { named };
            if let Some(chunk) = bits(self.wants(id) & !excused & !s.contents(packs & s.stored)).next() {
                return Some(format!("snapshot {id} was acknowledged and its chunk {chunk} can't be read"));
            }
            if let Some(chunk) = self.unprotected(s, id, named) {
                return Some(format!("snapshot {id} was acknowledged, and no parity protects its chunk {chunk}"));
            }
        }
        if let Some(id) = bits(s.ghost.told & there).next() {
            return Some(format!("snapshot {id} was said to be gone and is in force"));
        }
        let deleted = (1..=n).fold(0, |all, k| all | s.checkpoint(k).deleted);
        if let Some(name) = bits(named & deleted).next() {
            return Some(format!("an idx in force names p{name}, which checkpoint {n} or an older one deleted"));
        }
        if s.ghost.hold_broken {
            return Some("a writer lost what its hold held".to_owned());
        }
        if s.ghost.refused {
            return Some("a prune refuses although nothing was lost".to_owned());
        }
        copies_differ(s)
    }

    /// A chunk of a snapshot that the loss of one more pack would lose.
    fn unprotected(&self, s: &State, id: usize, named: Names) -> Option<usize> {
        if !self.config.parity {
            return None;
        }
        let parity = s.parity(named & s.stored);
        let protects =
            |pack: usize| bits(parity).any(|x| s.members[x] & (1 << pack) != 0 && s.members[x] & !s.stored == 0);
        bits(self.wants(id)).find(|&chunk| {
            let places = s.places(named & s.stored, chunk);
            places.count_ones() < 2 && !bits(places).any(protects)
        })
    }

    /// Once everybody has finished, prunes alone come to an end: what is stored is what is needed.
    #[must_use]
    pub fn unsettled(&self, last: &State) -> Option<String> {
        if last.ghost.lost != 0 || last.ghost.unnamed || self.mutant.is_some() {
            return None;
        }
        let config = Config {
            rounds: last.newest().r.max(last.newest().n) + 2,
            greedy: false,
            names: [NAMES as u8, 0, 0, 0],
            budget: super::state::Budget::default(),
            ..self.config.clone()
        };
        let alone = Settling { model: Self { config, mutant: None, settling: true }, real: self };
        alone.run(last)
    }
}

struct Settling<'a> {
    model: Model,
    real: &'a Model,
}

impl Settling<'_> {
    fn run(&self, last: &State) -> Option<String> {
        let mut s = last.clone();
        s.budget = super::state::Budget::default();
        s.processes[0] = s.processes[0].cleared(At::Start);
        s.processes[0].used = super::process::Used::default();
        while s.processes[0].at != At::Done {
            make_room(&mut s);
            let mut next = Next::default();
            self.model.step(0, &s, &mut next);
            s = next.states.pop()?;
            s.note_decisions();
            if let Some(found) = self.real.violation(&s) {
                return Some(format!("after a last prune: {found}"));
            }
        }
        let n = s.newest().n;
        match self.model.plan(&s, n, 0) {
            None => Some("a last prune refuses".to_owned()),
            Some(plan) if plan.names != 0 => {
                Some(format!("prunes do not come to an end: {}", super::round::names(plan.names)))
            }
            Some(_) => None,
        }
    }
}

/// The last prunes take names that nothing has any more.
fn make_room(s: &mut State) {
    let n = s.newest().n;
    let named = (0..super::IDXS).filter(|&i| s.idx[i].there).fold(0, |all, i| all | s.idx[i].names);
    let p = &s.processes[0];
    let used = s.stored
        | named
        | p.going
        | p.fresh
        | s.condemned(1..=n + 1)
        | (1..=n).fold(0, |all, k| all | s.checkpoint(k).deleted);
    let idx = (0..super::IDXS).filter(|&i| s.idx[i].there).fold(p.idx | s.checkpoint(n).idx, |all, i| all | 1 << i);
    let free = (!used).trailing_zeros() as u8;
    let free_idx = (!idx).trailing_zeros() as u8;
    s.processes[0].used.names = free;
    s.processes[0].used.idx = free_idx;
}

/// Copies of one gc record that both exist and differ.
fn copies_differ(s: &State) -> Option<String> {
    let differ = |n: &usize| {
        let round = &s.gc[*n];
        let condemn = round.condemn[0].is_some() && round.condemn[1].is_some() && round.condemn[0] != round.condemn[1];
        let checkpoint = round.checkpoint[0].is_some()
            && round.checkpoint[1].is_some()
            && round.checkpoint[0] != round.checkpoint[1];
        condemn || checkpoint
    };
    let found = (0..s.gc.len()).find(differ).filter(|_| !s.ghost.copy_lost)?;
    Some(format!("the copies of a record of round {found} differ"))
}
