//! Makes a repository folder of a size that nobody wants to wait for: `big_repository FOLDER CHUNKS SNAPSHOTS`.
//!
//! Everything that a prune reads is real: idx, snapshots, lists of chunks. Packs of data are named and have their sizes, and hold nothing (sparse
//! files), so data can't be restored. A quarter of the chunks belong to all snapshots, each of the others to one. The passphrase is `big`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use packvault_core::codec::Codec;
use packvault_core::crypto::sha256;
use packvault_core::error::Result;
use packvault_core::format::config::{ChunkIdKind, Chunking, CodecName, Compression};
use packvault_core::format::idx::{Idx, PackEntry};
use packvault_core::format::list::{Ref, encode};
use packvault_core::format::pack::{Entry, FrameKind};
use packvault_core::format::snapshot::{Item, Snapshot};
use packvault_core::format::{Kind, names, record, time};
use packvault_core::verbs::objects::put_copies;
use packvault_core::verbs::writer::{ChunkHead, PackWriter, put_idx};
use packvault_core::verbs::{InitOptions, KdfCost, Repository, Secret, init, open};
use packvault_core::world::{Clock, Entropy};
use packvault_sim::{SimStore, SimWorld};
use zeroize::Zeroizing;

const CHUNK: u32 = 256 << 10;
const PER_PACK: usize = 133;
const PER_LIST: usize = 2_048;
const PER_IDX: usize = 600;
/// Where frames begin, about.
const HEAD: u32 = 128;
const DAY_MS: i64 = 86_400_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, chunks, snapshots] = words.as_slice() else {
        eprintln!("big_repository FOLDER CHUNKS SNAPSHOTS");
        std::process::exit(2);
    };
    let (chunks, snapshots) = (chunks.parse().expect("a number"), snapshots.parse().expect("a number"));
    let big = Big::new(Path::new(folder));
    let (world, made) = (big.world.clone(), big);
    let packs = world.run(async move { made.make(chunks, snapshots).await }).expect("the repository could not be made");
    println!("{chunks} chunks in {packs} packs of data, {snapshots} snapshots");
}

struct Big {
    folder: PathBuf,
    world: SimWorld,
    repo: Arc<Repository>,
}

impl Big {
    fn new(folder: &Path) -> Self {
        let mut world = SimWorld::new(1, &SimStore::default());
        world.limit = 512 << 20;
        let options = InitOptions {
            compression: Compression { codec: CodecName::Zstd, level: 3 },
            chunking: Chunking { min: 64 << 10, average: CHUNK, max: 1 << 20 },
            chunk_id: ChunkIdKind::Blake3,
            pack_size: 32 << 20,
            parity: None,
            kdf: KdfCost { memory_ki_b: 65_536, iterations: 3, parallelism: 1 },
            exclusive_create: true,
        };
        let secret = || Secret::Passphrase(Zeroizing::new(b"big".to_vec()));
        let w = world.clone();
        let made = world.run(async move {
            init::init(&w, secret(), options, "bench").await?;
            open::open(&w, secret()).await
        });
        Self { folder: folder.to_path_buf(), world, repo: made.expect("init") }
    }

    async fn make(self, chunks: usize, snapshots: usize) -> Result<usize> {
        let lists = PackWriter::new(&self.world, &self.repo, 0, 256 << 20)?;
        let own = (chunks * 3 / 4 / snapshots.max(1)).next_multiple_of(PER_PACK);
        let mut packs = 0;
        let base = self.data(chunks - own * snapshots, &mut packs).await?;
        let mut shared = Vec::new();
        for part in base.chunks(PER_LIST) {
            shared.push(self.list(&lists, 0, part).await?);
        }
        for number in 0..snapshots {
            let mut entries = shared.clone();
            for part in self.data(own, &mut packs).await?.chunks(PER_LIST) {
                entries.push(self.list(&lists, 0, part).await?);
            }
            let root = self.list(&lists, 1, &entries).await?;
            self.snapshot(number, root, (chunks - own * (snapshots - 1)) as u64).await?;
            self.write_out();
        }
        lists.finish(Vec::new()).await?;
        self.write_out();
        Ok(packs)
    }

    /// Names packs of that many chunks, makes their sparse files, and puts the idx.
    async fn data(&self, chunks: usize, packs: &mut usize) -> Result<Vec<Ref>> {
        let mut refs = Vec::with_capacity(chunks);
        let mut idx = Idx::default();
        let mut left = chunks;
        while left > 0 {
            let count = left.min(PER_PACK);
            let length = CHUNK - 20_000;
            let entries: Vec<Entry> = (0..count as u32)
                .map(|i| Entry {
                    id: self.world.id32(),
                    offset: HEAD + i * length,
                    length,
                    raw_len: CHUNK,
                    kind: FrameKind::Data as u8,
                    codec: Codec::Zstd as u8,
                })
                .collect();
            refs.extend(entries.iter().map(|entry| Ref { id: entry.id, size: u64::from(CHUNK) }));
            let size = u64::from(HEAD + count as u32 * length) + 64 * count as u64 + 4_096;
            let pack = PackEntry { name: self.world.id32(), salt: self.world.id32(), size, entries };
            let path = self.folder.join(names::pack(&pack.name));
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::File::create(path).and_then(|file| file.set_len(size)).expect("a sparse file");
            idx.packs.push(pack);
            *packs += 1;
            left -= count;
            if idx.packs.len() == PER_IDX || left == 0 {
                put_idx(&self.world, &self.repo, 0, std::mem::take(&mut idx)).await?;
                self.write_out();
            }
        }
        Ok(refs)
    }

    async fn list(&self, writer: &PackWriter<SimWorld>, level: u8, entries: &[Ref]) -> Result<Ref> {
        let raw = encode(level, entries);
        let id = self.repo.ring.chunk_id(&raw);
        let head = ChunkHead { id, kind: FrameKind::List, codec: Codec::None, raw_len: raw.len() as u32 };
        writer.push(head, &raw).await?;
        Ok(Ref { id, size: entries.iter().map(|entry| entry.size).sum() })
    }

    async fn snapshot(&self, number: usize, root: Ref, chunk_count: u64) -> Result<()> {
        let id: [u8; 16] = *sha256(&number.to_le_bytes()).first_chunk().expect("16 of 32 bytes");
        let item = Item {
            name: "data".into(),
            label: "stream".into(),
            kind: 0,
            size: root.size,
            chunk_count,
            root: hex::encode(root.id),
            sha256: None,
        };
        let snapshot = Snapshot {
            version: 1,
            id: hex::encode(id),
            created_at: time::format(self.world.now_ms() + number.cast_signed() as i64 * DAY_MS),
            tags: std::collections::BTreeMap::default(),
            original_size: root.size,
            stored_size: 0,
            chunk_count,
            new_chunks: 0,
            reused_chunks: chunk_count,
            items: vec![item],
            engine: "bench".into(),
            features: Vec::new(),
        };
        let name = names::snapshot(0, &id);
        let random = self.world.id32();
        let stored = record::seal(&self.repo.ring, Kind::Snapshot, &name, 0, &random, &snapshot.encode()?)?;
        put_copies(&self.world, &name, &stored).await
    }

    /// Moves what the simulated store holds into the folder, but for what opens the repository.
    fn write_out(&self) {
        for (key, bytes) in self.world.store.snapshot() {
            let path = self.folder.join(&key);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, bytes).expect("a file");
            self.world.store.lose(&key);
        }
    }
}
