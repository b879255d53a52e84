//! Messages that are made to cost: each is one unauthenticated request, and each is refused in less than a second of CPU,
//! unoptimised, whatever limit it runs into. What they cost is printed.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

mod support;

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mangrove_saml::redirect::{Parameter, Received};
use mangrove_saml::{Opened, Refused, Root, post, sign};
use support::*;

/// CPU time of this thread, so that a busy machine does not fail the test.
fn spent() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// How much memory the process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

/// One bomb at a time: the memory is the whole process's.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs it within its bounds.
fn bounded<T>(name: &str, run: impl FnOnce() -> T) -> T {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (cpu, wall, memory) = (spent(), Instant::now(), peak());
    let result = run();
    let cpu = spent().saturating_sub(cpu);
    let grown = peak().saturating_sub(memory);
    println!(
        "{name}: {:.1} ms of CPU, {:.1} ms, peak +{grown} KiB",
        cpu.as_secs_f64() * 1e3,
        wall.elapsed().as_secs_f64() * 1e3
    );
    assert!(cpu < Duration::from_secs(1), "{name} took {cpu:?}");
    assert!(grown < 32 * 1024, "{name} took {grown} KiB");
    result
}

fn refused(name: &str, xml: &str) -> Refused {
    bounded(name, || accept(xml, rsa()).expect_err("the bomb was accepted"))
}

fn metadata(inside: &str) -> String {
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"e\">{inside}</md:EntityDescriptor>"
    )
}

/// Something in the signed response, just before its status.
fn with(inside: &str) -> String {
    changed(&signed_response(rsa()), "<samlp:Status>", &format!("{inside}<samlp:Status>"))
}

#[test]
fn transforms_by_the_thousand() {
    let one = r#"<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform>"#;
    for many in [2000, 2800] {
        let attack = changed(&signed_response(rsa()), one, &one.repeat(many));
        let name = format!("{many} transforms");
        assert!(matches!(refused(&name, &attack), Refused::Algorithm(_) | Refused::ManyNodes { .. }));
    }
    let attack = changed(&signed_response(rsa()), one, &one.repeat(5000));
    assert!(matches!(refused("5000 transforms", &attack), Refused::TooLong { .. }));
}

#[test]
fn xpath_that_counts_everything_five_times_over() {
    let nested = "count(//*[".repeat(5) + "1" + &"])".repeat(5);
    let xpath = format!(
        r#"<ds:Transforms><ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>{nested}</ds:XPath></ds:Transform>"#
    );
    let attack = changed(&signed_response(rsa()), "<ds:Transforms>", &xpath);
    assert!(matches!(refused("nested XPath", &attack), Refused::Algorithm(_)));
}

#[test]
fn references_to_elsewhere() {
    for uri in ["http://127.0.0.1:9/", "file:///dev/zero", "#xpointer(//*[count(//*)])"] {
        let attack = changed(&signed_response(rsa()), "#_response", uri);
        assert!(matches!(refused(uri, &attack), Refused::SignatureForm(_)));
    }
}

#[test]
fn attributes_by_the_thousand() {
    let many = |count: usize| {
        (0..count).fold(String::new(), |mut out, at| {
            write!(out, " a{at}=''").unwrap();
            out
        })
    };
    assert!(matches!(
        refused("30000 attributes", &with(&format!("<x{}/>", many(18_000)))),
        Refused::LongTag { .. }
    ));
    let full = format!("<x{}/>", many(900)).repeat(26);
    assert!(matches!(refused("26 tags of 900 attributes", &with(&full)), Refused::ManyAttributes { .. }));
    let full = format!("<x{}/>", many(64)).repeat(480);
    assert_eq!(refused("480 tags of 64 attributes", &with(&full)), Refused::Digest { of: Root::Response });
}

#[test]
fn elements_by_the_thousand_side_by_side_and_nested() {
    assert!(matches!(refused("60000 elements", &with(&"<x/>".repeat(60_000))), Refused::ManyNodes { .. }));
    refused("16000 elements", &with(&"<x/>".repeat(16_000)));
    let deep = "<x>".repeat(30_000) + &"</x>".repeat(30_000);
    assert!(matches!(refused("depth 30000", &with(&deep)), Refused::TooDeep { .. }));
    assert!(matches!(refused("unclosed 60000", &with(&"<x>".repeat(60_000))), Refused::TooDeep { .. }));
}

#[test]
fn namespaces_by_the_thousand() {
    let declared = |from: usize, count: usize| {
        (from..from + count).fold(String::new(), |mut out, at| {
            write!(out, " xmlns:n{at}='urn:{at}'").unwrap();
            out
        })
    };
    let many = format!("<x{}/>", declared(0, 60));
    assert!(matches!(refused("60 namespaces in a tag", &with(&many)), Refused::ManyNamespaces { .. }));
    let nested = |depth: usize, each: usize| {
        let open: String = (0..depth).map(|at| format!("<x{}>", declared(at * each, each))).collect();
        format!("{open}{}{}", "<n0:y xmlns:m='urn:m' n1:a=''/>".repeat(5000), "</x>".repeat(depth))
    };
    assert!(matches!(refused("1320 in scope", &with(&nested(44, 30))), Refused::ManyNamespaces { .. }));
    // As many as the gate lets in scope, and then elements that look through all of them.
    assert_eq!(refused("28 in scope", &with(&nested(14, 2))), Refused::Digest { of: Root::Response });
}

/// A long namespace, declared once, is written at every element that uses it: the canonical text would be a gigabyte.
#[test]
fn a_namespace_that_grows_in_canonical_form() {
    let long = format!("<x xmlns:p=\"urn:{}\">{}</x>", "x".repeat(8000), "<p:y/>".repeat(15_000));
    assert!(matches!(refused("growing namespace", &with(&long)), Refused::TooLong { .. }));
    let plain = changed(&response(""), "<samlp:Status>", &format!("{long}<samlp:Status>"));
    bounded("growing namespace, signed", || sign(&plain, Root::Response, &rsa().key()).unwrap_err());
}

#[test]
fn comments_texts_and_references_by_the_thousand() {
    refused("comments", &with(&"<!---->".repeat(30_000)));
    let crowd = format!("<x>{}</x>", "<!---->".repeat(16_000));
    assert_eq!(
        refused("as many comments as there may be nodes", &with(&crowd)),
        Refused::Digest { of: Root::Response }
    );
    refused("CDATA", &with(&format!("<x>{}</x>", "<![CDATA[]]>".repeat(20_000))));
    refused("references", &with(&format!("<x>{}</x>", "&#65;".repeat(40_000))));
    refused("references in an attribute", &with(&format!("<x a='{}'/>", "&#65;".repeat(1500))));
    refused("line ends", &with(&format!("<x>{}</x>", "\r".repeat(200_000))));
    refused("an open comment", &with(&"<!--".repeat(50_000)));
    refused("open quotes", &with(&"<x a='".repeat(30_000)));
    refused("open CDATA", &with(&"<![CDATA[".repeat(25_000)));
}

#[test]
fn ids_by_the_thousand_and_signatures_by_the_hundred() {
    let ids = (0..9000).fold(String::new(), |mut out, at| {
        write!(out, "<x ID='i{at}'/>").unwrap();
        out
    });
    refused("9000 IDs", &with(&ids));
    let good = signed_response(rsa());
    let signature = element(&good, "ds:Signature");
    assert_eq!(
        refused("100 signatures", &changed(&good, signature, &signature.repeat(100))),
        Refused::StraySignature
    );
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
fn an_entity_that_is_used_two_thousand_times() {
    let doctype = format!("<!DOCTYPE r [<!ENTITY e \"{}\">]>", "x".repeat(200_000));
    let attack = format!("{doctype}{}", with(&"&e;".repeat(2000)));
    assert_eq!(refused("long entity", &attack), Refused::DocumentType);
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
