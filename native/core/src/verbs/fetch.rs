//! Reading one chunk: its frame from any place that holds it, opened, decompressed, and its id recomputed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Repository, heal};
use crate::codec::{Codec, Decoder};
use crate::crypto::ring::ChunkId;
use crate::crypto::seal::ObjectKeys;
use crate::error::{Error, Result};
use crate::format::pack::{FRAME_HEAD, keys_by_frame, open_frame};
use crate::format::{limits, names};
use crate::index::{Index, Location};
use crate::progress::Event;
use crate::world::World;

/// Keys of packs, derived once each.
#[derive(Default)]
pub struct PackKeys(Mutex<BTreeMap<u32, Arc<ObjectKeys>>>);

impl PackKeys {
    /// The keys of a pack, by a frame of it; `None` if no key of this repository fits the frame's marker.
    pub fn of(&self, repo: &Repository, index: &Index, pack: u32, frame: &[u8]) -> Option<Arc<ObjectKeys>> {
        if let Some(keys) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&pack) {
            return Some(keys.clone());
        }
        let keys = Arc::new(keys_by_frame(&repo.ring, index.packs()[pack as usize].salt, frame)?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(pack, keys.clone());
        Some(keys)
    }
}

/// What a worker needs to open frames; its memory is used again.
#[derive(Default)]
pub struct Opener {
    plain: Vec<u8>,
    codec: u8,
    decoder: Decoder,
}

impl Opener {
    /// Opens the stored bytes of a frame, decompresses into `out` (exactly the chunk's raw length) and checks the id.
    pub fn open(
        &mut self,
        repo: &Repository,
        keys: Option<&ObjectKeys>,
        id: &ChunkId,
        stored: &[u8],
        out: &mut [u8],
    ) -> Result<()> {
        let keys = keys.ok_or_else(|| Error::corrupt("A frame's marker is damaged."))?;
        let frame = open_frame(keys, stored, &mut self.plain)?;
        self.codec = frame.codec;
        if frame.raw_len as usize != out.len() {
            return Err(Error::corrupt("A frame has another raw length than the idx says."));
        }
        self.decoder.decode_to(frame.codec, &self.plain[FRAME_HEAD..], out)?;
        if repo.ring.chunk_id(out) == *id {
            Ok(())
        } else {
            Err(Error::corrupt("A chunk's bytes are not what its id says."))
        }
    }
}

impl Opener {
    /// The frame that was opened last: its codec and its plaintext.
    #[must_use]
    pub fn last(&self) -> Option<(Codec, &[u8])> {
        Codec::from_stored(self.codec).map(|codec| (codec, self.plain.as_slice()))
    }
}

/// The raw bytes of a chunk. Tries every place that holds it, then parity. `CORRUPT` if all fail.
pub async fn read_chunk<W: World>(world: &W, repo: &Arc<Repository>, index: &Index, id: &ChunkId) -> Result<Vec<u8>> {
    rescue(world, repo, index, id, None).await
}

/// The raw bytes of a chunk that one place, which was tried, did not give: from the others, then from parity.
pub async fn rescue<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    index: &Index,
    id: &ChunkId,
    tried: Option<Location>,
) -> Result<Vec<u8>> {
    let mut opener = Opener::default();
    let mut out = Vec::new();
    for place in index.locations(id).into_iter().filter(|place| Some(*place) != tried) {
        let pack = &index.packs()[place.pack as usize];
        let range = (u64::from(place.offset), u64::from(place.length));
        let read = world.get(&names::pack(&pack.name), Some(range), u64::from(limits::FRAME)).await;
        let done = read.and_then(|stored| {
            out.resize(place.raw_len as usize, 0);
            let keys = keys_by_frame(&repo.ring, pack.salt, stored.as_ref());
            opener.open(repo, keys.as_ref(), id, stored.as_ref(), &mut out)
        });
        match done {
            Ok(()) => return Ok(out),
            Err(e) if e.is_damage() => {}
            Err(e) => return Err(e),
        }
    }
    heal_chunk(world, repo, index, id).await
}

/// The raw bytes of a chunk that no place gives as it is: from parity, place by place.
pub async fn heal_chunk<W: World>(world: &W, repo: &Arc<Repository>, index: &Index, id: &ChunkId) -> Result<Vec<u8>> {
    let mut opener = Opener::default();
    let mut out = Vec::new();
    let places = index.locations(id);
    for place in &places {
        let pack = &index.packs()[place.pack as usize];
        let range = (u64::from(place.offset), u64::from(place.length));
        let healed = match heal::heal_range(world, repo, index, &pack.name, range.0, range.1).await {
            Ok(bytes) => bytes,
            Err(e) if e.is_beyond() => continue,
            Err(e) => return Err(e),
        };
        out.resize(place.raw_len as usize, 0);
        let keys = keys_by_frame(&repo.ring, pack.salt, &healed);
        if opener.open(repo, keys.as_ref(), id, &healed, &mut out).is_ok() {
            world.call().tell(Event::Healed { pack: hex::encode(pack.name), bytes: range.1 });
            return Ok(out);
        }
    }
    let pack = places.first().map(|p| hex::encode(index.packs()[p.pack as usize].name)).unwrap_or_default();
    let what = if places.is_empty() {
        "no pack of the index holds it"
    } else {
        "it is damaged or missing beyond what parity can make good"
    };
    Err(Error::corrupt(format!(
        "Chunk {} can't be read: {what}. No wrong bytes were returned. Run verify, then repair.",
        hex::encode(id)
    ))
    .with("chunk", hex::encode(id))
    .with("pack", pack))
}
