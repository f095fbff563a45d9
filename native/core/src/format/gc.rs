//! Condemn and checkpoint records (docs/format.md §14).

use serde::{Deserialize, Serialize};

use super::{Cursor, names, record};
use crate::crypto::sha256;
use crate::error::{Error, Result};

/// What is never removed of a round's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// 1.
    pub version: u32,
    /// `condemn` or `checkpoint`.
    pub kind: String,
    /// n.
    pub round: u64,
    /// SHA-256 of the header of checkpoint n − 1, hex; zeros for the first.
    pub previous: String,
    /// SHA-256 of the rest, hex.
    pub rest: String,
}

/// What a round wants to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condemn {
    /// Packs, hex.
    pub packs: Vec<String>,
    /// Parity objects, hex.
    pub parity: Vec<String>,
    /// Snapshot ids.
    pub forgotten: Vec<String>,
}

/// An object that a checkpoint vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Logical name.
    pub key: String,
    /// Of the object as stored, hex.
    pub sha256: String,
    /// Effective time of a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// Packs and parity objects that a round deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Packs, hex.
    pub packs: Vec<String>,
    /// Parity objects, hex.
    pub parity: Vec<String>,
}

/// What a round decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Snapshots in force of its generation and before.
    pub snapshots: Vec<Listed>,
    /// idx in force of its generation and before.
    pub idx: Vec<Listed>,
    /// What is deleted.
    pub deleted: Deleted,
    /// Snapshot ids that were forgotten.
    pub forgotten: Vec<String>,
    /// Objects of `packs/` that no idx in force named: a later round may delete them.
    #[serde(default)]
    pub orphans: Deleted,
}

/// A gc record as read.
#[derive(Clone, Debug)]
pub struct GcRecord {
    /// Its header.
    pub header: Header,
    /// SHA-256 of the header's bytes: the next checkpoint's `previous`.
    pub hash: [u8; 32],
    /// JSON; none once it was dropped.
    pub rest: Option<Vec<u8>>,
}

impl GcRecord {
    /// SHA-256 of the header of the checkpoint before it; zeros for the first.
    pub fn previous(&self) -> Result<[u8; 32]> {
        names::hash(&self.header.previous).ok_or_else(|| {
            Error::corrupt(format!("The record of round {} names no hash of the one before.", self.header.round))
        })
    }
}

/// Body of a gc record.
pub fn encode<T: Serialize>(kind: &str, round: u64, previous: &[u8; 32], rest: &T) -> Result<Vec<u8>> {
    let rest = record::to_json(rest)?;
    let header = Header {
        version: 1,
        kind: kind.to_owned(),
        round,
        previous: hex::encode(previous),
        rest: hex::encode(sha256(&rest)),
    };
    let mut body = head(&header)?;
    body.extend_from_slice(&rest);
    Ok(body)
}

/// Body of a gc record whose rest was dropped: a length of four bytes, and the header.
pub fn head(header: &Header) -> Result<Vec<u8>> {
    let header = record::to_json(header)?;
    Ok([(header.len() as u32).to_le_bytes().as_slice(), &header].concat())
}

/// Reads the body of the record of this kind and round.
pub fn decode(kind: &str, round: u64, body: &[u8]) -> Result<GcRecord> {
    let wrong = || Error::corrupt(format!("The {kind} record of round {round} contradicts itself."));
    let mut cursor = Cursor::new(body);
    let len = cursor.u32()? as usize;
    let bytes = cursor.take(len)?;
    let header: Header = record::json(kind, bytes)?;
    if header.kind != kind || header.round != round || header.version != 1 {
        return Err(wrong());
    }
    let rest = cursor.rest();
    if !rest.is_empty() && names::hash(&header.rest) != Some(sha256(rest)) {
        return Err(wrong());
    }
    Ok(GcRecord { header, hash: sha256(bytes), rest: (!rest.is_empty()).then(|| rest.to_vec()) })
}
