"""Bodies of idx objects (format.md section 11)."""

import struct
from dataclasses import dataclass, field

import limits
from errors import Damaged, TooNew

NOTHING = bytes(32)
ENTRY = struct.Struct("<32sIIIBB2x")


@dataclass(frozen=True)
class Location:
    """Where a frame stands: its pack, its ordinal there, and the whole frame with marker and tag."""

    pack: bytes
    ordinal: int
    offset: int
    length: int


@dataclass
class GroupNames:
    """A parity group as an idx or a description names it: (name, size) of each column; the objects known for each row."""

    members: tuple[tuple[bytes, int], ...]
    shard_length: int
    rows: dict[int, set[bytes]] = field(default_factory=dict)


@dataclass
class Index:
    chunks: dict[bytes, list[Location]] = field(default_factory=dict)
    salts: dict[bytes, set[bytes]] = field(default_factory=dict)
    groups: dict[tuple, GroupNames] = field(default_factory=dict)
    withdrawn: set[tuple[bytes, bytes]] = field(default_factory=set)

    def add_table(self, pack: bytes, table: bytes) -> None:
        for ordinal, (chunk, offset, length, _raw, _kind, _codec) in enumerate(ENTRY.iter_unpack(table)):
            location = Location(pack, ordinal, offset, length)
            places = self.chunks.setdefault(chunk, [])
            if location not in places:
                places.append(location)

    def add_group(self, members, shard_length: int, rows) -> None:
        group = self.groups.setdefault(members, GroupNames(members, shard_length))
        for row, name in rows:
            if name != NOTHING:
                group.rows.setdefault(row, set()).add(name)

    def places(self, chunk: bytes) -> list[Location]:
        """Where the chunk is said to be; withdrawn places last."""
        return sorted(self.chunks.get(chunk, ()), key=lambda place: self.is_withdrawn(place.pack, chunk))

    def is_withdrawn(self, pack: bytes, chunk: bytes) -> bool:
        return (pack, chunk) in self.withdrawn or (pack, NOTHING) in self.withdrawn


def read_names(data: bytes, at: int, count: int) -> tuple[tuple[bytes, int], ...]:
    return tuple(struct.iter_unpack("<32sQ", data[at : at + 40 * count]))


def add_idx(index: Index, body: bytes) -> None:
    if len(body) < 8 or body[:4] != b"PVIX":
        raise Damaged("an idx does not begin with PVIX")
    if body[4:8] != b"\1\0\0\0":
        raise TooNew("an idx has an unknown version")
    at = 8
    while at < len(body):
        if at + 8 > len(body):
            raise Damaged("an idx is cut off")
        kind, flags, length = struct.unpack_from("<HHI", body, at)
        section = body[at + 8 : at + 8 + length]
        if len(section) != length:
            raise Damaged("an idx is cut off")
        at += 8 + length
        if kind in SECTIONS:
            SECTIONS[kind](index, section)
        elif flags & 1:
            raise TooNew(f"an idx has an unknown section {kind} that is required")


def _pack(index: Index, section: bytes) -> None:
    name, salt, _size, count = struct.unpack_from("<32s32sQI", section)
    table = section[76:]
    if count > limits.FRAMES or len(table) != 48 * count:
        raise Damaged("a pack's section in an idx contradicts itself")
    index.salts.setdefault(name, set()).add(salt)
    index.add_table(name, table)


def _group(index: Index, section: bytes) -> None:
    columns, rows, shard_length = struct.unpack_from("<BB6xQ", section)
    if not 1 <= columns <= limits.MEMBERS or not 1 <= rows <= limits.ROWS or len(section) != 16 + 40 * (columns + rows):
        raise Damaged("a parity group's section in an idx contradicts itself")
    objects = read_names(section, 16 + 40 * columns, rows)
    index.add_group(read_names(section, 16, columns), shard_length, ((row, name) for row, (name, _) in enumerate(objects)))


def _withdrawals(index: Index, section: bytes) -> None:
    if len(section) % 64:
        raise Damaged("withdrawals in an idx are cut off")
    index.withdrawn.update(struct.iter_unpack("<32s32s", section))


SECTIONS = {1: _pack, 2: _group, 3: _withdrawals}
