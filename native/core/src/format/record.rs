//! The envelope of idx, snapshots, holds, gc records and locks (docs/format.md §7).

use super::{Kind, limits};
use crate::codec::{self, Decoder};
use crate::crypto::ring::{KeyRing, SaltMaker};
use crate::crypto::seal::TAG;
use crate::error::{Code, Error, Result};

const MAGIC: &[u8; 8] = b"PVLTRECD";
const HEAD: usize = 8 + 32 + 32;
const PREFIX: usize = 8;

/// Most bytes that a record of this kind may have as stored.
#[must_use]
pub fn max_stored(kind: Kind) -> u64 {
    u64::from(max_raw(kind)) + (HEAD + PREFIX + TAG) as u64 + (1 << 20)
}

fn max_raw(kind: Kind) -> u32 {
    match kind {
        Kind::Condemn | Kind::Checkpoint => limits::GC,
        Kind::Lock => 1 << 20,
        _ => limits::RECORD,
    }
}

/// Seals a body under its logical name. `random` is fresh.
pub fn seal(
    ring: &KeyRing,
    kind: Kind,
    name: &str,
    generation: u64,
    random: &[u8; 32],
    body: &[u8],
) -> Result<Vec<u8>> {
    if body.len() as u64 > u64::from(max_raw(kind)) {
        return Err(Error::invalid(format!("{name} would be larger than the format allows. Nothing was stored.")));
    }
    let (codec, payload) = codec::compress_record(body)?;
    let mut plain = vec![codec as u8, 0, 0, 0];
    plain.extend_from_slice(&(body.len() as u32).to_le_bytes());
    plain.extend_from_slice(&payload);
    let mut salt = SaltMaker::new(ring, kind, random, generation);
    salt.update(name.as_bytes());
    salt.update(&plain);
    let keys = ring.object(kind, &salt.finish(), name);
    let tag = keys.seal(0, &mut plain)?;
    Ok([MAGIC.as_slice(), keys.salt(), &keys.commitment, &plain, &tag].concat())
}

/// Opens a record that was stored under this logical name.
pub fn open(ring: &KeyRing, kind: Kind, name: &str, stored: &[u8]) -> Result<Vec<u8>> {
    inner(ring, kind, name, stored).map_err(|e| e.with("key", name))
}

fn inner(ring: &KeyRing, kind: Kind, name: &str, stored: &[u8]) -> Result<Vec<u8>> {
    let damaged = || Error::corrupt(format!("{name} is damaged."));
    if stored.len() < HEAD + PREFIX + TAG || !stored.starts_with(MAGIC) {
        return Err(damaged());
    }
    let mut salt = [0; 32];
    salt.copy_from_slice(&stored[8..40]);
    let keys = ring.object_for(kind, &salt, name, &stored[40..72]).ok_or_else(|| {
        Error::corrupt(format!("{name} is damaged, or belongs to another name or another repository."))
    })?;
    let plain = keys.open(0, &stored[HEAD..]).map_err(|_| damaged())?;
    let raw_len = u32::from_le_bytes([plain[4], plain[5], plain[6], plain[7]]);
    if raw_len > max_raw(kind) {
        return Err(Error::corrupt(format!("{name} is larger than the format allows.")));
    }
    let mut body = Vec::new();
    Decoder::default().decode(plain[0], &plain[PREFIX..], raw_len, &mut body).map_err(|_| damaged())?;
    Ok(body)
}

/// Parses the JSON body of a record.
pub fn json<T: serde::de::DeserializeOwned>(name: &str, body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|_| Error::corrupt(format!("{name} has a body that can't be read.")).with("key", name))
}

/// JSON body of a record.
pub fn to_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::new(Code::Internal, e.to_string()))
}
