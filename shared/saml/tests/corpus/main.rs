//! The attack corpus: one file of tests a class, each test named by what it refuses.
//!
//! Another room runs the same tests at its own door: it includes the files and gives them a `refusal` of its own, which brings the
//! message there first, and a `bounded`. So no row of the corpus stands twice, and none is forgotten elsewhere.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

#[path = "../support/mod.rs"]
mod support;

mod bombs;
mod cost;
mod encrypted;
mod forms;
mod others;
mod texts;
mod wrapping;

use cost::bounded;
use support::refusal;
