//! A role is data: its names, its rules, and what `init` writes. Both binaries are this and a `main`.

use mangrove_config::Config;

use crate::cli::init::Template;

/// A role of a node.
#[derive(Debug)]
pub struct Role {
    /// Name of the binary.
    pub name: &'static str,
    /// What it is, in a sentence for `-help`.
    pub about: &'static str,
    /// Host name that `init` gives the node: cookies do not tell ports apart, names do.
    pub host_name: &'static str,
    /// Port that `init` gives it.
    pub port: u16,
    /// Rules about who lives upstream: each says what it doubts. They warn and never refuse.
    pub rules: fn(&Config) -> Vec<String>,
    /// What `init` writes.
    pub template: Template,
}
