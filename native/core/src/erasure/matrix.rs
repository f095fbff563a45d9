//! Coefficients, and the small systems that decoding solves.

use super::field::{inv, mul};

/// Coefficient of data column `column` (0 to 63) in parity row `row` (0 to 7): the Cauchy matrix 1 / (x ⊕ y) with x = row and
/// y = 8 + column, each column divided by its first entry, so that row 0 is XOR. Every square part of it can be inverted
/// (Blömer et al., "An XOR-Based Erasure-Resilient Coding Scheme", 1995), and it depends on neither k nor m.
#[must_use]
pub const fn coefficient(row: usize, column: usize) -> u8 {
    let y = (8 + column) as u8;
    mul(y, inv(row as u8 ^ y))
}

/// Inverse of the square matrix of the coefficients of these rows and columns, by Gauss and Jordan. `None` if there is none, which
/// for distinct rows and columns can't be.
#[must_use]
pub fn inverse(rows: &[usize], columns: &[usize]) -> Option<Vec<Vec<u8>>> {
    let n = rows.len();
    let mut a: Vec<Vec<u8>> =
        rows.iter().map(|&r| columns.iter().map(|&c| coefficient(r, c)).collect()).collect();
    let mut out: Vec<Vec<u8>> = (0..n).map(|i| (0..n).map(|j| u8::from(i == j)).collect()).collect();
    for i in 0..n {
        let pivot = (i..n).find(|&r| a[r][i] != 0)?;
        a.swap(i, pivot);
        out.swap(i, pivot);
        let scale = inv(a[i][i]);
        for j in 0..n {
            a[i][j] = mul(a[i][j], scale);
            out[i][j] = mul(out[i][j], scale);
        }
        for r in (0..n).filter(|&r| r != i) {
            let factor = a[r][i];
            for j in 0..n {
                let (x, y) = (mul(factor, a[i][j]), mul(factor, out[i][j]));
                a[r][j] ^= x;
                out[r][j] ^= y;
            }
        }
    }
    Some(out)
}
