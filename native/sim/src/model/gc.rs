//! gc records: reading them, and creating them once (docs/format.md §16). As `native/core/src/verbs/rounds.rs`.

use super::process::At;
use super::state::{Checkpoint, Condemn, GENERATIONS, Round, State, View};
use super::{Model, Mutant};

/// Both copies of a record, whatever its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A condemn.
    Condemn(Condemn),
    /// A checkpoint.
    Checkpoint(Checkpoint),
}

impl Round {
    fn copy(&self, checkpoint: bool, copy: usize) -> Option<Record> {
        if checkpoint { self.checkpoint[copy].map(Record::Checkpoint) } else { self.condemn[copy].map(Record::Condemn) }
    }

    fn set(&mut self, copy: usize, record: Record) {
        match record {
            Record::Condemn(condemn) => self.condemn[copy] = Some(condemn),
            Record::Checkpoint(checkpoint) => self.checkpoint[copy] = Some(checkpoint),
        }
    }
}

/// What came of an attempt to create a record.
pub enum Created {
    /// It goes on.
    Busy,
    /// The record is decided, and it is ours.
    Ours,
    /// The record is decided, and somebody else's.
    Theirs,
    /// There is none: it was lost before it was decided.
    Gone,
}

impl Model {
    /// Completes the lone copies that a listing shows, and says what is decided. Who reads rounds does this first.
    pub fn read_rounds(&self, state: &mut State) -> View {
        if !self.config.copies {
            return state.newest();
        }
        if !self.breaks(Mutant::LoneCopyCounts) {
            for n in 1..GENERATIONS {
                complete(state, n, false);
                complete(state, n, true);
            }
            state.note_decisions();
            return state.newest();
        }
        let newest =
            |has: &dyn Fn(&Round) -> bool| (1..GENERATIONS).rev().find(|&n| has(&state.gc[n])).unwrap_or(0) as u8;
        let n = newest(&|round| round.checkpoint.iter().any(Option::is_some));
        View { n, r: n.max(newest(&|round| round.condemn.iter().any(Option::is_some))) }
    }

    /// One operation towards a record. A process that creates one is at [`At::Look`], [`At::CreateB`], [`At::CreateA`] or [`At::Settle`].
    pub fn create(&self, state: &mut State, i: usize, n: usize, record: Record) -> Created {
        let checkpoint = matches!(record, Record::Checkpoint(_));
        if !self.config.copies {
            let plain = self.breaks(if checkpoint { Mutant::PlainCheckpoint } else { Mutant::PlainCondemn });
            if state.gc[n].copy(checkpoint, 0).is_some() && !plain {
                return Created::Theirs;
            }
            state.gc[n].set(0, record);
            state.gc[n].set(1, record);
            return Created::Ours;
        }
        let there = |state: &State, copy| state.gc[n].copy(checkpoint, copy).is_some();
        let at = match state.processes[i].at {
            At::Look if there(state, 0) || there(state, 1) => At::Settle,
            At::Look => At::CreateB,
            At::CreateB if there(state, 1) && !self.breaks(Mutant::PlainFirstCopy) => At::Settle,
            At::CreateB => {
                state.gc[n].set(1, record);
                At::CreateA
            }
            At::CreateA => {
                if !there(state, 0) || self.breaks(Mutant::PlainSecondCopy) {
                    state.gc[n].set(0, record);
                }
                At::Settle
            }
            _ => {
                complete(state, n, checkpoint);
                return match state.gc[n].copy(checkpoint, 0) {
                    Some(decided) if decided == record => Created::Ours,
                    Some(_) => Created::Theirs,
                    None => Created::Gone,
                };
            }
        };
        state.processes[i].at = at;
        Created::Busy
    }
}

/// Completes a lone copy: create-if-absent, from the other.
fn complete(state: &mut State, n: usize, checkpoint: bool) {
    let round = &mut state.gc[n];
    match [round.copy(checkpoint, 0), round.copy(checkpoint, 1)] {
        [Some(only), None] => round.set(1, only),
        [None, Some(only)] => round.set(0, only),
        _ => {}
    }
}
