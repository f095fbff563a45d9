//! Who takes part, what is there at first, and what may happen.

use super::state::{Budget, Chunks, Ids, PROCESSES};

/// What a process is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nothing.
    #[default]
    Nobody,
    /// Backs up.
    Writer {
        /// Chunks of its source.
        wants: Chunks,
        /// Those of them that it publishes with a hold first; none: it does not stream.
        first: Chunks,
    },
    /// Deletes, in so many rounds at most.
    Pruner {
        /// Rounds that it begins or helps.
        rounds: u8,
        /// Ids that it forgets, once they are acknowledged.
        forgets: Ids,
    },
    /// Withdraws what is lost, adopts what snapshots need, rebuilds from parity.
    Repair,
}

/// A configuration.
#[allow(clippy::struct_excessive_bools, reason = "each says one thing that may or may not be so")]
#[derive(Clone, Debug)]
pub struct Config {
    /// Short name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Processes.
    pub roles: [Role; PROCESSES],
    /// Chunks of old snapshots, acknowledged and stored in a pack each before anything happens: two at most, of the ids 3 and 7.
    pub old: Vec<Chunks>,
    /// Rounds at most.
    pub rounds: u8,
    /// Records exist twice, and their copies are put one after the other.
    pub copies: bool,
    /// r and N are read in two operations, and what is void is removed in another than what was condemned.
    pub split_reads: bool,
    /// A pack for each chunk rather than one for all.
    pub split_packs: bool,
    /// Prunes move what stays of partly used packs.
    pub repack: bool,
    /// Packs of one attempt make a parity group with one row.
    pub parity: bool,
    /// A prune may also condemn everything that is stored.
    pub greedy: bool,
    /// A prune puts all idx together, not only those that name something deleted.
    pub merge: bool,
    /// What the environment may do.
    pub budget: Budget,
    /// Names of packs and of idx for each process.
    pub names: [u8; PROCESSES],
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "",
            about: "",
            roles: [Role::Nobody; PROCESSES],
            old: Vec::new(),
            rounds: 2,
            copies: false,
            split_reads: false,
            split_packs: false,
            repack: false,
            parity: false,
            greedy: false,
            merge: false,
            budget: Budget::default(),
            names: [4, 4, 4, 0],
        }
    }
}
