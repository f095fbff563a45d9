//! The two vector kernels of packvault: cutting and erasure coding. Each is bit-identical to the scalar reference in
//! packvault-core, and chosen at run time by what the CPU offers.

pub mod cut;
pub mod erasure;
