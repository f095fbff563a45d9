//! Packs (docs/format.md §8): building, the table, opening frames.

use super::{Cursor, Kind, limits};
use crate::crypto::ring::{ChunkId, KeyRing};
use crate::crypto::seal::{ObjectKeys, TAG};
use crate::error::{Error, Result};

/// Magic of the head.
pub const HEAD_MAGIC: [u8; 8] = *b"PVLTPACK";
/// Magic of the tail.
pub const TAIL_MAGIC: [u8; 8] = *b"PVLTPEND";
/// Bytes before the first frame.
pub const HEAD: usize = 72;
/// Bytes behind the table.
pub const TAIL: usize = 88;
/// Bytes of a marker.
pub const MARKER: usize = 16;
/// Bytes of a frame's plaintext before its payload.
pub const FRAME_HEAD: usize = 40;
/// What a frame adds to its payload.
pub const FRAME_OVERHEAD: usize = MARKER + FRAME_HEAD + TAG;
/// Bytes of a table entry.
pub const ENTRY: usize = 48;
/// What a frame's marker ends in.
pub const FRAME_CHECK: [u8; 8] = *b"pvframe1";
const TABLE_CHECK: [u8; 8] = *b"pvtable1";

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Bytes of an item.
    Data = 1,
    /// A list chunk.
    List = 2,
    /// The pack's table.
    Table = 3,
}

impl FrameKind {
    /// The kind of a chunk's frame, of the stored number.
    #[must_use]
    pub fn of_chunk(stored: u8) -> Self {
        if stored == Self::List as u8 { Self::List } else { Self::Data }
    }
}

/// One frame as the table and idx name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Chunk id.
    pub id: ChunkId,
    /// Of the marker, from the start of the object.
    pub offset: u32,
    /// Of the whole frame.
    pub length: u32,
    /// Of the chunk.
    pub raw_len: u32,
    /// [`FrameKind`] as stored.
    pub kind: u8,
    /// Codec as stored.
    pub codec: u8,
}

impl Entry {
    /// Appends the stored form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.raw_len.to_le_bytes());
        out.extend_from_slice(&[self.kind, self.codec, 0, 0]);
    }

    /// Reads one, for a pack of `size` bytes.
    pub fn decode(cursor: &mut Cursor, size: u64) -> Result<Self> {
        let entry = Self {
            id: cursor.array()?,
            offset: cursor.u32()?,
            length: cursor.u32()?,
            raw_len: cursor.u32()?,
            kind: cursor.u8()?,
            codec: cursor.u8()?,
        };
        cursor.take(2)?;
        let fits = entry.offset as usize >= HEAD
            && entry.length as usize >= FRAME_OVERHEAD
            && entry.length <= limits::FRAME
            && entry.raw_len <= limits::CHUNK
            && u64::from(entry.offset) + u64::from(entry.length) + TAIL as u64 <= size;
        if fits { Ok(entry) } else { Err(Error::corrupt("A table entry is out of bounds.")) }
    }
}

/// Frames of a pack before it is sealed: their plaintext stands where their ciphertext will be.
pub struct PackBuilder {
    entries: Vec<Entry>,
    len: usize,
}

impl Default for PackBuilder {
    fn default() -> Self {
        Self { entries: Vec::new(), len: HEAD }
    }
}

/// A pack that is sealed: the first `len` bytes of the memory that it was built in.
pub struct Sealed {
    /// SHA-256 of its bytes.
    pub name: [u8; 32],
    /// Its salt.
    pub salt: [u8; 32],
    /// Its size.
    pub len: usize,
    /// Its frames.
    pub entries: Vec<Entry>,
}

impl PackBuilder {
    /// Bytes that the pack would have if it were sealed now.
    #[must_use]
    pub fn sealed_len(&self) -> usize {
        self.len + FRAME_OVERHEAD + 4 + ENTRY * self.entries.len() + TAIL
    }

    /// Whether one more frame with this payload keeps the pack within `target` bytes; a pack without frames takes any that
    /// fits its memory, `capacity` bytes.
    #[must_use]
    pub fn takes(&self, payload: usize, target: usize, capacity: usize) -> bool {
        let most = if self.entries.is_empty() { capacity } else { target };
        self.sealed_len() + FRAME_OVERHEAD + ENTRY + payload <= most && self.entries.len() < limits::FRAMES as usize
    }

    /// Whether all frames of another builder fit, too.
    #[must_use]
    pub fn takes_all(&self, other: &Self, target: usize) -> bool {
        self.sealed_len() + other.sealed_len() <= target
            && self.entries.len() + other.entries.len() <= limits::FRAMES as usize
    }

    /// Frames so far.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Appends a frame; `memory` is the pack's. Returns its plaintext as it stands in `memory`, for the salt.
    pub fn push<'a>(&mut self, memory: &'a mut [u8], mut entry: Entry, payload: &[u8]) -> &'a [u8] {
        entry.offset = self.len as u32;
        entry.length = (FRAME_OVERHEAD + payload.len()) as u32;
        let from = self.len + MARKER;
        write_plain(&mut memory[from..], &entry, payload);
        self.len += entry.length as usize;
        self.entries.push(entry);
        &memory[from..from + FRAME_HEAD + payload.len()]
    }

    /// The payload of a frame that was pushed; `memory` is the pack's.
    #[must_use]
    pub fn payload<'a>(&self, memory: &'a [u8], entry: &Entry) -> &'a [u8] {
        let from = entry.offset as usize + MARKER + FRAME_HEAD;
        &memory[from..(entry.offset + entry.length) as usize - TAG]
    }

    /// Seals all frames, writes head, table and tail, and names the pack.
    pub fn seal(self, ring: &KeyRing, salt: &[u8; 32], memory: &mut [u8]) -> Result<Sealed> {
        let keys = ring.object(Kind::Pack, salt, "");
        let mut payload = (self.entries.len() as u32).to_le_bytes().to_vec();
        self.entries.iter().for_each(|entry| entry.encode(&mut payload));
        let table = Entry {
            id: [0; 32],
            offset: self.len as u32,
            length: (FRAME_OVERHEAD + payload.len()) as u32,
            raw_len: payload.len() as u32,
            kind: FrameKind::Table as u8,
            codec: 0,
        };
        write_plain(&mut memory[self.len + MARKER..], &table, &payload);
        write_ends(&keys, HEAD_MAGIC, &mut memory[..HEAD]);

        let mut hash = crate::crypto::Sha256::default();
        hash.update(&memory[..HEAD]);
        for (ordinal, entry) in self.entries.iter().chain([&table]).enumerate() {
            let frame = &mut memory[entry.offset as usize..][..entry.length as usize];
            seal_frame(&keys, ordinal as u32, frame)?;
            hash.update(frame);
        }
        let from = (table.offset + table.length) as usize;
        let tail = &mut memory[from..from + TAIL];
        let mut pointer = marker(table.offset, table.length, TABLE_CHECK);
        keys.mark(&mut pointer)?;
        tail[..MARKER].copy_from_slice(&pointer);
        tail[16..48].copy_from_slice(salt);
        tail[48..80].copy_from_slice(&keys.commitment);
        tail[80..].copy_from_slice(&TAIL_MAGIC);
        hash.update(tail);
        Ok(Sealed { name: hash.finish(), salt: *salt, len: from + TAIL, entries: self.entries })
    }
}

/// Writes magic, salt and commitment.
pub(super) fn write_ends(keys: &ObjectKeys, magic: [u8; 8], out: &mut [u8]) {
    out[..8].copy_from_slice(&magic);
    out[8..40].copy_from_slice(keys.salt());
    out[40..72].copy_from_slice(&keys.commitment);
}

fn write_plain(out: &mut [u8], entry: &Entry, payload: &[u8]) {
    out[..32].copy_from_slice(&entry.id);
    out[32..36].copy_from_slice(&[entry.kind, entry.codec, 0, 0]);
    out[36..40].copy_from_slice(&entry.raw_len.to_le_bytes());
    out[FRAME_HEAD..FRAME_HEAD + payload.len()].copy_from_slice(payload);
}

fn marker(a: u32, b: u32, check: [u8; 8]) -> [u8; MARKER] {
    let mut out = [0; MARKER];
    out[..4].copy_from_slice(&a.to_le_bytes());
    out[4..8].copy_from_slice(&b.to_le_bytes());
    out[8..].copy_from_slice(&check);
    out
}

fn seal_frame(keys: &ObjectKeys, ordinal: u32, frame: &mut [u8]) -> Result<()> {
    let mut mark = marker(ordinal, (frame.len() - MARKER) as u32, FRAME_CHECK);
    keys.mark(&mut mark)?;
    let (head, body) = frame.split_at_mut(MARKER);
    head.copy_from_slice(&mark);
    let tag_at = body.len() - TAG;
    let tag = keys.seal(ordinal, &mut body[..tag_at])?;
    body[tag_at..].copy_from_slice(&tag);
    Ok(())
}

/// The keys of a pack whose salt is known from elsewhere (idx, head or tail) and whose epoch is not: the first that opens a frame.
#[must_use]
pub fn keys_by_frame(ring: &KeyRing, salt: [u8; 32], frame: &[u8]) -> Option<ObjectKeys> {
    // A marker in clear reads well under every epoch: there only the tag tells them apart.
    let told_by_marker = ring.encrypted || ring.epoch == 0;
    let mut plain = Vec::new();
    ring.objects_of(Kind::Pack, salt).find(|keys| {
        read_marker(keys, frame).is_ok() && (told_by_marker || open_frame(keys, frame, &mut plain).is_ok())
    })
}

/// Ordinal and body length that a frame's marker says.
pub fn read_marker(keys: &ObjectKeys, frame: &[u8]) -> Result<(u32, u32)> {
    let mut mark = [0; MARKER];
    mark.copy_from_slice(frame.get(..MARKER).ok_or_else(|| Error::corrupt("A frame is cut short."))?);
    keys.find(&mut mark)?;
    if mark[8..] != FRAME_CHECK {
        return Err(Error::corrupt("A frame's marker is damaged."));
    }
    let word = |at: usize| u32::from_le_bytes([mark[at], mark[at + 1], mark[at + 2], mark[at + 3]]);
    Ok((word(0), word(4)))
}

/// A frame that was opened: its plaintext is authentic.
pub struct Frame {
    /// Chunk id as the writer stored it.
    pub id: ChunkId,
    /// [`FrameKind`] as stored.
    pub kind: u8,
    /// Codec as stored.
    pub codec: u8,
    /// Of the chunk.
    pub raw_len: u32,
}

/// Opens a whole frame into `plain`; the payload is `plain[FRAME_HEAD..]`.
pub fn open_frame(keys: &ObjectKeys, frame: &[u8], plain: &mut Vec<u8>) -> Result<Frame> {
    let (ordinal, length) = read_marker(keys, frame)?;
    if length as usize != frame.len() - MARKER {
        return Err(Error::corrupt("A frame has another length than its marker says."));
    }
    open_body(keys, ordinal, &frame[MARKER..], plain)
}

/// Opens a frame behind its marker.
pub fn open_body(keys: &ObjectKeys, ordinal: u32, body: &[u8], plain: &mut Vec<u8>) -> Result<Frame> {
    keys.open_into(ordinal, body, plain)?;
    let mut cursor = Cursor::new(plain);
    let (id, kind, codec) = (cursor.array()?, cursor.u8()?, cursor.u8()?);
    cursor.take(2)?;
    let raw_len = cursor.u32()?;
    if raw_len > limits::CHUNK && kind != FrameKind::Table as u8 {
        return Err(Error::corrupt("A frame's raw length is out of bounds."));
    }
    Ok(Frame { id, kind, codec, raw_len })
}

/// Keys of a whole pack from its head or tail, or from a salt that an idx knows.
#[must_use]
pub fn keys_of(ring: &KeyRing, pack: &[u8], idx_salt: Option<&[u8; 32]>) -> Option<ObjectKeys> {
    let ends = [pack.get(8..72), pack.len().checked_sub(72).and_then(|at| pack.get(at..at + 64))];
    for end in ends.into_iter().flatten() {
        let mut salt = [0; 32];
        salt.copy_from_slice(&end[..32]);
        if let Some(keys) = ring.object_for(Kind::Pack, &salt, "", &end[32..]) {
            return Some(keys);
        }
    }
    // Both commitments are damaged: a salt that the idx or one of the ends gives is right if some frame opens with it.
    let salts = [
        idx_salt.copied(),
        salt_at(pack.get(8..40)),
        salt_at(pack.len().checked_sub(72).and_then(|at| pack.get(at..at + 32))),
    ];
    salts
        .into_iter()
        .flatten()
        .flat_map(|salt| ring.objects_of(Kind::Pack, salt))
        .find(|keys| !super::scan::first_frame(keys, pack).is_empty())
}

fn salt_at(bytes: Option<&[u8]>) -> Option<[u8; 32]> {
    bytes?.try_into().ok()
}

/// The table at a pack's end. `CORRUPT` if it can't be read.
pub fn read_table(keys: &ObjectKeys, pack: &[u8]) -> Result<Vec<Entry>> {
    let bounds = || Error::corrupt("A pack's table is damaged.");
    let tail_at = pack.len().checked_sub(TAIL).ok_or_else(bounds)?;
    let mut pointer = [0; MARKER];
    pointer.copy_from_slice(&pack[tail_at..tail_at + MARKER]);
    keys.find(&mut pointer)?;
    if pointer[8..] != TABLE_CHECK {
        return Err(bounds());
    }
    let mut cursor = Cursor::new(&pointer);
    let (offset, length) = (cursor.u32()? as usize, cursor.u32()? as usize);
    let frame = pack.get(offset..).and_then(|rest| rest.get(..length)).ok_or_else(bounds)?;
    let mut plain = Vec::new();
    let head = open_frame(keys, frame, &mut plain)?;
    if head.kind != FrameKind::Table as u8 {
        return Err(bounds());
    }
    let mut cursor = Cursor::new(&plain[FRAME_HEAD..]);
    let count = cursor.u32()?;
    if count > limits::FRAMES || cursor.rest().len() != count as usize * ENTRY {
        return Err(bounds());
    }
    (0..count).map(|_| Entry::decode(&mut cursor, pack.len() as u64)).collect()
}
