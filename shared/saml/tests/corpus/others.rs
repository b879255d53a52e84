//! What is made to cost and is no response: metadata, a message in a query, and what is too long for anything.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mangrove_saml::redirect::{Parameter, Received};
use mangrove_saml::{Opened, Refused, Root, post};

use super::bounded;

fn metadata(inside: &str) -> String {
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"e\">{inside}</md:EntityDescriptor>"
    )
}

/// Metadata is longer than a message, and whoever publishes it may be hostile to the other providers of the node. This much is
/// fetched at most.
#[test]
fn metadata_of_half_a_mebibyte() {
    const FETCHED: usize = 512 * 1024;
    let read = |name: &str, inside: &str| {
        let document = metadata(inside);
        assert!(document.len() < FETCHED, "{name}: {}", document.len());
        let opened = bounded(name, || Opened::open(document.as_bytes(), Root::Metadata).map(drop));
        opened.unwrap();
    };
    let tag: String = (0..64).map(|at| format!(" a{at}=''")).collect();
    read("metadata: tags of 64 attributes", &format!("<x{tag}/>").repeat(1_100));
    let scope: String = (0..28).map(|at| format!(" xmlns:n{at}='u:{at}'")).collect();
    read("metadata: 28 in scope", &format!("<x{scope}>{}</x>", "<n0:y xmlns:m='u:m'/>".repeat(24_000)));
    read("metadata: elements", &"<x/>".repeat(125_000));
    read("metadata: comments", &"<!---->".repeat(70_000));
}

#[test]
fn a_message_that_is_too_long_is_not_even_decoded() {
    let long = "A".repeat(5 * 1024 * 1024);
    let stopped = bounded("5 MiB posted", || post::decode(&long, Root::Response).unwrap_err());
    assert!(matches!(stopped, Refused::TooLong { .. }));
    let stopped = bounded("5 MiB opened", || Opened::open(long.as_bytes(), Root::Metadata).unwrap_err());
    assert!(matches!(stopped, Refused::TooLong { .. }));
}

#[test]
fn a_deflate_bomb_ends_at_the_limit() {
    use std::io::Write;
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..40 {
        deflate.write_all(&zeros).unwrap();
    }
    let bomb = deflate.finish().unwrap();
    assert!(bomb.len() < 48 * 1024, "{} bytes do not fit into a query", bomb.len());
    let query = format!("SAMLResponse={}", BASE64_STANDARD.encode(bomb));
    let stopped = bounded("deflate bomb of 40 MiB", || {
        Received::decode(&query, Parameter::Response, Root::LogoutResponse).unwrap_err()
    });
    assert!(matches!(stopped, Refused::TooLong { .. }));
}
