//! Sealing and opening (docs/format.md §6), and the markers that make frames findable (§8).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey};

use super::ring::KeyRing;
use super::{Sha256, equal};
use crate::error::{Code, Error, Result};
use crate::format::Kind;

/// Bytes that sealing adds.
pub const TAG: usize = 16;

/// The keys of one object.
pub struct ObjectKeys {
    /// Stored beside the salt: shows that these are the right keys.
    pub commitment: [u8; 32],
    salt: [u8; 32],
    ad: Vec<u8>,
    sealer: Option<Sealer>,
}

struct Sealer {
    aead: LessSafeKey,
    mark: EncryptingKey,
    find: DecryptingKey,
}

/// Where the ordinal stands in the associated data.
const AD_ORDINAL: usize = 12 + 1 + 4 + 16 + 32;

impl ObjectKeys {
    pub(super) fn new(ring: &KeyRing, kind: Kind, epoch: u32, salt: &[u8; 32], name: &str, okm: &[u8; 96]) -> Self {
        let ad = [
            b"packvault/v1".as_slice(),
            &[kind as u8],
            &epoch.to_le_bytes(),
            &ring.id,
            salt,
            &[0; 12],
            &(name.len() as u16).to_le_bytes(),
            name.as_bytes(),
        ]
        .concat();
        let mut commitment = [0; 32];
        commitment.copy_from_slice(&okm[64..]);
        let sealer = ring.encrypted.then(|| Sealer::new(&okm[..32], &okm[32..64]));
        Self { commitment, salt: *salt, ad, sealer }
    }

    /// The salt that these keys belong to.
    #[must_use]
    pub fn salt(&self) -> &[u8; 32] {
        &self.salt
    }

    fn ad(&self, ordinal: u32, len: usize) -> Vec<u8> {
        let mut ad = self.ad.clone();
        ad[AD_ORDINAL..AD_ORDINAL + 4].copy_from_slice(&ordinal.to_le_bytes());
        ad[AD_ORDINAL + 4..AD_ORDINAL + 12].copy_from_slice(&(len as u64).to_le_bytes());
        ad
    }

    /// Seals `data` in place and returns the tag. An ordinal is used once.
    pub fn seal(&self, ordinal: u32, data: &mut [u8]) -> Result<[u8; TAG]> {
        let ad = self.ad(ordinal, data.len());
        let Some(sealer) = &self.sealer else { return Ok(plain_tag(&ad, data)) };
        let tag = sealer
            .aead
            .seal_in_place_separate_tag(nonce(ordinal), Aad::from(&ad), data)
            .map_err(|_| Error::new(Code::Internal, "sealing failed"))?;
        let mut out = [0; TAG];
        out.copy_from_slice(tag.as_ref());
        Ok(out)
    }

    /// Opens ciphertext and tag into a new buffer.
    pub fn open(&self, ordinal: u32, sealed: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.open_into(ordinal, sealed, &mut out)?;
        Ok(out)
    }

    /// Opens ciphertext and tag; `out` then holds the plaintext, or nothing after an error.
    pub fn open_into(&self, ordinal: u32, sealed: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        let body = sealed.len().checked_sub(TAG).ok_or_else(does_not_open)?;
        let (cipher, tag) = sealed.split_at(body);
        let ad = self.ad(ordinal, body);
        let fits = if let Some(sealer) = &self.sealer {
            out.resize(body, 0);
            sealer.aead.open_separate_gather(nonce(ordinal), Aad::from(&ad), cipher, tag, out).is_ok()
        } else {
            out.extend_from_slice(cipher);
            equal(&plain_tag(&ad, cipher), tag)
        };
        if fits {
            return Ok(());
        }
        out.clear();
        Err(does_not_open())
    }

    /// Turns a plain marker into what is stored.
    pub fn mark(&self, marker: &mut [u8; 16]) -> Result<()> {
        if let Some(sealer) = &self.sealer {
            sealer.mark.encrypt(marker).map_err(|_| Error::new(Code::Internal, "marking failed"))?;
        }
        Ok(())
    }

    /// Turns stored markers, 16 bytes each, into plain ones, in place.
    pub fn find(&self, markers: &mut [u8]) -> Result<()> {
        if let Some(sealer) = &self.sealer {
            sealer
                .find
                .decrypt(markers, DecryptionContext::None)
                .map_err(|_| Error::new(Code::Internal, "finding failed"))?;
        }
        Ok(())
    }
}

impl Sealer {
    fn new(seal: &[u8], discovery: &[u8]) -> Self {
        let unbound = || UnboundCipherKey::new(&AES_256, discovery).expect("32 bytes are an AES-256 key");
        Self {
            aead: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, seal).expect("32 bytes are an AES-256 key")),
            mark: EncryptingKey::ecb(unbound()).expect("ECB takes any AES key"),
            find: DecryptingKey::ecb(unbound()).expect("ECB takes any AES key"),
        }
    }
}

fn nonce(ordinal: u32) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&ordinal.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn plain_tag(ad: &[u8], data: &[u8]) -> [u8; TAG] {
    let mut hash = Sha256::default();
    hash.update(ad);
    hash.update(data);
    let mut tag = [0; TAG];
    tag.copy_from_slice(&hash.finish()[..TAG]);
    tag
}

fn does_not_open() -> Error {
    Error::corrupt("The stored bytes do not open under this repository's key.")
}

/// AES-256-GCM for key files (§5), with a nonce of zeros: its key is used once.
pub fn wrap(key: &[u8; 32], ad: &[u8], secret: &[u8; 32]) -> Result<[u8; 48]> {
    let aead = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are an AES-256 key"));
    let mut out = [0; 48];
    out[..32].copy_from_slice(secret);
    let tag = aead
        .seal_in_place_separate_tag(nonce(0), Aad::from(ad), &mut out[..32])
        .map_err(|_| Error::new(Code::Internal, "wrapping failed"))?;
    out[32..].copy_from_slice(tag.as_ref());
    Ok(out)
}

/// The reverse of [`wrap`].
pub fn unwrap(key: &[u8; 32], ad: &[u8], wrapped: &[u8; 48]) -> Result<zeroize::Zeroizing<[u8; 32]>> {
    let aead = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are an AES-256 key"));
    let mut bytes = zeroize::Zeroizing::new(*wrapped);
    let plain = aead.open_in_place(nonce(0), Aad::from(ad), bytes.as_mut_slice()).map_err(|_| does_not_open())?;
    let mut out = zeroize::Zeroizing::new([0; 32]);
    out.copy_from_slice(plain);
    Ok(out)
}
