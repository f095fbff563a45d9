//! Chunks and their places, sorted by id: a few immutable segments, found by the first bits of an id, which are as good as random.

use std::sync::Arc;

use super::Location;
use crate::crypto::ring::ChunkId;

/// A chunk at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Chunk id.
    pub id: ChunkId,
    /// Where it is.
    pub at: Location,
}

impl Row {
    fn key(&self) -> (&ChunkId, u32, u32) {
        (&self.id, self.at.pack, self.at.offset)
    }
}

/// Rows sorted by id, and where the rows of each leading bit pattern begin.
struct Segment {
    rows: Vec<Row>,
    shift: u32,
    starts: Vec<u32>,
}

/// Segments are put together while they have no more rows than this in all: more would need too much memory at once.
const LARGE: usize = 1 << 20;

impl Segment {
    fn new(mut rows: Vec<Row>) -> Self {
        rows.sort_by(|a, b| a.key().cmp(&b.key()));
        rows.dedup();
        // About eight rows a start; at least two starts, so that the shift is less than 32.
        let bits = (rows.len() / 8).max(2).ilog2().clamp(1, 22);
        let shift = 32 - bits;
        let mut starts = vec![0_u32; (1 << bits) + 1];
        for row in &rows {
            starts[(prefix(&row.id) >> shift) as usize + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        Self { rows, shift, starts }
    }

    /// Positions of the rows of an id.
    fn find(&self, id: &ChunkId) -> std::ops::Range<usize> {
        let slot = (prefix(id) >> self.shift) as usize;
        let (from, to) = (self.starts[slot] as usize, self.starts[slot + 1] as usize);
        let near = &self.rows[from..to];
        let first = near.partition_point(|row| row.id < *id);
        let count = near[first..].iter().take_while(|row| row.id == *id).count();
        from + first..from + first + count
    }
}

fn prefix(id: &ChunkId) -> u32 {
    u32::from_be_bytes([id[0], id[1], id[2], id[3]])
}

/// All rows. Cloning shares the segments.
#[derive(Clone, Default)]
pub struct Table {
    segments: Vec<Arc<Segment>>,
}

impl Table {
    /// Adds rows, in any order. Rows that are there already cost memory, not correctness.
    pub fn add(&mut self, rows: Vec<Row>) {
        if rows.is_empty() {
            return;
        }
        let mut newest = Segment::new(rows);
        // Of similar sizes only, so that each row is moved but a few times.
        while let Some(last) =
            self.segments.pop_if(|s| s.rows.len() <= 2 * newest.rows.len() && s.rows.len() + newest.rows.len() <= LARGE)
        {
            let mut rows = Vec::with_capacity(last.rows.len() + newest.rows.len());
            rows.extend_from_slice(&last.rows);
            rows.append(&mut newest.rows);
            newest = Segment::new(rows);
        }
        self.segments.push(Arc::new(newest));
    }

    /// Every place of an id; a place that was added twice may occur twice.
    pub fn places(&self, id: &ChunkId) -> impl Iterator<Item = &Location> {
        self.rows_of(id).map(|(_, row)| &row.at)
    }

    /// Every row of an id, with its number.
    pub fn rows_of(&self, id: &ChunkId) -> impl Iterator<Item = (usize, &Row)> {
        let mut base = 0;
        self.segments.iter().flat_map(move |segment| {
            let (first, found) = (base, segment.find(id));
            base += segment.rows.len();
            found.map(move |at| (first + at, &segment.rows[at]))
        })
    }

    /// The number of the first row of an id, less than [`Self::len`]: each id has one, which stays while nothing is added.
    #[must_use]
    pub fn ordinal(&self, id: &ChunkId) -> Option<usize> {
        self.rows_of(id).next().map(|(number, _)| number)
    }

    /// All rows, by number.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.segments.iter().flat_map(|s| s.rows.iter())
    }

    /// The row of a number.
    #[must_use]
    pub fn row(&self, mut number: usize) -> Option<&Row> {
        for segment in &self.segments {
            if let Some(row) = segment.rows.get(number) {
                return Some(row);
            }
            number -= segment.rows.len();
        }
        None
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.segments.iter().map(|s| s.rows.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }
}

/// Row numbers grouped by pack, each group by offset: 4 bytes a row.
pub struct ByPack {
    order: Vec<u32>,
    starts: Vec<u32>,
}

impl ByPack {
    /// Groups the rows of a table of `packs` packs.
    #[must_use]
    pub fn new(table: &Table, packs: usize) -> Self {
        let mut starts = vec![0_u32; packs + 1];
        for row in table.rows() {
            starts[row.at.pack as usize + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut order = vec![0_u32; table.len()];
        for (number, row) in table.rows().enumerate() {
            let place = &mut next[row.at.pack as usize];
            order[*place as usize] = number as u32;
            *place += 1;
        }
        let offset = |number: &u32| table.row(*number as usize).map(|row| row.at.offset);
        for pack in 0..packs {
            order[starts[pack] as usize..starts[pack + 1] as usize].sort_by_key(offset);
        }
        Self { order, starts }
    }

    /// Row numbers of a pack, by offset.
    #[must_use]
    pub fn of(&self, pack: u32) -> &[u32] {
        &self.order[self.starts[pack as usize] as usize..self.starts[pack as usize + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(i: u32) -> Row {
        let id = crate::crypto::sha256(&(i / 2).to_le_bytes());
        Row { id, at: Location { pack: i % 7, offset: i, length: 1, raw_len: 1, kind: 1, codec: 0 } }
    }

    #[test]
    fn every_row_is_found_whatever_the_segments() {
        for step in [1, 10, 997] {
            let mut table = Table::default();
            let rows: Vec<Row> = (0..3_000).map(row).collect();
            rows.chunks(step).for_each(|part| table.add(part.to_vec()));
            assert!(table.segments.len() <= 12, "{}", table.segments.len());
            assert_eq!(table.len(), 3_000);
            for wanted in &rows {
                assert_eq!(table.places(&wanted.id).count(), 2);
                assert!(table.places(&wanted.id).any(|at| *at == wanted.at));
                assert_eq!(table.rows_of(&wanted.id).count(), 2);
                assert!(table.rows_of(&wanted.id).all(|(number, row)| table.row(number) == Some(row)));
                let ordinal = table.ordinal(&wanted.id).unwrap();
                assert_eq!(table.row(ordinal).unwrap().id, wanted.id);
            }
            assert_eq!(table.places(&[0; 32]).count(), 0);
            let by_pack = ByPack::new(&table, 7);
            for pack in 0..7 {
                let offsets: Vec<u32> =
                    by_pack.of(pack).iter().map(|n| table.row(*n as usize).unwrap().at.offset).collect();
                assert_eq!(offsets, (0..3_000).filter(|i| i % 7 == pack).collect::<Vec<_>>());
            }
        }
    }
}
