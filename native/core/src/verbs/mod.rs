//! The verbs: `async fn`s over [`crate::world::World`] that read like recipes.

pub mod assembly;
pub mod feed;
pub mod group;
pub mod ingest;
pub mod redo;
pub mod writer;
pub mod fetch;
pub mod heal;
pub mod snapshots;
pub mod content;
pub mod plan;
pub mod restore;
pub mod inspect;
pub mod copies;
pub mod verify;
pub mod reindex;
pub mod repair;
pub mod keys;
pub mod stats;
pub mod locks;
pub mod init;
pub mod objects;
pub mod open;
pub mod repository;
pub mod rounds;
mod types;

pub use repository::{Repository, View};
pub use types::*;
