//! All keys of one repository (docs/format.md §3).

use zeroize::Zeroizing;

use super::seal::ObjectKeys;
use super::{hkdf_expand, hmac_sha256, sha256};
use crate::format::Kind;
use crate::format::config::ChunkIdKind;

/// Identity of a chunk: a hash of its raw bytes.
pub type ChunkId = [u8; 32];

/// The keys of a repository. In an unencrypted one they come from a constant, so that both kinds share one way.
pub struct KeyRing {
    /// Repository id.
    pub id: [u8; 16],
    /// Epoch of config.
    pub epoch: u32,
    /// Whether records and frames are encrypted.
    pub encrypted: bool,
    prk: Zeroizing<[u8; 32]>,
    master: Option<Zeroizing<[u8; 32]>>,
    chunk_id: ChunkIdKind,
    chunk_key: Zeroizing<[u8; 32]>,
    salt_key: Zeroizing<[u8; 32]>,
}

impl KeyRing {
    /// The keys of an encrypted repository (`master`) or of an unencrypted one.
    #[must_use]
    pub fn new(id: [u8; 16], epoch: u32, chunk_id: ChunkIdKind, master: Option<Zeroizing<[u8; 32]>>) -> Self {
        let prk = Zeroizing::new(match &master {
            Some(master) => hmac_sha256(&id, &[master.as_slice()]),
            None => sha256(b"packvault/v1/unencrypted"),
        });
        let mut ring = Self {
            id,
            epoch,
            encrypted: master.is_some(),
            prk,
            master,
            chunk_id,
            chunk_key: Zeroizing::new([0; 32]),
            salt_key: Zeroizing::new([0; 32]),
        };
        let mut key = Zeroizing::new([0_u8; 32]);
        ring.sub("chunk-id", key.as_mut());
        ring.chunk_key.clone_from(&key);
        ring.sub("salt", key.as_mut());
        ring.salt_key = key;
        ring
    }

    /// The master key, to wrap it under another passphrase.
    #[must_use]
    pub fn master(&self) -> Option<&Zeroizing<[u8; 32]>> {
        self.master.as_ref()
    }

    /// `sub(label, out.len())` of §3.
    pub fn sub(&self, label: &str, out: &mut [u8]) {
        hkdf_expand(&self.prk, &[b"packvault/v1/".as_slice(), label.as_bytes()].concat(), out);
    }

    /// The key that makes salts.
    #[must_use]
    pub fn salt_key(&self) -> &[u8; 32] {
        &self.salt_key
    }

    /// The gear table of this repository's chunker.
    #[must_use]
    pub fn gear_table(&self) -> [u64; 256] {
        let mut bytes = [0; 2048];
        self.sub("gear", &mut bytes);
        crate::chunk::gear::table_from_bytes(&bytes)
    }

    /// The id of a chunk (§9).
    #[must_use]
    pub fn chunk_id(&self, raw: &[u8]) -> ChunkId {
        match (self.chunk_id, self.encrypted) {
            (ChunkIdKind::Blake3, true) => *blake3::keyed_hash(&self.chunk_key, raw).as_bytes(),
            (ChunkIdKind::Blake3, false) => *blake3::hash(raw).as_bytes(),
            (ChunkIdKind::Sha256, true) => hmac_sha256(self.chunk_key.as_slice(), &[raw]),
            (ChunkIdKind::Sha256, false) => sha256(raw),
        }
    }

    /// The keys of an object under this repository's epoch, to seal it.
    #[must_use]
    pub fn object(&self, kind: Kind, salt: &[u8; 32], name: &str) -> ObjectKeys {
        self.object_at(kind, self.epoch, salt, name)
    }

    /// The keys of an object whose commitment is known: those of the greatest epoch that gives it. `None`: no key of this
    /// repository, or not this salt or name.
    #[must_use]
    pub fn object_for(&self, kind: Kind, salt: &[u8; 32], name: &str, commitment: &[u8]) -> Option<ObjectKeys> {
        (0..=self.epoch)
            .rev()
            .map(|epoch| self.object_at(kind, epoch, salt, name))
            .find(|keys| super::equal(&keys.commitment, commitment))
    }

    /// The keys under each epoch, newest first, for a salt whose commitment is lost.
    pub fn objects_of(&self, kind: Kind, salt: [u8; 32]) -> impl Iterator<Item = ObjectKeys> + '_ {
        (0..=self.epoch).rev().map(move |epoch| self.object_at(kind, epoch, &salt, ""))
    }

    fn object_at(&self, kind: Kind, epoch: u32, salt: &[u8; 32], name: &str) -> ObjectKeys {
        let info =
            [b"packvault/v1/object".as_slice(), &[kind as u8], &epoch.to_le_bytes(), &self.id, salt, name.as_bytes()]
                .concat();
        let mut okm = Zeroizing::new([0_u8; 96]);
        hkdf_expand(&self.prk, &info, okm.as_mut());
        ObjectKeys::new(self, kind, epoch, salt, name, &okm)
    }
}

/// A salt in the making (§6): fresh randomness, generation and all that will be sealed under it.
pub struct SaltMaker(blake3::Hasher);

impl SaltMaker {
    /// Starts with what is known before the content.
    #[must_use]
    pub fn new(ring: &KeyRing, kind: Kind, random: &[u8; 32], generation: u64) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(ring.salt_key());
        hasher.update(&[kind as u8]).update(random).update(&generation.to_le_bytes());
        Self(hasher)
    }

    /// Adds content.
    pub fn update(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    /// The salt.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// The random part of the name of an idx or a snapshot: no two contents get the same, even from machines with one random state.
#[must_use]
pub fn name_id(ring: &KeyRing, kind: Kind, random: &[u8; 32], generation: u64, content: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(ring.salt_key());
    hasher.update(b"name").update(&[kind as u8]).update(random).update(&generation.to_le_bytes()).update(content);
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    id
}
