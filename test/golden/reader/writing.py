"""The writing half of format.md, as far as golden repositories need it. Salts come from a seed, so that the bytes do too."""

import json
import struct
from pathlib import Path

import zstandard
from blake3 import blake3

import sealing
from idx import ENTRY, NOTHING
from sealing import RepositoryKeys, hmac_sha256, sha256
from store import pack_object

DATA, LIST, TABLE = 1, 2, 3


def compact(value) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Writer:
    def __init__(self, folder: str, keys: RepositoryKeys, seed: str):
        self.path, self.keys = Path(folder), keys
        self.seed, self.drawn = seed.encode(), 0

    def put(self, name: str, data: bytes) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def delete(self, name: str) -> None:
        (self.path / name).unlink()

    def random(self, length: int) -> bytes:
        """Stands in for fresh randomness."""
        self.drawn += 1
        return sha256(self.seed + struct.pack("<I", self.drawn))[:length]

    def salt(self, kind: int, generation: int, content: bytes) -> bytes:
        message = bytes([kind]) + self.random(32) + struct.pack("<Q", generation) + content
        return blake3(message, key=self.keys.sub("salt", 32)).digest()

    def config(self, config: dict, name: str) -> None:
        head = compact({member: value for member, value in config.items() if member != "tag"})[:-1]
        tag = hmac_sha256(self.keys.sub("config", 32), head).hex()
        self.put(name, head + f',"tag":"{tag}"}}\n'.encode())

    def record(self, kind: int, name: str, generation: int, epoch: int, body: bytes) -> bytes:
        """A record under its logical name."""
        packed = zstandard.ZstdCompressor().compress(body)
        codec, payload = (1, packed) if len(packed) < len(body) else (0, body)
        plaintext = struct.pack("<B3xI", codec, len(body)) + payload
        own = self.keys.object(kind, epoch, self.salt(kind, generation, plaintext), name)
        return b"PVLTRECD" + own.salt + own.commitment + own.seal(0, plaintext)

    def pack(self, generation: int, epoch: int, chunks: list[tuple[int, bytes]]) -> tuple[bytes, bytes]:
        """Stores a pack of (kind, raw bytes); its name, and its section of an idx."""
        plaintexts = [self.keys.chunk_id(raw) + struct.pack("<BB2xI", kind, 0, len(raw)) + raw for kind, raw in chunks]
        own = self.keys.object(sealing.PACK, epoch, self.salt(sealing.PACK, generation, b"".join(plaintexts)))
        stored, table = b"PVLTPACK" + own.salt + own.commitment, b""
        for ordinal, plaintext in enumerate(plaintexts):
            frame = self._frame(own, ordinal, plaintext)
            chunk, kind, codec, raw_length = struct.unpack_from("<32sBB2xI", plaintext)
            table += ENTRY.pack(chunk, len(stored), len(frame), raw_length, kind, codec)
            stored += frame
        payload = struct.pack("<I", len(chunks)) + table
        header = NOTHING + struct.pack("<BB2xI", TABLE, 0, len(payload))
        frame = self._frame(own, len(chunks), header + payload)
        pointer = own.hidden_blocks(struct.pack("<II", len(stored), len(frame)) + b"pvtable1")
        stored += frame + pointer + own.salt + own.commitment + b"PVLTPEND"
        self.put(pack_object(sha256(stored)), stored)
        section = sha256(stored) + own.salt + struct.pack("<QI", len(stored), len(chunks)) + table
        return sha256(stored), section

    @staticmethod
    def _frame(own, ordinal: int, plaintext: bytes) -> bytes:
        sealed = own.seal(ordinal, plaintext)
        return own.hidden_blocks(struct.pack("<II", ordinal, len(sealed)) + b"pvframe1") + sealed

    def idx(self, generation: int, epoch: int, sections: list[tuple[int, int, bytes]]) -> str:
        """Stores an idx of (type, flags, bytes); its name."""
        body = b"PVIX\1\0\0\0" + b"".join(struct.pack("<HHI", kind, flags, len(data)) + data for kind, flags, data in sections)
        name = f"index/{generation:016}-{self.random(16).hex()}.idx"
        self.put(name, self.record(sealing.IDX, name, generation, epoch, body))
        return name

    def snapshot(self, generation: int, epoch: int, body: dict) -> None:
        name = f"snapshots/{generation:016}-{body['id']}"
        stored = self.record(sealing.SNAPSHOT, name, generation, epoch, compact(body))
        self.put(f"{name}.a", stored)
        self.put(f"{name}.b", stored)

    def hold(self, generation: int, epoch: int, roots: list[str], packs: list[str]) -> None:
        hold_id = self.random(16).hex()
        name = f"snapshots/{generation:016}-{hold_id}.hold"
        body = {"version": 1, "id": hold_id, "roots": roots, "packs": packs}
        self.put(name, self.record(sealing.HOLD, name, generation, epoch, compact(body)))


class RoundWriter:
    """Writes condemn and checkpoint of one round after the other, each twice, chained by the hash of headers."""

    def __init__(self, writer: Writer):
        self.writer, self.previous = writer, "0" * 64

    def condemn(self, number: int, epoch: int, rest: dict, dropped: bool = False) -> None:
        self._put(sealing.CONDEMN, "condemn", number, epoch, rest, dropped)

    def checkpoint(self, number: int, epoch: int, rest: dict, dropped: bool = False) -> None:
        self.previous = self._put(sealing.CHECKPOINT, "checkpoint", number, epoch, rest, dropped)

    def _put(self, kind: int, word: str, number: int, epoch: int, rest: dict, dropped: bool) -> str:
        """The header's hash. A dropped rest is the retention of section 14: its hash stays in the header."""
        rest_bytes = compact(rest)
        header = compact(
            {"version": 1, "kind": word, "round": number, "previous": self.previous, "rest": sha256(rest_bytes).hex()}
        )
        body = struct.pack("<I", len(header)) + header + (b"" if dropped else rest_bytes)
        name = f"gc/{number:016}.{word}"
        stored = self.writer.record(kind, name, number, epoch, body)
        self.writer.put(f"{name}.b", stored)
        self.writer.put(f"{name}.a", stored)
        return sha256(header).hex()
