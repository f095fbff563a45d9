//! A simulated world for the engine: the verbs of production, one seeded scheduler, and a store in memory that can crash
//! before, after or in the middle of any operation. The same seed gives the same trace.
#![forbid(unsafe_code)]

pub mod executor;
pub mod random;
pub mod store;
pub mod world;

pub use executor::Executor;
pub use random::Random;
pub use store::{Crash, SimStore, When};
pub use world::{Bytes, Collected, Items, SimWorld};
