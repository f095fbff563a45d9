//! Whether every snapshot finds its chunks.

use std::collections::BTreeSet;

use super::Checker;
use crate::crypto::ring::ChunkId;
use crate::error::{Code, Error, Result};
use crate::format::list;
use crate::format::snapshot::Item;
use crate::progress::Fault;
use crate::verbs::fetch::read_chunk;
use crate::verbs::snapshots::Listing;
use crate::world::World;

impl<W: World> Checker<'_, W> {
    /// Follows the lists of every snapshot and looks every chunk up.
    pub(super) async fn contents(&self, listing: &Listing) -> Result<()> {
        self.world.call().set_phase("following snapshots");
        let mut found: Vec<(&String, Option<ChunkId>, Error)> = Vec::new();
        for (name, error) in &listing.broken {
            let message = format!("{name}: no copy can be read: {}", error.message);
            found.push((name, None, Error::new(error.code, message)));
        }
        for name in self.view.rounds.listed_snapshots().filter(|name| !listing.names.contains(*name)) {
            let message = format!("{name} is in force, and both copies are missing.");
            found.push((name, None, Error::new(Code::NotFound, message)));
        }
        let mut good = BTreeSet::new();
        for (id, (_, snapshot)) in &listing.good {
            for item in &snapshot.items {
                let Some((chunk, error)) = self.item(item, &mut good).await? else { continue };
                let message = format!("Item {:?}: {}", item.name, error.message);
                found.push((id, chunk, Error::new(error.code, message)));
            }
            self.state().snapshots_checked += 1;
        }
        if !found.is_empty() {
            self.suspect().await?;
        }
        for (snapshot, chunk, error) in found {
            let repairable = match &chunk {
                Some(chunk) if error.code != Code::Unrecoverable => self.prospects.of_chunk(chunk).await?,
                _ => false,
            };
            self.snapshot_fault(snapshot, chunk, &error, repairable);
        }
        Ok(())
    }

    fn snapshot_fault(&self, snapshot: &str, chunk: Option<ChunkId>, error: &Error, repairable: bool) {
        self.fault(Fault {
            snapshot: Some(snapshot.to_owned()),
            chunk: chunk.map(hex::encode),
            error: error.message.clone(),
            code: error.code.as_str(),
            repairable,
            ..Fault::default()
        });
    }

    /// The first chunk of an item that is not as it should be. `good`: lists that are known to be whole.
    async fn item(&self, item: &Item, good: &mut BTreeSet<ChunkId>) -> Result<Option<(Option<ChunkId>, Error)>> {
        match item.root_id() {
            Ok(root) => Ok(self.follow(root, item.size, good).await?.map(|(chunk, error)| (Some(chunk), error))),
            Err(error) => Ok(Some((None, error))),
        }
    }

    async fn follow(&self, root: ChunkId, size: u64, good: &mut BTreeSet<ChunkId>) -> Result<Option<(ChunkId, Error)>> {
        let mut stack = vec![(root, size)];
        let mut passed = Vec::new();
        while let Some((id, size)) = stack.pop() {
            if good.contains(&id) {
                continue;
            }
            let read = read_chunk(self.world, self.repo, &self.view.index, &id).await;
            let list = match read.and_then(|raw| list::decode(&raw)) {
                Ok(list) => list,
                Err(e) if e.is_damage() => return Ok(Some((id, e))),
                Err(e) => return Err(e),
            };
            if list.size() != Some(size) {
                return Ok(Some((id, Error::corrupt("a list chunk covers another size than it should."))));
            }
            for entry in &list.entries {
                if list.level > 0 {
                    stack.push((entry.id, entry.size));
                } else if let Some(error) = self.lost(entry) {
                    return Ok(Some((entry.id, error)));
                }
            }
            passed.push(id);
        }
        good.extend(passed);
        Ok(None)
    }

    fn lost(&self, entry: &list::Ref) -> Option<Error> {
        let id = &entry.id;
        let places = self.view.index.locations(id);
        if places.is_empty() {
            return Some(Error::corrupt(
                "no pack of the index holds a chunk of it. If an idx was lost, repair finds it again.",
            ));
        }
        if places.iter().any(|place| u64::from(place.raw_len) != entry.size) {
            return Some(Error::corrupt("a chunk has another length than its list says."));
        }
        let all = places.iter().all(|place| self.view.index.is_withdrawn(place.pack, id));
        all.then(|| Error::new(Code::Unrecoverable, "a chunk is known to be lost. A backup of the same data heals it."))
    }
}
