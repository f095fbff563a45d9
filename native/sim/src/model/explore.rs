//! Every state that can be reached, shortest way first.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::state::State;
use super::{Model, Next};

/// What an exploration came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Operations on the longest of the shortest ways.
    pub depth: usize,
    /// States in which nothing can happen any more.
    pub last: usize,
}

/// A state that must not be.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What is wrong.
    pub what: String,
    /// The shortest way there, a line for each operation.
    pub trace: Vec<String>,
    /// Different states up to there.
    pub states: usize,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, line) in self.trace.iter().enumerate() {
            writeln!(f, "{:3}  {line}", number + 1)?;
        }
        write!(f, "  →  {}", self.what)
    }
}

/// Goes breadth first until there is nothing new, something is wrong, or `most` states are known (then the exploration panics: bounds that
/// are too large must not look like success).
pub fn explore(model: &Model, most: usize) -> Result<Explored, Box<Violation>> {
    let first = model.first();
    let mut known: HashSet<u64, BuildHasherDefault<AsIs>> = HashSet::default();
    known.insert(print(&first));
    // For each state, in the order in which they were found: where it was found from, and by which step.
    let mut from: Vec<(u32, u16)> = vec![(0, 0)];
    let mut level = vec![(0_u32, first)];
    let mut explored = Explored { states: 1, depth: 0, last: 0 };
    let mut next = Next::default();
    while !level.is_empty() {
        let mut below = Vec::new();
        for (number, state) in level {
            next.states.clear();
            model.next(&state, &mut next);
            if next.states.is_empty() {
                explored.last += 1;
                if let Some(what) = model.unsettled(&state) {
                    return Err(Box::new(found(model, &from, number, what)));
                }
            }
            for (step, state) in next.states.drain(..).enumerate() {
                if !known.insert(print(&state)) {
                    continue;
                }
                let own = from.len() as u32;
                from.push((number, step as u16));
                if let Some(what) = model.violation(&state) {
                    return Err(Box::new(found(model, &from, own, what)));
                }
                below.push((own, state));
            }
        }
        assert!(from.len() <= most, "{}: more than {most} states", model.config.name);
        explored.depth += usize::from(!below.is_empty());
        level = below;
    }
    explored.states = from.len();
    Ok(explored)
}

/// Walks the way to a state once more, and has every step told.
fn found(model: &Model, from: &[(u32, u16)], last: u32, what: String) -> Violation {
    let mut steps = Vec::new();
    let mut at = last;
    while at != 0 {
        let (before, step) = from[at as usize];
        steps.push(usize::from(step));
        at = before;
    }
    let mut state = model.first();
    let mut trace = Vec::new();
    for step in steps.into_iter().rev() {
        let mut next = Next::speaking();
        model.next(&state, &mut next);
        state = next.states.swap_remove(step);
        trace.push(next.said.map(|mut said| said.swap_remove(step)).unwrap_or_default());
    }
    Violation { what, trace, states: from.len() }
}

/// 64 bits that stand for a state: among ten million states, two are the same with a chance of one in 400 000.
fn print(state: &State) -> u64 {
    let mut hasher = Fold(0x243f_6a88_85a3_08d3);
    state.hash(&mut hasher);
    hasher.finish()
}

/// Multiplies each word with an odd number and folds the product in half.
struct Fold(u64);

impl Fold {
    fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.word(u64::from(n) + 1);
    }

    fn write_u16(&mut self, n: u16) {
        self.word(u64::from(n) + 1);
    }

    fn write_u64(&mut self, n: u64) {
        self.word(n);
    }

    fn write_usize(&mut self, _: usize) {}

    fn write_isize(&mut self, n: isize) {
        self.word(n.unsigned_abs() as u64);
    }
}

/// Takes a print as it is.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}
