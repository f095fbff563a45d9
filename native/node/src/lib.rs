//! The only crate that knows Node: the engine's world answered by JavaScript, its workers on threads of its own.
//!
//! `unsafe` stands in `block` and at `Bytes` in `world` alone: memory that JavaScript allocated.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers of JavaScript are f64; every size and position here is far below 2^53, and none is negative"
)]

mod block;
mod engine;
mod operations;
mod pending;
mod verbs;
mod world;
