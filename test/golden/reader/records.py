"""Records, deletion rounds, and which snapshots and idx are in force (format.md sections 7, 13 and 14)."""

import json
import struct
from dataclasses import dataclass, field

import limits
import sealing
from errors import Damaged, TooNew
from sealing import RepositoryKeys, sha256
from store import GC, IDX, SNAPSHOT, Folder

MAGIC = b"PVLTRECD"


def open_record(keys: RepositoryKeys, kind: int, name: str, stored: bytes, cap: int) -> bytes:
    """The body of a record; name is its logical name."""
    if len(stored) < 8 + 64 + sealing.TAG + 8 or stored[:8] != MAGIC:
        raise Damaged(f"{name} is not a record")
    own = keys.find(kind, stored[8:40], stored[40:72], name)
    if own is None:
        raise Damaged(f"{name} is damaged, of another repository, or was stored under another name")
    plaintext = own.open(0, stored[72:])
    codec, raw_length = struct.unpack_from("<B3xI", plaintext)
    if raw_length > cap:
        raise Damaged(f"{name} is longer than allowed")
    return sealing.decode(codec, plaintext[8:], raw_length)


@dataclass
class Rounds:
    """N, and what checkpoint N lists: logical name to the SHA-256 of the object; and the greatest round that gc/ knows."""

    n: int = 0
    snapshots: dict[str, str] = field(default_factory=dict)
    idx: dict[str, str] = field(default_factory=dict)
    known: int = 0

    def check(self, name: str, generation: int, report) -> None:
        if generation > self.known:
            report(f"{name} is of a round that gc/ does not know: gc records are missing, and void objects may look alive")

    def in_force(self, generation: int, listed: str | None, stored: bytes) -> bool:
        return generation >= self.n or listed == sha256(stored).hex()


def read_checkpoint(keys: RepositoryKeys, round_number: int, name: str, stored: bytes) -> Rounds:
    body = open_record(keys, sealing.CHECKPOINT, name, stored, limits.GC)
    if len(body) < 4 or 4 + int.from_bytes(body[:4], "little") > len(body):
        raise Damaged(f"{name} is cut off")
    end = 4 + int.from_bytes(body[:4], "little")
    header, rest = json.loads(body[4:end]), body[end:]
    if header["version"] != 1:
        raise TooNew(f"{name} has version {header['version']}")
    if header["kind"] != "checkpoint" or header["round"] != round_number or header["rest"] != sha256(rest).hex():
        raise Damaged(f"{name} contradicts itself")
    lists = json.loads(rest)
    snapshots = {entry["key"]: entry["sha256"] for entry in lists["snapshots"]}
    idx = {entry["key"]: entry["sha256"] for entry in lists["idx"]}
    return Rounds(round_number, snapshots, idx)


def read_rounds(store: Folder, keys: RepositoryKeys) -> Rounds:
    """The greatest round that has a checkpoint. Where one copy does not open the other serves; a `.b` that stands alone and does
    not open was never decided; else nobody knows what is in force."""
    copies: dict[int, list[str]] = {}
    condemned = 0
    for match in store.names(GC):
        if match[2] == "checkpoint":
            copies.setdefault(int(match[1]), []).append(match[0])
        elif match[3] == "a":
            condemned = max(condemned, int(match[1]))
    rounds = newest_checkpoint(store, keys, copies)
    if condemned > rounds.n + 1:
        raise Damaged(f"round {condemned} was begun and the checkpoint before it is missing; what is in force is not known")
    rounds.known = max(condemned, rounds.n)
    return rounds


def newest_checkpoint(store: Folder, keys: RepositoryKeys, copies: dict[int, list[str]]) -> Rounds:
    for number in sorted(copies, reverse=True):
        reasons = []
        for name in sorted(copies[number]):
            try:
                stored = store.read(name, limits.GC + limits.RECORD_OVERHEAD)
                return read_checkpoint(keys, number, name[:-2], stored)
            except (Damaged, KeyError, TypeError, ValueError) as error:
                reasons.append(f"{name}: {error}")
        if copies[number] != [f"gc/{number:016}.checkpoint.b"]:
            raise Damaged("the newest checkpoint does not open; what is in force is not known. " + "; ".join(reasons))
    return Rounds()


def read_snapshots(store: Folder, keys: RepositoryKeys, rounds: Rounds, report) -> dict[str, dict]:
    """Bodies of the snapshots in force by id. Copies that open and differ fail closed; what does not open is reported."""
    copies: dict[tuple[int, str], list[str]] = {}
    for match in store.names(SNAPSHOT):
        copies.setdefault((int(match[1]), match[2]), []).append(match[0])
    result: dict[str, dict] = {}
    lost = {logical: logical[-32:] for logical in rounds.snapshots}
    for (generation, snapshot_id), names in sorted(copies.items()):
        logical = names[0][:-2]
        listed = rounds.snapshots.get(logical)
        rounds.check(logical, generation, report)
        opened: dict[bytes, dict] = {}
        for name in names:
            try:
                stored = store.read(name, limits.SNAPSHOT + limits.RECORD_OVERHEAD)
                if rounds.in_force(generation, listed, stored):
                    body = json.loads(open_record(keys, sealing.SNAPSHOT, logical, stored, limits.SNAPSHOT))
                    check_snapshot(logical, snapshot_id, body)
                    opened[stored] = body
            except (Damaged, TooNew, KeyError, TypeError, ValueError) as error:
                report(f"{name}: {error}")
        if len(opened) > 1:
            raise Damaged(f"the copies of {logical} open and differ")
        if generation >= rounds.n:
            lost[logical] = snapshot_id
        result.update((snapshot_id, body) for body in opened.values())
    # Two snapshots in force with one id are one: either serves.
    for logical, snapshot_id in lost.items():
        if snapshot_id not in result:
            report(f"{logical} cannot be read", lost=True)
    return result


def check_snapshot(name: str, snapshot_id: str, body: dict) -> None:
    if body["version"] != 1 or body["features"]:
        raise TooNew(f"{name} needs version {body['version']}, features {body['features']}")
    if body["id"] != snapshot_id or len(body["items"]) > limits.ITEMS:
        raise Damaged(f"{name} contradicts itself")
    if any(item["kind"] != 0 for item in body["items"]):
        raise TooNew(f"{name} has items of an unknown kind")


def read_idx(store: Folder, keys: RepositoryKeys, rounds: Rounds, report) -> list[bytes]:
    """Bodies of the idx objects in force. A damaged one is reported: packs describe themselves."""
    bodies = []
    for match in store.names(IDX):
        name = match[0]
        rounds.check(name, int(match[1]), report)
        try:
            stored = store.read(name, limits.IDX + limits.RECORD_OVERHEAD)
            if rounds.in_force(int(match[1]), rounds.idx.get(name), stored):
                bodies.append(open_record(keys, sealing.IDX, name, stored, limits.IDX))
        except Damaged as error:
            report(f"{name}: {error}")
    return bodies
