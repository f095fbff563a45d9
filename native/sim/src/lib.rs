//! A simulated world for the engine: the verbs of production, one seeded scheduler, and a store in memory that can crash
//! before, after or in the middle of any operation. The same seed gives the same trace.
#![forbid(unsafe_code)]

pub mod executor;
pub mod history;
pub mod link;
pub mod memory;
pub mod model;
pub mod oracle;
pub mod outcome;
pub mod random;
pub mod store;
pub mod streams;
pub mod weather;
pub mod world;

pub use executor::Executor;
pub use link::{Fault, Link, When};
pub use memory::{Block, Memory};
pub use outcome::{Outcome, run_all};
pub use random::Random;
pub use store::{Lies, SimStore};
pub use streams::{Collected, Items};
pub use weather::{Rates, Weather};
pub use world::SimWorld;
