//! What goes in comes out.

mod common;

use common::{ingest, options, restore, verify, world};
use packvault_core::verbs::Level;
use packvault_sim::{Random, SimStore};

#[test]
fn items_of_every_size_come_back_whole() {
    for seed in 0..12 {
        let store = SimStore::default();
        let world = world(seed, &store);
        let repo = common::init(&world, options(seed % 2 == 0, Some((4, 2))), seed % 3 != 0);
        let mut random = Random::new(seed);
        let items: Vec<Vec<u8>> = [0, 1, 4_000, 70_000, 700_000].map(|len| random.text(len)).to_vec();
        let snapshot = ingest(&world, &repo, &items).unwrap();
        assert_eq!(snapshot.items.len(), 5, "seed {seed}");
        for (i, item) in items.iter().enumerate() {
            for ordered in [true, false] {
                let got = restore(&world, &repo, &snapshot.id, Some(&format!("item {i}")), ordered).unwrap();
                assert!(got == *item, "seed {seed} item {i} ordered {ordered}");
            }
        }
        let all = restore(&world, &repo, "latest", None, true).unwrap();
        assert!(all == items.concat(), "seed {seed}");
        let checked = verify(&world, &repo, Level::Full);
        assert!(checked.ok, "seed {seed}: {:?}", checked.errors);
        assert!(checked.chunks_checked > 0);
    }
}

#[test]
fn the_same_data_again_stores_nothing_new() {
    let store = SimStore::default();
    let world = world(7, &store);
    let repo = common::init(&world, options(true, None), true);
    let items = vec![Random::new(7).text(900_000)];
    let first = ingest(&world, &repo, &items).unwrap();
    let packs = store.keys("packs/").len();
    let second = ingest(&world, &repo, &items).unwrap();
    assert_eq!((second.new_chunks, second.stored_size), (0, 0));
    assert_eq!(second.reused_chunks, first.chunk_count);
    assert_eq!(second.items[0].root, first.items[0].root);
    assert_eq!(store.keys("packs/").len(), packs);
}
