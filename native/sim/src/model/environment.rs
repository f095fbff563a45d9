//! What nobody wants: crashes, losses, and requests that take effect long after.

use super::process::At;
use super::round::names;
use super::state::{Chunks, Idx, State, bits, each_snapshot};
use super::{Model, Next, PROCESSES, Role};

impl Model {
    /// Everything that the budget still allows.
    pub(super) fn environment(&self, state: &State, next: &mut Next) {
        if state.budget.crashes > 0 {
            self.crashes(state, next);
        }
        if state.budget.lost_packs > 0 {
            lose_packs(state, next);
        }
        if state.budget.lost_idx > 0 {
            for i in bits(state.idx_in_force(state.newest().n)) {
                let mut s = state.clone();
                s.budget.lost_idx -= 1;
                s.idx[i] = Idx::default();
                s.ghost.unnamed = true;
                next.add(s, |_| format!("idx {i} is lost, which named {}", names(state.idx[i].names)));
            }
        }
        if state.budget.lost_copies > 0 {
            lose_copies(state, next);
        }
        if state.budget.replays > 0 {
            replays(state, next);
        }
    }

    fn crashes(&self, state: &State, next: &mut Next) {
        for i in (0..PROCESSES).filter(|&i| self.config.roles[i] != Role::Nobody) {
            let p = &state.processes[i];
            let idle = p.at == At::Done || (p.at == At::Start && !p.again);
            if idle || p.restarted {
                continue;
            }
            let mut s = state.clone();
            s.budget.crashes -= 1;
            s.processes[i] = p.cleared(At::Start);
            s.processes[i].restarted = true;
            next.add(s, |_| format!("process {i} crashes, and another one starts in its place"));
        }
    }
}

fn lose_packs(state: &State, next: &mut Next) {
    let (named, _) = state.named(state.idx_in_force(state.newest().n));
    for pack in bits(state.stored & named & !state.parity(state.stored)) {
        let mut s = state.clone();
        s.budget.lost_packs -= 1;
        s.stored &= !(1 << pack);
        s.ghost.lost |= lost_with(&s, pack);
        let mut damaged = s.clone();
        next.add(s, |_| format!("pack p{pack} is lost"));
        // Who removes spare copies trusts the one that stays, as long as nobody has read it.
        damaged.damaged |= 1 << pack;
        damaged.ghost.lost |= damaged.chunks[pack];
        next.add(damaged, |_| format!("pack p{pack} is damaged"));
    }
}

/// Chunks that nothing could save once a pack is lost: no other pack holds them that is stored, named by an idx that the next checkpoint can't
/// make void, and not about to be deleted as the spare one of the two.
fn lost_with(s: &State, pack: usize) -> Chunks {
    let newest = s.newest();
    let named = s.relied(newest, s.idx_in_force(newest.n));
    let mut spare = if newest.r > newest.n { s.condemned(newest.r..=newest.r) } else { 0 };
    if spare & (1 << pack) != 0 {
        spare = 0;
    }
    for p in s.processes.iter().filter(|p| p.going & (1 << pack) == 0) {
        spare |= p.going;
    }
    s.chunks[pack] & !s.contents(named & s.stored & !spare)
}

fn lose_copies(state: &State, next: &mut Next) {
    for (n, round) in state.gc.iter().enumerate() {
        for copy in 0..2 {
            for checkpoint in [false, true] {
                let there = if checkpoint { round.checkpoint[copy].is_some() } else { round.condemn[copy].is_some() };
                if !there {
                    continue;
                }
                let mut s = lost_copy(state);
                if checkpoint {
                    s.gc[n].checkpoint[copy] = None;
                } else {
                    s.gc[n].condemn[copy] = None;
                }
                let kind = if checkpoint { "checkpoint" } else { "condemn" };
                next.add(s, |_| format!("copy {} of {kind} {n} is lost", ["a", "b"][copy]));
            }
        }
    }
    for copy in 0..2 {
        for (id, generation) in each_snapshot(state.snapshots[copy]) {
            let mut s = lost_copy(state);
            s.snapshots[copy] &= !super::snapshot(id, generation);
            next.add(s, |_| format!("copy {} of snapshot {generation}-{id} is lost", ["a", "b"][copy]));
        }
    }
}

fn lost_copy(state: &State) -> State {
    let mut s = state.clone();
    s.budget.lost_copies -= 1;
    s.ghost.copy_lost = true;
    s
}

fn replays(state: &State, next: &mut Next) {
    for name in bits(state.ghost.made & !state.stored) {
        let mut s = state.clone();
        s.budget.replays -= 1;
        s.stored |= 1 << name;
        next.add(s, |_| format!("a put of p{name} takes effect again"));
    }
    for (id, generation) in each_snapshot(state.ghost.put & !state.snapshots[0]) {
        let mut s = state.clone();
        s.budget.replays -= 1;
        s.snapshots = s.snapshots.map(|copy| copy | super::snapshot(id, generation));
        next.add(s, |_| format!("a put of snapshot {generation}-{id} takes effect again"));
    }
}
