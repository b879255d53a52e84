//! One test for each kind of bad input: what is wrong is said with file, line, path and what to write.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod attributes;
mod discovery;
mod health;
mod keys;
mod modes;
mod names;
mod settings;
mod structure;
#[path = "../support/mod.rs"]
mod support;
