//! What verbs take and give. The serialized forms (camelCase) are what TypeScript sees.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::format::config::{ChunkIdKind, Chunking, Compression, ParityScheme};
use crate::progress::Fault;

/// How a repository is opened or made.
pub enum Secret {
    /// No encryption, or none expected.
    None,
    /// A passphrase, UTF-8 in NFC where it is text.
    Passphrase(Zeroizing<Vec<u8>>),
    /// The master key itself: for the simulator, which can't spend its time on key derivation.
    Master(Zeroizing<[u8; 32]>),
}

/// Cost of Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KdfCost {
    /// KiB.
    pub memory_ki_b: u32,
    /// Passes.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Default for KdfCost {
    fn default() -> Self {
        Self { memory_ki_b: 128 * 1024, iterations: 3, parallelism: 1 }
    }
}

/// What init fixes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitOptions {
    /// Codec and level of new chunks.
    pub compression: Compression,
    /// Chunk sizes in bytes.
    pub chunking: Chunking,
    /// Hash of chunk ids.
    pub chunk_id: ChunkIdKind,
    /// Target size of a pack in bytes.
    pub pack_size: u32,
    /// Parity groups, if any.
    pub parity: Option<ParityScheme>,
    /// Cost of the key derivation.
    #[serde(default)]
    pub kdf: KdfCost,
    /// What a race showed about the store.
    pub exclusive_create: bool,
}

/// Name and type of an item to ingest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ItemSpec {
    /// 1 to 65,535 bytes of UTF-8 without NUL, unique in its snapshot.
    pub name: String,
    /// Free text, `stream` by default.
    #[serde(rename = "type")]
    pub kind: String,
}

/// What ingest takes besides the bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IngestOptions {
    /// At least one.
    pub items: Vec<ItemSpec>,
    /// Tags of the snapshot.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether to record SHA-256 of each item.
    #[serde(default)]
    pub sha256: bool,
    /// After how long it holds what it relies on, and how often anew, milliseconds.
    #[serde(default = "default_interval")]
    pub hold_interval_ms: u64,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self { items: Vec::new(), tags: BTreeMap::new(), sha256: false, hold_interval_ms: default_interval() }
    }
}

/// Which bytes to restore.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestoreOptions {
    /// Snapshot id, a prefix that only one has, or `latest`.
    pub snapshot: String,
    /// One item; without it all, one after the other.
    pub item: Option<String>,
    /// First byte, 0 by default.
    #[serde(default)]
    pub offset: u64,
    /// How many bytes, to the end by default.
    pub length: Option<u64>,
    /// In order, for a stream; else pack by pack, for a file.
    #[serde(default)]
    pub ordered: bool,
    /// How often it looks whether its hold must be renewed, milliseconds.
    #[serde(default = "default_interval")]
    pub hold_interval_ms: u64,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        let (snapshot, hold_interval_ms) = (String::new(), default_interval());
        Self { snapshot, item: None, offset: 0, length: None, ordered: false, hold_interval_ms }
    }
}

/// What restore did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Bytes given to the sink.
    pub bytes: u64,
    /// Bytes that parity or another copy made good.
    pub healed: u64,
}

/// Which snapshots to list. Times in milliseconds since 1970, inclusive.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SnapshotFilter {
    /// Tags that a snapshot must all have.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Not older than this.
    pub after: Option<i64>,
    /// Not younger than this.
    pub before: Option<i64>,
}

/// How deep verify looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What is named exists with the right size, and every snapshot finds its chunks.
    Quick,
    /// Every stored byte is read and authenticated.
    Standard,
    /// Every chunk is decompressed and its id recomputed, too.
    Full,
}

/// What verify takes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct VerifyOptions {
    /// Depth.
    pub level: Level,
    /// Share of packs to read, 0 to 1.
    pub sample: Option<f64>,
}

/// What verify found.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyResult {
    /// No fault at all.
    pub ok: bool,
    /// Every fault.
    pub errors: Vec<Fault>,
    /// Packs and parity objects that were checked.
    pub packs_checked: u64,
    /// Chunks that were checked.
    pub chunks_checked: u64,
    /// Snapshots whose content was followed.
    pub snapshots_checked: u64,
    /// Bytes read from packs.
    pub bytes_read: u64,
}

/// What repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RepairResult {
    /// Whether a new idx was written.
    pub index_rebuilt: bool,
    /// Packs made whole again.
    pub packs_repaired: u64,
    /// Packs with chunks that are lost beyond parity (withdrawn), hex.
    pub packs_lost: Vec<String>,
    /// Parity objects written anew.
    pub parity_repaired: u64,
    /// Advisory entries removed.
    pub locks_removed: u64,
    /// Second copies of snapshots put back.
    pub snapshots_restored: u64,
    /// Second copies of config, keys and gc records put back.
    pub copies_restored: u64,
    /// Snapshots with content that is lost beyond parity, ids.
    pub snapshots_damaged: Vec<String>,
}

/// Figures of a repository. Bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Snapshots in force.
    pub snapshots: u64,
    /// Packs named by idx in force.
    pub packs: u64,
    /// Distinct chunks.
    pub chunks: u64,
    /// Sum of all snapshots' original sizes.
    pub original_bytes: u64,
    /// Size of all packs.
    pub stored_bytes: u64,
    /// Size of all parity objects.
    pub parity_bytes: u64,
    /// Original bytes per distinct raw byte.
    pub dedup_ratio: f64,
    /// Distinct raw bytes per stored byte.
    pub compression_ratio: f64,
}

/// A key file, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyInfo {
    /// Its id.
    pub id: String,
    /// For people.
    pub label: String,
    /// RFC 3339.
    pub created_at: String,
}

/// An advisory entry of `locks/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LockInfo {
    /// Its id.
    pub id: String,
    /// Machine.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// What it does.
    pub verb: String,
    /// RFC 3339.
    pub since: String,
    /// RFC 3339.
    pub refreshed_at: String,
    /// Not refreshed for 30 minutes by this machine's clock.
    pub stale: bool,
}

/// What prune and forget take.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PruneOptions {
    /// What to keep; of no meaning to forget.
    #[serde(default)]
    pub policy: crate::verbs::prune::retention::Policy,
    /// Whose calendar counts.
    #[serde(default)]
    pub zone: crate::verbs::prune::retention::Zone,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Share of unused bytes that may stay, 0 to 1.
    #[serde(default = "default_unused")]
    pub max_unused: f64,
    /// Nobody else ever prunes: asked for where the store can't arbitrate.
    #[serde(default)]
    pub sole_maintainer: bool,
    /// How long to wait between condemn and second look when somebody holds, milliseconds: time to renew the hold.
    #[serde(default = "default_interval")]
    pub hold_interval_ms: u64,
}

fn default_unused() -> f64 {
    0.1
}

fn default_interval() -> u64 {
    super::HOLD_INTERVAL_MS
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            policy: crate::verbs::prune::retention::Policy::default(),
            zone: crate::verbs::prune::retention::Zone::default(),
            dry_run: false,
            max_unused: default_unused(),
            sole_maintainer: false,
            hold_interval_ms: default_interval(),
        }
    }
}

/// What prune and forget did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PruneResult {
    /// Snapshots that went.
    pub removed_snapshots: u64,
    /// Packs that went.
    pub removed_packs: u64,
    /// Those of them whose needed chunks were written to new packs.
    pub rewritten_packs: u64,
    /// Bytes of packs that became free, parity apart.
    pub freed_bytes: u64,
    /// Ids of the snapshots that stay.
    pub kept_snapshots: Vec<String>,
}
