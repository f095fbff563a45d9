//! The damage matrix: kind of object × field × damage, and what must still work. First: never a wrong byte. Second: the least that is
//! recovered, by kind.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use common::museum::Museum;
use common::regions::{Kind, regions};
use common::{reindex, repair, restore, try_verify};
use packvault_core::error::{Code, Error};
use packvault_core::verbs::Level;

/// What happens to an object.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "a field's name is for the message of a failure")]
enum Damage {
    Flip(&'static str, Range<usize>),
    Zero(&'static str, Range<usize>),
    Truncate(usize),
    Append(usize),
    Delete,
    /// The bytes of another object of this repository and kind.
    Swap,
    /// The bytes of an object of this kind of another repository.
    Foreign,
    /// The object stands under another valid name, too.
    Duplicate,
    /// Nothing: a row that must fail.
    Nothing,
}

/// The lowest level at which verify must find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Quick,
    Standard,
    /// There is nothing wrong, or whoever reads puts it right first.
    Never,
}

/// The least that must be recovered.
#[derive(Clone, Copy, Debug)]
struct Least {
    found: Found,
    /// Whether all snapshots restore before repair.
    restores: bool,
    /// Whether repair leaves nothing that verify finds.
    clean: bool,
    /// Whether repair puts the very same bytes back.
    same: bool,
}

/// The table: a kind, a damage, and what must hold.
fn least(museum: &Museum, kind: Kind, key: &str, damage: &Damage) -> Least {
    let resized = matches!(damage, Damage::Truncate(_) | Damage::Append(_) | Damage::Delete);
    let found = if resized { Found::Quick } else { Found::Standard };
    match (kind, damage) {
        // Of the newest gc records that lost a copy, whoever reads completes it.
        (Kind::Condemn | Kind::Checkpoint, Damage::Delete) if museum.is_newest(kind, key) => {
            Least { found: Found::Never, restores: true, clean: true, same: true }
        }
        // A copy under another name is no record of this repository: for packs nobody needs it, of others it must be told.
        (Kind::Pack | Kind::Parity | Kind::Lock, Damage::Duplicate) => {
            Least { found: Found::Never, restores: true, clean: true, same: true }
        }
        (Kind::Idx, Damage::Duplicate) => Least { found: Found::Quick, restores: true, clean: true, same: true },
        (_, Damage::Duplicate) => Least { found: Found::Quick, restores: true, clean: false, same: true },
        // One of two copies: everything works, and the copy is put back.
        (kind, _) if kind.twice() => Least { found: Found::Quick, restores: true, clean: true, same: true },
        // A member of a parity group: reads heal it, repair gives it back as it was.
        (Kind::Pack, _) => Least { found, restores: true, clean: true, same: true },
        // Parity is written anew, under another name.
        (Kind::Parity, _) => Least { found, restores: true, clean: true, same: false },
        // What an idx named is found in the packs.
        (Kind::Idx, _) => Least { found: Found::Quick, restores: false, clean: true, same: false },
        // Nothing rests on a lock.
        (_, _) => Least { found: Found::Never, restores: true, clean: true, same: false },
    }
}

/// What rows have shown, by kind: a counter that stays at 0 is dead.
#[derive(Default, Debug)]
struct Shown {
    rows: usize,
    found: usize,
    restored: usize,
    refused: usize,
    put_back: usize,
}

fn apply(museum: &Museum, foreign: &Museum, kind: Kind, key: &str, damage: &Damage) {
    let store = &museum.store;
    store.load(&museum.objects);
    let of_kind = |m: &Museum| m.keys(kind).into_iter().find(|k| k.as_str() != key && twin(k) != key).cloned();
    match damage {
        Damage::Flip(_, range) => change(museum, key, |b| b[range.clone()].iter_mut().for_each(|x| *x ^= 0x55)),
        Damage::Zero(_, range) => change(museum, key, |b| b[range.clone()].fill(0)),
        Damage::Truncate(len) => change(museum, key, |b| b.truncate(*len)),
        Damage::Append(len) => change(museum, key, |b| b.extend(vec![0x5A; *len])),
        Damage::Delete => store.lose(key),
        Damage::Swap => {
            let other = of_kind(museum).unwrap();
            store.plant(key, &museum.objects[&other]);
        }
        Damage::Foreign => {
            let other = of_kind(foreign).unwrap_or_else(|| foreign.keys(kind)[0].clone());
            store.plant(key, &foreign.objects[&other]);
        }
        Damage::Duplicate => store.plant(&elsewhere(kind, key), &museum.objects[key]),
        Damage::Nothing => {}
    }
}

fn change(museum: &Museum, key: &str, how: impl FnOnce(&mut Vec<u8>)) {
    museum.store.damage(key, |bytes| {
        how(bytes);
        true
    });
}

/// The other copy.
fn twin(key: &str) -> String {
    match key {
        "config.json" => "config.copy.json".into(),
        "config.copy.json" => "config.json".into(),
        _ => key
            .strip_suffix(".a")
            .map_or_else(|| format!("{}.a", key.trim_end_matches(".b")), |stem| format!("{stem}.b")),
    }
}

/// Another valid name for an object of this kind.
fn elsewhere(kind: Kind, key: &str) -> String {
    let hex = "ab".repeat(32);
    match kind {
        Kind::Pack => format!("packs/data/ab/{hex}.pack"),
        Kind::Parity => format!("packs/parity/ab/{hex}.par"),
        Kind::Idx => format!("index/{:016}-{}.idx", 5, &hex[..32]),
        Kind::Snapshot => format!("snapshots/{:016}-{}.a", 5, &hex[..32]),
        Kind::Key => format!("keys/{}.a", &hex[..32]),
        Kind::Lock => format!("locks/{}", &hex[..32]),
        Kind::Condemn | Kind::Checkpoint | Kind::Config => format!("{key}.old"),
    }
}

fn allowed(error: &Error) -> bool {
    matches!(error.code, Code::Corrupt | Code::NotFound | Code::Unrecoverable)
}

/// Restores every snapshot in both ways. How many came back; `Err` if one came back wrong or failed in a way that damage must not.
fn restores(museum: &Museum, seed: u64) -> Result<usize, String> {
    let world = museum.process(seed);
    let repo = museum.open(&world).map_err(|e| format!("open: {e}"))?;
    let mut whole = 0;
    for (id, content) in &museum.snapshots {
        for ordered in [true, false] {
            match restore(&world, &repo, id, None, ordered) {
                Ok(got) if got == *content => whole += 1,
                Ok(_) => return Err(format!("WRONG BYTES from {id}")),
                Err(error) if allowed(&error) => {}
                Err(error) => return Err(format!("restore: {error}")),
            }
        }
    }
    Ok(whole)
}

fn level_found(museum: &Museum, seed: u64) -> Result<Found, String> {
    for (level, found) in
        [(Level::Quick, Found::Quick), (Level::Standard, Found::Standard), (Level::Full, Found::Standard)]
    {
        let world = museum.process(seed);
        let repo = museum.open(&world).map_err(|e| format!("open: {e}"))?;
        if !try_verify(&world, &repo, level).map_err(|e| format!("verify: {e}"))?.ok {
            return Ok(found);
        }
    }
    Ok(Found::Never)
}

/// One row of the matrix. `Err` says which promise was broken.
fn row(museum: &Museum, foreign: &Museum, key: &str, damage: &Damage, shown: &mut Shown) -> Result<(), String> {
    let kind = Kind::of(key).unwrap();
    let least = least(museum, kind, key, damage);
    let all = museum.snapshots.len() * 2;
    apply(museum, foreign, kind, key, damage);
    let before = restores(museum, 1)?;
    if least.restores && before < all {
        return Err(format!("{before} of {all} restored before repair"));
    }
    let found = level_found(museum, 2)?;
    if found != least.found && !(least.found == Found::Standard && found == Found::Quick) {
        return Err(format!("found: {found:?} instead of {:?}", least.found));
    }
    if matches!(kind, Kind::Pack | Kind::Parity | Kind::Idx) {
        let world = museum.process(3);
        let repo = museum.open(&world).map_err(|e| format!("open: {e}"))?;
        reindex(&world, &repo).map_err(|e| format!("reindex: {e}"))?;
        if restores(museum, 4)? < all {
            return Err("not all restored after reindex".into());
        }
        apply(museum, foreign, kind, key, damage);
    }
    let world = museum.process(5);
    let repo = museum.open(&world).map_err(|e| format!("open: {e}"))?;
    repair(&world, &repo).map_err(|e| format!("repair: {e}"))?;
    if restores(museum, 6)? < all {
        return Err("not all restored after repair".into());
    }
    let world = museum.process(7);
    let repo = museum.open(&world).map_err(|e| format!("open: {e}"))?;
    let after = try_verify(&world, &repo, Level::Full).map_err(|e| format!("verify: {e}"))?;
    if least.clean != after.ok {
        return Err(format!("after repair verify finds {:?}", after.errors));
    }
    world.link.arm(None);
    repair(&world, &repo).map_err(|e| format!("second repair: {e}"))?;
    if world.link.mutations() > 0 {
        return Err(format!("a second repair writes: {:?}", museum.store.trace().last()));
    }
    let same = museum.store.snapshot().get(key) == museum.objects.get(key);
    if least.same && !same {
        return Err("repair put back other bytes".into());
    }
    shown.rows += 1;
    shown.found += usize::from(found != Found::Never);
    shown.restored += before;
    shown.refused += all - before;
    shown.put_back += usize::from(same);
    Ok(())
}

fn damages(museum: &Museum, kind: Kind, key: &str) -> Vec<Damage> {
    let bytes = &museum.objects[key];
    let len = bytes.len();
    let mut all = Vec::new();
    for (field, range) in regions(&museum.repo, kind, bytes) {
        let zeros = bytes[range.clone()].iter().all(|b| *b == 0);
        all.push(Damage::Flip(field, range.start..range.start + 1));
        all.push(Damage::Flip(field, range.clone()));
        all.extend((!zeros).then_some(Damage::Zero(field, range)));
    }
    all.extend([0, 1, 8, 71, len / 2, len - 81, len - 1].map(|cut| Damage::Truncate(cut.min(len - 1))));
    all.extend([1, 70_000].map(Damage::Append));
    all.extend([Damage::Delete, Damage::Duplicate, Damage::Foreign]);
    if !matches!(kind, Kind::Config | Kind::Lock) {
        all.push(Damage::Swap);
    }
    all
}

#[test]
fn every_kind_of_damage_to_every_field_of_every_kind_of_object() {
    let (museum, foreign) = (Museum::new(1), Museum::new(2));
    let mut shown: BTreeMap<Kind, Shown> = BTreeMap::new();
    for kind in Kind::ALL {
        let keys = museum.keys(kind);
        // The first and the last object of the kind, both copies of what exists twice.
        let count = keys.len();
        let chosen: BTreeSet<&String> = if kind.twice() {
            [keys[0], keys[1], keys[count - 2], keys[count - 1]].into()
        } else {
            [keys[0], keys[count - 1]].into()
        };
        for key in chosen {
            for damage in damages(&museum, kind, key) {
                if matches!(kind, Kind::Condemn | Kind::Checkpoint | Kind::Config)
                    && matches!(damage, Damage::Duplicate)
                {
                    // Not a name of the format: nobody looks at it.
                    continue;
                }
                let shown = shown.entry(kind).or_default();
                row(&museum, &foreign, key, &damage, shown).unwrap_or_else(|e| panic!("{damage:?} of {key}: {e}"));
            }
        }
    }
    assert_eq!(shown.len(), Kind::ALL.len());
    for (kind, shown) in &shown {
        assert!(shown.rows >= 25 && shown.restored > 0, "{kind:?}: {shown:?}");
        assert_eq!(shown.found == 0, *kind == Kind::Lock, "{kind:?}: {shown:?}");
        assert_eq!(shown.refused == 0, *kind != Kind::Idx, "{kind:?}: {shown:?}");
        assert_eq!(shown.put_back > 3, !matches!(kind, Kind::Parity | Kind::Idx | Kind::Lock), "{kind:?}: {shown:?}");
    }
}

#[test]
fn a_row_that_promises_too_much_is_found_out() {
    // The planted fault of the matrix: nothing is damaged, so nothing can be found.
    let (museum, foreign) = (Museum::new(3), Museum::new(4));
    for kind in [Kind::Config, Kind::Pack, Kind::Idx, Kind::Parity, Kind::Snapshot, Kind::Checkpoint] {
        let key = museum.keys(kind)[0].clone();
        let error = row(&museum, &foreign, &key, &Damage::Nothing, &mut Shown::default()).unwrap_err();
        assert!(error.starts_with("found: Never"), "{kind:?}: {error}");
    }
    // A store that lies about what was damaged: the bytes come back wrong below the engine, which must refuse them.
    let packs = packvault_sim::Lies { flipped_reads: Some("packs/".into()), ..packvault_sim::Lies::default() };
    museum.store.load(&museum.objects);
    museum.store.lie(packs);
    assert_eq!(restores(&museum, 9), Ok(0));
    museum.store.lie(packvault_sim::Lies::default());
    assert_eq!(restores(&museum, 9), Ok(6));
    // Without the content that was stored, right bytes would be called wrong.
    let mut other = museum;
    other.snapshots[0].1[5] ^= 1;
    assert!(restores(&other, 9).unwrap_err().starts_with("WRONG BYTES"));
}
