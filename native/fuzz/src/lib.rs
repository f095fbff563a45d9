//! What targets share: keys, and choices drawn from the input.

use std::fmt::Debug;

use packvault_core::crypto::ring::KeyRing;
use packvault_core::crypto::seal::ObjectKeys;
use packvault_core::format::config::ChunkIdKind;
use packvault_core::format::{Kind, gc, record};
use serde::Serialize;
use serde::de::DeserializeOwned;
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

/// A gc record of this kind: what is read can be written again, as a whole record and as the rest of one.
///
/// # Panics
///
/// That is a finding.
pub fn gc_record<T: DeserializeOwned + Serialize + PartialEq + Debug>(kind: &str, data: &[u8]) {
    if let Ok(read) = gc::decode(kind, 1, data) {
        assert_eq!((read.header.kind.as_str(), read.header.round), (kind, 1));
        let _ = read.rest.map(|rest| record::json::<T>(kind, &rest));
    }
    if let Ok(rest) = record::json::<T>(kind, data) {
        let body = gc::encode(kind, 7, &[3; 32], &rest).expect("what was read can be written");
        let read = gc::decode(kind, 7, &body).expect("what was written can be read");
        assert_eq!(record::json::<T>(kind, &read.rest.expect("a rest")).expect("a body"), rest);
    }
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
