//! Figures of a repository, from idx and snapshots alone.

use std::sync::Arc;

use super::{Repository, Stats, snapshots};
use crate::error::Result;
use crate::format::pack::FrameKind;
use crate::world::World;

/// Sizes and ratios. A ratio of nothing is 1.
#[allow(clippy::cast_precision_loss, reason = "ratios for people")]
pub async fn stats<W: World>(world: &W, repo: &Arc<Repository>) -> Result<Stats> {
    let view = repo.view(world).await?;
    let listing = snapshots::read_all(world, repo, &view.rounds).await?;
    let original_bytes = listing.good.values().map(|(_, s)| s.original_size).sum::<u64>();
    let data = || view.index.distinct().filter(|(_, l)| l.kind == FrameKind::Data as u8);
    let raw: u64 = data().map(|(_, l)| u64::from(l.raw_len)).sum();
    let framed: u64 = data().map(|(_, l)| u64::from(l.length)).sum();
    let ratio = |a: u64, b: u64| if a == 0 || b == 0 { 1.0 } else { a as f64 / b as f64 };
    Ok(Stats {
        snapshots: listing.good.len() as u64,
        packs: view.index.packs().len() as u64,
        chunks: data().count() as u64,
        original_bytes,
        stored_bytes: view.index.packs().iter().map(|p| p.size).sum(),
        parity_bytes: view.index.groups().iter().flat_map(|g| &g.parity).map(|p| p.size).sum(),
        dedup_ratio: ratio(original_bytes, raw),
        compression_ratio: ratio(raw, framed),
    })
}
