//! Prints the reference page: `cargo run -p mangrove-config --example reference > docs/reference/configuration.md`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

fn main() {
    print!("{}", mangrove_config::reference());
}
