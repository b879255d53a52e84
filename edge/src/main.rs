//! The branch role: roots are its identity providers; it serves the branch's own applications.

use std::process::ExitCode;

use mangrove_config::{Config, Connector};
use mangrove_runtime::cli::init::Template;
use mangrove_runtime::{Role, cli};

static EDGE: Role = Role {
    name: "mangrove-edge",
    about: "A Mangrove edge: stands at a branch, lets roots vouch for people, and serves the branch's applications.",
    host_name: "edge.localhost",
    port: 9444,
    rules,
    template: Template::Edge,
};

fn main() -> ExitCode {
    cli::main(&EDGE)
}

/// An edge without a single connector marked as a root may be meant so (a co-located provider), or be half-written.
fn rules(config: &Config) -> Vec<String> {
    let is_root = |c: &Connector| matches!(c, Connector::Oidc(oidc) if oidc.root);
    if config.connectors.is_empty() || config.connectors.iter().any(is_root) {
        return Vec::new();
    }
    let words = "no connector is marked `root: true`: when a browser comes back unanswered, the page asks instead of \
                 trying the next root";
    vec![words.to_owned()]
}
