//! Key derivation, sealing, hashing and ids (docs/format.md §3, §5, §6, §9). Primitives come from well-kept crates;
//! their composition is the format's.

pub mod kdf;
pub mod ring;
pub mod seal;

use aws_lc_rs::{constant_time, digest, hmac};

/// SHA-256 (FIPS 180-4).
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    out
}

/// SHA-256 of what comes in pieces.
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    /// Adds bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The hash of all bytes.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

/// HMAC-SHA-256 (RFC 2104) over the concatenation of `parts`.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// HKDF-Expand with SHA-256 (RFC 5869): fills `out`, at most 8,160 bytes.
pub fn hkdf_expand(prk: &[u8; 32], info: &[u8], out: &mut [u8]) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, prk);
    let mut previous: Option<hmac::Tag> = None;
    for (counter, block) in (1_u8..=255).zip(out.chunks_mut(32)) {
        let mut context = hmac::Context::with_key(&key);
        if let Some(previous) = &previous {
            context.update(previous.as_ref());
        }
        context.update(info);
        context.update(&[counter]);
        let tag = context.sign();
        block.copy_from_slice(&tag.as_ref()[..block.len()]);
        previous = Some(tag);
    }
}

/// Whether two values are the same, in a time that depends on their length only.
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hkdf_matches_rfc_5869_case_1() {
        let prk: [u8; 32] = hex::decode("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
            .unwrap()
            .try_into()
            .unwrap();
        let mut out = [0; 42];
        hkdf_expand(&prk, &hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap(), &mut out);
        assert_eq!(
            hex::encode(out),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }
}
