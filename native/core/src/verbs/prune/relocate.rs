//! Moving what stays of partly used packs into new ones, before the old ones are condemned (writer steps 3 and 4).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::codec::Encoder;
use crate::crypto::ring::ChunkId;
use crate::error::Result;
use crate::format::idx::Name;
use crate::format::pack::{FRAME_HEAD, FrameKind, keys_by_frame};
use crate::format::{limits, names};
use crate::index::Location;
use crate::verbs::fetch::{Opener, rescue};
use crate::verbs::heal::optional;
use crate::verbs::writer::{ChunkHead, PackWriter, Written};
use crate::verbs::{Repository, View};
use crate::world::World;

/// Writes these chunks of these packs again, compressed as they are, and puts the idx that names them. Every one is decoded and its id
/// recomputed first; one that is damaged is taken from another place or from parity. A chunk that can't be read anywhere stays where it is:
/// its pack is returned, not to be condemned.
pub async fn relocate<W: World>(
    world: &W,
    repo: &Arc<Repository>,
    view: &View,
    moving: &BTreeMap<Name, Vec<ChunkId>>,
) -> Result<(Written, BTreeSet<Name>)> {
    let mut stuck = BTreeSet::new();
    if moving.is_empty() {
        return Ok((Written::default(), stuck));
    }
    world.call().set_phase("rewriting packs");
    let mut mover = Mover {
        world,
        repo,
        view,
        writer: PackWriter::new(world, repo, view.rounds.r, world.memory())?,
        encoder: Encoder::new(repo.config.compression)?,
        opener: Opener::default(),
    };
    for (name, chunks) in moving {
        if !mover.pack(name, chunks).await? {
            stuck.insert(*name);
        }
    }
    Ok((mover.writer.finish(Vec::new()).await?, stuck))
}

struct Mover<'a, W: World> {
    world: &'a W,
    repo: &'a Arc<Repository>,
    view: &'a View,
    writer: PackWriter<W>,
    encoder: Encoder,
    opener: Opener,
}

impl<W: World> Mover<'_, W> {
    /// Whether all of the pack's chunks were written again.
    async fn pack(&mut self, name: &Name, chunks: &[ChunkId]) -> Result<bool> {
        let index = &self.view.index;
        let Some((ordinal, info)) = index.pack(name) else { return Ok(false) };
        let stored = optional(self.world.get(&names::pack(name), None, limits::PACK).await)?;
        let mut all = true;
        let mut places: Vec<(ChunkId, Location)> = Vec::new();
        for id in chunks {
            match index.locations(id).into_iter().find(|at| at.pack == ordinal) {
                Some(at) => places.push((*id, at)),
                None => all = false,
            }
        }
        places.sort_by_key(|(_, at)| at.offset);
        for (id, at) in places {
            let frame = stored.as_ref().and_then(|s| s.as_ref().get(at.offset as usize..)?.get(..at.length as usize));
            let mut raw = vec![0; at.raw_len as usize];
            let kind = FrameKind::of_chunk(at.kind);
            let opened = frame.is_some_and(|frame| {
                let keys = keys_by_frame(&self.repo.ring, info.salt, frame);
                self.opener.open(self.repo, keys.as_ref(), &id, frame, &mut raw).is_ok()
            });
            if !opened {
                match rescue(self.world, self.repo, index, &id, Some(at)).await {
                    Ok(bytes) => raw = bytes,
                    Err(e) if e.is_damage() => {
                        all = false;
                        continue;
                    }
                    Err(e) => return Err(e),
                }
            }
            self.store(id, kind, &raw, opened).await?;
        }
        self.world.call().add_objects(1);
        Ok(all)
    }

    /// `as_is`: the opener still has the frame, compressed as it was.
    async fn store(&mut self, id: ChunkId, kind: FrameKind, raw: &[u8], as_is: bool) -> Result<()> {
        let raw_len = raw.len() as u32;
        if as_is && let Some((codec, plain)) = self.opener.last() {
            return self.writer.push(ChunkHead { id, kind, codec, raw_len }, &plain[FRAME_HEAD..]).await;
        }
        let (codec, payload) = self.encoder.encode(raw)?;
        self.writer.push(ChunkHead { id, kind, codec, raw_len }, payload).await
    }
}
