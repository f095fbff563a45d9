//! The erasure code gives back every block that it promises, refuses what it can't, and is the one that docs/format.md
//! §20 describes.

use packvault_core::crypto::sha256;
use packvault_core::erasure::field::{self, mul_add};
use packvault_core::erasure::group::{Place, SolveError, Stripe, accumulate, block_len, remove};
use packvault_core::erasure::matrix::coefficient;
use packvault_core::error::{Code, Error};
use packvault_core::format::parity::BLOCK;
use proptest::prelude::*;

/// A generator of test bytes and choices: the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    fn choice(&mut self, below: usize, n: usize) -> Vec<usize> {
        let mut chosen = Vec::new();
        while chosen.len() < n {
            let next = self.next() as usize % below;
            if !chosen.contains(&next) {
                chosen.push(next);
            }
        }
        chosen
    }
}

struct Group {
    members: Vec<Vec<u8>>,
    rows: Vec<Vec<u8>>,
}

impl Group {
    fn encode(members: Vec<Vec<u8>>, m: usize) -> Self {
        let len = members.iter().map(Vec::len).max().unwrap_or(0);
        let mut group = Self { members, rows: vec![vec![0; len]; m] };
        let mut rows: Vec<&mut [u8]> = group.rows.iter_mut().map(Vec::as_mut_slice).collect();
        for (column, member) in group.members.iter().enumerate() {
            accumulate(mul_add, column, member, &mut rows);
        }
        group
    }

    fn random(seed: u64, sizes: &[usize], m: usize) -> Self {
        let mut random = Random(seed);
        Self::encode(sizes.iter().map(|&size| random.bytes(size)).collect(), m)
    }

    fn place(&self, i: usize) -> Place {
        if i < self.members.len() { Place::Data(i) } else { Place::Parity(i - self.members.len()) }
    }

    fn block(&self, number: u64, place: Place) -> &[u8] {
        let whole = match place {
            Place::Data(column) => &self.members[column],
            Place::Parity(row) => &self.rows[row],
        };
        let from = (number as usize * BLOCK).min(whole.len());
        &whole[from..from + block_len(whole.len() as u64, number)]
    }

    fn stripe(&self, number: u64, lost: &[usize]) -> Stripe<'_> {
        let sizes: Vec<u64> = self.members.iter().map(|member| member.len() as u64).collect();
        let mut stripe = Stripe::unread(number, self.rows[0].len() as u64, &sizes, self.rows.len());
        for i in (0..self.members.len() + self.rows.len()).filter(|i| !lost.contains(i)) {
            match self.place(i) {
                Place::Data(column) => stripe.data[column] = Some(self.block(number, Place::Data(column))),
                Place::Parity(row) => stripe.parity[row] = Some(self.block(number, Place::Parity(row))),
            }
        }
        stripe
    }

    /// Loses the places, computes them, and compares.
    fn lose(&self, number: u64, lost: &[usize]) -> Result<(), SolveError> {
        let lens = lost.iter().map(|&i| (self.place(i), self.block(number, self.place(i)).len()));
        let mut found: Vec<(Place, Vec<u8>)> = lens.map(|(place, len)| (place, vec![0xEE; len])).collect();
        let mut wanted: Vec<(Place, &mut [u8])> = found.iter_mut().map(|(p, b)| (*p, b.as_mut_slice())).collect();
        self.stripe(number, lost).restore(mul_add, &mut wanted)?;
        for (place, block) in &found {
            assert_eq!(block, self.block(number, *place), "{place:?} of stripe {number}, lost {lost:?}");
        }
        Ok(())
    }

    /// What losing the places must give.
    fn expected(&self, number: u64, lost: &[usize]) -> Result<(), SolveError> {
        let (data, parity): (Vec<Place>, Vec<Place>) =
            lost.iter().map(|&i| self.place(i)).partition(|place| matches!(place, Place::Data(_)));
        let missing = data.iter().filter(|place| !self.block(number, **place).is_empty()).count();
        let available = self.rows.len() - parity.len();
        if missing > available { Err(SolveError::TooManyErasures { missing, available }) } else { Ok(()) }
    }
}

/// Every choice of `n` of `0..of`.
fn choices(of: usize, n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let longer = |shorter: Vec<usize>| {
        let from = shorter.last().map_or(0, |last| last + 1);
        (from..of).map(move |next| [shorter.as_slice(), &[next]].concat())
    };
    choices(of, n - 1).into_iter().flat_map(longer).collect()
}

#[test]
fn every_loss_in_a_group_of_4_and_2_is_computed_or_refused() {
    let group = Group::random(42, &[70_000, BLOCK + 1, 0, 2 * BLOCK + 5], 2);
    assert_eq!(group.rows[0].len(), 2 * BLOCK + 5);
    let mut patterns = 0;
    for number in 0..3 {
        for lost in (0..=6).flat_map(|n| choices(6, n)) {
            let expected = group.expected(number, &lost);
            assert_eq!(group.lose(number, &lost), expected, "stripe {number}, lost {lost:?}");
            assert!(expected.is_ok() || lost.len() > 2, "at most 2 losses are no reason to refuse: {lost:?}");
            let three = lost.len() == 3 && number == 0 && !lost.contains(&2);
            assert!(!three || expected.is_err(), "3 losses that are not empty can't be computed: {lost:?}");
            patterns += 1;
        }
    }
    assert_eq!(patterns, 3 * 64);
}

#[test]
fn every_loss_of_up_to_3_in_a_group_of_17_and_3_is_computed() {
    let sizes: Vec<usize> = (0..17).map(|column| 20 + column * 29 % 50).collect();
    let group = Group::random(17, &sizes, 3);
    for (n, count) in [(0, 1), (1, 20), (2, 190), (3, 1_140)] {
        let all = choices(20, n);
        assert_eq!(all.len(), count);
        for lost in all {
            assert_eq!(group.lose(0, &lost), Ok(()), "lost {lost:?}");
        }
    }
}

#[test]
fn one_loss_more_than_there_are_rows_is_refused() {
    let group = Group::random(18, &[40; 17], 3);
    for lost in choices(20, 4) {
        let expected = group.expected(0, &lost);
        assert!(matches!(expected, Err(SolveError::TooManyErasures { .. })));
        assert_eq!(group.lose(0, &lost), expected, "lost {lost:?}");
    }
    let error = Error::from(group.lose(0, &[1, 5, 6, 7]).unwrap_err());
    assert_eq!(error.code, Code::Unrecoverable);
    assert_eq!(error.context, [("missing", "4".to_owned()), ("available", "3".to_owned())]);
    assert_eq!(group.stripe(0, &[1, 5, 18, 19]).solve(mul_add).unwrap_err().code, Code::Unrecoverable);
}

#[test]
fn sampled_losses_of_wide_groups_are_computed_or_refused() {
    for (k, m, rounds) in [(20, 1, 200), (64, 8, 3_000), (64, 1, 100), (1, 8, 300)] {
        let seed = (k * 100 + m) as u64;
        let mut random = Random(seed);
        let sizes: Vec<usize> = (0..k).map(|_| 1 + random.next() as usize % 90).collect();
        let group = Group::random(seed, &sizes, m);
        for round in 0..rounds {
            let lost = random.choice(k + m, 1 + round % (m + 1));
            let expected = group.expected(0, &lost);
            assert_eq!(expected.is_err(), lost.len() > m, "({k},{m}), seed {seed}, lost {lost:?}");
            assert_eq!(group.lose(0, &lost), expected, "({k},{m}), seed {seed}, lost {lost:?}");
        }
    }
}

#[test]
fn bad_blocks_of_a_member_are_repaired_from_their_stripes_alone() {
    let group = Group::random(5, &[5 * BLOCK + 100, 3 * BLOCK, 6 * BLOCK], 1);
    let mut member = group.members[0].clone();
    for number in [1_u64, 5] {
        let at = number as usize * BLOCK..(number as usize * BLOCK + BLOCK).min(member.len());
        member[at.clone()].fill(0);
        let stripe = group.stripe(number, &[0]);
        stripe.restore(mul_add, &mut [(Place::Data(0), &mut member[at])]).unwrap();
    }
    assert!(member == group.members[0]);
}

#[test]
fn only_what_is_wanted_is_computed_and_what_is_there_is_given_as_it_is() {
    let group = Group::random(6, &[100, 80, 100, 60], 3);
    let (mut first, mut second, mut there, mut row) = (vec![0; 80], vec![9; 7], vec![0; 100], vec![1; 100]);
    let stripe = group.stripe(0, &[1, 3, 5]);
    let mut wanted: [(Place, &mut [u8]); 4] = [
        (Place::Parity(1), &mut row),
        (Place::Data(1), &mut first),
        (Place::Data(3), &mut second),
        (Place::Data(2), &mut there),
    ];
    stripe.restore(mul_add, &mut wanted).unwrap();
    assert_eq!((&first, &there, &row), (&group.members[1], &group.members[2], &group.rows[1]));
    assert_eq!(second, group.members[3][..7], "a slice shorter than the block gets its start");
    let padded =
        |column: usize| [group.members[column].as_slice(), &vec![0; 100 - group.members[column].len()]].concat();
    assert_eq!(stripe.solve(mul_add).unwrap(), [(1, padded(1)), (3, padded(3))]);
    // A data block that is there can be had even when the missing ones can't.
    let mut out = [0; 100];
    let hopeless = group.stripe(0, &[1, 3, 4, 5, 6]);
    hopeless.restore(mul_add, &mut [(Place::Data(0), &mut out)]).unwrap();
    assert_eq!(out[..], group.members[0]);
}

#[test]
fn a_refusal_writes_nothing() {
    let group = Group::random(10, &[30; 4], 2);
    let (mut lost, mut there) = ([0xEE; 30], [0xEE; 30]);
    let mut wanted: [(Place, &mut [u8]); 2] = [(Place::Data(3), &mut there), (Place::Data(0), &mut lost)];
    let refused = group.stripe(0, &[0, 1, 2]).restore(mul_add, &mut wanted);
    assert_eq!(refused, Err(SolveError::TooManyErasures { missing: 3, available: 2 }));
    assert_eq!((lost, there), ([0xEE; 30], [0xEE; 30]));
}

#[test]
fn removing_a_member_is_encoding_without_it() {
    let sizes = [3_000, BLOCK + 9, 0, 50_000, 12];
    for m in [1, 2, 3, 8] {
        for column in 0..sizes.len() {
            let mut group = Group::random(7, &sizes, m);
            let member = std::mem::take(&mut group.members[column]);
            let mut rows: Vec<&mut [u8]> = group.rows.iter_mut().map(Vec::as_mut_slice).collect();
            remove(mul_add, column, &member, &mut rows);
            let without = Group::encode(group.members.clone(), m);
            let len = without.rows[0].len();
            for (row, expected) in group.rows.iter().zip(&without.rows) {
                assert!(row[..len] == *expected, "m = {m}, column {column}");
                assert!(row[len..].iter().all(|&byte| byte == 0), "nothing is left behind the new longest member");
            }
        }
    }
}

#[test]
fn a_member_in_pieces_gives_the_same_parity() {
    let group = Group::random(8, &[40_000], 3);
    let mut rows = vec![vec![0; 40_000]; 3];
    for (from, to) in [(0, 1), (1, 9_999), (9_999, 9_999), (9_999, 40_000)] {
        let mut parts: Vec<&mut [u8]> = rows.iter_mut().map(|row| &mut row[from..to]).collect();
        accumulate(mul_add, 0, &group.members[0][from..to], &mut parts);
    }
    assert!(rows == group.rows);
}

#[test]
fn what_is_no_stripe_is_refused() {
    let (long, short) = ([1; 9], [2; 3]);
    let solve = |data: Vec<Option<&[u8]>>, parity: Vec<Option<&[u8]>>, wanted: (Place, usize)| {
        Stripe { data, parity, len: 8 }.restore(mul_add, &mut [(wanted.0, &mut vec![0; wanted.1])])
    };
    let (fine, row) = ((Place::Data(0), 8), Some(&long[..8]));
    assert_eq!(solve(vec![None], vec![row], fine), Ok(()));
    for refused in [
        solve(vec![None, Some(&long)], vec![row], fine),
        solve(vec![None], vec![Some(&short)], fine),
        solve(vec![None], vec![row], (Place::Data(0), 9)),
        solve(vec![None], vec![row], (Place::Data(1), 8)),
        solve(vec![None], vec![row], (Place::Parity(1), 8)),
        solve(vec![None; 65], vec![row], fine),
        solve(vec![None], vec![row; 9], fine),
    ] {
        assert!(matches!(refused, Err(SolveError::Misfit(_))), "{refused:?}");
    }
}

#[test]
fn a_wrong_survivor_or_a_wrong_field_gives_wrong_blocks() {
    // So the comparisons above can fail.
    let mut group = Group::random(9, &[50; 6], 2);
    let right = group.members[2].clone();
    group.rows[1][10] ^= 1;
    let solved = group.stripe(0, &[2, 4]).solve(mul_add).unwrap();
    let wrong: Vec<usize> = (0..50).filter(|&i| solved[0].1[i] != right[i]).collect();
    assert_eq!(wrong, [10]);
    let other_field = |acc: &mut [u8], data: &[u8], c: u8| mul_add(acc, data, if c == 1 { 1 } else { c ^ 2 });
    assert_ne!(group.stripe(0, &[2, 4]).solve(other_field).unwrap(), solved);
}

#[test]
fn field_and_coefficients_are_those_of_the_format() {
    assert_eq!((field::mul(0x80, 0x80), field::mul(0x53, 0xCA)), (0x13, 0x8F));
    assert_eq!((field::inv(0x02), field::inv(0x53)), (0x8E, 0x8C));
    let row = |row: usize| hex::encode([0, 1, 2, 3, 4, 5, 6, 7, 63].map(|column| coefficient(row, column)));
    let expected = [
        "010101010101010101",
        "9cac99dcab3c975ca7",
        "a62c4626bb307b489d",
        "b47bbbeba6e6e246aa",
        "f59368638f4f525b72",
        "39c8f535d222c38f3e",
        "d2528fdaf576c868de",
        "c48f70b2ee28f56583",
    ];
    assert_eq!((0..8).map(row).collect::<Vec<_>>(), expected);
    let all: Vec<u8> = (0..8).flat_map(|row| (0..64).map(move |column| coefficient(row, column))).collect();
    assert_eq!(hex::encode(sha256(&all)), "857633cee1f477ac55bda04cc84ce6e31ed3331a48a33009943a433854b9ef2d");
}

#[test]
fn the_example_of_the_format_comes_out() {
    let rows = |members: [&str; 3]| -> Vec<String> {
        let members = members.iter().map(|member| hex::decode(member).unwrap()).collect();
        Group::encode(members, 2).rows.iter().map(hex::encode).collect()
    };
    assert_eq!(rows(["7061636b", "000180ff", "deadbeef"]), ["aecd5d7b", "a530fa0f"]);
    assert_eq!(rows(["7061636b", "", "deadbeef"]), ["aeccdd84", "a59c6a8b"]);
    assert_eq!(rows(["7061636b", "000180ff", "dead"]), ["aecde394", "a5309717"]);
}

proptest! {
    #[test]
    fn any_losses_that_fit_are_computed(
        sizes in prop::collection::vec(0_usize..300, 1..=64), m in 1_usize..=8, seed: u64, share in 0_usize..=8,
    ) {
        let group = Group::random(seed, &sizes, m);
        let lost = Random(seed).choice(sizes.len() + m, share.min(m));
        prop_assert_eq!(group.lose(0, &lost), Ok(()));
    }
}
