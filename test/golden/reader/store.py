"""The objects of a repository in a folder (format.md section 2)."""

import re
from pathlib import Path

from errors import Damaged

HEX32 = "[0-9a-f]{32}"
HEX64 = "[0-9a-f]{64}"

KEY_FILE = re.compile(rf"keys/({HEX32})\.([ab])")
PACK = re.compile(rf"packs/data/([0-9a-f]{{2}})/({HEX64})\.pack")
PARITY = re.compile(rf"packs/parity/([0-9a-f]{{2}})/({HEX64})\.par")
IDX = re.compile(rf"index/([0-9]{{16}})-({HEX32})\.idx")
SNAPSHOT = re.compile(rf"snapshots/([0-9]{{16}})-({HEX32})\.([ab])")
GC = re.compile(r"gc/([0-9]{16})\.(condemn|checkpoint)\.([ab])")


def pack_object(name: bytes) -> str:
    return f"packs/data/{name.hex()[:2]}/{name.hex()}.pack"


def parity_object(name: bytes) -> str:
    return f"packs/parity/{name.hex()[:2]}/{name.hex()}.par"


class Folder:
    def __init__(self, path: str):
        self.path = Path(path)

    def names(self, pattern: re.Pattern) -> list[re.Match]:
        """The objects whose whole name fits the pattern, in order of names. Everything else is not of the repository."""
        folder = self.path / pattern.pattern.split("/", 1)[0]
        found = (entry.relative_to(self.path).as_posix() for entry in sorted(folder.rglob("*")) if entry.is_file())
        return [match for match in map(pattern.fullmatch, found) if match]

    def read(self, name: str, cap: int) -> bytes | None:
        """The whole object; None if it is not there. A longer one than section 18 allows is damaged."""
        path = self.path / name
        try:
            if path.stat().st_size > cap:
                raise Damaged(f"{name} is longer than {cap} bytes")
            return path.read_bytes()
        except FileNotFoundError:
            return None
