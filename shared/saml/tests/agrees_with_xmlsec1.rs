//! The program `xmlsec1` is the second opinion: what it signs and encrypts we accept and open, what we sign and encrypt it
//! accepts and opens, and both call the same texts canonical.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use mangrove_saml::encryption::{Cipher, encrypt};
use mangrove_saml::names::{DS, EXC_C14N, SAML, XENC};
use mangrove_saml::{DecryptionKeys, Opened, Refused, Root, Signed, sign};
use rcgen::{KeyPair, PKCS_ECDSA_P521_SHA512};
use support::*;

/// A folder with the files that the program is given.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs the program; its output if it is content.
    fn xmlsec1(&self, args: &[&str], files: &[&Path]) -> Result<String, String> {
        let out = self.0.path().join("out.xml");
        let mut command = Command::new("xmlsec1");
        command.args(args).arg("--output").arg(&out);
        if matches!(args[0], "--sign" | "--verify") {
            for (namespace, name) in
                [("protocol", "Response"), ("assertion", "Assertion"), ("protocol", "LogoutRequest")]
            {
                command.args(["--id-attr:ID", &format!("urn:oasis:names:tc:SAML:2.0:{namespace}:{name}")]);
            }
        }
        let done =
            command.args(files).output().expect("xmlsec1 is missing: scripts/tools xmlsec1 installs it");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        if !done.status.success() {
            return Err(said);
        }
        Ok(std::fs::read_to_string(&out).unwrap_or(said))
    }

    fn verify(&self, xml: &str, by: &Identity) -> Result<String, String> {
        let certificate = self.put("by.der", &by.der);
        let args = ["--verify", "--pubkey-cert-der", certificate.to_str().unwrap()];
        self.xmlsec1(&args, &[&self.put("message.xml", xml)])
    }

    fn sign(&self, template: &str, by: &Identity) -> String {
        let key = self.put("by.pem", &by.pem);
        let args = ["--sign", "--privkey-pem", key.to_str().unwrap()];
        self.xmlsec1(&args, &[&self.put("template.xml", template)]).unwrap()
    }

    /// Encrypts for us: an `EncryptedAssertion` of whatever the data is.
    fn encrypt(&self, how: &str, data: impl AsRef<[u8]>, size: &str) -> String {
        let data = self.put("data", data);
        let certificate = self.put("for.der", &other_rsa().der);
        let template = self.put("template.xml", format!(
            r#"<xenc:EncryptedData xmlns:xenc="{XENC}" Type="http://www.w3.org/2001/04/xmlenc#Element"><xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes{size}-gcm"/><ds:KeyInfo xmlns:ds="{DS}"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/><ds:KeyInfo><ds:KeyName/></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>"#
        ));
        let (certificate, session) = (certificate.to_str().unwrap(), format!("aes-{size}"));
        let args = ["--encrypt", "--pubkey-cert-der", certificate, "--session-key", &session, how];
        let encrypted = self.xmlsec1(&[&args[..], &[data.to_str().unwrap()]].concat(), &[&template]).unwrap();
        let encrypted = encrypted.trim_start_matches("<?xml version=\"1.0\"?>").trim();
        format!("<saml:EncryptedAssertion xmlns:saml=\"{SAML}\">{encrypted}</saml:EncryptedAssertion>")
    }
}

fn template(id: &str, method: &str, digest: &str, prefixes: Option<&str>) -> String {
    let list = prefixes.map_or(String::new(), |prefixes| {
        format!(r#"<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="{prefixes}"/>"#)
    });
    format!(
        r##"<ds:Signature xmlns:ds="{DS}">
  <ds:SignedInfo>
    <ds:CanonicalizationMethod Algorithm="{EXC_C14N}">{list}</ds:CanonicalizationMethod>
    <ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#{method}"/>
    <ds:Reference URI="#{id}">
      <ds:Transforms>
        <ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
        <ds:Transform Algorithm="{EXC_C14N}">{list}</ds:Transform>
      </ds:Transforms>
      <ds:DigestMethod Algorithm="{digest}"/>
      <ds:DigestValue/>
    </ds:Reference>
  </ds:SignedInfo>
  <ds:SignatureValue/>
</ds:Signature>"##
    )
}

const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";
const SHA512: &str = "http://www.w3.org/2001/04/xmlenc#sha512";

fn with_template(xml: &str, template: &str) -> String {
    changed(xml, "</saml:Issuer>", &format!("</saml:Issuer>{template}"))
}

#[test]
fn what_we_sign_it_verifies() {
    let desk = Desk::new();
    for key in [rsa(), p256(), p384()] {
        desk.verify(&signed_response(key), key).unwrap();
        desk.verify(&with_signed_assertion(key), key).unwrap();
        desk.verify(&signed_twice(key), key).unwrap();
    }
}

#[test]
fn what_it_does_not_verify_we_refuse_as_well() {
    let desk = Desk::new();
    let attack = changed(&signed_response(rsa()), ">alice<", ">mallory<");
    desk.verify(&attack, rsa()).unwrap_err();
    assert_eq!(refusal(&attack), Refused::Digest { of: Root::Response });
    desk.verify(&signed_response(rsa()), other_rsa()).unwrap_err();
}

#[test]
fn what_it_signs_we_verify_with_every_algorithm_of_the_table() {
    let desk = Desk::new();
    let p521 = Identity::new(&KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap());
    let hashes = [("sha256", SHA256), ("sha384", SHA384), ("sha512", SHA512)];
    for (key, kind) in [(rsa(), "rsa"), (p256(), "ecdsa"), (p384(), "ecdsa"), (&p521, "ecdsa")] {
        for (hash, digest) in hashes {
            let template = template("_response", &format!("{kind}-{hash}"), digest, None);
            let signed =
                desk.sign(&with_template(&response(&assertion("_assertion", "alice")), &template), key);
            let verified = accept(&signed, key).unwrap_or_else(|refused| panic!("{kind}-{hash}: {refused}"));
            assert_eq!(subject(&verified), "alice");
        }
    }
}

#[test]
fn what_it_signs_with_sha1_we_refuse() {
    let template = template("_response", "rsa-sha1", SHA256, None)
        .replace("2001/04/xmldsig-more#rsa-sha1", "2000/09/xmldsig#rsa-sha1");
    let signed = Desk::new().sign(&with_template(&response(""), &template), rsa());
    assert!(matches!(refusal(&signed), Refused::Algorithm(_)));
}

#[test]
fn prefixes_that_only_a_list_keeps_are_kept() {
    let desk = Desk::new();
    let declared = response(&assertion("_assertion", "alice"))
        .replace(" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"", "")
        .replace(
            "<samlp:Response ",
            "<samlp:Response xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns=\"urn:d\" ",
        );
    for list in ["xs", "xs #default", "#default nowhere xs xsi"] {
        let template = template("_assertion", "rsa-sha256", SHA256, Some(list));
        let at = declared.rfind("</saml:Issuer>").unwrap() + "</saml:Issuer>".len();
        let signed = desk.sign(&[&declared[..at], &template, &declared[at..]].concat(), rsa());
        let verified = accept(&signed, rsa()).unwrap_or_else(|refused| panic!("{list}: {refused}"));
        assert_eq!(verified.signed(), Signed::Assertion);
        let assertion = verified.assertion().unwrap().unwrap();
        let schema = assertion.root_element().lookup_namespace_uri(Some("xs"));
        assert_eq!(schema, Some("http://www.w3.org/2001/XMLSchema"), "{list}");
    }
}

/// Thirty documents of nested namespaces, odd attributes, every kind of white space, references, CDATA and comments.
#[test]
fn both_call_the_same_text_canonical() {
    let desk = Desk::new();
    for seed in 0..30 {
        let extension = Wild(seed * 7919 + 1).extensions();
        let plain = changed(
            &response(&assertion("_assertion", "alice")),
            "<samlp:Status>",
            &(extension + "<samlp:Status>"),
        );
        let ours = sign(&plain, Root::Response, &p256().key()).unwrap();
        desk.verify(&ours, p256()).unwrap_or_else(|said| panic!("seed {seed}: {said}\n{ours}"));
        let list = [None, Some("a b"), Some("#default c")][usize::try_from(seed % 3).unwrap()];
        let template = template("_response", "ecdsa-sha256", SHA256, list);
        let at = plain.find("</saml:Issuer>").unwrap() + "</saml:Issuer>".len();
        let theirs = desk.sign(&[&plain[..at], &template, &plain[at..]].concat(), p256());
        accept(&theirs, p256()).unwrap_or_else(|refused| panic!("seed {seed}: {refused}\n{theirs}"));
    }
}

#[test]
fn what_we_encrypt_it_opens() {
    let desk = Desk::new();
    let key = desk.put("key.pem", &other_rsa().pem);
    let encrypted = encrypt(&assertion("_assertion", "alice"), &other_rsa().der, Cipher::Aes128).unwrap();
    let message = desk.put("message.xml", response(&encrypted));
    let opened = desk.xmlsec1(&["--decrypt", "--privkey-pem", key.to_str().unwrap()], &[&message]).unwrap();
    assert!(opened.contains(">alice<"), "{opened}");
}

#[test]
fn what_it_encrypts_we_open() {
    let desk = Desk::new();
    let signed = sign(&assertion("_assertion", "alice"), Root::Assertion, &rsa().key()).unwrap();
    for size in ["128", "256"] {
        let message = response(&desk.encrypt("--xml-data", &signed, size));
        let verified = accept(&message, rsa()).unwrap();
        assert_eq!((verified.signed(), subject(&verified).as_str()), (Signed::Assertion, "alice"));
        let opened = Opened::open(message.as_bytes(), Root::Response).unwrap();
        let refused = opened.verify(&rsa().pinned(), &DecryptionKeys::none()).unwrap_err();
        assert_eq!(refused, Refused::NoDecryptionKey);
    }
}

/// Anybody can encrypt anything for us: our certificate is public.
#[test]
fn whatever_was_encrypted_passes_the_gate_once_more() {
    let desk = Desk::new();
    let good = assertion("_assertion", "alice");
    let inner = changed(&good, "<saml:Conditions", &(assertion("_other", "mallory") + "<saml:Conditions"));
    let malformed = |xml: &str| Opened::open(xml.as_bytes(), Root::Assertion).unwrap_err();
    for (octets, refused) in [
        (b"\xff\xfe not UTF-8".to_vec(), Refused::Encoding),
        (Vec::from(*b"x"), malformed("x")),
        (format!("<!DOCTYPE x>{good}").into_bytes(), Refused::DocumentType),
        (changed(&good, ">alice<", ">al<!-- -->ice<").into_bytes(), Refused::CutText),
        (inner.into_bytes(), Refused::StrayAssertion),
        (format!("{good}{good}").into_bytes(), malformed(&format!("{good}{good}"))),
        (response(&good).into_bytes(), Refused::OtherRoot { expected: Root::Assertion }),
    ] {
        assert_eq!(refusal(&response(&desk.encrypt("--binary-data", &octets, "256"))), refused);
    }
}

/// Writes documents that are hard to canonicalise, the same ones for the same seed.
struct Wild(u64);

impl Wild {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        from[usize::try_from(self.0 >> 33).unwrap() % from.len()]
    }

    fn extensions(&mut self) -> String {
        let mut out = String::new();
        self.element("samlp:Extensions", 5, &mut out);
        let inside = out.split_once('>').unwrap();
        // All prefixes are declared at the top, so that elements inside may use them without declaring them.
        format!(
            r#"<samlp:Extensions xmlns:b="urn:b" xmlns:a="urn:a" xmlns:c="http://c.example/?a#b">{}"#,
            if inside.1.is_empty() { "</samlp:Extensions>" } else { inside.1 }
        )
    }

    fn element(&mut self, name: &str, depth: u32, out: &mut String) {
        write!(out, "<{name}").unwrap();
        if name != "samlp:Extensions" {
            for (prefix, uris) in
                [("a", ["urn:a", "urn:other"]), ("b", ["urn:b", "urn:a"]), ("c", ["urn:c", "urn:c2"])]
            {
                if self.pick(&[true, false, false]) {
                    write!(out, " xmlns:{prefix} = '{}'", self.pick(&uris)).unwrap();
                }
            }
            match self.pick(&[0, 1, 2, 3, 3]) {
                0 => out.push_str(" xmlns=\"\""),
                1 => out.push_str(" xmlns=\"urn:default\""),
                2 => out.push_str(" xmlns=\"urn:a\""),
                _ => {}
            }
            for attribute in ["zulu", "alpha", "a:one", "c:x", "xml:lang"] {
                if self.pick(&[true, false]) {
                    write!(out, "\n\t{attribute}={}", self.pick(&VALUES)).unwrap();
                }
            }
        }
        out.push_str(self.pick(&[">", " >", "\n>"]));
        // Comments only where there are no words that they could cut.
        let words = self.pick(&[true, false]);
        let (texts, between) =
            if words { (&TEXTS[..], &[""][..]) } else { (&[" \t\r\n "][..], &BETWEEN[..]) };
        for _ in 0..self.pick(&[1, 2, 3, 4]) {
            if depth == 0 || self.pick(&[true, false, false]) {
                out.push_str(self.pick(texts));
                continue;
            }
            out.push_str(self.pick(between));
            let prefix = self.pick(&["", "a:", "b:", "c:"]);
            let local = self.pick(&["x", "y", "long-name.1", "\u{e9}l\u{e9}ment"]);
            self.element(&format!("{prefix}{local}"), depth - 1, out);
        }
        write!(out, "</{name}{}>", self.pick(&["", " ", "\n"])).unwrap();
    }
}

const VALUES: [&str; 8] = [
    "\"plain\"",
    "'single \" double'",
    "\"&lt;&gt;&amp;&quot;&apos;\"",
    "\" tab\tline\nend \"",
    "\"&#9;&#10;&#13;&#x20;\"",
    "''",
    "\"\u{fc}\u{4e2d}\u{1f333}&#x1F333;\"",
    "\"a>b\"",
];

const BETWEEN: [&str; 4] = ["", "\n  ", "<!-- between -->", "<!--a--> <!--b-->"];

const TEXTS: [&str; 8] = [
    "text",
    " \t\r\n ",
    "&lt;&gt;&amp;&quot;&apos;",
    "<![CDATA[<a>&amp;\"]]>",
    "&#13;\n&#xD;&#9;",
    "a]] >b",
    "\u{fc}\u{1f333}",
    "",
];
