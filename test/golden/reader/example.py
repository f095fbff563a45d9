"""The worked example of format.md section 22.

example.py          prints the two blocks as the page shows them
example.py --read   reads the hex of a pack from standard input and prints what the reader finds in it, a line of JSON a frame
"""

import json
import struct
import sys
import tempfile

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

import sealing
from idx import Location
from packs import open_frame, pack_keys, read_table, scan
from sealing import RepositoryKeys, hkdf_expand, sha256
from store import Folder, pack_object
from writing import DATA, LIST, Writer

REPOSITORY_ID = bytes(range(0x10, 0x20))
MASTER_KEY = bytes(range(0x20, 0x40))
RANDOM = bytes(range(0x40, 0x60))
CONTENT = b"hello, packvault\n"
PASSPHRASE, ARGON2_SALT = b"correct horse battery staple", bytes(range(0x60, 0x80))


class ExampleWriter(Writer):
    def random(self, length: int) -> bytes:
        return RANDOM[:length]


def repository_keys(encrypted: bool) -> RepositoryKeys:
    keys = RepositoryKeys(REPOSITORY_ID, encrypted, MASTER_KEY if encrypted else None)
    keys.chunk_id_algorithm = "blake3"
    return keys


def example_pack() -> bytes:
    keys = repository_keys(False)
    listed = b"PVLS" + struct.pack("<BBHI4x", 1, 0, 0, 1) + keys.chunk_id(CONTENT) + struct.pack("<Q", len(CONTENT))
    with tempfile.TemporaryDirectory() as folder:
        name, _ = ExampleWriter(folder, keys, "").pack(0, 0, [(DATA, CONTENT), (LIST, listed)])
        return Folder(folder).read(pack_object(name), 1 << 20)


def fields() -> list[tuple[int, str]]:
    """Length and meaning of every field of the pack, in order."""
    marker = [(4, "marker: ordinal"), (4, "length of what follows"), (8, '"pvframe1"')]
    head = [(32, "chunk id"), (1, "kind"), (1, "codec"), (2, "reserved"), (4, "raw length")]
    entry = [(32, "id"), (4, "offset"), (4, "length"), (4, "raw length"), (1, "kind"), (1, "codec"), (2, "reserved")]
    content = [(4, '"PVLS"'), (1, "version"), (1, "level"), (2, "item kind"), (4, "count"), (4, "reserved")]
    ends = [(32, "salt"), (32, "commitment")]
    return [
        *[(8, '"PVLTPACK"'), *ends],
        *[*marker, *head, (17, '"hello, packvault\\n"'), (16, "tag")],
        *[*marker, *head, *content, (32, "id of the data chunk"), (8, "size"), (16, "tag")],
        *[*marker, *head, (4, "count"), *entry, *entry, (16, "tag")],
        *[(4, "pointer: offset"), (4, "length"), (8, '"pvtable1"'), *ends, (8, '"PVLTPEND"')],
    ]


def pack_block() -> str:
    """A line a field: offset, hex, meaning."""
    pack, at, lines = example_pack(), 0, []
    for length, meaning in fields():
        lines.append(f"{at:04x}  {pack[at : at + length].hex():64}  {meaning}")
        at += length
    assert at == len(pack)
    return "\n".join([*lines, f"name  {sha256(pack).hex()}  SHA-256 of it all"])


def vectors_block() -> str:
    keys = repository_keys(True)
    salt = ExampleWriter("", keys, "").salt(sealing.PACK, 7, CONTENT)
    own, record = keys.object(sealing.PACK, 1, salt), keys.object(sealing.IDX, 1, salt, "index/x.idx")
    derived = Argon2id(salt=ARGON2_SALT, length=32, iterations=3, lanes=1, memory_cost=65536).derive(PASSPHRASE)
    ids = {}
    for algorithm in "blake3", "sha256":
        keys.chunk_id_algorithm = algorithm
        ids[algorithm] = keys.chunk_id(CONTENT)
    values = {
        "PRK": keys.prk,
        'sub("config", 32)': keys.sub("config", 32),
        'sub("chunk-id", 32)': keys.sub("chunk-id", 32),
        'sub("gear", 2048), first 32': keys.sub("gear", 2048)[:32],
        'sub("gear", 2048), last 32': keys.sub("gear", 2048)[-32:],
        "chunk id, blake3": ids["blake3"],
        "chunk id, sha256": ids["sha256"],
        "salt, kind 1, generation 7": salt,
        "object(1, 1, salt, \"\"): seal": own.seal_key,
        "  discovery": own.discovery_key,
        "  commitment": own.commitment,
        "marker, ordinal 3, length 5": own.hidden_blocks(struct.pack("<II", 3, 5) + b"pvframe1"),
        "seal, ordinal 3: ciphertext": own.seal(3, CONTENT)[:-16],
        "  tag": own.seal(3, CONTENT)[-16:],
        "idx index/x.idx: commitment": record.commitment,
        "  tag, ordinal 0": record.seal(0, CONTENT)[-16:],
        "P": derived,
        "  key-commitment": hkdf_expand(derived, b"packvault/v1/key-commitment", 32),
        "  key-wrap": hkdf_expand(derived, b"packvault/v1/key-wrap", 32),
    }
    return "\n".join(f"{name:28}  {value.hex()}" for name, value in values.items())


def read(pack: bytes) -> None:
    """Opens every frame by the table and by the scan, which must agree."""
    keys, name = repository_keys(False), sha256(pack)
    (own,) = pack_keys(keys, pack, set())
    table = struct.iter_unpack("<32sII8x", read_table(own, name, pack))
    by_table = [(chunk, Location(name, ordinal, *place)) for ordinal, (chunk, *place) in enumerate(table)]
    assert by_table == scan(own, name, pack)
    for chunk, place in by_table:
        stored_id, kind, raw = open_frame(own, pack, place)
        assert keys.chunk_id(raw) == chunk == stored_id
        print(json.dumps({"id": chunk.hex(), "kind": kind, "raw": raw.hex()}))


if __name__ == "__main__":
    if sys.argv[1:] == ["--read"]:
        read(bytes.fromhex(sys.stdin.read()))
    else:
        print(pack_block(), vectors_block(), sep="\n\n")
