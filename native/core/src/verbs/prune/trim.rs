//! What old rounds said in detail is dropped; their headers stay for ever (docs/format.md §14).

use crate::crypto::sha256;
use crate::error::Result;
use crate::format::{gc, record};
use crate::verbs::Repository;
use crate::verbs::objects::put_copies;
use crate::verbs::rounds::{self, Rounds};
use crate::world::World;

/// Rounds whose records stay whole: a writer or a repair that began before them can still tell what they deleted.
const RETAINED: u64 = 8;
/// Records of no more bytes are left as they are.
const SMALL: u64 = 1 << 10;
/// How many records one prune shortens: each costs three requests.
const AT_ONCE: usize = 16;

/// Shortens records of rounds long past. A courtesy to the store: what goes wrong here is left to the next prune.
pub async fn trim<W: World>(world: &W, repo: &Repository, rounds: &Rounds) {
    let old = rounds.stored.iter().filter(|((round, _), size)| round + RETAINED <= rounds.n && **size > SMALL);
    for (&(round, checkpoint), _) in old.take(AT_ONCE) {
        if shorten(world, repo, round, checkpoint).await.is_err() {
            return;
        }
    }
}

async fn shorten<W: World>(world: &W, repo: &Repository, round: u64, checkpoint: bool) -> Result<()> {
    let found = rounds::read_record(world, &repo.ring, round, checkpoint).await?;
    let body = gc::head(&found.header)?;
    // The next checkpoint names the header as it was written.
    if sha256(&body[4..]) != found.hash {
        return Ok(());
    }
    let (name, kind) = rounds::name_of(round, checkpoint);
    let stored = record::seal(&repo.ring, kind, &name, round, &world.id32(), &body)?;
    put_copies(world, &name, &stored).await
}
