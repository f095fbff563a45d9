//! What histories came to, one or many.

use crate::history::run;

/// What a history came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Backups that were acknowledged.
    pub acknowledged: usize,
    /// Snapshots that prunes removed.
    pub removed: usize,
    /// Rounds that were finished.
    pub rounds: u64,
    /// Calls that failed because of the weather.
    pub failed: usize,
    /// Restores that gave the right bytes.
    pub restored: usize,
    /// SHA-256 over every operation of every process.
    pub trace: [u8; 32],
}

impl Outcome {
    /// Counts another history's, too.
    pub fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.removed += other.removed;
        self.rounds += other.rounds;
        self.failed += other.failed;
        self.restored += other.restored;
    }
}

/// Runs the histories of these seeds on two threads. `Err` names the first seed that an oracle found something about, and what.
pub fn run_all(seeds: std::ops::Range<u64>) -> std::result::Result<Outcome, String> {
    let half = |odd: u64| -> std::result::Result<Outcome, String> {
        let mut total = Outcome::default();
        for seed in seeds.clone().filter(|seed| seed % 2 == odd) {
            total.add(&run(seed).map_err(|violation| format!("seed {seed}: {violation}"))?);
        }
        Ok(total)
    };
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        (half(0), other.join().unwrap_or_else(|_| Err("a history panicked".into())))
    });
    let mut total = first?;
    total.add(&second?);
    Ok(total)
}
