//! The packvault engine: what is stored, how bytes are transformed, and the verbs that work on a repository.
//!
//! Nothing here does I/O, reads a clock or starts a thread: a verb is an `async fn` over the traits in [`world`].
#![forbid(unsafe_code)]

pub mod chunk;
pub mod codec;
pub mod crypto;
pub mod erasure;
pub mod error;
pub mod format;
pub mod index;
pub mod kernels;
pub mod progress;
pub mod verbs;
pub mod world;
