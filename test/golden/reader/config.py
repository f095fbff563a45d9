"""Config and key files (format.md sections 4 and 5): from two JSON files and a passphrase to the keys of a repository."""

import hmac
import json
import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

import limits
from errors import Damaged, NotARepository, PassphraseRequired, PassphraseUnwanted, TooNew, TooOld, WrongPassphrase
from sealing import RepositoryKeys, hkdf_expand, hmac_sha256, sha256
from store import KEY_FILE, Folder


def split(line: bytes, member: str, digits: int) -> tuple[bytes, bytes]:
    """What stands before the last member (its value hex of that many digits), and the value."""
    label = f',"{member}":"'.encode()
    start = len(line) - len(label) - digits - len(b'"')
    if start < 0 or not line.startswith(label, start) or not line.endswith(b'"'):
        raise Damaged(f"does not end in {member}")
    try:
        return line[:start], bytes.fromhex(line[start + len(label) : -1].decode("ascii"))
    except ValueError:
        raise Damaged(f"{member} is not hex") from None


def without_end(line: bytes) -> bytes:
    if not line.endswith(b"}\n"):
        raise Damaged("does not end in a brace and a newline")
    return line[:-2]


def parse(line: bytes) -> dict:
    try:
        value = json.loads(line)
    except ValueError:
        raise Damaged("is not JSON") from None
    if not isinstance(value, dict):
        raise Damaged("is not a JSON object")
    return value


class Unlocker:
    """Tries a passphrase on key files; each derivation is done once."""

    def __init__(self, store: Folder, passphrase: bytes | None):
        self.store, self.passphrase = store, passphrase
        self.masters: dict[bytes, bytes] = {}

    def keys(self, config: dict) -> RepositoryKeys:
        repository_id = bytes.fromhex(config["id"])
        if config["encryption"] == "none":
            return RepositoryKeys(repository_id, False, None)
        if self.passphrase is None:
            raise PassphraseRequired("the repository is encrypted")
        if repository_id not in self.masters:
            self.masters[repository_id] = self._master(config["id"])
        return RepositoryKeys(repository_id, True, self.masters[repository_id])

    def _master(self, repository_id: str) -> bytes:
        intact, seen = 0, set()
        for match in self.store.names(KEY_FILE):
            try:
                line = self.store.read(match[0], limits.SMALL_OBJECT)
                if line is None or line in seen:
                    continue
                seen.add(line)
                head, parsed = self._key_file(line)
                if parsed["packvault-key"] != 1 or parsed["wrap"] is not None or parsed["repository"] != repository_id:
                    continue
                intact += 1
                master = self._unwrap(head, parsed)
            except (Damaged, KeyError, TypeError, ValueError):
                continue
            if master is not None:
                return master
        if intact:
            raise WrongPassphrase("no key file is opened by this passphrase")
        raise Damaged("no key file is intact")

    @staticmethod
    def _key_file(line: bytes) -> tuple[bytes, dict]:
        before, checksum = split(without_end(line), "checksum", 64)
        if sha256(before) != checksum:
            raise Damaged("the checksum does not fit")
        before, _ = split(before, "commitment", 64)
        head, _ = split(before, "sealed", 96)
        return head, parse(line)

    def _unwrap(self, head: bytes, parsed: dict) -> bytes | None:
        kdf = parsed["kdf"]
        memory, iterations, lanes = kdf["memoryKiB"], kdf["iterations"], kdf["parallelism"]
        if kdf["name"] != "argon2id" or not (
            1 <= lanes <= limits.KDF_PARALLELISM
            and 1 <= iterations <= limits.KDF_ITERATIONS
            and 8 * lanes <= memory <= limits.KDF_MEMORY_KIB
        ):
            raise Damaged("the derivation's cost is out of bounds")
        salt = bytes.fromhex(kdf["salt"])
        derived = Argon2id(salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory).derive(
            self.passphrase
        )
        commitment = hkdf_expand(derived, b"packvault/v1/key-commitment", 32)
        if not hmac.compare_digest(commitment, bytes.fromhex(parsed["commitment"])):
            return None
        wrap = hkdf_expand(derived, b"packvault/v1/key-wrap", 32)
        try:
            return AESGCM(wrap).decrypt(bytes(12), bytes.fromhex(parsed["sealed"]), head)
        except InvalidTag:
            raise Damaged("the sealed master key does not open") from None


def normalize(passphrase: bytes) -> bytes:
    """Text is taken in normalization form C; bytes that are not text as they are."""
    try:
        return unicodedata.normalize("NFC", passphrase.decode()).encode()
    except UnicodeDecodeError:
        return passphrase


def _authentic(line: bytes, keys: RepositoryKeys) -> bool:
    try:
        head, tag = split(without_end(line), "tag", 64)
    except Damaged:
        return False
    return hmac.compare_digest(hmac_sha256(keys.sub("config", 32), head), tag)


def _verified(line: bytes, unlocker: Unlocker) -> tuple[dict, RepositoryKeys]:
    """A config copy that verifies. Its version is looked at before its tag: other versions may tag otherwise."""
    config = parse(line)
    version = config.get("packvault")
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise Damaged("config has no version")
    if version == 0:
        raise TooOld("the repository is of a pre-release of the format")
    if version > 1:
        raise TooNew(f"the repository has format {version}")
    try:
        if config["encryption"] not in ("none", "aes-256-gcm"):
            raise TooNew(f"unknown encryption {config['encryption']!r}")
        keys = unlocker.keys(config)
    except (KeyError, TypeError, ValueError):
        raise Damaged("config lacks id or encryption") from None
    if not _authentic(line, keys):
        raise Damaged("the tag of config does not fit")
    return config, keys


def open_config(store: Folder, passphrase: bytes | None) -> tuple[dict, RepositoryKeys]:
    """The config that counts, and the keys; fails closed when two copies that verify contradict each other."""
    unlocker = Unlocker(store, None if passphrase is None else normalize(passphrase))
    good, bad, lines, others = [], [], {}, {}
    for name in ("config.json", "config.copy.json"):
        try:
            line = store.read(name, limits.SMALL_OBJECT)
            if line is None or line in lines.values():
                continue
            lines[name] = line
            good.append((line, *_verified(line, unlocker)))
        except (TooNew, TooOld) as error:
            bad.append(error)
            others[line] = error
        except (Damaged, WrongPassphrase, PassphraseRequired) as error:
            bad.append(error)
    # Where one copy says that it is encrypted, nobody is shown an unencrypted repository in its place.
    if not good or any(isinstance(error, PassphraseRequired) for error in bad):
        raise _worst(bad) if bad else NotARepository("there is no config.json")
    chosen = _choose(good, passphrase)
    for line, error in others.items():
        if _authentic(line, chosen[1]):
            raise error
    return chosen


def _worst(errors: list[Exception]) -> Exception:
    """Of several reasons the one that tells people most: damage of one copy must not hide what the other says."""
    order = [TooNew, TooOld, WrongPassphrase, PassphraseRequired, Damaged]
    return min(errors, key=lambda error: order.index(type(error)))


def _choose(good: list, passphrase: bytes | None) -> tuple[dict, RepositoryKeys]:
    if passphrase is not None:
        good = [one for one in good if one[2].encrypted]
        if not good:
            raise PassphraseUnwanted("a passphrase is given, but config says that nothing is encrypted")
    if len({config["id"] for _, config, _ in good}) > 1:
        raise Damaged("the copies of config verify and differ in id")
    newest = max(config["revision"] for _, config, _ in good)
    chosen = [(config, keys) for _, config, keys in good if config["revision"] == newest]
    if len(chosen) > 1:
        raise Damaged("the copies of config verify and differ under one revision")
    config, keys = chosen[0]
    if config["features"]["required"]:
        raise TooNew(f"unknown required features {config['features']['required']}")
    if config["chunkId"] not in ("blake3", "sha256"):
        raise TooNew(f"unknown chunkId {config['chunkId']!r}")
    if not 0 <= config["epoch"] <= limits.EPOCH:
        raise Damaged("the epoch is out of bounds")
    keys.epoch, keys.chunk_id_algorithm = config["epoch"], config["chunkId"]
    return config, keys
