//! The files that a configuration names: there, readable, and what they are said to be.

use std::path::Path;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use super::{Context, client_keys};
use crate::{
    files::why,
    finding::{
        Findings,
        Severity::{Problem, Warning},
    },
    provider::KeyKind,
    shape::FileKind,
    structure::FileUse,
    tree::{self, Node, Value},
};

/// Most bytes of a certificate or key file.
const MOST: u64 = 1 << 20;

/// Every file that is named.
pub(super) fn files_are_what_they_should_be(context: &Context<'_>, findings: &mut Findings) {
    for used in context.uses {
        let judged = match used.kind {
            FileKind::Path => continue,
            FileKind::Certificates => read(context, &used.path).and_then(|pem| certificates(&pem)),
            FileKind::Key => {
                read(context, &used.path).and_then(|pem| private_key(&pem, kind_of(context, used)))
            }
            FileKind::Jwks => {
                client_keys::file(context, used, findings);
                continue;
            }
            FileKind::Users => {
                users(context, used, findings);
                continue;
            }
        };
        let shown = context.tree.nearest(&used.trail).shown();
        if let Err(why) = judged {
            findings.at(Problem, context.tree, &used.trail, format!("{shown}: {why}")).hint(
                match used.kind {
                    FileKind::Key => {
                        "the file holds a private key as PEM and is readable by the service's user"
                    }
                    _ => "the file holds certificates as PEM and is readable by the service's user",
                },
            );
        } else if used.kind == FileKind::Key
            && let Some(mode) = context.files.mode(&used.path).filter(|mode| mode & 0o007 != 0)
        {
            findings
                .at(
                    Warning,
                    context.tree,
                    &used.trail,
                    format!("{shown} has mode {mode:04o}: everybody here may read it"),
                )
                .hint("chmod 600, owned by the service's user");
        }
    }
}

fn read(context: &Context<'_>, path: &Path) -> Result<Vec<u8>, String> {
    context.files.read(path, MOST).map_err(|error| why(&error))
}

fn certificates(pem: &[u8]) -> Result<(), String> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate.map_err(|_| "not PEM".to_owned())?;
        count += 1;
    }
    if count == 0 { Err("no certificate in it".into()) } else { Ok(()) }
}

/// The kind that a signing key is said to be of.
fn kind_of(context: &Context<'_>, used: &FileUse) -> Option<KeyKind> {
    let provider = context.config().oidc_provider.as_ref()?;
    let keys = provider.jwks.iter().enumerate();
    let mut own = keys.filter(|(i, _)| crate::trail::at!["oidcProvider", "jwks", *i, "file"] == used.trail);
    own.next()?.1.kind()
}

/// Whether a PEM holds a private key of this kind, long enough. The error holds nothing of the key.
pub(super) fn private_key(pem: &[u8], wanted: Option<KeyKind>) -> Result<(), String> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound if pem.windows(9).any(|w| w == b"ENCRYPTED") => {
            "the key is encrypted with a pass phrase; keys here have none".to_owned()
        }
        rustls_pki_types::pem::Error::NoItemsFound => "no private key in it".to_owned(),
        _ => "not PEM".to_owned(),
    })?;
    let found = der::describe(&key).ok_or("this kind of key is not known")?;
    let kind = match found {
        der::Found::Rsa { bits } if bits < 2048 => {
            return Err(format!("an RSA key of {bits} bits; 2048 at least"));
        }
        der::Found::Rsa { .. } => Some(KeyKind::Rsa),
        der::Found::P256 => Some(KeyKind::Ec),
        der::Found::Other => None,
    };
    match (wanted, kind) {
        (Some(KeyKind::Rsa), Some(KeyKind::Ec) | None) => {
            Err("not an RSA key, which is what `type` says".into())
        }
        (Some(KeyKind::Ec), Some(KeyKind::Rsa) | None) => {
            Err("not a P-256 key, which is what `type` says".into())
        }
        _ => Ok(()),
    }
}

/// A users file: a list of users, each with a name of their own and an argon2id hash.
fn users(context: &Context<'_>, used: &FileUse, findings: &mut Findings) {
    let shown = context.tree.nearest(&used.trail).shown();
    let text = match context.files.read(&used.path, tree::MAX_BYTES as u64) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned()),
        Err(error) => Err(why(&error)),
    };
    let parsed = text.and_then(|text| {
        tree::parse(&text).map_err(|e| format!("line {}, column {}: not YAML", e.place.line, e.place.column))
    });
    let tree = match parsed {
        Ok(tree) => tree,
        Err(why) => {
            findings
                .at(Problem, context.tree, &used.trail, format!("{shown}: {why}"))
                .hint("make it with `mangrove-root user add FILE NAME`");
            return;
        }
    };
    for (node, message) in users_problems(&tree) {
        let finding = findings.at(Problem, context.tree, &used.trail, message);
        finding.file.clone_from(&used.path);
        (finding.line, finding.column, finding.path) = (node.place.line, node.place.column, "users".into());
        finding.hint("users are added with `mangrove-root user add FILE NAME`");
    }
}

/// What is wrong with a users file, and where. Hashes are not shown.
fn users_problems(tree: &Node) -> Vec<(&Node, String)> {
    let Some(users) = tree.get("users").filter(|users| matches!(users.value, Value::List(_))) else {
        return vec![(tree, "no list `users:` in it".into())];
    };
    let mut problems = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    for user in users.items() {
        match user.get("username").and_then(Node::as_str).filter(|name| !name.is_empty()) {
            None => problems.push((user, "a user without `username`".into())),
            Some(name) if !names.insert(name) => {
                problems.push((user, format!("user `{name}` is there twice")));
            }
            Some(_) => {}
        }
        let hash = user.get("passwordHash").and_then(Node::as_str).unwrap_or_default();
        if !hash.starts_with("$argon2id$") {
            problems.push((user, "`passwordHash` is not an argon2id hash (`$argon2id$...`)".into()));
        }
        if user.get("attributes").is_some_and(|node| !matches!(node.value, Value::Map(_) | Value::Null)) {
            problems.push((user, "`attributes` is not a mapping".into()));
        }
    }
    problems
}

/// As much of DER as tells what a private key is.
mod der {
    use rustls_pki_types::PrivateKeyDer;

    pub(super) enum Found {
        Rsa { bits: usize },
        P256,
        Other,
    }

    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

    pub(super) fn describe(key: &PrivateKeyDer<'_>) -> Option<Found> {
        match key {
            PrivateKeyDer::Pkcs1(der) => rsa(der.secret_pkcs1_der()),
            PrivateKeyDer::Sec1(der) => {
                let curve = der.secret_sec1_der().windows(P256.len()).any(|oid| oid == P256);
                Some(if curve { Found::P256 } else { Found::Other })
            }
            PrivateKeyDer::Pkcs8(der) => pkcs8(der.secret_pkcs8_der()),
            _ => None,
        }
    }

    /// `PrivateKeyInfo` (RFC 5208): version, algorithm, key.
    fn pkcs8(der: &[u8]) -> Option<Found> {
        let (body, _) = element(0x30, der)?;
        let (_, rest) = element(0x02, body)?;
        let (algorithm, rest) = element(0x30, rest)?;
        let (oid, parameters) = element(0x06, algorithm)?;
        if oid == RSA {
            return rsa(element(0x04, rest)?.0);
        }
        let curve = element(0x06, parameters).is_some_and(|(curve, _)| curve == P256);
        Some(if curve { Found::P256 } else { Found::Other })
    }

    /// `RSAPrivateKey` (RFC 8017): version, modulus.
    fn rsa(der: &[u8]) -> Option<Found> {
        let (body, _) = element(0x30, der)?;
        let (_, rest) = element(0x02, body)?;
        let (modulus, _) = element(0x02, rest)?;
        let first = modulus.iter().position(|byte| *byte != 0)?;
        let leading = modulus[first].leading_zeros() as usize;
        Some(Found::Rsa { bits: (modulus.len() - first) * 8 - leading })
    }

    /// The content of an element with this tag, and what follows it.
    fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
        let (&first, rest) = der.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (length, rest) = match length {
            0..=0x7f => (usize::from(length), rest),
            0x81..=0x84 => {
                let count = usize::from(length & 0x7f);
                let bytes = rest.get(..count)?;
                (bytes.iter().fold(0usize, |n, byte| (n << 8) | usize::from(*byte)), rest.get(count..)?)
            }
            _ => return None,
        };
        (first == tag).then_some((rest.get(..length)?, rest.get(length..)?))
    }
}
