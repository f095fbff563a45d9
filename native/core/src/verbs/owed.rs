//! What repair has put and a deletion round may leave out: it is put again until it stands (docs/format.md §15, steps 4 and 6).

use super::writer::put_idx;
use super::{Repository, rounds};
use crate::error::Result;
use crate::format::idx::Idx;
use crate::world::World;

/// Idx that were put by one repair and are not known to stay.
#[derive(Default)]
pub struct Owed {
    idx: Idx,
    /// The least generation that any of it was put under.
    generation: u64,
}

impl Owed {
    /// Notes what was put under a generation.
    pub fn note(&mut self, generation: u64, idx: Idx) {
        self.generation = if self.is_empty() { generation } else { self.generation.min(generation) };
        self.idx.append(idx);
    }

    /// Puts what an idx says, and notes it.
    pub async fn put<W: World>(&mut self, world: &W, repo: &Repository, generation: u64, idx: Idx) -> Result<()> {
        put_idx(world, repo, generation, idx.clone()).await?;
        self.note(generation, idx);
        Ok(())
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.idx.is_empty()
    }

    /// Whether all of it stays: no round began since. If one did, its checkpoint may not list these idx, although they are in force until
    /// then; so what no condemn names is put again under the new generation, and the question is open once more.
    pub async fn stands<W: World>(&mut self, world: &W, repo: &Repository) -> Result<bool> {
        if self.is_empty() {
            return Ok(true);
        }
        if !rounds::has_newer(world, &repo.ring, self.generation).await? {
            self.idx = Idx::default();
            return Ok(true);
        }
        let now = repo.rounds(world).await?;
        now.certain()?;
        let condemned = rounds::condemned_between(world, &repo.ring, self.generation + 1, now.r).await?;
        self.idx.packs.retain(|pack| !condemned.contains(&pack.name));
        self.idx.groups.retain(|g| !g.members.iter().chain(&g.parity).any(|part| condemned.contains(&part.name)));
        put_idx(world, repo, now.r, self.idx.clone()).await?;
        self.generation = now.r;
        Ok(false)
    }
}
