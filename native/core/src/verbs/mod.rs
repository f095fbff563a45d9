//! The verbs: `async fn`s over [`crate::world::World`] that read like recipes.

pub mod assembly;
pub mod content;
pub mod copies;
pub mod current;
pub mod feed;
pub mod fetch;
mod gate;
pub mod group;
pub mod heal;
pub mod hold;
pub mod ingest;
pub mod init;
pub mod inspect;
pub mod keys;
pub mod locks;
pub mod objects;
pub mod open;
pub mod owed;
pub mod plan;
pub mod prospects;
pub mod prune;
pub mod redo;
pub mod reindex;
pub mod repair;
pub mod repository;
pub mod restore;
pub mod rollback;
pub mod rounds;
pub mod search;
pub mod snapshots;
pub mod stats;
mod types;
pub mod verify;
pub mod writer;

pub use repository::{Repository, View};
pub use rollback::Seen;
pub use types::*;

/// How often a long operation shows that it is still at work, milliseconds. Courtesy only: no safety rests on it.
pub const HOLD_INTERVAL_MS: u64 = 300_000;
