//! What is stored, one file per kind of object (docs/format.md). Nothing else in the engine spells bytes.

pub mod config;
pub mod gc;
pub mod idx;
pub mod key;
pub mod limits;
pub mod list;
pub mod names;
pub mod pack;
pub mod parity;
pub mod record;
pub mod scan;
pub mod snapshot;
pub mod time;

use crate::error::{Error, Result};

/// The format version that this engine writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// Kinds of sealed objects (§3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Chunks.
    Pack = 1,
    /// Parity over packs.
    Parity = 2,
    /// Where chunks are.
    Idx = 3,
    /// One backup.
    Snapshot = 4,
    /// What a running backup relies on.
    Hold = 5,
    /// First half of a deletion round.
    Condemn = 6,
    /// Second half of a deletion round.
    Checkpoint = 7,
    /// Advisory entry.
    Lock = 8,
}

/// Reads integers and slices off the front of stored bytes; every read is checked.
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Starts at the front.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, tail) =
            self.0.split_at_checked(n).ok_or_else(|| Error::corrupt("A stored structure is cut short."))?;
        self.0 = tail;
        Ok(head)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// A `u8`.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// A `u16`.
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// A `u32`.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A `u64`.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Fails unless the next bytes are these.
    pub fn expect(&mut self, magic: &[u8]) -> Result<()> {
        if self.take(magic.len())? == magic {
            Ok(())
        } else {
            Err(Error::corrupt("A stored structure has the wrong magic."))
        }
    }
}
