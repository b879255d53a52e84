//! The reference page in the repository is the one that the types make.
#![allow(clippy::unwrap_used, reason = "these are tests")]

#[test]
fn the_reference_page_is_not_stale() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/configuration.md");
    let page = mangrove_config::reference();
    if std::env::var_os("MANGROVE_REGENERATE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == page,
        "docs/reference/configuration.md is stale: cargo run -p mangrove-config --example reference > \
         docs/reference/configuration.md"
    );
}

#[test]
fn every_key_of_the_reference_says_what_it_means() {
    for line in mangrove_config::reference().lines().filter(|line| line.starts_with("| `")) {
        let meaning = line.trim_end_matches('|').rsplit(" | ").next().unwrap().trim();
        assert!(meaning.len() > 3, "no meaning: {line}");
    }
}
