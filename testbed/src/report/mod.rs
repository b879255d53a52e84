//! What a run looks like: one HTML file without external parts, and a summary for the terminal. Draws what the verdict
//! says; decides nothing.
//!
//! [`page`] is the file from top to bottom, [`timeline`] its picture of the run, [`moments`] how the mesh stood from change
//! to change, [`map`] who reached whom then, [`details`] what the script knows, [`stories`] the nodes' own words, [`marks`]
//! the shapes and colours, [`terminal`] the summary, [`mod@junit`] the same for CI. [`compatibility`] is of many runs.

pub mod compatibility;
pub mod details;
pub mod junit;
pub mod map;
pub mod marks;
pub mod moments;
pub mod page;
pub mod stories;
pub mod terminal;
pub mod timeline;

#[cfg(test)]
mod tests;

pub use junit::junit;
pub use page::html;
pub use terminal::summary;

use crate::history::Micros;
use crate::verdict::Verdict;

/// A time in the run, as a reader counts: seconds since people began, with one decimal.
fn clock(verdict: &Verdict<'_>, at: Micros) -> String {
    let begin = verdict.world.begin;
    let sign = if at < begin { "−" } else { "" };
    format!("{sign}{:.1} s", at.abs_diff(begin) as f64 / 1e6)
}
