//! A verb never waits for memory that only it could give back, and holds no more than its share.

mod common;

use common::fixture::Shape;
use common::{ingest, init, open, options, repair, restore, world};
use packvault_core::error::{Code, Error, Result};
use packvault_core::world::Store;
use packvault_sim::{Random, SimStore};

/// The least memory with which a backup is not refused.
fn least(parity: Option<(u8, u8)>) -> usize {
    let mut one = world(1, &SimStore::default());
    let repo = init(&one, options(true, parity), true);
    one.limit = 256 << 10;
    while let Err(error) = ingest(&one, &repo, &[vec![1; 10]]) {
        assert_eq!(error.code, Code::InvalidArgument, "{error}");
        one.limit += 16 << 10;
    }
    one.limit
}

#[test]
fn the_least_memory_is_enough_for_every_verb() {
    for parity in [None, Some((2, 1)), Some((4, 2)), Some((3, 3))] {
        let limit = least(parity);
        for threads in [1, 2, 4] {
            for seed in 0..6 {
                let store = SimStore::default();
                let mut one = world(seed, &store);
                one.threads = threads;
                one.limit = limit;
                let repo = init(&one, options(true, parity), true);
                let what = format!("seed {seed}, {threads} workers, parity {parity:?}");
                let mut content = vec![0; 900_000];
                Random::new(seed).fill(&mut content);
                let repeated = [content.clone(), content[..300_000].to_vec(), vec![7; 200_000]].concat();
                let snapshot =
                    ingest(&one, &repo, std::slice::from_ref(&repeated)).unwrap_or_else(|e| panic!("{what}: {e}"));
                for ordered in [true, false] {
                    let got =
                        restore(&one, &repo, &snapshot.id, None, ordered).unwrap_or_else(|e| panic!("{what}: {e}"));
                    assert!(got == repeated, "{what}");
                }
                let packs = store.keys("packs/");
                store.lose(&packs[0]);
                store.lose(packs.last().unwrap());
                repair(&one, &repo).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert!(one.blocks.peak() <= one.limit, "{what}: {} of {}", one.blocks.peak(), one.limit);
                assert_eq!(one.blocks.held(), 0, "{what}: blocks leak");
            }
        }
    }
}

#[test]
fn too_little_memory_is_said_before_anything_is_stored() {
    let fixture = Shape::new(3, Some((2, 2)), true).len(100_000).make();
    let mut one = fixture.restarted(4);
    one.limit = 500_000;
    let repo = open(&one, true).unwrap();
    one.link.arm(None);
    let error = ingest(&one, &repo, &[vec![3; 100_000]]).unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument, "{error}");
    assert_eq!(one.link.mutations(), 0);
}

#[test]
fn a_verb_that_waits_for_itself_is_found_out() {
    // The planted fault of these tests: who holds one block of half the memory and waits for two more.
    let one = world(5, &SimStore::default());
    let size = one.limit / 2 + 1;
    let w = one.clone();
    let waiting = async move {
        let held = w.block(size).await?;
        let more = w.block(size).await?;
        Ok::<_, Error>(held.as_ref().len() + more.as_ref().len())
    };
    let got: Result<usize> = one.run(waiting);
    let error = got.unwrap_err();
    assert!(error.code == Code::Internal && error.message.contains("deadlock"), "{error}");
}

#[test]
fn leftovers_are_merged_only_as_far_as_a_pack_may_have_frames() {
    // Tens of thousands of tiny items: the packs that are open at the end would fit into one by their bytes, and not by their frames.
    let store = SimStore::default();
    let mut one = world(6, &store);
    one.threads = 3;
    let mut shape = options(true, None);
    shape.pack_size = 16 << 20;
    one.limit = 256 << 20;
    let repo = init(&one, shape, false);
    let items: Vec<Vec<u8>> = (0..50_000_u32).map(|i| i.to_le_bytes().to_vec()).collect();
    let snapshot = ingest(&one, &repo, &items).unwrap();
    let fresh = open(&one, false).unwrap();
    let got = restore(&one, &fresh, &snapshot.id, None, true).unwrap();
    assert!(got == items.concat());
    let frames = 2 * items.len();
    assert!(store.keys("packs/data/").len() >= frames.div_ceil(65_536), "no pack holds more than 65,536 frames");
}
