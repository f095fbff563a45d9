//! The two vector kernels of packvault: cutting and erasure coding.

pub mod erasure;
