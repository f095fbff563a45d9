//! Bodies of idx.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packvault_core::format::idx::Idx;
use packvault_core::index::{Index, Loaded};

fn read(body: &[u8]) {
    let Ok(idx) = Idx::decode(body) else { return };
    let again = Idx::decode(&idx.encode()).expect("what was written can be read");
    assert_eq!(again, idx);
    let mut index = Index::default();
    index.add(&[Loaded::candidate(idx.clone())]);
    for entry in idx.packs.iter().flat_map(|pack| &pack.entries) {
        assert!(!index.locations(&entry.id).is_empty());
    }
    for member in index.groups().iter().flat_map(|group| &group.members).filter(|member| member.size != 0) {
        assert!(!index.groups_of(&member.name).is_empty());
    }
    let parts = idx.clone().split(1_000);
    assert_eq!(parts.iter().map(|part| part.packs.len()).sum::<usize>(), idx.packs.len());
}

fuzz_target!(|data: &[u8]| {
    read(data);
    read(&[b"PVIX\x01\0\0\0".as_slice(), data].concat());
});
