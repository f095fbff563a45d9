//! Content-defined chunking (docs/format.md §19).

pub mod cutter;
pub mod gear;
