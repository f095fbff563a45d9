"""Restores a packvault repository without packvault. Written from docs/format.md alone.

restore.py REPOSITORY [--passphrase-file FILE] --list
restore.py REPOSITORY [--passphrase-file FILE] [--snapshot ID] [--item NAME] --output FOLDER

Prints a line of JSON for each snapshot (--list) or restored item; what it met on its way goes to stderr. Exit codes: 0 all is
restored; 1 something is lost; 2 usage; 3 wrong, missing or unwanted passphrase; 4 too new; 5 pre-release; 6 not a repository.
"""

import argparse
import hashlib
import json
import os
import re
import sys
from pathlib import Path

from config import open_config
from content import Chunks, item_bytes
from errors import FormatError
from records import read_idx, read_rounds, read_snapshots
from store import Folder

EXIT = {
    "DAMAGED": 1,
    "WRONG_PASSPHRASE": 3,
    "PASSPHRASE_REQUIRED": 3,
    "PASSPHRASE_UNWANTED": 3,
    "TOO_NEW": 4,
    "TOO_OLD": 5,
    "NOT_A_REPOSITORY": 6,
}


class Report:
    """Tells stderr each thing once, and remembers whether anything is lost."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.lost = False

    def __call__(self, text: str, lost: bool = False) -> None:
        self.lost |= lost
        if text not in self.seen:
            self.seen.add(text)
            print(f"restore.py: {text}", file=sys.stderr)


def read_passphrase(path: str | None) -> bytes | None:
    """The file's bytes without one line end."""
    return None if path is None else re.sub(rb"\r?\n\Z", b"", Path(path).read_bytes())


def file_name(number: int, item: str) -> str:
    """Item names are labels: no slash, no dot-dot, no device name, no 64 KiB reach the file system."""
    return f"{number:05}-{re.sub(r'[^A-Za-z0-9._-]', '_', item)[:80]}"


def restore_item(chunks: Chunks, item: dict, path: Path) -> dict:
    """Writes under a temporary name; the file appears whole or not at all."""
    digest, partial = hashlib.sha256(), path.with_name(path.name + ".partial")
    with open(partial, "xb") as file:
        for raw in item_bytes(chunks, bytes.fromhex(item["root"]), item["size"]):
            digest.update(raw)
            file.write(raw)
    if item.get("sha256", digest.hexdigest()) != digest.hexdigest():
        raise FormatError("the item's sha256 does not fit")
    os.rename(partial, path)
    return {"item": item["name"], "file": path.name, "size": item["size"], "sha256": digest.hexdigest()}


def restore(chunks: Chunks, snapshots: dict[str, dict], options: argparse.Namespace, report: Report) -> None:
    wanted = [options.snapshot] if options.snapshot else sorted(snapshots)
    for snapshot_id in wanted:
        if snapshot_id not in snapshots:
            report(f"snapshot {snapshot_id} is not there", lost=True)
            continue
        items = [(n, item) for n, item in enumerate(snapshots[snapshot_id]["items"]) if options.item in (None, item["name"])]
        if not items:
            report(f"snapshot {snapshot_id} has no such item", lost=True)
        folder = Path(options.output, snapshot_id)
        folder.mkdir(parents=True, exist_ok=True)
        for number, item in items:
            try:
                line = restore_item(chunks, item, folder / file_name(number, item["name"]))
                print(json.dumps({"snapshot": snapshot_id, **line}))
            except FormatError as error:
                report(f"{snapshot_id}, item {number}: {error}", lost=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository")
    parser.add_argument("--passphrase-file")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--snapshot", metavar="ID")
    parser.add_argument("--item", metavar="NAME")
    parser.add_argument("--output", metavar="FOLDER")
    options = parser.parse_args()
    if not options.list and options.output is None:
        parser.error("--list or --output is needed")
    report, store = Report(), Folder(options.repository)
    try:
        _, keys = open_config(store, read_passphrase(options.passphrase_file))
        rounds = read_rounds(store, keys)
        snapshots = read_snapshots(store, keys, rounds, report)
        if options.list:
            for body in snapshots.values():
                print(json.dumps(body))
        else:
            restore(Chunks(store, keys, read_idx(store, keys, rounds, report), report), snapshots, options, report)
    except FormatError as error:
        print(f"restore.py: {error.code}: {error}", file=sys.stderr)
        return EXIT[error.code]
    return 1 if report.lost else 0


if __name__ == "__main__":
    sys.exit(main())
