//! Caps on what is read (docs/format.md §18), checked before anything is allocated.

/// Bytes of config, a key file or a lock.
pub const SMALL_OBJECT: u64 = 1 << 20;
/// Bytes of a pack or parity object.
pub const PACK: u64 = 1 << 30;
/// Frames of a pack.
pub const FRAMES: u32 = 65_536;
/// Raw bytes of a chunk.
pub const CHUNK: u32 = 16 << 20;
/// Bytes of a frame.
pub const FRAME: u32 = CHUNK + (64 << 10);
/// Entries of a list chunk.
pub const LIST_ENTRIES: u32 = 8_192;
/// Level of a list chunk.
pub const LIST_LEVEL: u8 = 6;
/// Raw bytes of an idx, a snapshot or a hold.
pub const RECORD: u32 = 64 << 20;
/// Raw bytes of a gc record.
pub const GC: u32 = 256 << 20;
/// Items of a snapshot.
pub const ITEMS: usize = 65_536;
/// Bytes of an item's name.
pub const ITEM_NAME: usize = 65_535;
/// Tags of a snapshot.
pub const TAGS: usize = 1_024;
/// Bytes of a tag's name or value.
pub const TAG: usize = 4_096;
/// Data columns of a parity group.
pub const GROUP_DATA: usize = 64;
/// Rows of a parity group.
pub const GROUP_PARITY: usize = 8;
/// Greatest epoch.
pub const EPOCH: u32 = 65_535;
/// Raw bytes of an idx that a writer aims at.
pub const IDX_TARGET: usize = 8 << 20;
