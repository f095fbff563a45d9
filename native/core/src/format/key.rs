//! Key files (docs/format.md §5).

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::names;
use crate::crypto::{equal, hmac_sha256, kdf, seal, sha256};
use crate::error::{Code, Error, Result};
use crate::verbs::{KdfCost, KeyInfo};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kdf {
    name: String,
    memory_ki_b: u32,
    iterations: u32,
    parallelism: u32,
    salt: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(rename = "packvault-key")]
    version: u32,
    id: String,
    repository: String,
    label: String,
    created_at: String,
    kdf: Kdf,
    wrap: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Tail {
    sealed: String,
    commitment: String,
}

/// One key file that was read and is not damaged.
pub struct KeyFile {
    head: Head,
    head_len: usize,
    bytes: Vec<u8>,
    tail: Tail,
}

/// What a new key file says.
pub struct NewKey<'a> {
    /// Its id, random.
    pub id: [u8; 16],
    /// Of the repository.
    pub repository: [u8; 16],
    /// For people.
    pub label: &'a str,
    /// RFC 3339.
    pub created_at: String,
    /// Fresh randomness for the salt.
    pub random: [u8; 32],
    /// Cost of the derivation.
    pub cost: KdfCost,
}

const SEALED: &str = ",\"sealed\":\"";
const CHECKSUM: &str = ",\"checksum\":\"";

impl KeyFile {
    /// Wraps the master key under a passphrase and returns the bytes to store. `salt_key` is `sub("salt", 32)`.
    pub fn create(new: &NewKey, passphrase: &[u8], master: &[u8; 32], salt_key: &[u8; 32]) -> Result<Vec<u8>> {
        kdf::check_write(new.cost)?;
        let id = hex::encode(new.id);
        let salt = hmac_sha256(
            salt_key,
            &[b"key", &new.random, id.as_bytes(), new.label.as_bytes(), new.created_at.as_bytes()],
        );
        let head = Head {
            version: 1,
            id,
            repository: hex::encode(new.repository),
            label: new.label.to_owned(),
            created_at: new.created_at.clone(),
            kdf: Kdf {
                name: "argon2id".into(),
                memory_ki_b: new.cost.memory_ki_b,
                iterations: new.cost.iterations,
                parallelism: new.cost.parallelism,
                salt: hex::encode(salt),
            },
            wrap: None,
        };
        let mut text = serde_json::to_string(&head).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
        text.pop();
        let keys = kdf::derive(passphrase, &salt, new.cost)?;
        let sealed = seal::wrap(&keys.wrap, text.as_bytes(), master)?;
        text += SEALED;
        text += &hex::encode(sealed);
        text += "\",\"commitment\":\"";
        text += &hex::encode(keys.commitment);
        text += "\"";
        let checksum = sha256(text.as_bytes());
        text += CHECKSUM;
        text += &hex::encode(checksum);
        text += "\"}\n";
        Ok(text.into_bytes())
    }

    /// Reads a key file. `CORRUPT` if it is damaged, `FORMAT_TOO_NEW` if it is wrapped in a way that this engine does not know.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::corrupt("A key file is damaged.");
        let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
        let body = text.rfind(CHECKSUM).ok_or_else(damaged)?;
        let stored = text[body + CHECKSUM.len()..].strip_suffix("\"}\n").and_then(names::hash).ok_or_else(damaged)?;
        if !equal(&stored, &sha256(&bytes[..body])) {
            return Err(damaged());
        }
        let head: Head = serde_json::from_str(text).map_err(|_| damaged())?;
        if head.version != 1 || head.wrap.is_some() || head.kdf.name != "argon2id" {
            return Err(Error::new(Code::FormatTooNew, "A key file needs a newer packvault."));
        }
        let tail: Tail = serde_json::from_str(text).map_err(|_| damaged())?;
        let head_len = text.find(SEALED).ok_or_else(damaged)?;
        Ok(Self { head, head_len, bytes: bytes.to_vec(), tail })
    }

    /// The master key, or `None` if the passphrase is not this file's.
    pub fn open(&self, passphrase: &[u8]) -> Result<Option<Zeroizing<[u8; 32]>>> {
        let damaged = || Error::corrupt("A key file is damaged.");
        let kdf = &self.head.kdf;
        let cost = KdfCost { memory_ki_b: kdf.memory_ki_b, iterations: kdf.iterations, parallelism: kdf.parallelism };
        kdf::check_read(cost)?;
        let salt = names::hash(&kdf.salt).ok_or_else(damaged)?;
        let keys = kdf::derive(passphrase, &salt, cost)?;
        let commitment = names::hash(&self.tail.commitment).ok_or_else(damaged)?;
        if !equal(&keys.commitment, &commitment) {
            return Ok(None);
        }
        let sealed: [u8; 48] =
            hex::decode(&self.tail.sealed).ok().and_then(|b| b.try_into().ok()).ok_or_else(damaged)?;
        seal::unwrap(&keys.wrap, &self.bytes[..self.head_len], &sealed).map(Some)
    }

    /// The bytes as stored.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The repository that it belongs to, 32 hex.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.head.repository
    }

    /// Whether these are the costs that it was made with.
    #[must_use]
    pub fn cost(&self) -> KdfCost {
        let kdf = &self.head.kdf;
        KdfCost { memory_ki_b: kdf.memory_ki_b, iterations: kdf.iterations, parallelism: kdf.parallelism }
    }

    /// What a list shows.
    #[must_use]
    pub fn info(&self) -> KeyInfo {
        KeyInfo { id: self.head.id.clone(), label: self.head.label.clone(), created_at: self.head.created_at.clone() }
    }
}
