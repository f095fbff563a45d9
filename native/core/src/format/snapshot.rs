//! Snapshots and holds (docs/format.md §13).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::limits;
use super::{names, record};
use crate::crypto::ring::ChunkId;
use crate::error::{Code, Error, Result};

/// One item of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// A label, unique in the snapshot.
    pub name: String,
    /// Free text.
    #[serde(rename = "type")]
    pub label: String,
    /// 0: a byte stream.
    pub kind: u32,
    /// Bytes.
    pub size: u64,
    /// References to data chunks.
    pub chunk_count: u64,
    /// Chunk id of the root list chunk, hex.
    pub root: String,
    /// Of the bytes, hex, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Item {
    /// The root's chunk id.
    pub fn root_id(&self) -> Result<ChunkId> {
        names::hash(&self.root).ok_or_else(|| Error::corrupt("An item's root is not a chunk id."))
    }
}

/// One backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// 1.
    pub version: u32,
    /// 32 hex.
    pub id: String,
    /// RFC 3339.
    pub created_at: String,
    /// Names and values.
    pub tags: BTreeMap<String, String>,
    /// Bytes of all items.
    pub original_size: u64,
    /// Bytes that the backup added to packs.
    pub stored_size: u64,
    /// References to data chunks.
    pub chunk_count: u64,
    /// Those that were stored by this backup.
    pub new_chunks: u64,
    /// Those that were there.
    pub reused_chunks: u64,
    /// In the order in which they were given.
    pub items: Vec<Item>,
    /// Name and version of the engine that wrote it.
    pub engine: String,
    /// Required features (§17).
    #[serde(default)]
    pub features: Vec<String>,
}

impl Snapshot {
    /// The body.
    pub fn encode(&self) -> Result<Vec<u8>> {
        record::to_json(self)
    }

    /// Reads the body of the snapshot with this id.
    pub fn decode(name: &str, id: &[u8; 16], body: &[u8]) -> Result<Self> {
        let snapshot: Self = record::json(name, body)?;
        if snapshot.version != 1 || !snapshot.features.is_empty() || snapshot.items.iter().any(|i| i.kind != 0) {
            return Err(Error::new(Code::FormatTooNew, format!("{name} needs a newer packvault.")).with("key", name));
        }
        let labels = snapshot.items.iter().map(|i| (i.name.as_str(), i.label.as_str()));
        if snapshot.id != hex::encode(id) || check_labels(labels, &snapshot.tags).is_err() {
            return Err(Error::corrupt(format!("{name} contradicts itself.")).with("key", name));
        }
        Ok(snapshot)
    }
}

/// Refuses names, types and tags that the format can't hold.
pub fn check_labels<'a>(
    items: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    tags: &BTreeMap<String, String>,
) -> Result<()> {
    if items.len() == 0 || items.len() > limits::ITEMS {
        return Err(Error::invalid("A snapshot has 1 to 65,536 items."));
    }
    let mut seen = BTreeSet::new();
    for (name, kind) in items {
        if name.is_empty() || name.len() > limits::ITEM_NAME || name.contains('\0') || kind.len() > limits::TAG {
            return Err(Error::invalid(
                "An item's name is 1 to 65,535 bytes without NUL, its type at most 4,096 bytes.",
            ));
        }
        if !seen.insert(name) {
            return Err(Error::invalid(format!("Two items have the name {name:?}.")));
        }
    }
    if tags.len() > limits::TAGS || tags.iter().any(|(k, v)| k.len() > limits::TAG || v.len() > limits::TAG) {
        return Err(Error::invalid("A snapshot has at most 1,024 tags of at most 4,096 bytes."));
    }
    Ok(())
}

/// What a running backup relies on, or what a restore reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// 1.
    pub version: u32,
    /// 32 hex, as in its name.
    pub id: String,
    /// List chunks whose content is needed, hex.
    pub roots: Vec<String>,
    /// Packs, hex.
    pub packs: Vec<String>,
}

/// An advisory entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    /// 1.
    pub version: u32,
    /// 32 hex.
    pub id: String,
    /// Machine.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// What it does.
    pub verb: String,
    /// RFC 3339.
    pub since: String,
    /// RFC 3339.
    pub refreshed_at: String,
}
