//! Parity of groups that lose members is written anew before the members go (docs/format.md §20, empty columns). Columns are never renumbered.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::crypto::sha256;
use crate::erasure::group::remove;
use crate::error::{Error, Result};
use crate::format::config::ParityScheme;
use crate::format::idx::{Group, Name, Part};
use crate::format::parity::{self, Description};
use crate::format::{limits, names};
use crate::verbs::Repository;
use crate::verbs::group::GroupEncoder;
use crate::verbs::heal::{GroupReader, optional};
use crate::verbs::writer::pack_capacity;
use crate::world::{PutMode, World};

/// What became of the groups of a round.
#[derive(Default)]
pub struct Regrouped {
    /// Groups as the next checkpoint's idx name them.
    pub groups: Vec<Group>,
    /// Members of groups that could not be written anew: they and their parity must stay.
    pub stuck: BTreeSet<Name>,
}

/// Writes parity anew for every group that loses a pack of `going`, or whose parity is in `dropped`. Inputs are checked by SHA-256.
pub async fn regroup<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    generation: u64,
    groups: &[Group],
    going: &BTreeSet<Name>,
    dropped: &BTreeSet<Name>,
) -> Result<Regrouped> {
    let mut done = Regrouped::default();
    let mut pool: Vec<(Part, usize)> = Vec::new();
    let job = Job { world, repo, generation };
    for (number, group) in groups.iter().enumerate() {
        let live: Vec<Part> = group.members.iter().filter(|part| part.size > 0).copied().collect();
        let loses = live.iter().any(|part| going.contains(&part.name));
        let replaced = group.parity.iter().any(|part| part.size > 0 && dropped.contains(&part.name));
        // A group whose rows are all gone protects nothing.
        let bare = group.parity.iter().all(|part| part.size == 0);
        if !loses && !replaced && !bare {
            done.groups.push(group.clone());
            continue;
        }
        let stay: Vec<Part> = live.iter().filter(|part| !going.contains(&part.name)).copied().collect();
        if stay.is_empty() {
            continue;
        }
        let lost = live.len() - stay.len();
        // Subtracting reads what goes and the old rows; encoding reads what stays.
        if lost > 0 && lost + group.parity.len() < stay.len() {
            match job.subtract(group, going).await? {
                Some(new) => done.groups.push(new),
                None => pool.extend(stay.into_iter().map(|part| (part, number))),
            }
        } else {
            pool.extend(stay.into_iter().map(|part| (part, number)));
        }
    }
    let covered: BTreeSet<Name> = done.groups.iter().flat_map(|group| &group.members).map(|part| part.name).collect();
    let mut taken = BTreeSet::new();
    pool.retain(|(part, _)| !covered.contains(&part.name) && taken.insert(part.name));
    job.encode(groups, pool, &mut done).await?;
    Ok(done)
}

struct Job<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    generation: u64,
}

impl<W: World> Job<'_, W> {
    async fn whole(&self, key: &str, name: &Name) -> Result<Option<W::Bytes>> {
        let stored = optional(self.world.get(key, None, limits::PACK).await)?;
        Ok(stored.filter(|bytes| sha256(bytes.as_ref()) == *name))
    }

    /// new = old − coefficient × pack. `None` where an input is missing or wrong.
    async fn subtract(&self, group: &Group, going: &BTreeSet<Name>) -> Result<Option<Group>> {
        let reader = GroupReader::open(self.world, self.repo, group).await?;
        let Some(mut description) = reader.description().cloned() else { return Ok(None) };
        let (k, m) = (group.members.len(), group.parity.len());
        let old_len = group.shard_len as usize;
        let mut blocks = Vec::new();
        for part in &group.parity {
            let Some(old) = self.whole(&names::parity(&part.name), &part.name).await? else { return Ok(None) };
            let mut block = self.world.block(parity::max_object_len(old_len, k, m)).await?;
            let shard = old.as_ref().get(parity::HEAD..parity::HEAD + old_len).ok_or_else(short)?;
            block.as_mut()[parity::HEAD..parity::HEAD + old_len].copy_from_slice(shard);
            blocks.push(block);
        }
        for (column, part) in description.members.iter_mut().enumerate() {
            if part.size == 0 || !going.contains(&part.name) {
                continue;
            }
            let Some(pack) = self.whole(&names::pack(&part.name), &part.name).await? else { return Ok(None) };
            let bytes = pack.as_ref();
            let mut rows: Vec<&mut [u8]> =
                blocks.iter_mut().map(|b| &mut b.as_mut()[parity::HEAD..parity::HEAD + bytes.len()]).collect();
            remove(self.repo.kernels.mul_add, column, bytes, &mut rows);
            *part = Part { name: [0; 32], size: 0 };
            description.member_blocks[column].clear();
        }
        description.shard_len = description.members.iter().map(|part| part.size).max().unwrap_or(0);
        let shard = parity::HEAD..parity::HEAD + description.shard_len as usize;
        description.shard_blocks = blocks.iter().map(|b| parity::block_hashes(&b.as_ref()[shard.clone()])).collect();
        self.put(description, blocks).await.map(Some)
    }

    async fn put(&self, description: Description, blocks: Vec<W::Block>) -> Result<Group> {
        let mut rows = Vec::new();
        for (row, mut block) in blocks.into_iter().enumerate() {
            let random = self.world.id32();
            let len = parity::seal(&self.repo.ring, &description, row as u8, self.generation, &random, block.as_mut())?;
            let name = sha256(&block.as_ref()[..len]);
            self.world.put(&names::parity(&name), block, len, PutMode::Overwrite, Some(name)).await?;
            rows.push(Part { name, size: len as u64 });
        }
        Ok(Group { shard_len: description.shard_len, members: description.members, parity: rows })
    }

    /// Encodes members into new groups, as full as the repository's scheme lets them be. A member that is not whole keeps its old group.
    async fn encode(&self, groups: &[Group], pool: Vec<(Part, usize)>, done: &mut Regrouped) -> Result<()> {
        let Some(scheme) = self.scheme(groups, &pool) else { return Ok(()) };
        let longest = pool.iter().map(|(part, _)| part.size as usize).max().unwrap_or(0);
        let capacity = pack_capacity(self.repo.config.pack_size, self.repo.config.chunking.max).max(longest);
        let mut encoder = GroupEncoder::new(scheme, capacity);
        for (part, number) in pool {
            let Some(pack) = self.whole(&names::pack(&part.name), &part.name).await? else {
                // Its old parity, if there is any, may still give it: all of that group stays.
                if groups[number].parity.iter().all(|row| row.size == 0) {
                    continue;
                }
                done.stuck.extend(groups[number].members.iter().filter(|p| p.size > 0).map(|p| p.name));
                continue;
            };
            encoder.add(self.world, self.repo, part.name, pack.as_ref()).await?;
            if encoder.is_full() {
                let full = std::mem::replace(&mut encoder, GroupEncoder::new(scheme, capacity));
                done.groups.push(full.close(self.world, self.repo, self.generation).await?);
            }
        }
        if !encoder.is_empty() {
            done.groups.push(encoder.close(self.world, self.repo, self.generation).await?);
        }
        let kept = groups.iter().filter(|group| group.members.iter().any(|part| done.stuck.contains(&part.name)));
        let kept: Vec<Group> = kept.cloned().collect();
        done.groups.extend(kept);
        Ok(())
    }

    /// The repository's scheme; where it has none any more, that of the groups themselves.
    fn scheme(&self, groups: &[Group], pool: &[(Part, usize)]) -> Option<ParityScheme> {
        let (_, number) = pool.first()?;
        let group = &groups[*number];
        let own = ParityScheme { data: group.members.len() as u8, parity: group.parity.len() as u8 };
        Some(self.repo.config.parity.unwrap_or(own))
    }
}

fn short() -> Error {
    Error::corrupt("A parity object is cut short.")
}
