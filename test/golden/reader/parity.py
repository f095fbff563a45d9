"""Parity: rebuilding lost and damaged packs, stripe by stripe (format.md sections 12 and 20)."""

import struct
from dataclasses import dataclass, field

from blake3 import blake3

import limits
import sealing
from errors import Damaged, TooNew
from idx import GroupNames, Index, read_names
from sealing import RepositoryKeys, sha256
from store import PARITY, Folder, pack_object, parity_object

BLOCK = 65_536
HEAD, TAIL = 72, 80

POWERS = [1]
for _ in range(254):
    POWERS.append(POWERS[-1] << 1 ^ (0x11D if POWERS[-1] & 0x80 else 0))
LOGARITHMS = {power: exponent for exponent, power in enumerate(POWERS)}


def multiply(a: int, b: int) -> int:
    return POWERS[(LOGARITHMS[a] + LOGARITHMS[b]) % 255] if a and b else 0


def inverse(a: int) -> int:
    return POWERS[-LOGARITHMS[a] % 255]


def coefficient(row: int, column: int) -> int:
    return multiply(8 + column, inverse(row ^ (8 + column)))


PRODUCTS = [bytes(multiply(factor, byte) for byte in range(256)) for factor in range(256)]


def add_scaled(total: bytes, factor: int, block: bytes) -> bytes:
    """total + factor * block; a shorter block counts as filled up with zeros."""
    scaled = block.translate(PRODUCTS[factor]).ljust(len(total), b"\0")
    return (int.from_bytes(total, "little") ^ int.from_bytes(scaled, "little")).to_bytes(len(total), "little")


def invert(matrix: list[list[int]]) -> list[list[int]]:
    """Gauss and Jordan over GF(2^8); the matrices here are always invertible."""
    size = len(matrix)
    rows = [row + [int(i == j) for j in range(size)] for i, row in enumerate(matrix)]
    for at in range(size):
        pivot = next(i for i in range(at, size) if rows[i][at])
        rows[at], rows[pivot] = rows[pivot], rows[at]
        scale = inverse(rows[at][at])
        rows[at] = [multiply(scale, value) for value in rows[at]]
        for i in range(size):
            if i != at and rows[i][at]:
                factor = rows[i][at]
                rows[i] = [value ^ multiply(factor, other) for value, other in zip(rows[i], rows[at])]
    return [row[size:] for row in rows]


def blocks(size: int) -> int:
    return -(-size // BLOCK)


@dataclass
class Description:
    """What a parity object says about its group; hashes are by column and by row, then by block."""

    row: int
    members: tuple[tuple[bytes, int], ...]
    shard_length: int
    member_hashes: list[list[bytes]]
    shard_hashes: list[list[bytes]]


def read_description(keys: RepositoryKeys, stored: bytes, shard_lengths: list[int]) -> Description:
    """From a whole parity object. The description's length stands in the tail; where that is damaged, the shard lengths that
    the idx names are tried."""
    if len(stored) < HEAD + TAIL:
        raise Damaged("the parity object is cut off")
    pairs = [(stored[8:40], stored[40:72]), (stored[-72:-40], stored[-40:-8])]
    own = next(filter(None, (keys.find(sealing.PARITY, *pair) for pair in pairs)), None)
    if own is None:
        raise Damaged("no commitment of the parity object fits")
    lengths = [int.from_bytes(stored[-TAIL:-72], "little")]
    lengths += [len(stored) - HEAD - TAIL - shard for shard in shard_lengths]
    for length in lengths:
        if sealing.TAG <= length <= len(stored) - HEAD - TAIL:
            try:
                plaintext = own.open(0, stored[len(stored) - TAIL - length : len(stored) - TAIL])
            except Damaged:
                continue
            return parse_description(plaintext)
    raise Damaged("the description of the parity object is damaged")


def parse_description(data: bytes) -> Description:
    version, columns, rows, row, block, shard_length = struct.unpack_from("<IBBBxI4xQ", data)
    if version != 1 or block != BLOCK:
        raise TooNew("a parity object has an unknown version or block size")
    if not 1 <= columns <= limits.MEMBERS or not 1 <= rows <= limits.ROWS or row >= rows:
        raise Damaged("a parity description contradicts itself")
    members = read_names(data, 24, columns)
    at, lists = 24 + 40 * columns, []
    for size in [size for _, size in members] + [shard_length] * rows:
        end = at + 16 * blocks(size)
        if end > len(data):
            raise Damaged("a parity description is cut off")
        lists.append([data[i : i + 16] for i in range(at, end, 16)])
        at = end
    if at != len(data):
        raise Damaged("a parity description is too long")
    return Description(row, members, shard_length, lists[:columns], lists[columns:])


@dataclass
class Group:
    names: GroupNames
    description: Description | None = None
    shards: dict[int, list[bytes]] = field(default_factory=dict)  # by row; more than one where objects compete


class Healer:
    """Rebuilds packs from parity. Knows groups from the idx and from the parity objects themselves."""

    def __init__(self, store: Folder, keys: RepositoryKeys, index: Index, report):
        self.store, self.keys, self.index, self.report = store, keys, index, report
        self.groups: dict[tuple, Group] | None = None

    def members(self) -> set[bytes]:
        """Every pack that some group names."""
        return {name for members in self._load() for name, size in members if size}

    def rebuild(self, pack: bytes) -> bytes | None:
        """The pack's bytes, wholly right if it could be; what could not be rebuilt is left as stored or zero."""
        best = None
        for group in self._load().values():
            for column, (name, _) in enumerate(group.names.members):
                if name != pack:
                    continue
                best = self._column(group, column)
                if sha256(best) == pack:
                    return best
        return best

    def _load(self) -> dict[tuple, Group]:
        if self.groups is not None:
            return self.groups
        self.groups = {members: Group(names) for members, names in self.index.groups.items()}
        row_in_idx = {name: (group, row) for group in self.groups.values() for row, names in group.names.rows.items() for name in names}
        for match in self.store.names(PARITY):
            stored = self.store.read(match[0], limits.PACK)
            group, row = row_in_idx.get(bytes.fromhex(match[2]), (None, None))
            try:
                lengths = [names.shard_length for names in self.index.groups.values()]
                described = read_description(self.keys, stored, lengths)
                names = GroupNames(described.members, described.shard_length)
                group = self.groups.setdefault(described.members, Group(names))
                group.description, row = described, described.row
            except (Damaged, TooNew, struct.error) as error:
                self.report(f"{match[0]}: {error}")
            if group is not None:
                shard = stored[HEAD : HEAD + group.names.shard_length]
                whole = sha256(stored).hex() == match[2]
                group.shards.setdefault(row, []).append((shard, whole))
        return self.groups

    def _column(self, group: Group, column: int) -> bytes:
        stored = [self.store.read(pack_object(name), limits.PACK) if size else b"" for name, size in group.names.members]
        whole = [data is not None and sha256(data) == name for data, (name, _) in zip(stored, group.names.members)]
        size = group.names.members[column][1]
        out = []
        for stripe in range(blocks(size)):
            out.append(self._stripe(group, column, stripe, stored, whole))
        return b"".join(out)[:size]

    def _stripe(self, group: Group, column: int, stripe: int, stored: list, whole: list) -> bytes:
        start = stripe * BLOCK
        width = min(BLOCK, group.names.shard_length - start)
        good: dict[int, bytes] = {}
        bad: list[int] = []
        for j, (_, size) in enumerate(group.names.members):
            block = (stored[j] or b"")[start : min(start + BLOCK, size)]
            expected = group.description.member_hashes[j][stripe] if group.description and start < size else None
            if start >= size:
                continue
            if whole[j] or (expected is not None and blake3(block).digest()[:16] == expected):
                good[j] = block
            else:
                bad.append(j)
        if column in good:
            return good[column]
        left = (stored[column] or b"")[start : start + BLOCK].ljust(width, b"\0")
        syndromes = {}
        for row in sorted(group.shards):
            block = self._shard_block(group, row, stripe)
            if block is not None and len(syndromes) < len(bad):
                for j, data in good.items():
                    block = add_scaled(block, coefficient(row, j), data)
                syndromes[row] = block
        if len(syndromes) < len(bad):
            return left
        inverted = invert([[coefficient(row, j) for j in bad] for row in syndromes])
        result = bytes(width)
        for factor, syndrome in zip(inverted[bad.index(column)], syndromes.values()):
            result = add_scaled(result, factor, syndrome)
        return result

    @staticmethod
    def _shard_block(group: Group, row: int, stripe: int) -> bytes | None:
        """A good block of a row: one that fits the description's hash, or without one stands in a whole object."""
        for shard, whole in group.shards[row]:
            block = shard[stripe * BLOCK : min((stripe + 1) * BLOCK, group.names.shard_length)]
            expected = group.description.shard_hashes[row][stripe] if group.description else None
            if (blake3(block).digest()[:16] == expected) if expected is not None else whole:
                return block
        return None
