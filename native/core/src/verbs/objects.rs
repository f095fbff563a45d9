//! Small objects: putting and getting records whole, and what exists twice.

use crate::crypto::sha256;
use crate::error::{Code, Result};
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

/// Puts an object that nobody else can be putting, so that one which is there must be our own of an earlier try.
pub async fn put_own<W: World>(world: &W, key: &str, block: W::Block, len: usize, hash: [u8; 32]) -> Result<()> {
    match world.put(key, block, len, PutMode::Overwrite, Some(hash)).await {
        Err(e) if e.code == Code::AlreadyExists => Ok(()),
        other => other,
    }
}
