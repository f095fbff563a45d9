//! The gear hash (Xia et al., "Ddelta", 2014): h ← 2h + table\[byte\] over 64 bits, so that it depends on the last 64 bytes only.

/// Bytes that the hash depends on.
pub const WINDOW: usize = 64;

/// The table from its stored form: 256 little-endian `u64`.
#[must_use]
pub fn table_from_bytes(bytes: &[u8; 2048]) -> [u64; 256] {
    let mut table = [0; 256];
    for (entry, bytes) in table.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *entry = u64::from_le_bytes(*bytes);
    }
    table
}

/// The smallest `p` in `from..to` whose hash over `data[p - 64..p]` has no bit of `mask` set: the reference that every
/// faster kernel must equal. `64 <= from`, `to <= data.len() + 1`.
#[must_use]
pub fn scan(table: &[u64; 256], data: &[u8], from: usize, to: usize, mask: u64) -> Option<usize> {
    if from >= to {
        return None;
    }
    let step = |hash: u64, byte: u8| (hash << 1).wrapping_add(table[usize::from(byte)]);
    let mut hash = data[from - WINDOW..from].iter().fold(0, |hash, &byte| step(hash, byte));
    if hash & mask == 0 {
        return Some(from);
    }
    for (at, &byte) in data[from..to - 1].iter().enumerate() {
        hash = step(hash, byte);
        if hash & mask == 0 {
            return Some(from + at + 1);
        }
    }
    None
}
