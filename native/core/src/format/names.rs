//! Names of objects (docs/format.md §2).

use crate::error::{Error, Result};

/// How this repository works.
pub const CONFIG: &str = "config.json";
/// Its copy.
pub const CONFIG_COPY: &str = "config.copy.json";
/// Suffixes of what exists twice.
pub const COPIES: [&str; 2] = [".a", ".b"];

/// Name of a pack.
#[must_use]
pub fn pack(name: &[u8; 32]) -> String {
    let hex = hex::encode(name);
    format!("packs/data/{}/{hex}.pack", &hex[..2])
}

/// Name of a parity object.
#[must_use]
pub fn parity(name: &[u8; 32]) -> String {
    let hex = hex::encode(name);
    format!("packs/parity/{}/{hex}.par", &hex[..2])
}

/// The hash in the name of a pack.
#[must_use]
pub fn parse_pack(key: &str) -> Option<[u8; 32]> {
    let name = hash(key.strip_prefix("packs/data/")?.get(3..)?.strip_suffix(".pack")?)?;
    (pack(&name) == key).then_some(name)
}

/// The hash in the name of a parity object.
#[must_use]
pub fn parse_parity(key: &str) -> Option<[u8; 32]> {
    let name = hash(key.strip_prefix("packs/parity/")?.get(3..)?.strip_suffix(".par")?)?;
    (parity(&name) == key).then_some(name)
}

/// Logical name of a snapshot, without its copy's suffix.
#[must_use]
pub fn snapshot(generation: u64, id: &[u8; 16]) -> String {
    format!("snapshots/{generation:016}-{}", hex::encode(id))
}

/// Name of a hold.
#[must_use]
pub fn hold(generation: u64, id: &[u8; 16]) -> String {
    format!("{}.hold", snapshot(generation, id))
}

/// Name of an idx.
#[must_use]
pub fn idx(generation: u64, random: &[u8; 16]) -> String {
    format!("index/{generation:016}-{}.idx", hex::encode(random))
}

/// Logical name of a condemn record.
#[must_use]
pub fn condemn(round: u64) -> String {
    format!("gc/{round:016}.condemn")
}

/// Logical name of a checkpoint record.
#[must_use]
pub fn checkpoint(round: u64) -> String {
    format!("gc/{round:016}.checkpoint")
}

/// Logical name of a key file.
#[must_use]
pub fn key(id: &str) -> String {
    format!("keys/{id}")
}

/// Name of an advisory entry.
#[must_use]
pub fn lock(id: &[u8; 16]) -> String {
    format!("locks/{}", hex::encode(id))
}

/// A key of `snapshots/` or `index/`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generational {
    /// Its generation.
    pub generation: u64,
    /// Its random part.
    pub id: [u8; 16],
    /// Logical name.
    pub name: String,
    /// What follows: `.a`, `.b`, `.hold`, `.idx`.
    pub suffix: &'static str,
}

/// Takes `folder/<generation>-<32 hex><suffix>` apart, for one of the suffixes.
#[must_use]
pub fn parse_generational(folder: &str, key: &str, suffixes: &[&'static str]) -> Option<Generational> {
    let rest = key.strip_prefix(folder)?.strip_prefix('/')?;
    let (generation, rest) = rest.split_once('-')?;
    let id: [u8; 16] = bytes(rest.get(..32)?)?;
    let suffix = suffixes.iter().find(|s| **s == &rest[32..])?;
    let name = if COPIES.contains(suffix) { key.strip_suffix(suffix)? } else { key };
    Some(Generational { generation: number(generation)?, id, name: name.to_owned(), suffix })
}

/// A key of `gc/`: round, whether it is a checkpoint, suffix.
#[must_use]
pub fn parse_gc(key: &str) -> Option<(u64, bool, &'static str)> {
    let mut parts = key.strip_prefix("gc/")?.splitn(3, '.');
    let round = number(parts.next()?)?;
    let checkpoint = match parts.next()? {
        "condemn" => false,
        "checkpoint" => true,
        _ => return None,
    };
    let suffix = match parts.next()? {
        "a" => ".a",
        "b" => ".b",
        _ => return None,
    };
    Some((round, checkpoint, suffix))
}

/// 32 hex digits.
pub fn id16(hex: &str) -> Result<[u8; 16]> {
    bytes(hex).ok_or_else(|| Error::corrupt("An id is not 32 hex digits."))
}

/// 64 hex digits.
#[must_use]
pub fn hash(hex: &str) -> Option<[u8; 32]> {
    bytes(hex)
}

/// Lower case only (§1): other digits would be another way to write the same.
fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let lower = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    hex::decode(hex).ok().filter(|_| lower)?.try_into().ok()
}

fn number(digits: &str) -> Option<u64> {
    (digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}
