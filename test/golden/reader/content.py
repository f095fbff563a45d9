"""Chunks by id, from whatever still holds them, and the items that they make (format.md sections 9 and 10)."""

import struct
from collections.abc import Iterator
from functools import lru_cache

import limits
from errors import Damaged, TooNew
from idx import Index, Location, add_idx
from packs import open_frame, pack_keys, read_table, scan
from parity import Healer
from sealing import RepositoryKeys, sha256
from store import PACK, Folder, pack_object


class Chunks:
    """Finds chunks by the idx; if that fails by the tables of all packs; if that fails by scanning what is damaged.
    At each step a pack that does not give a chunk is rebuilt from parity. Only bytes that have the asked id come out."""

    def __init__(self, store: Folder, keys: RepositoryKeys, idx_bodies: list[bytes], report):
        self.store, self.keys, self.report = store, keys, report
        self.index = Index()
        for body in idx_bodies:
            add_idx(self.index, body)
        self.healer = Healer(store, keys, self.index, report)
        self.searches = [self._search_tables, self._search_damaged]
        self.stored = lru_cache(maxsize=8)(self._stored)
        self.rebuilt = lru_cache(maxsize=8)(self._rebuilt)

    def get(self, chunk: bytes) -> bytes:
        tried: set[Location] = set()
        while True:
            for place in self.index.places(chunk):
                if place not in tried:
                    tried.add(place)
                    raw = self._at(place, chunk)
                    if raw is not None:
                        return raw
            if not self.searches:
                raise Damaged(f"chunk {chunk.hex()} is lost")
            self.searches.pop(0)()

    def _at(self, place: Location, chunk: bytes) -> bytes | None:
        for source in (self.stored, self.rebuilt):
            data = source(place.pack)
            for own in pack_keys(self.keys, data, self.index.salts.get(place.pack, set())) if data else ():
                try:
                    _, _, raw = open_frame(own, data, place)
                except Damaged:
                    continue
                if self.keys.chunk_id(raw) == chunk:
                    return raw
        return None

    def _stored(self, pack: bytes) -> bytes | None:
        return self.store.read(pack_object(pack), limits.PACK)

    def _rebuilt(self, pack: bytes) -> bytes | None:
        self.report(f"{pack_object(pack)} is lost or damaged; rebuilding it from parity")
        return self.healer.rebuild(pack)

    def _packs(self) -> Iterator[tuple[bytes, bytes]]:
        """Every pack that is stored, or that parity can give."""
        present = {bytes.fromhex(match[2]) for match in self.store.names(PACK)}
        for pack in sorted(present | self.healer.members()):
            data = self.stored(pack) if pack in present else self.rebuilt(pack)
            if data:
                yield pack, data

    def _search_tables(self) -> None:
        self.report("the idx does not tell everything; reading the tables of all packs")
        for pack, data in self._packs():
            for own in pack_keys(self.keys, data, self.index.salts.get(pack, set())):
                try:
                    self.index.add_table(pack, read_table(own, pack, data))
                    break
                except (Damaged, struct.error):
                    continue

    def _search_damaged(self) -> None:
        self.report("the tables do not tell everything; scanning damaged packs")
        for pack, data in self._packs():
            whole = sha256(data) == pack
            for own in () if whole else pack_keys(self.keys, data, self.index.salts.get(pack, set())):
                for chunk, place in scan(own, pack, data):
                    self.index.chunks.setdefault(chunk, []).append(place)


def entries(raw: bytes, level: int | None) -> tuple[int, list[tuple[bytes, int]]]:
    """Level and entries of a list chunk. A root has any level, others the one above them minus one."""
    if len(raw) < 16 or raw[:4] != b"PVLS":
        raise Damaged("not a list chunk")
    version, own_level, item_kind, count = struct.unpack_from("<BBHI", raw, 4)
    if version != 1 or item_kind != 0:
        raise TooNew("a list chunk has an unknown version or item kind")
    if own_level > limits.LIST_LEVEL or own_level != (own_level if level is None else level):
        raise Damaged("a list chunk stands at the wrong level")
    if count > limits.LIST_ENTRIES or len(raw) != 16 + 40 * count:
        raise Damaged("a list chunk contradicts itself")
    return own_level, list(struct.iter_unpack("<32sQ", raw[16:]))


def item_bytes(chunks: Chunks, root: bytes, size: int) -> Iterator[bytes]:
    """The item's bytes, chunk by chunk; Damaged if they are not `size` in all."""
    given = 0
    for chunk, length in _leaves(chunks, root, None, size):
        raw = chunks.get(chunk)
        if len(raw) != length:
            raise Damaged("a chunk is not as long as its list says")
        given += length
        yield raw
    if given != size:
        raise Damaged("an item is not as long as its snapshot says")


def _leaves(chunks: Chunks, root: bytes, level: int | None, size: int) -> Iterator[tuple[bytes, int]]:
    own_level, found = entries(chunks.get(root), level)
    if sum(length for _, length in found) != size:
        raise Damaged("the entries of a list do not add up")
    for chunk, length in found:
        if own_level == 0:
            yield chunk, length
        else:
            yield from _leaves(chunks, chunk, own_level - 1, length)
