//! The process that lives in one region's network namespace: its applications, its people, and the TCP probes that
//! check the faults. What a person's browser cannot reach from here, the person cannot reach, whatever a node can.
//!
//! Reads a [`spec::Spec`] and [`spec::Command`]s on standard input and writes the history's events on standard output.
//! Judges nothing.

pub mod spec;
