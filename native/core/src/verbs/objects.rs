//! Small objects: putting and getting records whole, and what exists twice.

use crate::crypto::sha256;
use crate::error::Result;
use crate::format::names::COPIES;
use crate::world::{PutMode, World};

/// Puts bytes that the caller keeps.
pub async fn put_small<W: World>(world: &W, key: &str, bytes: &[u8], mode: PutMode) -> Result<()> {
    let mut block = world.block(bytes.len()).await?;
    block.as_mut()[..bytes.len()].copy_from_slice(bytes);
    world.put(key, block, bytes.len(), mode, Some(sha256(bytes))).await
}

/// Puts `.a`, then `.b`, the same bytes.
pub async fn put_copies<W: World>(world: &W, name: &str, bytes: &[u8]) -> Result<()> {
    for suffix in COPIES {
        put_small(world, &format!("{name}{suffix}"), bytes, PutMode::Overwrite).await?;
    }
    Ok(())
}
