//! How this node proves who it is at a provider: with a secret, with a key (`private_key_jwt`: RFC 7523, OpenID Connect
//! Core 1.0 section 9), or not at all.
//!
//! A proof with a key is signed anew for each request, lives for [`LIFE`] and is for one provider: its audience is the
//! issuer that the operator's discovery URL belongs to, so that a provider which names somebody else's endpoints cannot
//! make use of it there. A provider that keeps certificates finds the key by one, whose issuer and dates play no part here.
//! The node's own key is made at first use, because a configuration is checked where nothing may be
//! written.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mangrove_config::Secret;
use mangrove_config::connectors::{ClientProof, Oidc as Written, ProofAudience, ProofMethod};
use mangrove_keys::{Algorithm, KeyError, KeyRing, KeySource, ambient};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use zeroize::Zeroizing;

use super::metadata::Metadata;
use crate::http::HttpBuildError;

/// Name of the only kind of assertion (RFC 7523 section 2.2).
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Seconds that a proof lives: enough for a slow way and a clock that is a minute off.
const LIFE: u64 = 120;

/// How this node proves who it is.
#[derive(Debug)]
pub(super) enum Proof {
    /// It does not: a public client.
    Nothing,
    /// By what it and the provider know.
    Secret(Secret),
    /// By a key of which the provider knows the public half.
    Key(ClientKey),
}

impl Proof {
    pub(super) fn read(written: &Written, state_dir: &Path) -> Result<Self, HttpBuildError> {
        let secret = written.client_secret.clone().filter(|secret| !secret.expose().is_empty());
        match (written.client_proof.as_deref(), secret) {
            (Some(ClientProof { method: ProofMethod::PrivateKeyJwt, .. }), Some(_)) => Err(HttpBuildError(
                "it has a secret and a key: remove oauthClientSecret or oauthClientAuth".into(),
            )),
            (Some(key), None) => ClientKey::read(key, state_dir).map(Self::Key),
            (None, Some(secret)) => Ok(Self::Secret(secret)),
            (None, None) => Ok(Self::Nothing),
        }
    }
}

/// A key that proves who this node is.
#[derive(Debug)]
pub(super) struct ClientKey {
    ring: OnceLock<KeyRing>,
    /// What the provider finds the key by, if not by its `kid`.
    certificate: Option<CertificateDer<'static>>,
    state_dir: PathBuf,
    audience: ProofAudience,
}

impl ClientKey {
    fn read(written: &ClientProof, state_dir: &Path) -> Result<Self, HttpBuildError> {
        let refuse = |why: String| HttpBuildError(format!("oauthClientAuth: {why}"));
        let algorithm = match &written.algorithm {
            None => None,
            Some(name) => Some(
                Algorithm::parse(name)
                    .ok_or_else(|| refuse(format!("{name} is not an algorithm that is signed with")))?,
            ),
        };
        let ring = OnceLock::new();
        if let Some(path) = &written.key_path {
            let source = KeySource::File { path: PathBuf::from(path), algorithm };
            let read = KeyRing::load(&[source]).map_err(|why| refuse(why.to_string()))?;
            ring.get_or_init(|| read);
        } else if written.cert_path.is_some() {
            return Err(refuse("certPath needs keyPath, the key in that certificate".into()));
        } else if algorithm.is_some_and(|wanted| wanted != Algorithm::Es256) {
            return Err(refuse("the key that is generated signs with ES256: name another in keyPath".into()));
        }
        let certificate = match (&written.cert_path, &written.key_path) {
            (Some(certificate), Some(key)) => Some(certificate_of(certificate, key).map_err(refuse)?),
            _ => None,
        };
        Ok(Self { ring, certificate, state_dir: state_dir.to_owned(), audience: written.audience })
    }

    /// The key; the node's own is made or read when it is first needed.
    pub(super) fn ring(&self) -> Result<&KeyRing, KeyError> {
        if let Some(known) = self.ring.get() {
            return Ok(known);
        }
        let kept = KeyRing::client_kept(&self.state_dir, Algorithm::Es256)?;
        Ok(self.ring.get_or_init(|| kept))
    }

    /// A proof for this provider, good once.
    pub(super) fn assertion(&self, client_id: &str, provider: &Metadata) -> Result<String, KeyError> {
        let now = ambient::unix_now();
        let audience = match self.audience {
            ProofAudience::Issuer => provider.issuer.as_str(),
            ProofAudience::TokenEndpoint => provider.token_endpoint.as_str(),
        };
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": audience, "jti": ambient::token(), "iat": now, "exp": now + LIFE,
        });
        match &self.certificate {
            Some(certificate) => self.ring()?.sign_certified(certificate, "JWT", &claims),
            None => self.ring()?.sign(None, "JWT", &claims),
        }
    }
}

/// The first certificate in a file, which must be that of the key in another.
fn certificate_of(certificate: &str, key: &str) -> Result<CertificateDer<'static>, String> {
    let read = |path: &str| std::fs::read(path).map_err(|why| format!("{path} cannot be read: {why}"));
    let pem = Zeroizing::new(read(key)?);
    let private =
        PrivateKeyDer::from_pem_slice(&pem).map_err(|_| format!("there is no private key in {key}"))?;
    let private = any_supported_type(&private).map_err(|_| format!("the key in {key} cannot be used"))?;
    let found = CertificateDer::from_pem_slice(&read(certificate)?);
    let found = found.map_err(|_| format!("there is no certificate in {certificate}"))?;
    CertifiedKey::new(vec![found.clone()], private).keys_match().map_err(|why| match why {
        rustls::Error::InconsistentKeys(_) => {
            format!("the certificate in {certificate} belongs to another key than that in {key}")
        }
        _ => format!("the certificate in {certificate} cannot be read"),
    })?;
    Ok(found)
}
