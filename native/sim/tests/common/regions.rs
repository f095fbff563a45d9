//! Where the fields of each kind of object stand (docs/format.md), for damage that aims.

use std::ops::Range;

use packvault_core::format::{pack, parity};
use packvault_core::verbs::Repository;

/// A kind of stored object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Config,
    Key,
    Pack,
    Idx,
    Parity,
    Snapshot,
    Condemn,
    Checkpoint,
    Lock,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Config,
        Self::Key,
        Self::Pack,
        Self::Idx,
        Self::Parity,
        Self::Snapshot,
        Self::Condemn,
        Self::Checkpoint,
        Self::Lock,
    ];

    /// The kind of an object, by its name.
    pub fn of(key: &str) -> Option<Self> {
        let prefixes = [
            ("config", Self::Config),
            ("keys/", Self::Key),
            ("packs/data/", Self::Pack),
            ("packs/parity/", Self::Parity),
            ("index/", Self::Idx),
            ("snapshots/", Self::Snapshot),
            ("locks/", Self::Lock),
        ];
        if let Some((_, kind)) = prefixes.iter().find(|(prefix, _)| key.starts_with(prefix)) {
            return Some(*kind);
        }
        let gc = key.strip_prefix("gc/")?;
        Some(if gc.contains("checkpoint") { Self::Checkpoint } else { Self::Condemn })
    }

    /// Whether it exists twice.
    pub fn twice(self) -> bool {
        matches!(self, Self::Config | Self::Key | Self::Snapshot | Self::Condemn | Self::Checkpoint)
    }
}

/// A field and where it stands.
pub type Region = (&'static str, Range<usize>);

/// Every field of an object.
pub fn regions(repo: &Repository, kind: Kind, bytes: &[u8]) -> Vec<Region> {
    match kind {
        Kind::Config => {
            text(bytes, &["\"packvault\"", "\"id\"", "\"revision\"", "\"packSize\"", "\"parity\"", "\"tag\""])
        }
        Kind::Key => text(
            bytes,
            &[
                "\"packvault-key\"",
                "\"id\"",
                "\"repository\"",
                "\"kdf\"",
                "\"sealed\"",
                "\"commitment\"",
                "\"checksum\"",
            ],
        ),
        Kind::Pack => pack_regions(repo, bytes),
        Kind::Parity => parity_regions(bytes),
        _ => record_regions(bytes.len()),
    }
}

/// JSON: the value of each member, and what ends the line.
fn text(bytes: &[u8], members: &[&'static str]) -> Vec<Region> {
    let whole = std::str::from_utf8(bytes).unwrap();
    let mut out: Vec<Region> = members
        .iter()
        .map(|member| {
            let at = whole.find(member).unwrap() + member.len() + 1;
            (*member, at..(at + 8).min(bytes.len() - 3))
        })
        .collect();
    out.push(("end", bytes.len() - 3..bytes.len()));
    out
}

fn record_regions(len: usize) -> Vec<Region> {
    vec![
        ("magic", 0..8),
        ("salt", 8..40),
        ("commitment", 40..72),
        ("codec", 72..73),
        ("raw length", 76..80),
        ("body", 80..len - 16),
        ("tag", len - 16..len),
    ]
}

fn pack_regions(repo: &Repository, bytes: &[u8]) -> Vec<Region> {
    let keys = pack::keys_of(&repo.ring, bytes, None).unwrap();
    let entries = pack::read_table(&keys, bytes).unwrap();
    let (first, middle) = (entries[0], entries[entries.len() / 2]);
    let last = entries.last().unwrap();
    let table = (last.offset + last.length) as usize;
    let (len, at) = (bytes.len(), |entry: &pack::Entry| entry.offset as usize);
    vec![
        ("magic", 0..8),
        ("salt", 8..40),
        ("commitment", 40..72),
        ("marker", 72..88),
        ("frame", 88..at(&first) + first.length as usize - 16),
        ("frame's tag", at(&first) + first.length as usize - 16..at(&first) + first.length as usize),
        ("middle marker", at(&middle)..at(&middle) + 16),
        ("middle frame", at(&middle) + 16..at(&middle) + middle.length as usize),
        ("frames", 2_000..len / 2),
        ("table's marker", table..table + 16),
        ("table", table + 16..len - 104),
        ("table's tag", len - 104..len - 88),
        ("pointer", len - 88..len - 72),
        ("tail salt", len - 72..len - 40),
        ("tail commitment", len - 40..len - 8),
        ("tail magic", len - 8..len),
    ]
}

fn parity_regions(bytes: &[u8]) -> Vec<Region> {
    let len = bytes.len();
    let tail = &bytes[len - parity::TAIL..];
    let description = parity::description_len(tail, len as u64).unwrap() as usize;
    let from = len - parity::TAIL - description;
    vec![
        ("magic", 0..8),
        ("salt", 8..40),
        ("commitment", 40..72),
        ("shard", 72..72 + 1_000),
        ("shard's end", from - 9..from),
        ("description", from..from + description - 16),
        ("tag", from + description - 16..from + description),
        ("description length", len - 80..len - 72),
        ("tail salt", len - 72..len - 40),
        ("tail commitment", len - 40..len - 8),
        ("tail magic", len - 8..len),
    ]
}
