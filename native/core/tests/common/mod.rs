//! What property tests share.
#![allow(dead_code, reason = "each test uses some of it")]

use packvault_core::crypto::ring::KeyRing;
use packvault_core::format::config::ChunkIdKind;
use zeroize::Zeroizing;

/// How many cases a property gets; `few` where each is dear.
pub const fn cases(few: u32) -> u32 {
    if cfg!(feature = "long") { few * 30 } else { few }
}

/// Keys of a repository.
pub fn ring(encrypted: bool) -> KeyRing {
    ring_of([1; 16], encrypted, ChunkIdKind::Blake3)
}

/// Keys of another one.
pub fn ring_of(id: [u8; 16], encrypted: bool, chunk_id: ChunkIdKind) -> KeyRing {
    KeyRing::new(id, 0, chunk_id, encrypted.then(|| Zeroizing::new([7; 32])))
}
