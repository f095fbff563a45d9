//! Repair and reindex, as `native/core/src/verbs/{repair,reindex,search}.rs`: they adopt packs, copy condemned ones forward, rebuild from parity,
//! and withdraw what is lost.

use super::process::At;
use super::round::names;
use super::state::{Idx, Names, State, bits};
use super::{Model, Mutant, Next};

impl Model {
    /// What a repair can do next.
    pub(super) fn repair(&self, state: &State, i: usize, next: &mut Next) {
        let (mut s, before) = (state.clone(), state.processes[i]);
        match before.at {
            At::Done => return,
            At::Start => {
                let view = self.read_rounds(&mut s);
                let p = &mut s.processes[i];
                *p = p.cleared(At::List);
                p.view = view;
                p.sees = s.ghost.acknowledged;
            }
            At::List => self.look(&mut s, i),
            At::Pack => {
                let chunks = before.lacks & s.contents(before.known & s.stored);
                if chunks != 0 {
                    let name = self.put_pack(&mut s, i, chunks, 0);
                    s.processes[i].new.names |= 1 << name;
                }
                let nothing = s.processes[i].new.names | s.processes[i].new.withdrawn == 0;
                s.processes[i].at = if nothing { At::Check } else { At::Idx };
            }
            At::Idx => {
                self.put_idx(&mut s, i, before.new);
                s.processes[i].at = At::Check;
            }
            _ => self.finish_repair(&mut s, i),
        }
        next.add(s, |s| tell(state, s, i));
    }

    /// Lists everything, and finds out what is to be named, stored again and withdrawn.
    fn look(&self, s: &mut State, i: usize) {
        let mut p = s.processes[i];
        p.sees_loss = s.ghost.lost != 0;
        p.sees = if s.ghost.unnamed { p.sees } else { 0 };
        let n = p.view.n;
        let idx = s.idx_in_force(n);
        let (named, seen) = s.named(idx);
        // A withdrawal of an older generation may be void soon: it is put again.
        let listed = s.checkpoint(n).idx;
        let firm = bits(idx).filter(|&x| listed & (1 << x) != 0 || s.idx[x].generation >= p.view.r);
        let firm: Names = firm.fold(0, |all, x| all | s.idx[x].withdrawn);
        let withdrawn = if self.breaks(Mutant::WithdrawalSeenIsEnough) { seen } else { firm };
        let condemned = if self.breaks(Mutant::AdoptsCondemned) { 0 } else { s.condemned(n + 1..=p.view.r) };
        let deleted = (1..=n).fold(0, |all, k| all | s.checkpoint(k).deleted);
        let deleted = if self.breaks(Mutant::AdoptsDeleted) { 0 } else { deleted };
        let missing = named & !s.stored & !condemned & !withdrawn & !s.parity(named);
        if missing & !seen != 0 && s.newest() != p.view {
            p.at = At::Start;
            s.processes[i] = p;
            return;
        }
        // What an open round has condemned is not looked at: it may be gone by right. A repair that passed over something lost has not seen it.
        p.sees_loss &= named & !s.stored & condemned & !withdrawn == 0;
        let gone = withdrawn | missing | seen;
        let cover = if self.breaks(Mutant::CondemnedCovers) {
            named
        } else {
            s.relied(p.view, idx) & !s.condemned(n + 1..=p.view.r)
        };
        let candidates = (s.stored & !s.parity(s.stored) & !deleted) | named;
        let mut adopt = 0;
        for chunk in bits(self.needs(s.snapshots_in_force(n), 0)) {
            let places = s.places(candidates & !gone, chunk);
            if places & cover != 0 {
                continue;
            }
            match bits(places & !condemned).next() {
                Some(pack) => adopt |= 1 << pack,
                None if places != 0 => p.lacks |= 1 << chunk,
                None => {}
            }
        }
        p.known = candidates & !gone;
        p.new = Idx { there: true, generation: p.view.r, names: adopt, withdrawn: missing };
        p.at = match () {
            () if p.lacks != 0 => At::Pack,
            () if adopt | missing != 0 => At::Idx,
            () => At::Check,
        };
        s.processes[i] = p;
    }

    fn finish_repair(&self, s: &mut State, i: usize) {
        let p = s.processes[i];
        let checks = match p.new.withdrawn {
            0 => !self.breaks(Mutant::AdoptsWithoutCheck),
            _ => !self.breaks(Mutant::WithdrawsWithoutCheck),
        };
        if self.read_rounds(s).r > p.view.r && checks {
            s.processes[i] = p.cleared(At::Start);
            return;
        }
        s.ghost.withdrawn |= p.sees_loss;
        s.ghost.named |= p.sees;
        s.processes[i] = p.cleared(At::Done);
    }
}

/// What a step looks like in a trace.
fn tell(before: &State, after: &State, i: usize) -> String {
    let (p, q) = (&before.processes[i], &after.processes[i]);
    let what = match p.at {
        At::Start => format!("reads rounds: N = {}, r = {}", q.view.n, q.view.r),
        At::List if q.at == At::Start => "lists everything: a round came between".to_owned(),
        At::List => format!(
            "lists everything; adopts {}, withdraws {}, copies {:04b}",
            names(q.new.names),
            names(q.new.withdrawn),
            q.lacks
        ),
        At::Pack => format!("copies into {}", names(after.ghost.made & !before.ghost.made)),
        At::Idx => format!(
            "puts an idx of generation {} that names {} and withdraws {}",
            p.view.r,
            names(p.new.names),
            names(p.new.withdrawn)
        ),
        _ if q.at == At::Start => "lists gc: a newer round, so it starts again".to_owned(),
        _ => "lists gc: no newer round; done".to_owned(),
    };
    format!("repair {i} {what}")
}
