//! From a passphrase to the keys that wrap the master key (docs/format.md §5).

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::hkdf_expand;
use crate::error::{Error, Result};
use crate::verbs::KdfCost;

/// What a passphrase gives for one key file.
pub struct PassphraseKeys {
    /// Wraps the master key.
    pub wrap: Zeroizing<[u8; 32]>,
    /// Stored in the key file; tells a wrong passphrase.
    pub commitment: [u8; 32],
}

/// Refuses costs that are read from a key file and out of bounds (§18), before anything is allocated.
pub fn check_read(cost: KdfCost) -> Result<()> {
    let lanes = cost.parallelism;
    if !(1..=16).contains(&lanes)
        || !(1..=64).contains(&cost.iterations)
        || cost.memory_ki_b < 8 * lanes
        || cost.memory_ki_b > 4 * 1024 * 1024
    {
        return Err(Error::corrupt("The key file asks for a key derivation that is out of bounds. Nothing was tried."));
    }
    Ok(())
}

/// Refuses costs that are too low, or too high to be read back.
pub fn check_write(cost: KdfCost) -> Result<()> {
    if cost.memory_ki_b < 64 * 1024 || cost.iterations < 3 || cost.parallelism < 1 || check_read(cost).is_err() {
        return Err(Error::invalid(
            "kdf: memoryKiB must be 65536 to 4194304, iterations 3 to 64, parallelism 1 to 16.",
        ));
    }
    Ok(())
}

/// Argon2id (RFC 9106), then HKDF for two keys of separate use.
pub fn derive(passphrase: &[u8], salt: &[u8; 32], cost: KdfCost) -> Result<PassphraseKeys> {
    let params = Params::new(cost.memory_ki_b, cost.iterations, cost.parallelism, Some(32))
        .map_err(|e| Error::invalid(format!("kdf: {e}")))?;
    let mut prk = Zeroizing::new([0_u8; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase, salt, prk.as_mut())
        .map_err(|e| Error::invalid(format!("The passphrase can't be used: {e}")))?;
    let mut keys = PassphraseKeys { wrap: Zeroizing::new([0; 32]), commitment: [0; 32] };
    hkdf_expand(&prk, b"packvault/v1/key-wrap", keys.wrap.as_mut());
    hkdf_expand(&prk, b"packvault/v1/key-commitment", &mut keys.commitment);
    Ok(keys)
}
