//! Whom the client trusts: the operating system's authorities, and what a TLS profile adds.

use std::sync::Arc;

use mangrove_config::http::TlsProfile;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, SupportedCipherSuite, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::error::HttpBuildError;

/// The operating system's authorities. Unreadable ones are left out and said.
pub(super) fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for why in &found.errors {
        tracing::warn!(%why, "an authority of the operating system could not be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}

/// The client's side of TLS for one profile; without one, the system's trust and nothing else.
pub(super) fn client_config(
    system: &RootCertStore,
    profile: Option<&TlsProfile>,
) -> Result<Arc<ClientConfig>, HttpBuildError> {
    let default = TlsProfile::default();
    let profile = profile.unwrap_or(&default);
    let mut roots = system.clone();
    if let Some(file) = &profile.ca_file {
        for authority in certificates(file)? {
            roots.add(authority).map_err(|why| HttpBuildError(format!("{file}: not an authority: {why}")))?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(provider(profile)?))
        .with_protocol_versions(versions(profile)?)
        .map_err(|why| HttpBuildError(format!("no TLS with these settings: {why}")))?
        .with_root_certificates(roots);
    let mut config = match (&profile.cert_file, &profile.key_file) {
        (Some(chain), Some(key_file)) => {
            let key = PrivateKeyDer::from_pem_file(key_file)
                .map_err(|why| HttpBuildError(format!("{key_file}: no private key: {why}")))?;
            builder.with_client_auth_cert(certificates(chain)?, key).map_err(|why| {
                HttpBuildError(format!("{chain}: not usable as a client certificate: {why}"))
            })?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err(HttpBuildError("a TLS profile has certFile and keyFile, or neither".into())),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, HttpBuildError> {
    let refuse = |why: String| HttpBuildError(format!("{file}: no certificates: {why}"));
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|why| refuse(why.to_string()))?;
    if found.is_empty() { Err(refuse("the file holds none".into())) } else { Ok(found) }
}

fn versions(profile: &TlsProfile) -> Result<&'static [&'static SupportedProtocolVersion], HttpBuildError> {
    match profile.min_version.as_deref() {
        None | Some("1.2") => Ok(rustls::ALL_VERSIONS),
        Some("1.3") => Ok(ONLY_1_3),
        Some(other) => Err(HttpBuildError(format!("minVersion {other}: it is 1.2 or 1.3"))),
    }
}

const ONLY_1_3: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// `enabledCiphers` names suites of TLS 1.2 as the IANA registry does; those of 1.3 are always on.
fn provider(profile: &TlsProfile) -> Result<CryptoProvider, HttpBuildError> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    if profile.enabled_ciphers.is_empty() {
        return Ok(provider);
    }
    let named = |suite: &SupportedCipherSuite| {
        let name = format!("{:?}", suite.suite());
        profile.enabled_ciphers.contains(&name)
    };
    provider.cipher_suites.retain(|suite| matches!(suite, SupportedCipherSuite::Tls13(_)) || named(suite));
    match profile.enabled_ciphers.iter().all(|name| name.starts_with("TLS_")) {
        true => Ok(provider),
        false => Err(HttpBuildError("enabledCiphers: names begin with TLS_".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(profile: &TlsProfile) -> String {
        client_config(&RootCertStore::empty(), Some(profile)).unwrap_err().to_string()
    }

    #[test]
    fn settings_that_cannot_work_are_refused_with_words() {
        let old = TlsProfile { min_version: Some("1.0".into()), ..TlsProfile::default() };
        assert!(refusal(&old).contains("1.2 or 1.3"));
        let half = TlsProfile { cert_file: Some("a.pem".into()), ..TlsProfile::default() };
        assert!(refusal(&half).contains("keyFile"));
        let missing = TlsProfile { ca_file: Some("/nonexistent/ca.pem".into()), ..TlsProfile::default() };
        assert!(refusal(&missing).contains("/nonexistent/ca.pem"));
    }

    #[test]
    fn a_minimum_of_1_3_and_http_2_first() {
        let profile = TlsProfile { min_version: Some("1.3".into()), ..TlsProfile::default() };
        let config = client_config(&RootCertStore::empty(), Some(&profile)).unwrap();
        assert_eq!(config.alpn_protocols[0], b"h2");
        assert_eq!(versions(&profile).unwrap().len(), 1);
    }
}
