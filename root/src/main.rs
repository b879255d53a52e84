//! The data-center role: holds the identity providers' credentials, and vouches for people to edges and applications.

use std::process::ExitCode;

use mangrove_config::{Config, Connector};
use mangrove_runtime::cli::init::Template;
use mangrove_runtime::{Role, cli};

static ROOT: Role = Role {
    name: "mangrove-root",
    about: "A Mangrove root: stands in a data center, holds the identity providers, and vouches for people to edges.",
    host_name: "root.localhost",
    port: 9443,
    rules,
    template: Template::Root,
};

fn main() -> ExitCode {
    cli::main(&ROOT)
}

/// A root that stands on other roots is an edge by another name.
fn rules(config: &Config) -> Vec<String> {
    let roots = config.connectors.iter().filter(|c| matches!(c, Connector::Oidc(oidc) if oidc.root));
    roots
        .map(|c| {
            format!(
                "connector {} is marked `root: true`, but this is a root: an edge stands on roots",
                c.name()
            )
        })
        .collect()
}
