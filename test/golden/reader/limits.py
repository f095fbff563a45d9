"""Caps that are checked before anything is allocated (format.md section 18)."""

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

SMALL_OBJECT = 1 * MIB  # config, key file, lock
PACK = 1 * GIB
FRAMES = 65_536
CHUNK = 16 * MIB
FRAME = 16 * MIB + 64 * KIB
LIST_ENTRIES = 8_192
LIST_LEVEL = 6
IDX = 64 * MIB
SNAPSHOT = 64 * MIB
ITEMS = 65_536
GC = 256 * MIB
RECORD_OVERHEAD = 1 * MIB  # what a record may be longer as stored than its body
MEMBERS, ROWS = 64, 8
EPOCH = 65_535
KDF_MEMORY_KIB = 4 * MIB  # 4 GiB in KiB
KDF_ITERATIONS = 64
KDF_PARALLELISM = 16
