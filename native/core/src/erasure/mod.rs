//! Reed-Solomon parity over GF(2^8) with Cauchy coefficients (docs/format.md §20): pure functions over slices.
//!
//! A group is k data columns (members) and m parity rows, each a sequence of 64 KiB blocks; the blocks with one number
//! are a stripe. A row is as long as the longest member, and shorter members count as filled up with zeros. Of each
//! stripe, any m blocks may be lost.

pub mod field;
pub mod group;
pub mod matrix;
