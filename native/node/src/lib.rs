//! The only crate that knows Node: the engine's world answered by JavaScript, its workers on threads of its own.
//!
//! `unsafe` stands in [`block`] alone: memory that JavaScript allocated and lent.

mod block;
mod engine;
mod operations;
mod pending;
mod verbs;
mod world;
