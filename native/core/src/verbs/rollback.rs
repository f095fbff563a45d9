//! Whether a store shows an older state than this client has seen: rounds only ever grow, and each checkpoint names the one before.

use futures_util::stream::{self, StreamExt};

use super::rounds::{Rounds, read_record};
use crate::crypto::ring::KeyRing;
use crate::error::{Code, Error, Result};
use crate::world::World;

/// Checkpoints that are read at once to follow the chain.
const AT_ONCE: usize = 8;

/// The newest checkpoint that a client has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its round, 0 if there was none.
    pub round: u64,
    /// SHA-256 of its header; zeros for round 0.
    pub hash: [u8; 32],
}

/// `ROLLED_BACK` unless the rounds that a store shows follow from those that were seen.
pub async fn check<W: World>(world: &W, ring: &KeyRing, rounds: &Rounds, seen: &Seen) -> Result<()> {
    if rounds.n < seen.round {
        // Damage to both copies of the newest is told as damage: readers go on with the one before, writers refuse.
        if rounds.certain().is_err() && rounds.n + 1 == seen.round {
            return Ok(());
        }
        // A lone `.b` counts for nothing to a reader who can't complete it.
        return match read_record(world, ring, seen.round, true).await {
            Ok(record) if record.hash == seen.hash => Ok(()),
            Err(e) if !e.is_damage() => Err(e),
            _ => Err(regressed(seen, rounds.n)),
        };
    }
    if rounds.n == seen.round {
        return if rounds.hash == seen.hash { Ok(()) } else { Err(replaced(seen.round)) };
    }
    let mut previous = rounds.previous;
    let between = (seen.round + 1..rounds.n).rev();
    let read = |round| async move { (round, read_record(world, ring, round, true).await) };
    let mut records = std::pin::pin!(stream::iter(between).map(read).buffered(AT_ONCE));
    while let Some((round, record)) = records.next().await {
        match record {
            Ok(record) if record.hash == previous => previous = record.previous()?,
            Err(e) if !e.is_damage() => return Err(e),
            _ => return Err(replaced(round)),
        }
    }
    if previous == seen.hash { Ok(()) } else { Err(replaced(seen.round)) }
}

/// The store shows fewer rounds than were seen.
#[must_use]
pub fn regressed(seen: &Seen, found: u64) -> Error {
    refusal(&format!(
        "This client has seen deletion round {} of this repository, and the store shows none after {found}.",
        seen.round
    ))
    .with("seen", seen.round.to_string())
    .with("found", found.to_string())
}

fn replaced(round: u64) -> Error {
    refusal(&format!("The record of deletion round {round} is missing, or is not the one that this client has seen or that later rounds name."))
        .with("round", round.to_string())
}

fn refusal(what: &str) -> Error {
    Error::new(
        Code::RolledBack,
        format!(
            "{what} The store was put back to an older state, or somebody removed or replaced objects of gc/. Nothing was changed. \
             If you put it back yourself, open it with acceptRollback (--accept-rollback): what is there now then counts, and what is \
             listed can be restored. Otherwise look for the newer state first: backups made since may be missing here."
        ),
    )
}
