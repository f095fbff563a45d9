//! Coefficients of the code, and the small systems that decoding solves (docs/format.md §20).

use super::field::{div, inv, mul};
use crate::format::limits::{GROUP_DATA, GROUP_PARITY};

/// A matrix of at most 8×8; what is beyond its size is 0.
pub type Small = [[u8; GROUP_PARITY]; GROUP_PARITY];

/// y of column 0. It is a number of the format and not the limit on rows, which may become smaller.
const FIRST_Y: usize = 8;
const _: () = assert!(GROUP_PARITY <= FIRST_Y && FIRST_Y + GROUP_DATA <= 256);

/// `[row][column]`, for all groups: the coefficients depend on neither k nor m.
const COEFFICIENTS: [[u8; GROUP_DATA]; GROUP_PARITY] = {
    let mut table = [[0; GROUP_DATA]; GROUP_PARITY];
    let mut row = 0;
    while row < GROUP_PARITY {
        let mut column = 0;
        while column < GROUP_DATA {
            let (x0, x, y) = (0_u8, row as u8, (FIRST_Y + column) as u8);
            table[row][column] = div(x0 ^ y, x ^ y);
            column += 1;
        }
        row += 1;
    }
    table
};

/// Coefficient of data column `column` (0 to 63) in parity row `row` (0 to 7); panics beyond them. It is the Cauchy
/// matrix 1 / (x ⊕ y), x = row, y = 8 + column, with every column divided by its first entry, so that row 0 is plain
/// XOR.
///
/// Every square part of a Cauchy matrix can be inverted (J. Blömer et al., "An XOR-Based Erasure-Resilient Coding
/// Scheme", 1995), and scaling columns keeps that: so any k of a stripe's k + m blocks give back all others.
#[must_use]
pub const fn coefficient(row: usize, column: usize) -> u8 {
    COEFFICIENTS[row][column]
}

/// Inverse of the square matrix of the coefficients where these rows (at most 8) and columns (as many) meet:
/// `[column][row]`, by their positions in the arguments. `None` if there is none, which for distinct rows and distinct
/// columns cannot be.
#[must_use]
pub fn inverse(rows: &[usize], columns: &[usize]) -> Option<Small> {
    let mut matrix: Small = [[0; GROUP_PARITY]; GROUP_PARITY];
    for (line, &row) in matrix.iter_mut().zip(rows) {
        for (entry, &column) in line.iter_mut().zip(columns) {
            *entry = coefficient(row, column);
        }
    }
    invert(matrix, rows.len())
}

/// Gauss-Jordan elimination on the first `n` rows and columns. Lines are never exchanged: since every square part of the
/// matrix can be inverted, no pivot becomes 0.
fn invert(mut a: Small, n: usize) -> Option<Small> {
    let mut out: Small = [[0; GROUP_PARITY]; GROUP_PARITY];
    for (i, line) in out.iter_mut().enumerate().take(n) {
        line[i] = 1;
    }
    for i in 0..n {
        if a[i][i] == 0 {
            return None;
        }
        let factor = inv(a[i][i]);
        scale(&mut a[i], factor);
        scale(&mut out[i], factor);
        let (a_line, out_line) = (a[i], out[i]);
        for other in (0..n).filter(|&other| other != i) {
            let factor = a[other][i];
            add_scaled(&mut a[other], &a_line, factor);
            add_scaled(&mut out[other], &out_line, factor);
        }
    }
    Some(out)
}

fn scale(line: &mut [u8], factor: u8) {
    for entry in line {
        *entry = mul(*entry, factor);
    }
}

fn add_scaled(line: &mut [u8], other: &[u8], factor: u8) {
    for (entry, &value) in line.iter_mut().zip(other) {
        *entry ^= mul(value, factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the inverse of that part of the matrix exists and, multiplied by it, is the identity.
    fn inverts(rows: &[usize], columns: &[usize]) -> bool {
        let Some(inverse) = inverse(rows, columns) else { return false };
        (0..columns.len()).all(|i| {
            (0..columns.len()).all(|j| {
                let sum = (0..rows.len()).fold(0, |sum, r| sum ^ mul(inverse[i][r], coefficient(rows[r], columns[j])));
                sum == u8::from(i == j)
            })
        })
    }

    /// Calls `f` with every choice of `n` of `0..of`, ascending.
    fn each_choice(of: usize, n: usize, f: &mut impl FnMut(&[usize])) {
        fn extend(chosen: &mut Vec<usize>, of: usize, n: usize, f: &mut impl FnMut(&[usize])) {
            if chosen.len() == n {
                return f(chosen);
            }
            for next in chosen.last().map_or(0, |last| last + 1)..of {
                chosen.push(next);
                extend(chosen, of, n, f);
                chosen.pop();
            }
        }
        extend(&mut Vec::new(), of, n, f);
    }

    fn each_square(k: usize, m: usize, n: usize, f: &mut impl FnMut(&[usize], &[usize])) {
        each_choice(m, n, &mut |rows| each_choice(k, n, &mut |columns| f(rows, columns)));
    }

    /// `n` distinct numbers below `below`, by a xorshift generator.
    fn sample(state: &mut u64, below: usize, n: usize) -> Vec<usize> {
        let mut chosen = Vec::new();
        while chosen.len() < n {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            let next = (*state % below as u64) as usize;
            if !chosen.contains(&next) {
                chosen.push(next);
            }
        }
        chosen
    }

    #[test]
    fn first_row_is_ones_and_no_coefficient_is_zero() {
        assert!((0..GROUP_DATA).all(|column| coefficient(0, column) == 1));
        assert!((0..GROUP_PARITY).all(|row| (0..GROUP_DATA).all(|column| coefficient(row, column) != 0)));
    }

    #[test]
    fn every_small_square_part_has_an_inverse() {
        let mut count = 0_u64;
        let mut check = |rows: &[usize], columns: &[usize]| {
            assert!(inverts(rows, columns), "rows {rows:?}, columns {columns:?}");
            count += 1;
        };
        // All single entries and pairs of the whole matrix, all triples of three rows, and everything of an 8×10 group.
        each_square(GROUP_DATA, GROUP_PARITY, 1, &mut check);
        each_square(GROUP_DATA, GROUP_PARITY, 2, &mut check);
        each_square(GROUP_DATA, 3, 3, &mut check);
        for n in 1..=GROUP_PARITY {
            each_square(10, GROUP_PARITY, n, &mut check);
        }
        assert_eq!(count, 512 + 56_448 + 41_664 + 43_757);
    }

    #[test]
    fn sampled_square_parts_of_the_whole_matrix_have_an_inverse() {
        let mut state = 0x9E37_79B9_7F4A_7C15;
        for round in 0..200_000 {
            let n = 3 + round % 6;
            let (rows, columns) = (sample(&mut state, GROUP_PARITY, n), sample(&mut state, GROUP_DATA, n));
            assert!(inverts(&rows, &columns), "rows {rows:?}, columns {columns:?}");
        }
    }

    #[test]
    fn a_singular_system_has_no_inverse() {
        assert_eq!(inverse(&[1, 1], &[0, 5]), None);
        assert_eq!(inverse(&[0, 1, 2], &[4, 9, 4]), None);
    }
}
