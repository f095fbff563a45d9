//! The index against a plain model: every place of every chunk, what may be relied on, what is withdrawn, which groups there are.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::cases;
use packvault_core::format::idx::{Group, Idx, Name, PackEntry, Part, Withdrawal};
use packvault_core::format::pack::Entry;
use packvault_core::index::{Index, Loaded};
use proptest::prelude::*;

/// Few names and ids, so that they meet.
fn name() -> impl Strategy<Value = Name> {
    (0_u8..6).prop_map(|n| [n; 32])
}

fn id() -> impl Strategy<Value = [u8; 32]> {
    (0_u8..12).prop_map(|n| {
        let mut id = [n; 32];
        id[0] = n.wrapping_mul(37);
        id
    })
}

fn pack() -> impl Strategy<Value = PackEntry> {
    (name(), prop::collection::btree_set(id(), 0..6)).prop_map(|(name, ids)| {
        // What a pack holds follows from its name, as in a repository.
        let entry = |id: [u8; 32]| Entry {
            id,
            offset: 72 + u32::from(id[1]) * 100,
            length: 100,
            raw_len: 28,
            kind: 1,
            codec: 0,
        };
        PackEntry { name, salt: name, size: 5_000, entries: ids.into_iter().map(entry).collect() }
    })
}

fn group() -> impl Strategy<Value = Group> {
    let part = |name: Name| Part { name, size: u64::from(name[0]) * 10 };
    (prop::collection::btree_set(name(), 1..4), prop::collection::vec((10_u8..14).prop_map(|n| [n; 32]), 1..3))
        .prop_map(move |(members, parity)| Group {
            shard_len: 60,
            members: members.into_iter().map(part).collect(),
            parity: parity.into_iter().map(part).collect(),
        })
}

fn idx() -> impl Strategy<Value = Idx> {
    let withdrawal = (name(), prop_oneof![id(), Just([0; 32])]).prop_map(|(pack, chunk)| Withdrawal { pack, chunk });
    (prop::collection::vec(pack(), 0..4), prop::collection::vec(group(), 0..3), prop::collection::vec(withdrawal, 0..2))
        .prop_map(|(packs, groups, withdrawals)| Idx { packs, groups, withdrawals })
}

fn loaded() -> impl Strategy<Value = Vec<Loaded>> {
    let one = (idx(), 0_u64..4, any::<bool>());
    prop::collection::vec(one, 0..14).prop_map(|all| {
        let number = all.into_iter().enumerate();
        number
            .map(|(i, (idx, generation, listed))| Loaded {
                key: format!("index/{i}"),
                hash: [i as u8; 32],
                generation,
                listed,
                idx,
            })
            .collect()
    })
}

#[derive(Default)]
struct Model {
    places: BTreeMap<[u8; 32], BTreeSet<(Name, u32)>>,
    generation: BTreeMap<Name, u64>,
    listed: BTreeSet<Name>,
    withdrawn: BTreeSet<Withdrawal>,
    members: BTreeSet<Vec<Name>>,
    parity: BTreeSet<Name>,
}

impl Model {
    fn of(all: &[Loaded]) -> Self {
        let mut model = Self::default();
        for loaded in all {
            for pack in &loaded.idx.packs {
                let known = model.generation.entry(pack.name).or_default();
                *known = loaded.generation.max(*known);
                if loaded.listed {
                    model.listed.insert(pack.name);
                }
                for entry in &pack.entries {
                    model.places.entry(entry.id).or_default().insert((pack.name, entry.offset));
                }
            }
            for group in loaded.idx.groups.iter().filter(|g| g.members.iter().any(|m| m.size != 0)) {
                model.members.insert(group.members.iter().map(|m| m.name).collect());
            }
            model.parity.extend(loaded.idx.groups.iter().flat_map(|g| &g.parity).map(|p| p.name));
            model.withdrawn.extend(&loaded.idx.withdrawals);
        }
        model
    }

    fn is_withdrawn(&self, pack: Name, chunk: [u8; 32]) -> bool {
        [[0; 32], chunk].into_iter().any(|chunk| self.withdrawn.contains(&Withdrawal { pack, chunk }))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(200)))]

    #[test]
    fn the_index_says_what_all_idx_say(all in loaded(), at_once: bool, relied: u8) {
        let model = Model::of(&all);
        let mut index = Index::default();
        if at_once {
            index.add(&all);
        } else {
            for one in &all {
                index.add(std::slice::from_ref(one));
            }
        }
        let place = |l: &packvault_core::index::Location| (index.packs()[l.pack as usize].name, l.offset);
        let relies = |pack: &Name| relied >> pack[0] & 1 == 1;
        let table: Vec<bool> = index.packs().iter().map(|pack| relies(&pack.name)).collect();
        for n in 0..12_u8 {
            let mut id = [n; 32];
            id[0] = n.wrapping_mul(37);
            let expected = model.places.get(&id).cloned().unwrap_or_default();
            let locations = index.locations(&id);
            prop_assert_eq!(locations.iter().map(place).collect::<BTreeSet<_>>(), expected.clone());
            prop_assert_eq!(locations.len(), expected.len(), "no place twice");
            // Withdrawn ones last.
            let lost: Vec<bool> = locations.iter().map(|l| model.is_withdrawn(place(l).0, id)).collect();
            prop_assert!(lost.is_sorted());
            let good = |(pack, _): &&(Name, u32)| relies(pack) && !model.is_withdrawn(*pack, id);
            let found = index.find(&id, &table).and_then(|number| index.table().row(number)).map(|row| row.at);
            prop_assert_eq!(found.is_some(), expected.iter().any(|p| good(&p)));
            prop_assert!(found.is_none_or(|l| good(&&place(&l))));
        }
        prop_assert_eq!(index.packs().len(), model.generation.len());
        for (ordinal, pack) in index.packs().iter().enumerate() {
            prop_assert_eq!((pack.generation, pack.listed), (model.generation[&pack.name], model.listed.contains(&pack.name)));
            prop_assert_eq!(index.pack(&pack.name).map(|(n, _)| n as usize), Some(ordinal));
        }
        let distinct: BTreeSet<[u8; 32]> = index.distinct().map(|(id, _)| *id).collect();
        prop_assert_eq!(index.distinct().count(), distinct.len());
        prop_assert_eq!(distinct, model.places.keys().copied().collect::<BTreeSet<_>>());
        prop_assert_eq!(index.withdrawals(), &model.withdrawn);
    }

    #[test]
    fn groups_are_one_for_the_same_members_and_found_by_each(all in loaded()) {
        let model = Model::of(&all);
        let mut index = Index::default();
        index.add(&all);
        let names = |g: &Group| g.members.iter().map(|m| m.name).collect::<Vec<_>>();
        prop_assert_eq!(index.groups().iter().map(names).collect::<BTreeSet<_>>(), model.members.clone());
        for n in 0..6_u8 {
            let pack = [n; 32];
            let expected: BTreeSet<Vec<Name>> = model.members.iter().filter(|m| n > 0 && m.contains(&pack)).cloned().collect();
            prop_assert_eq!(index.groups_of(&pack).iter().map(names).collect::<BTreeSet<_>>(), expected);
        }
        for group in index.groups() {
            // A row is an object that some idx names for it, and not a withdrawn one where another is known.
            for part in group.parity.iter().filter(|p| p.size != 0) {
                prop_assert!(index.names_parity(&part.name) && model.parity.contains(&part.name));
                let lost = Withdrawal { pack: part.name, chunk: [0; 32] };
                prop_assert!(!model.withdrawn.contains(&lost));
            }
        }
    }
}
