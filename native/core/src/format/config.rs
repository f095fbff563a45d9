//! `config.json` (docs/format.md §4).

use serde::{Deserialize, Serialize};

use super::{VERSION, limits, names};
use crate::chunk::cutter::Params;
use crate::crypto::{equal, hmac_sha256, ring::KeyRing};
use crate::error::{Code, Error, Result};

/// Hash of chunk ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChunkIdKind {
    /// BLAKE3.
    Blake3,
    /// SHA-256, keyed as HMAC.
    Sha256,
}

/// Codec of new chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodecName {
    /// Zstandard.
    Zstd,
    /// Raw deflate.
    Gzip,
    /// Stored as is.
    None,
}

/// Codec and level of new chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compression {
    /// Codec.
    pub codec: CodecName,
    /// Its level: zstd −7 to 22, gzip 1 to 12.
    pub level: i32,
}

/// Chunk sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunking {
    /// No chunk but an item's last is shorter.
    pub min: u32,
    /// Nominal; the mean is a little longer.
    pub average: u32,
    /// No chunk is longer.
    pub max: u32,
}

/// Parity groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParityScheme {
    /// Packs of a group, 1 to 64.
    pub data: u8,
    /// Parity objects of a group, 1 to 8.
    pub parity: u8,
}

/// What init found out about the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Of racing creates one wins.
    pub exclusive_create: bool,
}

/// Features that a reader must know, or may ignore (§17).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Unknown ones are refused.
    pub required: Vec<String>,
    /// Unknown ones are ignored.
    pub optional: Vec<String>,
}

/// How a repository works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Format version.
    pub packvault: u32,
    /// Repository id, 32 hex.
    pub id: String,
    /// Raised when a replica is promoted.
    pub epoch: u32,
    /// Raised with every change of config.
    pub revision: u32,
    /// RFC 3339.
    pub created_at: String,
    /// `aes-256-gcm` or `none`.
    pub encryption: String,
    /// Hash of chunk ids.
    pub chunk_id: ChunkIdKind,
    /// Chunk sizes.
    pub chunking: Chunking,
    /// Codec of new chunks.
    pub compression: Compression,
    /// Target size of packs, bytes.
    pub pack_size: u32,
    /// Parity groups; none: off.
    pub parity: Option<ParityScheme>,
    /// What the store can do.
    pub capabilities: Capabilities,
    /// Features of this repository.
    pub features: Features,
}

/// Only what tells the version: read first, so that a newer or older config is not called corrupt.
#[derive(Deserialize)]
struct Version {
    packvault: u32,
    #[serde(default)]
    features: Features,
}

const SUFFIX: &[u8] = b",\"tag\":\"";

impl Config {
    /// Whether chunks and records are encrypted.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        self.encryption != "none"
    }

    /// Repository id.
    pub fn id16(&self) -> Result<[u8; 16]> {
        names::id16(&self.id)
    }

    /// Parameters of the chunker.
    #[must_use]
    pub fn chunk_params(&self) -> Params {
        Params {
            min: self.chunking.min as usize,
            average: self.chunking.average as usize,
            max: self.chunking.max as usize,
        }
    }

    /// The bytes to store.
    pub fn encode(&self, ring: &KeyRing) -> Result<Vec<u8>> {
        let mut out = serde_json::to_vec(self).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
        out.pop();
        let tag = tag(ring, &out);
        out.extend_from_slice(SUFFIX);
        out.extend_from_slice(hex::encode(tag).as_bytes());
        out.extend_from_slice(b"\"}\n");
        Ok(out)
    }

    /// Reads config without authenticating it: what is in it is needed to find the key.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::corrupt("config.json is damaged.").with("key", names::CONFIG);
        let version: Version =
            serde_json::from_slice(bytes).map_err(|_| if is_foreign(bytes) { foreign() } else { damaged() })?;
        if version.packvault > VERSION || !version.features.required.is_empty() {
            return Err(Error::new(
                Code::FormatTooNew,
                format!(
                    "This repository needs a newer packvault (format {}, features {:?}). Nothing was changed.",
                    version.packvault, version.features.required
                ),
            ));
        }
        if version.packvault < VERSION {
            return Err(Error::new(
                Code::FormatTooOld,
                "This repository was written by a pre-release of the format, which this packvault does not read. Nothing was changed.",
            ));
        }
        let config: Self = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        config.check().map_err(|_| damaged())?;
        Ok(config)
    }

    /// Whether the tag is this key's.
    #[must_use]
    pub fn authentic(bytes: &[u8], ring: &KeyRing) -> bool {
        let Some(at) = bytes.len().checked_sub(SUFFIX.len() + 64 + 3) else { return false };
        let (head, tail) = bytes.split_at(at);
        let Some(tail) = tail.strip_prefix(SUFFIX).and_then(|t| t.strip_suffix(b"\"}\n")) else { return false };
        equal(tail, hex::encode(tag(ring, head)).as_bytes())
    }

    /// Refuses values that no engine writes.
    pub fn check(&self) -> Result<()> {
        names::id16(&self.id)?;
        self.chunk_params().check()?;
        if !["none", "aes-256-gcm"].contains(&self.encryption.as_str()) {
            return Err(Error::invalid("config: unknown encryption"));
        }
        let level = self.compression.level;
        let level_fits = match self.compression.codec {
            CodecName::Zstd => (-7..=22).contains(&level) && level != 0,
            CodecName::Gzip => (1..=12).contains(&level),
            CodecName::None => true,
        };
        if !level_fits {
            return Err(Error::invalid("compression level: zstd takes -7 to 22 but 0, gzip 1 to 12."));
        }
        if u64::from(self.pack_size) > limits::PACK / 4 || self.pack_size < 64 << 10 {
            return Err(Error::invalid("packSize must be 64 KiB to 256 MiB."));
        }
        if let Some(scheme) = self.parity
            && (!(1..=64).contains(&scheme.data) || !(1..=8).contains(&scheme.parity))
        {
            return Err(Error::invalid("parity: data must be 1 to 64, parity 1 to 8."));
        }
        if self.epoch > limits::EPOCH {
            return Err(Error::corrupt("config: the epoch is out of bounds"));
        }
        Ok(())
    }
}

/// Whether this is somebody else's JSON, of which there is much under this name.
fn is_foreign(bytes: &[u8]) -> bool {
    let parsed = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes);
    parsed.is_ok_and(|members| !members.is_empty() && !members.contains_key("packvault"))
}

fn foreign() -> Error {
    Error::new(
        Code::NotARepository,
        "There is no packvault repository here: config.json is another program's. Nothing was changed. Choose another place.",
    )
    .with("key", names::CONFIG)
}

fn tag(ring: &KeyRing, head: &[u8]) -> [u8; 32] {
    let mut key = zeroize::Zeroizing::new([0_u8; 32]);
    ring.sub("config", key.as_mut());
    hmac_sha256(key.as_slice(), &[head])
}
