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
    /// Checks that ended.
    pub verified: usize,
    /// Long backups that were acknowledged.
    pub long: usize,
    /// Long backups that were cut off from the store for so long that they could not go on.
    pub cut_off: usize,
    /// Holds that backups put.
    pub held: usize,
    /// Chunks that long backups read from old packs, between two holds, to store them again.
    pub forwarded: usize,
    /// SHA-256 over every operation of every process.
    pub trace: [u8; 32],
}

impl Outcome {
    /// Counts what a trace shows of the holds of these processes, which back up: only who brings chunks forward reads packs.
    pub fn count_holds(&mut self, trace: &[String], processes: std::ops::Range<usize>) {
        for process in processes {
            let mut holds = false;
            let process = process.to_string();
            for operation in trace.iter().filter_map(|line| line.strip_prefix(&process)?.strip_prefix(' ')) {
                if operation.starts_with("put snapshots/") {
                    holds = operation.contains(".hold");
                    self.held += usize::from(holds);
                }
                self.forwarded += usize::from(holds && operation.starts_with("get packs/data/"));
            }
        }
    }

    /// Counts another history's, too.
    pub fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.removed += other.removed;
        self.rounds += other.rounds;
        self.failed += other.failed;
        self.restored += other.restored;
        self.verified += other.verified;
        self.long += other.long;
        self.cut_off += other.cut_off;
        self.held += other.held;
        self.forwarded += other.forwarded;
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
