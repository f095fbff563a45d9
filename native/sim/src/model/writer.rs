//! A backup, as `native/core/src/verbs/{ingest,redo}.rs`: writer steps 1 to 6.

use super::process::{At, Process};
use super::state::{Chunks, Hold, Idx, Names, State, View, snapshot};
use super::{Model, Mutant, Next, Role};

impl Model {
    /// What a writer can do next.
    pub(super) fn writer(&self, state: &State, i: usize, next: &mut Next) {
        let (mut s, before) = (state.clone(), state.processes[i]);
        match before.at {
            At::Done => return,
            At::Start | At::ReadN => self.read(&mut s, i),
            At::List => self.list(&mut s, i),
            At::Pack => self.pack(&mut s, i),
            At::Parity => {
                let members = before.fresh;
                let name = self.put_pack(&mut s, i, 0, members);
                let p = &mut s.processes[i];
                p.own |= 1 << name;
                p.fresh |= 1 << name;
                p.at = At::Idx;
            }
            At::Idx => {
                let names = if before.again { before.own } else { before.fresh };
                self.put_idx(&mut s, i, Idx { generation: self.generation(&before), names, ..Idx::default() });
                s.processes[i].at = self.after_idx(i, &before);
            }
            At::Hold => {
                let generation = before.view.r;
                s.holds[i] = Hold { there: true, generation, names: before.held };
                s.processes[i].new.generation = generation;
                s.processes[i].at = At::Check;
            }
            At::SnapshotA | At::SnapshotB => self.put_snapshot(&mut s, i),
            _ => self.check(&mut s, i),
        }
        next.add(s, |s| tell(state, s, i));
    }

    /// W1.
    fn read(&self, s: &mut State, i: usize) {
        let now = self.read_rounds(s);
        let (p, n_first) = (s.processes[i], self.breaks(Mutant::ReadsNFirst));
        let view = match p.at {
            At::Start if self.config.split_reads => {
                s.processes[i].view = if n_first { View { n: now.n, r: 0 } } else { View { n: 0, r: now.r } };
                s.processes[i].at = At::ReadN;
                return;
            }
            At::ReadN if n_first => View { n: p.view.n, r: now.r.max(p.view.n) },
            At::ReadN => View { n: now.n, r: now.n.max(p.view.r) },
            _ => now,
        };
        s.processes[i].view = view;
        s.processes[i].at = At::List;
        if !p.again && s.ghost.withdrawn {
            s.ghost.clean |= 1 << id(i, &p);
        }
        if !p.again && s.ghost.unnamed {
            s.ghost.named |= 1 << id(i, &p);
        }
    }

    /// W2: what may be relied on, and what is to be stored.
    fn list(&self, s: &mut State, i: usize) {
        let mut p = s.processes[i];
        let idx = s.idx_in_force(p.view.n);
        let (named, withdrawn) = s.named(idx);
        let open = if self.breaks(Mutant::ReadsNFirst) { p.view.r } else { p.view.n + 1 };
        let condemned = s.condemned(open..=p.view.r);
        let relied = self.may_rely(s, p.view, condemned, withdrawn);
        let gone = if self.breaks(Mutant::OwnAgainstOpenRounds) { condemned } else { s.condemned(1..=p.view.r) };
        p.known |= named | p.own;
        p.own = self.whole_groups(s, p.own, gone);
        p.have = s.contents(relied) | s.contents(p.own & !withdrawn);
        if p.again && self.breaks(Mutant::KeepsVoidedIdx) {
            p.have |= s.contents(p.known & !gone);
        }
        let wants = self.wants_now(i, &p);
        p.lacks = wants & !p.have;
        p.held = super::state::bits(relied & !p.own)
            .filter(|&pack| s.chunks[pack] & wants != 0)
            .fold(0, |all, x| all | 1 << x);
        p.fresh = 0;
        p.at = match p.lacks {
            0 if p.again && p.own != 0 => At::Idx,
            0 => self.after_idx(i, &p),
            _ => At::Pack,
        };
        s.processes[i] = p;
    }

    /// Own names that may be listed again: none that is gone, and no group that something is gone of, neither its members nor its parity.
    fn whole_groups(&self, s: &State, own: Names, gone: Names) -> Names {
        let broken = super::state::bits(s.parity(own)).filter(|&x| (s.members[x] | 1 << x) & gone != 0);
        let alone = self.breaks(Mutant::KeepsBrokenGroups);
        let broken = broken.fold(0, |all: Names, x| all | 1 << x | if alone { 0 } else { s.members[x] });
        own & !gone & !broken
    }

    fn may_rely(&self, s: &State, view: View, condemned: Names, withdrawn: Names) -> Names {
        let idx = s.idx_in_force(view.n);
        let mut relied = s.relied(view, idx);
        if self.breaks(Mutant::ReliesOnOlderIdx) {
            relied = s.named(idx).0;
        }
        if !self.breaks(Mutant::ReliesOnCondemned) {
            relied &= !condemned;
        }
        if !self.breaks(Mutant::ReliesOnWithdrawn) {
            relied &= !withdrawn;
        }
        relied
    }

    /// W3. Who starts again copies from packs; the source is gone.
    fn pack(&self, s: &mut State, i: usize) {
        let p = s.processes[i];
        let chunks = self.packs_of(p.lacks)[0];
        let readable = s.contents((p.known | p.own) & s.stored);
        if p.again && chunks & !readable != 0 {
            let now = self.read_rounds(s);
            if now != p.view && !self.breaks(Mutant::GivesUpAtOnce) {
                s.processes[i].at = At::Start;
                return;
            }
            let held = chunks & !readable & self.first_part(i) & !s.ghost.lost;
            let in_force = s.newest().n <= p.new.generation + 1;
            s.ghost.hold_broken |= p.second_part && held != 0 && in_force;
            s.processes[i] = p.cleared(At::Done);
            return;
        }
        let name = self.put_pack(s, i, chunks, 0);
        let p = &mut s.processes[i];
        p.own |= 1 << name;
        p.fresh |= 1 << name;
        p.have |= chunks;
        p.lacks &= !chunks;
        p.at = match p.lacks {
            0 if self.config.parity => At::Parity,
            0 => At::Idx,
            _ => At::Pack,
        };
    }

    /// W5.
    fn put_snapshot(&self, s: &mut State, i: usize) {
        let p = s.processes[i];
        let put = snapshot(id(i, &p), self.generation(&p));
        s.ghost.put |= put;
        let one = self.config.copies && p.at == At::SnapshotA;
        s.snapshots[usize::from(p.at == At::SnapshotB)] |= put;
        if !self.config.copies {
            s.snapshots[1] |= put;
        }
        if one && !self.breaks(Mutant::OneSnapshotCopy) {
            s.processes[i].at = At::SnapshotB;
        } else if self.breaks(Mutant::CheckBeforeSnapshot) {
            self.acknowledge(s, i);
        } else {
            s.processes[i].at = At::Check;
        }
    }

    /// W6.
    fn check(&self, s: &mut State, i: usize) {
        let newer = self.read_rounds(s).r > s.processes[i].view.r && !self.breaks(Mutant::NoCheck);
        let generation = self.generation(&s.processes[i]);
        let p = &mut s.processes[i];
        if newer {
            p.again = true;
            p.at = At::Start;
            if self.breaks(Mutant::SameGeneration) {
                p.new.generation = generation;
            }
        } else if self.streams(i) && !p.second_part {
            p.second_part = true;
            p.again = false;
            p.fresh = 0;
            p.lacks = self.wants(i) & !p.have;
            p.at = if p.lacks == 0 { At::SnapshotA } else { At::Pack };
        } else if self.breaks(Mutant::CheckBeforeSnapshot) {
            p.at = At::SnapshotA;
        } else {
            self.acknowledge(s, i);
        }
    }

    fn generation(&self, p: &Process) -> u8 {
        if p.again && self.breaks(Mutant::SameGeneration) { p.new.generation } else { p.view.r }
    }

    fn acknowledge(&self, s: &mut State, i: usize) {
        let p = s.processes[i];
        s.ghost.acknowledged |= 1 << id(i, &p);
        if s.ghost.clean & (1 << id(i, &p)) != 0 {
            s.ghost.lost &= !self.wants(i);
        }
        s.processes[i] = p.cleared(At::Done);
    }

    fn after_idx(&self, i: usize, p: &Process) -> At {
        match () {
            () if self.streams(i) && !p.second_part => At::Hold,
            () if self.breaks(Mutant::CheckBeforeSnapshot) => At::Check,
            () => At::SnapshotA,
        }
    }

    fn streams(&self, i: usize) -> bool {
        self.first_part(i) != 0
    }

    fn first_part(&self, i: usize) -> Chunks {
        if let Role::Writer { first, .. } = self.config.roles[i] { first } else { 0 }
    }

    fn wants_now(&self, i: usize, p: &Process) -> Chunks {
        if self.streams(i) && !p.second_part { self.first_part(i) } else { self.wants(i) }
    }
}

/// The snapshot id of a writer.
fn id(i: usize, p: &Process) -> usize {
    i + 4 * usize::from(p.restarted)
}

/// What a step looks like in a trace.
fn tell(before: &State, after: &State, i: usize) -> String {
    let (p, q) = (&before.processes[i], &after.processes[i]);
    let what = match p.at {
        At::Start | At::ReadN => format!("reads rounds: N = {}, r = {}", q.view.n, q.view.r),
        At::List => format!("lists index; must store chunks {:04b}", q.lacks),
        At::Pack if q.at == At::Start => {
            "can't read what it must copy; a round came between, so it starts again".to_owned()
        }
        At::Pack if q.at == At::Done => "can't read what it must copy: CONFLICT".to_owned(),
        At::Pack => format!("puts {}", super::round::names(after.ghost.made & !before.ghost.made)),
        At::Parity => format!("puts parity {}", super::round::names(after.ghost.made & !before.ghost.made)),
        At::Idx => format!(
            "puts an idx of generation {} that names {}",
            p.view.r,
            super::round::names(if p.again { p.own } else { p.fresh })
        ),
        At::Hold => format!("puts a hold of generation {} that names {}", p.view.r, super::round::names(p.held)),
        At::SnapshotA => format!("puts snapshot {}-{}", p.view.r, id(i, p)),
        At::SnapshotB => format!("puts the second copy of snapshot {}-{}", p.view.r, id(i, p)),
        _ if q.at == At::Start => "lists gc: a newer round, so it starts again".to_owned(),
        _ => "lists gc: no newer round".to_owned(),
    };
    let end = if after.ghost.acknowledged == before.ghost.acknowledged { "" } else { "; ACKNOWLEDGED" };
    format!("writer {i} {what}{end}")
}
