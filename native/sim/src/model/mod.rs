//! An explicit-state model of the deletion protocol (docs/format.md §14 to §16): every interleaving of the store's operations, not a sample.
//!
//! The histories play the engine itself, at random; this plays the protocol alone, and all of it within small bounds. Processes are what the
//! engine's verbs are, one operation of the store at a time. A process that is never chosen again has crashed, so a crash needs no step of its
//! own, unless the process is to come back.

pub mod cases;
pub mod config;
mod environment;
pub mod explore;
mod gc;
pub mod process;
mod prune;
mod repair;
mod round;
pub mod rules;
pub mod safety;
pub mod state;
mod writer;

pub use cases::{configurations, larger, mutants};
pub use config::{Config, Role};
pub use explore::{Explored, Violation, explore};
pub use rules::Mutant;

use self::process::{At, Process};
use self::state::{
    Chunks, GENERATIONS, Ghost, Hold, IDXS, Idx, IdxSet, NAMES, Names, PROCESSES, Round, State, snapshot,
};

/// A configuration, and the rule that it leaves out.
#[derive(Clone, Debug)]
pub struct Model {
    /// The configuration.
    pub config: Config,
    /// Nothing for the protocol as it is.
    pub mutant: Option<Mutant>,
    /// After everything else, process 0 is a prune that nobody disturbs.
    settling: bool,
}

/// The states that may come next, and what leads to each.
#[derive(Default)]
pub struct Next {
    states: Vec<State>,
    said: Option<Vec<String>>,
}

impl Next {
    /// Keeps what is said of each step, too.
    #[must_use]
    pub fn speaking() -> Self {
        Self { states: Vec::new(), said: Some(Vec::new()) }
    }

    fn add(&mut self, state: State, say: impl FnOnce(&State) -> String) {
        if let Some(said) = &mut self.said {
            said.push(say(&state));
        }
        self.states.push(state);
    }
}

impl Model {
    /// The protocol as it is.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, mutant: None, settling: false }
    }

    /// Without a rule.
    #[must_use]
    pub fn without(config: Config, rule: Mutant) -> Self {
        Self { config, mutant: Some(rule), settling: false }
    }

    /// What a process is for.
    fn role(&self, i: usize) -> Role {
        if self.settling { Role::Pruner { rounds: u8::MAX, forgets: 0 } } else { self.config.roles[i] }
    }

    /// Whether this model leaves a rule out.
    fn breaks(&self, rule: Mutant) -> bool {
        self.mutant == Some(rule)
    }

    /// Old snapshots in their packs, and nobody has done anything.
    #[must_use]
    pub fn first(&self) -> State {
        let mut state = State {
            stored: 0,
            damaged: 0,
            chunks: [0; NAMES],
            members: [0; NAMES],
            idx: [Idx::default(); IDXS],
            snapshots: [0; 2],
            holds: [Hold::default(); PROCESSES],
            gc: [Round::default(); GENERATIONS],
            processes: [Process::default(); PROCESSES],
            budget: self.config.budget,
            ghost: Ghost::default(),
        };
        let mut top = NAMES;
        for (number, &wants) in self.config.old.iter().enumerate() {
            let lacks = wants & !state.contents(state.stored);
            let mut names = 0;
            for chunks in self.packs_of(lacks) {
                top -= 1;
                state.chunks[top] = chunks;
                names |= 1 << top;
            }
            if self.config.parity && names != 0 {
                top -= 1;
                state.members[top] = names;
                names |= 1 << top;
            }
            state.stored |= names;
            if names != 0 {
                state.idx[IDXS - 1 - number] = Idx { there: true, generation: 0, names, withdrawn: 0 };
            }
            let id = 3 + 4 * number;
            state.snapshots = state.snapshots.map(|copy| copy | snapshot(id, 0));
            state.ghost.acknowledged |= 1 << id;
            state.ghost.put |= snapshot(id, 0);
        }
        state.ghost.made = state.stored;
        for (process, role) in state.processes.iter_mut().zip(&self.config.roles) {
            process.at = if *role == Role::Nobody { At::Done } else { At::Start };
        }
        state
    }

    /// What each pack holds, of so many chunks that are to be stored.
    fn packs_of(&self, chunks: Chunks) -> Vec<Chunks> {
        match chunks {
            0 => Vec::new(),
            _ if self.config.split_packs => state::bits(chunks).map(|chunk| 1 << chunk).collect(),
            _ => vec![chunks],
        }
    }

    /// Chunks of the snapshot of an id.
    #[must_use]
    pub fn wants(&self, id: usize) -> Chunks {
        match self.config.roles[id % 4] {
            Role::Writer { wants, .. } => wants,
            _ if id % 4 == 3 => self.config.old.get(id / 4).copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Every state that one operation leads to.
    pub fn next(&self, state: &State, next: &mut Next) {
        (0..PROCESSES).for_each(|i| self.step(i, state, next));
        self.environment(state, next);
        for state in &mut next.states {
            state.note_decisions();
            self.tidy(state);
        }
    }

    /// What one process can do.
    fn step(&self, i: usize, state: &State, next: &mut Next) {
        match self.role(i) {
            Role::Nobody => {}
            Role::Writer { .. } => self.writer(state, i, next),
            Role::Pruner { .. } => self.pruner(state, i, next),
            Role::Repair => self.repair(state, i, next),
        }
    }

    /// Forgets what can make no difference any more: objects that are void for everybody, names that nobody knows.
    fn tidy(&self, state: &mut State) {
        for (p, role) in state.processes.iter_mut().zip(&self.config.roles) {
            let reads_n = matches!(p.at, At::ReadN | At::List) || (p.at == At::Pack && p.again);
            if !matches!(role, Role::Pruner { .. }) && !reads_n {
                p.view.n = 0;
            }
            if matches!(role, Role::Writer { first: 0, .. }) {
                (p.have, p.held) = (0, 0);
            }
        }
        let n = state.newest().n;
        let is_behind = |(p, role): (&Process, &Role)| match (p.at, role) {
            (At::Start | At::Done, _) => false,
            (At::ReadN | At::List, _) | (_, Role::Pruner { .. }) => p.view.n < n,
            _ => false,
        };
        if state.processes.iter().zip(&self.config.roles).any(is_behind) {
            return;
        }
        let in_force = state.idx_in_force(n);
        for i in (0..IDXS).filter(|i| in_force & (1 << i) == 0) {
            state.idx[i] = Idx::default();
        }
        let snapshots = state.snapshots_in_force(n);
        state.snapshots = state.snapshots.map(|copy| copy & snapshots);
        for hold in state.holds.iter_mut().filter(|hold| hold.generation < n) {
            *hold = Hold::default();
        }
        for checkpoint in state.gc[..usize::from(n)].iter_mut().flat_map(|round| &mut round.checkpoint).flatten() {
            (checkpoint.snapshots, checkpoint.idx) = (0, 0);
        }
        if state.budget.replays == 0 && self.config.budget.replays == 0 {
            forget_names(state);
        }
    }

    /// A name for a new pack or parity object. Names are never used again.
    fn name(&self, state: &mut State, i: usize) -> usize {
        let base: u8 = self.config.names[..i].iter().sum();
        let used = state.processes[i].used.names;
        assert!(used < self.config.names[i], "{}: process {i} needs more names", self.config.name);
        state.processes[i].used.names += 1;
        usize::from(base + used)
    }

    /// Puts a pack, or the parity object of `members`.
    fn put_pack(&self, state: &mut State, i: usize, chunks: Chunks, members: Names) -> usize {
        let reused = bits_of(state, i).find(|&name| chunks != 0 && state.chunks[name] == chunks);
        let name = match reused {
            Some(name) if self.breaks(Mutant::ReusedNames) => name,
            _ => self.name(state, i),
        };
        state.chunks[name] = chunks;
        state.members[name] = members;
        state.stored |= 1 << name;
        state.ghost.made |= 1 << name;
        name
    }

    /// Puts an idx under a new name; nothing where it says nothing.
    fn put_idx(&self, state: &mut State, i: usize, idx: Idx) -> IdxSet {
        if idx.names | idx.withdrawn == 0 {
            return 0;
        }
        let base: u8 = self.config.names[..i].iter().sum();
        let used = state.processes[i].used.idx;
        assert!(used < self.config.names[i], "{}: process {i} needs more idx", self.config.name);
        state.processes[i].used.idx += 1;
        let at = usize::from(base + used);
        state.idx[at] = Idx { there: true, ..idx };
        1 << at
    }
}

/// Forgets what packs held that are not stored and that nobody speaks of.
fn forget_names(state: &mut State) {
    let named = state.idx.iter().fold(state.stored | state.damaged, |all, idx| all | idx.names | idx.withdrawn);
    let known = state.processes.iter().fold(named, |all, p| all | p.own | p.fresh | p.going | p.new.names);
    for name in (0..NAMES).filter(|name| known & (1 << name) == 0) {
        state.chunks[name] = 0;
        state.members[name] = 0;
    }
    for p in &mut state.processes {
        p.known &= known;
    }
    state.ghost.made &= known;
    state.ghost.put = 0;
}

/// Own packs of a process, stored or not.
fn bits_of(state: &State, i: usize) -> impl Iterator<Item = usize> + use<> {
    state::bits(state.processes[i].own | state.processes[i].known)
}
