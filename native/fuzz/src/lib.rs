//! What targets share: keys, and choices drawn from the input.

use packvault_core::crypto::ring::KeyRing;
use packvault_core::crypto::seal::ObjectKeys;
use packvault_core::format::Kind;
use packvault_core::format::config::ChunkIdKind;
use zeroize::Zeroizing;

/// Keys of a repository.
#[must_use]
pub fn ring(encrypted: bool) -> KeyRing {
    KeyRing::new([1; 16], 0, ChunkIdKind::Blake3, encrypted.then(|| Zeroizing::new([7; 32])))
}

/// Keys of one object of it.
#[must_use]
pub fn object(ring: &KeyRing, kind: Kind, name: &str) -> ObjectKeys {
    ring.object(kind, &[9; 32], name)
}

/// Takes bytes off the front of the input; zeros at its end.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// A byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (usize::from(self.byte()) << 8 | usize::from(self.byte())) % n
    }

    /// At most so many bytes.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
