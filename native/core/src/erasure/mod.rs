//! Reed-Solomon parity over GF(2^8) (docs/format.md §20): Cauchy coefficients with a first row of ones.

pub mod field;
pub mod group;
pub mod matrix;
