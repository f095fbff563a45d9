"""Packs: frames by place, the pack's own table, and the scan (format.md section 8)."""

import struct

import limits
import sealing
from errors import Damaged
from idx import Location
from sealing import TAG, ObjectKeys, RepositoryKeys

HEAD, TAIL = 72, 88
SMALLEST_FRAME = 16 + 40 + TAG  # an empty payload
TABLE = 3


def pack_keys(keys: RepositoryKeys, stored: bytes, idx_salts: set[bytes]) -> list[ObjectKeys]:
    """What may open the pack's frames. A key whose commitment fits stands alone; else every salt under every epoch is tried:
    the frames' own tags then tell."""
    salts, commitments = set(idx_salts), set()
    if len(stored) >= HEAD + TAIL:
        salts |= {stored[8:40], stored[-72:-40]}
        commitments |= {stored[40:72], stored[-40:-8]}
    proved = [keys.find(sealing.PACK, salt, commitment) for salt in sorted(salts) for commitment in sorted(commitments)]
    if any(proved):
        return [key for key in proved if key]
    return [keys.object(sealing.PACK, epoch, salt) for salt in sorted(salts) for epoch in range(keys.epoch, -1, -1)]


def open_frame(own: ObjectKeys, stored: bytes, place: Location) -> tuple[bytes, int, bytes]:
    """Id, kind and raw bytes of a frame. The caller recomputes the id."""
    if not SMALLEST_FRAME <= place.length <= limits.FRAME or place.offset + place.length > len(stored):
        raise Damaged("the frame does not fit into its pack")
    plaintext = own.open(place.ordinal, stored[place.offset + 16 : place.offset + place.length])
    chunk, kind, codec, raw_length = struct.unpack_from("<32sBB2xI", plaintext)
    if raw_length > limits.CHUNK:
        raise Damaged("the frame's chunk is longer than allowed")
    return chunk, kind, sealing.decode(codec, plaintext[40:], raw_length)


def read_table(own: ObjectKeys, pack: bytes, stored: bytes) -> bytes:
    """The rows of the pack's table (48 bytes each)."""
    if len(stored) < HEAD + TAIL:
        raise Damaged("the pack has no tail")
    offset, length, magic = struct.unpack("<II8s", own.clear_blocks(stored[-TAIL:-72]))
    if magic != b"pvtable1" or offset + length > len(stored):
        raise Damaged("the pack's pointer is damaged")
    ordinal, _, magic = struct.unpack("<II8s", own.clear_blocks(stored[offset : offset + 16]))
    if magic != b"pvframe1":
        raise Damaged("the table's marker is damaged")
    _, kind, payload = open_frame(own, stored, Location(pack, ordinal, offset, length))
    count = int.from_bytes(payload[:4], "little")
    if kind != TABLE or count > limits.FRAMES or count != ordinal or len(payload) != 4 + 48 * count:
        raise Damaged("the pack's table contradicts itself")
    return payload[4:]


def scan(own: ObjectKeys, pack: bytes, stored: bytes) -> list[tuple[bytes, Location]]:
    """Every frame that opens, with the id it says, wherever it stands."""
    found, behind = [], 0
    for offset, ordinal, length in _markers(own, stored):
        place = Location(pack, ordinal, offset, 16 + length)
        if offset < behind:
            continue
        try:
            chunk, kind, _ = open_frame(own, stored, place)
        except Damaged:
            continue
        behind = offset + 16 + length
        if kind != TABLE:
            found.append((chunk, place))
    return found


def _markers(own: ObjectKeys, stored: bytes) -> list[tuple[int, int, int]]:
    """Offset, ordinal and length wherever 16 bytes decrypt to a marker. One pass for each phase of the 16-byte blocks."""
    markers = []
    for phase in range(16):
        end = len(stored) - (len(stored) - phase) % 16
        clear = own.clear_blocks(stored[phase:end])
        at = clear.find(b"pvframe1")
        while at >= 0:
            if at % 16 == 8:
                ordinal, length = struct.unpack_from("<II", clear, at - 8)
                markers.append((phase + at - 8, ordinal, length))
            at = clear.find(b"pvframe1", at + 1)
    return sorted(markers)
