"""Derivations, sealing, chunk ids and codecs (format.md sections 3, 6 and 9)."""

import hashlib
import hmac
import struct
import zlib

import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from errors import Damaged

PACK, PARITY, IDX, SNAPSHOT, HOLD, CONDEMN, CHECKPOINT, LOCK = range(1, 9)
TAG = 16


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, section 2.3."""
    out, block = b"", b""
    while len(out) < length:
        block = hmac_sha256(prk, block + info + bytes([len(out) // 32 + 1]))
        out += block
    return out[:length]


class ObjectKeys:
    """The keys of one pack, parity object or record."""

    def __init__(self, repository: "RepositoryKeys", kind: int, epoch: int, salt: bytes, name: bytes):
        self.encrypted = repository.encrypted
        info = b"packvault/v1/object" + struct.pack("<BI", kind, epoch) + repository.id + salt + name
        keys = hkdf_expand(repository.prk, info, 96)
        self.seal_key, self.discovery_key, self.commitment = keys[:32], keys[32:64], keys[64:]
        self._before = b"packvault/v1" + struct.pack("<BI", kind, epoch) + repository.id + salt
        self._after = struct.pack("<H", len(name)) + name
        self.salt = salt

    def _associated(self, ordinal: int, length: int) -> bytes:
        return self._before + struct.pack("<IQ", ordinal, length) + self._after

    def open(self, ordinal: int, sealed: bytes) -> bytes:
        """The plaintext of ciphertext and tag, or Damaged."""
        length = len(sealed) - TAG
        if length < 0:
            raise Damaged("shorter than its tag")
        associated = self._associated(ordinal, length)
        if self.encrypted:
            try:
                return AESGCM(self.seal_key).decrypt(struct.pack("<I8x", ordinal), sealed, associated)
            except InvalidTag:
                raise Damaged("the tag does not fit") from None
        if sha256(associated + sealed[:length])[:TAG] != sealed[length:]:
            raise Damaged("the tag does not fit")
        return sealed[:length]

    def seal(self, ordinal: int, plaintext: bytes) -> bytes:
        """For writing.py; a reader never seals."""
        associated = self._associated(ordinal, len(plaintext))
        if self.encrypted:
            return AESGCM(self.seal_key).encrypt(struct.pack("<I8x", ordinal), plaintext, associated)
        return plaintext + sha256(associated + plaintext)[:TAG]

    def clear_blocks(self, blocks: bytes) -> bytes:
        """Markers and pointers (whole blocks of 16 bytes) in clear."""
        return self._cipher().decryptor().update(blocks) if self.encrypted else blocks

    def hidden_blocks(self, blocks: bytes) -> bytes:
        return self._cipher().encryptor().update(blocks) if self.encrypted else blocks

    def _cipher(self) -> Cipher:
        return Cipher(algorithms.AES(self.discovery_key), modes.ECB())


class RepositoryKeys:
    def __init__(self, repository_id: bytes, encrypted: bool, master_key: bytes | None):
        self.id, self.encrypted = repository_id, encrypted
        self.epoch = 0
        self.chunk_id_algorithm = ""
        self.prk = hmac_sha256(repository_id, master_key) if encrypted else sha256(b"packvault/v1/unencrypted")

    def sub(self, label: str, length: int) -> bytes:
        return hkdf_expand(self.prk, b"packvault/v1/" + label.encode(), length)

    def object(self, kind: int, epoch: int, salt: bytes, name: str = "") -> ObjectKeys:
        return ObjectKeys(self, kind, epoch, salt, name.encode("ascii"))

    def find(self, kind: int, salt: bytes, commitment: bytes, name: str = "") -> ObjectKeys | None:
        """An object does not say its epoch: the commitment tells it (section 3)."""
        for epoch in range(self.epoch, -1, -1):
            keys = self.object(kind, epoch, salt, name)
            if hmac.compare_digest(keys.commitment, commitment):
                return keys
        return None

    def chunk_id(self, raw: bytes) -> bytes:
        key = self.sub("chunk-id", 32) if self.encrypted else None
        if self.chunk_id_algorithm == "blake3":
            return blake3(raw, key=key).digest() if key else blake3(raw).digest()
        return hmac_sha256(key, raw) if key else sha256(raw)


def decode(codec: int, payload: bytes, raw_length: int) -> bytes:
    """Bounded by the raw length, filling it exactly, using the whole payload."""
    if codec == 0:
        raw, whole = payload, True
    elif codec == 1:
        raw, whole = _zstd(payload, raw_length)
    elif codec == 2:
        raw, whole = _deflate(payload, raw_length)
    else:
        raise Damaged(f"unknown codec {codec}")
    if not whole or len(raw) != raw_length:
        raise Damaged("the payload does not decompress to its raw length")
    return raw


def _zstd(payload: bytes, raw_length: int) -> tuple[bytes, bool]:
    inflater, raw, piece = zstandard.ZstdDecompressor().decompressobj(), b"", 1024
    try:
        for at in range(0, len(payload), piece):
            if inflater.eof or len(raw) > raw_length:
                return raw, False
            raw += inflater.decompress(payload[at : at + piece])
    except zstandard.ZstdError as error:
        raise Damaged(f"zstd: {error}") from None
    return raw, inflater.eof and not inflater.unused_data


def _deflate(payload: bytes, raw_length: int) -> tuple[bytes, bool]:
    inflater = zlib.decompressobj(-15)
    try:
        raw = inflater.decompress(payload, raw_length + 1)
    except zlib.error as error:
        raise Damaged(f"deflate: {error}") from None
    return raw, inflater.eof and not inflater.unused_data
