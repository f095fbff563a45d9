//! A prune, as `native/core/src/verbs/prune`: steps 1 to 8, each operation by itself.

use super::gc::{Created, Record};
use super::process::At;
use super::round::{holds_in_force, names};
use super::state::{Checkpoint, Condemn, GENERATIONS, IDXS, Idx, State, bits, each_snapshot, snapshot};
use super::{Model, Mutant, Next, Role};

impl Model {
    /// What a prune can do next.
    pub(super) fn pruner(&self, state: &State, i: usize, next: &mut Next) {
        let (mut s, before) = (state.clone(), state.processes[i]);
        match before.at {
            At::Done => return,
            At::Start => self.begin(&mut s, i),
            At::Plan => return self.choose(state, i, next),
            At::MovedPack => {
                let name = self.put_pack(&mut s, i, before.lacks, 0);
                s.processes[i].fresh = 1 << name;
                s.processes[i].at = if self.config.parity { At::MovedParity } else { At::MovedIdx };
            }
            At::MovedParity => {
                let name = self.put_pack(&mut s, i, 0, before.fresh);
                s.processes[i].fresh |= 1 << name;
                s.processes[i].at = At::MovedIdx;
            }
            At::MovedIdx => {
                let idx = Idx { generation: before.view.r, names: before.fresh, ..Idx::default() };
                self.put_idx(&mut s, i, idx);
                s.processes[i].at = At::Look;
            }
            At::Snapshots => self.list_snapshots(&mut s, i),
            At::Index => self.list_index(&mut s, i),
            At::NewParity => {
                let name = self.put_pack(&mut s, i, 0, before.fresh);
                s.processes[i].new.names |= 1 << name;
                s.processes[i].at = At::NewIdx;
                if self.breaks(Mutant::ParityDeletedEarly) {
                    s.stored &= !s.parity(before.going);
                }
            }
            At::NewIdx => {
                s.processes[i].idx |= self.put_idx(&mut s, i, before.new);
                self.decide_next(&mut s, i);
            }
            At::Delete => self.delete(&mut s, i),
            At::Sweep => self.sweep(&mut s, i),
            _ => self.record(&mut s, i),
        }
        next.add(s, |s| tell(state, s, i));
    }

    /// P1.
    fn begin(&self, s: &mut State, i: usize) {
        let Role::Pruner { rounds, .. } = self.role(i) else { return };
        let view = self.read_rounds(s);
        let mut p = s.processes[i].cleared(At::Plan);
        p.view = view;
        if p.used.rounds >= rounds || (view.r == view.n && view.n >= self.config.rounds) {
            p = p.cleared(At::Done);
        } else if view.r > view.n {
            let copies = s.gc[usize::from(view.r)].condemn;
            let condemn = copies[0].or(copies[1]).unwrap_or_default();
            (p.going, p.forgotten) = (condemn.names, condemn.forgotten);
            if self.breaks(Mutant::HelpersOwnPlan) {
                p.going = self.plan(s, view.n, condemn.forgotten).unwrap_or_default().names;
            }
            p.used.rounds += 1;
            p.at = At::Snapshots;
        }
        s.processes[i] = p;
    }

    /// P2: any condemned set would be safe; this one is what nothing needs, or everything.
    fn choose(&self, state: &State, i: usize, next: &mut Next) {
        let Role::Pruner { forgets, .. } = self.role(i) else { return };
        let n = state.processes[i].view.n;
        let there = each_snapshot(state.snapshots_in_force(n)).fold(0, |all, (id, _)| all | 1 << id);
        let forgotten = forgets & state.ghost.acknowledged & there;
        let mut s = state.clone();
        let Some(plan) = self.plan(state, n, forgotten) else {
            s.ghost.refused |= self.is_groundless(state, n);
            s.processes[i] = s.processes[i].cleared(At::Done);
            return next.add(s, |_| format!("pruner {i} refuses: a snapshot needs what no idx names"));
        };
        if self.breaks(Mutant::ForgottenNotSaid) {
            s.ghost.forgotten |= forgotten;
        }
        let p = &mut s.processes[i];
        (p.going, p.forgotten, p.lacks) = (plan.names, forgotten, plan.moving);
        p.at = if plan.moving == 0 { At::Look } else { At::MovedPack };
        if self.config.greedy && plan.moving == 0 && plan.names != s.stored {
            let mut all = s.clone();
            all.processes[i].going = s.stored;
            next.add(all, |all| format!("pruner {i} chooses everything: {}", names(all.stored)));
        }
        next.add(s, |_| format!("pruner {i} chooses {}, forgets {forgotten:08b}", names(plan.names)));
    }

    /// P3 and P7.
    fn record(&self, s: &mut State, i: usize) {
        let p = s.processes[i];
        let n = usize::from(p.view.n) + 1;
        let record = if p.again {
            let all = s.processes[i].snapshots;
            let kept = each_snapshot(all).filter(|&(id, g)| g <= p.view.n && p.forgotten & (1 << id) == 0);
            let new = |g: u8| g == p.view.n || !self.breaks(Mutant::ListsWhatIsNew);
            let snapshots = kept.filter(|&(_, g)| new(g)).fold(0, |all, (id, g)| all | snapshot(id, g));
            Record::Checkpoint(Checkpoint { snapshots, idx: p.idx, deleted: p.going })
        } else {
            let forgotten = if self.breaks(Mutant::ForgottenNotSaid) { 0 } else { p.forgotten };
            Record::Condemn(Condemn { names: p.going, forgotten })
        };
        match self.create(s, i, n, record) {
            Created::Busy => {}
            Created::Gone => s.processes[i] = p.cleared(At::Done),
            Created::Ours | Created::Theirs if p.again => s.processes[i].at = At::Delete,
            Created::Ours => {
                s.processes[i].at = At::Snapshots;
                s.processes[i].ours = true;
                s.processes[i].used.rounds += 1;
                (s.processes[i].fresh, s.processes[i].lacks) = (0, 0);
            }
            Created::Theirs => s.processes[i] = p.cleared(At::Start),
        }
    }

    /// P4, first half.
    fn list_snapshots(&self, s: &mut State, i: usize) {
        let n = s.processes[i].view.n;
        if self.breaks(Mutant::IndexBeforeSnapshots) {
            s.processes[i].idx = s.idx_in_force(n);
        } else {
            s.processes[i].snapshots = s.snapshots_in_force(n);
            s.processes[i].held = holds_in_force(s, n);
        }
        s.processes[i].at = At::Index;
    }

    /// P4, second half, and what follows from it.
    fn list_index(&self, s: &mut State, i: usize) {
        let n = s.processes[i].view.n;
        if self.breaks(Mutant::IndexBeforeSnapshots) {
            s.processes[i].snapshots = s.snapshots_in_force(n);
            s.processes[i].held = holds_in_force(s, n);
        } else {
            s.processes[i].idx = s.idx_in_force(n);
        }
        let seen = s.processes[i].snapshots & (s.snapshots[0] | s.snapshots[1]);
        s.snapshots = s.snapshots.map(|copy| copy | seen);
        let Some(settled) = self.settle(s, i) else {
            s.ghost.refused |= self.is_groundless(s, n);
            s.processes[i] = s.processes[i].cleared(At::Done);
            return;
        };
        let p = &mut s.processes[i];
        (p.going, p.idx, p.new, p.fresh, p.held) = (settled.going, settled.idx, settled.new, settled.members, 0);
        match settled.new {
            _ if settled.members != 0 => p.at = At::NewParity,
            Idx { names: 0, withdrawn: 0, .. } => self.decide_next(s, i),
            _ => p.at = At::NewIdx,
        }
    }

    /// Whether a prune that refuses has no reason to: nothing was lost, and no other round came between.
    fn is_groundless(&self, s: &State, n: u8) -> bool {
        s.newest().n == n && s.budget.lost_idx == self.config.budget.lost_idx
    }

    fn decide_next(&self, s: &mut State, i: usize) {
        let p = &mut s.processes[i];
        (p.again, p.at, p.new, p.fresh) = (true, At::Look, Idx::default(), 0);
        if self.breaks(Mutant::DeletesBeforeCheckpoint) {
            s.stored &= !p.going;
        }
    }

    /// P8, and then what is void by now.
    fn delete(&self, s: &mut State, i: usize) {
        let p = s.processes[i];
        let decided = s.checkpoint(p.view.n + 1).deleted;
        let deleted = if self.breaks(Mutant::DeletesOwnPlan) { p.going } else { decided };
        (s.stored, s.damaged) = (s.stored & !deleted, s.damaged & !deleted);
        if self.config.split_reads {
            s.processes[i].at = At::Sweep;
        } else {
            self.sweep(s, i);
        }
    }

    fn sweep(&self, s: &mut State, i: usize) {
        let p = s.processes[i];
        let now = self.read_rounds(s).n;
        let in_force = s.idx_in_force(now);
        (0..IDXS).filter(|x| in_force & (1 << x) == 0).for_each(|x| s.idx[x] = Idx::default());
        let snapshots = s.snapshots_in_force(now);
        s.snapshots = s.snapshots.map(|copy| copy & snapshots);
        if p.ours {
            s.ghost.told |= p.forgotten;
        }
        if self.breaks(Mutant::TrimmedHeaders) {
            (1..GENERATIONS).filter(|&n| n < usize::from(now)).for_each(|n| s.gc[n] = super::Round::default());
        }
        let Role::Pruner { rounds, .. } = self.role(i) else { return };
        s.processes[i] = p.cleared(if p.used.rounds < rounds { At::Start } else { At::Done });
    }
}

/// What a step looks like in a trace.
fn tell(before: &State, after: &State, i: usize) -> String {
    let (p, q) = (&before.processes[i], &after.processes[i]);
    let n = p.view.n + 1;
    let kind = if p.again { "checkpoint" } else { "condemn" };
    let made = names(after.ghost.made & !before.ghost.made);
    let what = match p.at {
        At::Start if q.at == At::Snapshots => {
            format!("finds condemn {} open and helps: D = {}", q.view.r, names(q.going))
        }
        At::Start => format!("reads rounds: N = {}, r = {}", q.view.n, q.view.r),
        At::MovedPack => format!("moves chunks {:04b} into {made}", p.lacks),
        At::MovedParity | At::NewParity => format!("puts parity {made}"),
        At::MovedIdx => format!("puts an idx of generation {} that names {}", p.view.r, names(p.fresh)),
        At::Snapshots => "lists snapshots".to_owned(),
        At::Index if q.at == At::Done => "lists index and refuses".to_owned(),
        At::Index => format!("lists index; will delete {}", names(q.going)),
        At::NewIdx => format!("puts a compacted idx that names {}", names(p.new.names)),
        At::Delete => format!("deletes {}", names(before.stored & !after.stored)),
        At::Sweep => "removes what is void".to_owned(),
        At::Look if q.at == At::CreateB => format!("sees no copy of {kind} {n}"),
        At::CreateB if q.at == At::CreateA => format!("creates {kind} {n}.b: {}", names(p.going)),
        At::CreateA => format!("creates {kind} {n}.a, if it is absent"),
        _ if q.at == At::Start => format!("meets another's {kind} {n}"),
        _ => format!("has {kind} {n}: {}", names(p.going)),
    };
    let idx: Vec<usize> = bits(q.idx).collect();
    if p.again && !matches!(p.at, At::Delete | At::Sweep) {
        format!("pruner {i} {what}, idx {idx:?}")
    } else {
        format!("pruner {i} {what}")
    }
}
