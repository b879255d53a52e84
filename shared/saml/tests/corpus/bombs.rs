//! Messages that are made to cost: each is one unauthenticated request, and each is refused in less than a second of CPU,
//! unoptimised, whatever limit it runs into. What they cost is printed.

use std::fmt::Write;

use mangrove_saml::{Refused, Root, sign};

use super::support::*;
use super::{bounded, refusal};

fn refused(name: &str, xml: &str) -> Refused {
    bounded(name, || refusal(xml))
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

#[test]
fn an_entity_that_is_used_two_thousand_times() {
    let doctype = format!("<!DOCTYPE r [<!ENTITY e \"{}\">]>", "x".repeat(200_000));
    let attack = format!("{doctype}{}", with(&"&e;".repeat(2000)));
    assert_eq!(refused("long entity", &attack), Refused::DocumentType);
}
