"""Turns a fresh repository into one that no API makes (golden repositories only).

write_rounds.py WORD FOLDER < task.json

The task is {"passphrase": …} or {"passphrase": null}. Prints JSON: `inForce`, the ids of the snapshots that
stay in force, and `deletable`, the packs that a prune may delete at any time.

`pre-release`, `format-2` and `required-feature` give a config that must be refused. `newer-copy`, `config-differs` and
`snapshot-differs` give copies that are all authentic: a newer config.copy.json, two of one revision, two of one snapshot;
`newer-format-copy` one of a later version beside one of this.

`rounds` gives a repository where round 10 has a checkpoint and round 11 is condemned. Its five snapshots, by their item's name:
  kept       generation 0, listed by checkpoint 10                      in force
  forgotten  generation 0, not listed, its objects not yet all deleted  void
  newer      generation 10, epoch 1                                     in force by its generation
  late       generation 5, not listed                                   void
  again      generation 0, listed, and once more at generation 11       in force, one snapshot
The pack of `again` is lost beyond parity: withdrawn, its chunks stored again in a pack of epoch 1. A pack that holds the chunks of
`late` is in an idx in force but condemned by round 11: a writer must not rely on it.
"""

import json
import sys

import limits
import sealing
from config import open_config
from content import Chunks, entries
from idx import NOTHING, Index, add_idx
from records import Rounds, open_record, read_snapshots
from sealing import RepositoryKeys, sha256
from store import IDX, Folder, pack_object, parity_object
from writing import DATA, LIST, RoundWriter, Writer, compact

N = 10
PACK_SECTION, GROUP_SECTION, WITHDRAWALS = 1, 2, 3
UNKNOWN_SECTION, REQUIRED = 77, 1


class Commit:
    """What one backup of the fresh repository stored: its snapshot, idx, packs and parity."""

    def __init__(self, snapshot: dict, idx_name: str, body: bytes, index: Index):
        self.snapshot, self.idx_name, self.body, self.index = snapshot, idx_name, body, index

    @property
    def logical_name(self) -> str:
        return f"snapshots/{0:016}-{self.snapshot['id']}"

    @property
    def packs(self) -> list[bytes]:
        return sorted(self.index.salts)

    @property
    def parity(self) -> list[bytes]:
        return sorted({name for group in self.index.groups.values() for names in group.rows.values() for name in names})

    def sections(self) -> list[tuple[int, int, bytes]]:
        """The sections of its idx, as they stand in the body."""
        found, at = [], 8
        while at < len(self.body):
            kind, flags = self.body[at], self.body[at + 2]
            length = int.from_bytes(self.body[at + 4 : at + 8], "little")
            found.append((kind, flags, self.body[at + 8 : at + 8 + length]))
            at += 8 + length
        return found


def commits(store: Folder, keys: RepositoryKeys, snapshots: dict[str, dict]) -> dict[str, Commit]:
    """By the name of the snapshot's item. A commit's idx is the one that names the item's root."""
    found = {}
    for match in store.names(IDX):
        body = open_record(keys, sealing.IDX, match[0], store.read(match[0], limits.IDX), limits.IDX)
        index = Index()
        add_idx(index, body)
        for snapshot in snapshots.values():
            item = snapshot["items"][0]
            if bytes.fromhex(item["root"]) in index.chunks:
                found[item["name"]] = Commit(snapshot, match[0], body, index)
    return found


def chunks_of(chunks: Chunks, commit: Commit) -> list[tuple[int, bytes]]:
    """Kind and raw bytes of everything that the commit stored."""
    lists = {bytes.fromhex(item["root"]) for item in commit.snapshot["items"]}
    if any(entries(chunks.get(root), None)[0] for root in lists):
        raise ValueError("this writer expects lists of one level")
    return [(LIST if chunk in lists else DATA, chunks.get(chunk)) for chunk in sorted(commit.index.chunks)]


def hexes(names: list[bytes]) -> list[str]:
    return [name.hex() for name in names]


class Story:
    def __init__(self, writer: Writer, store: Folder, keys: RepositoryKeys, config: dict):
        self.writer, self.store, self.keys, self.config = writer, store, keys, config
        snapshots = read_snapshots(store, keys, Rounds(), fail)
        self.commits = commits(store, keys, snapshots)
        self.kept, self.forgotten, self.newer, self.late, self.again = (
            self.commits[word] for word in ("kept", "forgotten", "newer", "late", "again")
        )
        bodies = [commit.body for commit in self.commits.values()]
        self.chunks = Chunks(store, keys, bodies, fail)
        self.copies = {word: chunks_of(self.chunks, commit) for word, commit in self.commits.items()}

    def tell(self) -> dict:
        self.raise_epoch()
        self.move_snapshots()
        compacted = self.write_idx()
        self.write_rounds(compacted)
        self.delete()
        return {
            "inForce": [commit.snapshot["id"] for commit in (self.kept, self.newer, self.again)],
            "deletable": [pack_object(pack) for pack in [self.condemned_pack, *self.late.packs]],
        }

    def raise_epoch(self) -> None:
        """With what later versions may add."""
        changed = {**self.config, "epoch": 1, "revision": 1, "x-unknown": {"tag": 1}}
        changed["features"] = {"required": [], "optional": ["x-golden"]}
        for name in "config.copy.json", "config.json":
            self.writer.config(changed, name)

    def move_snapshots(self) -> None:
        self.writer.snapshot(N, 1, {**self.newer.snapshot, "x-unknown": [1, 2]})
        self.writer.snapshot(5, 0, self.late.snapshot)
        self.writer.snapshot(N + 1, 1, self.again.snapshot)
        for commit in (self.newer, self.late):
            for copy in ".a", ".b":
                self.writer.delete(commit.logical_name + copy)
        root = self.newer.snapshot["items"][0]["root"]
        self.writer.hold(N, 1, [root], hexes(self.kept.packs))
        self.writer.hold(2, 0, [root], hexes(self.late.packs))

    def write_idx(self) -> str:
        """The compacted idx that checkpoint 10 lists, one in force by its generation, and a void one that would do harm."""
        lost = self.again.packs
        self.again_pack, again_section = self.writer.pack(N, 1, self.copies["again"])
        self.condemned_pack, condemned_section = self.writer.pack(N, 0, self.copies["late"])
        withdrawals = b"".join(pack + NOTHING for pack in lost)
        sections = self.kept.sections() + self.newer.sections()
        sections += [section for section in self.again.sections() if section[0] == PACK_SECTION]
        sections += [(UNKNOWN_SECTION, 0, b"later versions"), (WITHDRAWALS, 0, withdrawals)]
        compacted = self.writer.idx(N - 1, 0, sections)
        self.writer.idx(
            N, 1, [(PACK_SECTION, 0, again_section), (PACK_SECTION, 0, condemned_section), (WITHDRAWALS, 0, withdrawals)]
        )
        everything = b"".join(pack + NOTHING for pack in self.kept.packs + self.newer.packs + [self.again_pack])
        self.writer.idx(3, 0, [(WITHDRAWALS, 0, everything), (UNKNOWN_SECTION, REQUIRED, b"")])
        return compacted

    def write_rounds(self, compacted: str) -> None:
        rounds, nothing = RoundWriter(self.writer), {"packs": [], "parity": []}
        void = [self.forgotten, self.late]
        dead = {
            "packs": hexes([pack for commit in void for pack in commit.packs]),
            "parity": hexes([name for commit in void for name in commit.parity]),
        }
        for number in range(1, N + 1):
            last = number == N
            deleted = dead if last else nothing
            forgotten = [self.forgotten.snapshot["id"]] if last else []
            dropped = number <= N - 9
            rounds.condemn(number, int(last), {**deleted, "forgotten": forgotten}, dropped)
            listed = [self.kept, self.again] if last else [self.kept, self.forgotten, self.again]
            idx = [compacted] if last else [commit.idx_name for commit in self.commits.values()]
            rest = {
                "snapshots": [self.entry(commit.logical_name, ".a", commit.snapshot["createdAt"]) for commit in listed],
                "idx": [self.entry(name) for name in idx],
                "deleted": deleted,
                "forgotten": forgotten,
            }
            rounds.checkpoint(number, int(last), rest, dropped)
        rounds.condemn(N + 1, 1, {"packs": [self.condemned_pack.hex()], "parity": [], "forgotten": []})

    def entry(self, key: str, copy: str = "", time: str | None = None) -> dict:
        entry = {"key": key, "sha256": sha256(self.store.read(key + copy, limits.SNAPSHOT)).hex()}
        return entry if time is None else {**entry, "time": time}

    def delete(self) -> None:
        """What is lost, and what somebody has begun to delete. The idx of `forgotten` and the packs of `late` are still there."""
        for pack in self.again.packs + self.forgotten.packs:
            self.writer.delete(pack_object(pack))
        for name in self.again.parity + self.forgotten.parity:
            self.writer.delete(parity_object(name))
        for commit in self.kept, self.newer, self.late, self.again:
            self.writer.delete(commit.idx_name)


def fail(text: str, lost: bool = False) -> None:
    raise ValueError(text)


BOTH, COPY = ("config.json", "config.copy.json"), ("config.copy.json",)
CONFIGS = {
    "pre-release": (BOTH, {"packvault": 0}),
    "format-2": (BOTH, {"packvault": 2}),
    "required-feature": (BOTH, {"features": {"required": ["x-no-version-has-this"], "optional": []}}),
    "newer-copy": (COPY, {"revision": 1, "epoch": 1}),
    "newer-format-copy": (COPY, {"revision": 1, "packvault": 2}),
    "config-differs": (COPY, {"epoch": 1}),
}


def second_snapshot_copy(writer: Writer, store: Folder, keys: RepositoryKeys) -> None:
    """Another authentic record under the name of the first snapshot's `.b`."""
    snapshot_id, body = next(iter(read_snapshots(store, keys, Rounds(), fail).items()))
    name = f"snapshots/{0:016}-{snapshot_id}"
    writer.put(f"{name}.b", writer.record(sealing.SNAPSHOT, name, 0, 0, compact(body)))


def main() -> None:
    word, folder = sys.argv[1:]
    task = json.load(sys.stdin)
    store = Folder(folder)
    passphrase = task["passphrase"]
    config, keys = open_config(store, None if passphrase is None else passphrase.encode())
    writer = Writer(folder, keys, f"write_rounds/{word}")
    result = {"inForce": [], "deletable": []}
    if word == "rounds":
        result = Story(writer, store, keys, config).tell()
    elif word == "snapshot-differs":
        second_snapshot_copy(writer, store, keys)
    else:
        names, change = CONFIGS[word]
        for name in names:
            writer.config({**config, **change}, name)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
