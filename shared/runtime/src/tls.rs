//! TLS profiles of the listener: what an operator writes, as a rustls configuration.
//!
//! Every word of a profile either takes effect or is refused at start; nothing is read and ignored. A profile's
//! connector side (whom to trust upstream) belongs to `mangrove-connectors`.

use std::fs;
use std::sync::Arc;

use mangrove_config::http::{ClientAuth, TlsProfile};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a listener's profile cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("TLS profile `{profile}`: {why}")]
pub struct TlsError {
    /// The profile's name.
    pub profile: String,
    /// What is wrong and what to write instead.
    pub why: String,
}

/// Makes aws-lc-rs the process's provider. The first thing in `main`: libraries that build their own configurations
/// panic when two providers are compiled in and none was installed.
pub fn install_provider() {
    // An error means that it is installed already.
    let _ = aws_lc_rs::default_provider().install_default();
}

/// The listener's configuration that a profile means.
///
/// # Errors
/// Files that cannot be read or do not fit, versions and ciphers that are not supported, client authentication that
/// cannot be done safely.
pub fn server(name: &str, profile: &TlsProfile) -> Result<Arc<ServerConfig>, TlsError> {
    build(profile).map(Arc::new).map_err(|why| TlsError { profile: name.to_owned(), why })
}

fn build(profile: &TlsProfile) -> Result<ServerConfig, String> {
    let provider = Arc::new(provider(&profile.enabled_ciphers)?);
    let versions = versions(profile.min_version.as_deref())?;
    let verifier = client_verifier(profile, &provider)?;
    let (certificates, key) = certificate(profile)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| format!("these versions and ciphers do not go together: {error}"))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(certificates, key)
        .map_err(|error| format!("`certFile` and `keyFile` do not go together: {error}"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // No early data: a replayed request must not reach an endpoint.
    config.max_early_data_size = 0;
    Ok(config)
}

fn versions(minimum: Option<&str>) -> Result<&'static [&'static SupportedProtocolVersion], String> {
    let wanted = minimum.unwrap_or("1.2");
    match wanted.trim_start_matches("TLS").trim_start_matches('v').trim() {
        "1.2" => Ok(FROM_1_2),
        "1.3" => Ok(FROM_1_3),
        "1.0" | "1.1" | "1" => Err(format!("`minVersion: {wanted}` is not safe; write `1.2` or `1.3`")),
        _ => Err(format!("`minVersion: {wanted}` is not a version; write `1.2` or `1.3`")),
    }
}

/// The provider with the TLS 1.2 suites that the profile names; those of TLS 1.3 are not configurable.
fn provider(enabled: &[String]) -> Result<CryptoProvider, String> {
    let mut provider = aws_lc_rs::default_provider();
    if enabled.is_empty() {
        return Ok(provider);
    }
    let mut wanted = Vec::new();
    for name in enabled {
        let suite = provider.cipher_suites.iter().find(|s| suite_name(s) == *name).ok_or_else(|| {
            let known: Vec<_> = provider.cipher_suites.iter().map(suite_name).collect();
            format!("`enabledCiphers`: `{name}` is not among the safe ones: {}", known.join(", "))
        })?;
        wanted.push(suite.suite());
    }
    let stays = |s: &rustls::SupportedCipherSuite| s.tls13().is_some() || wanted.contains(&s.suite());
    provider.cipher_suites.retain(stays);
    Ok(provider)
}

/// The name as Go and IANA write it.
fn suite_name(suite: &rustls::SupportedCipherSuite) -> String {
    suite.suite().as_str().unwrap_or_default().replacen("TLS13_", "TLS_", 1)
}

fn client_verifier(
    profile: &TlsProfile,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let optional = match profile.client_auth {
        ClientAuth::NoClientCert if profile.client_ca_files.is_empty() => return Ok(None),
        ClientAuth::NoClientCert => {
            return Err("`clientCAFiles` without `clientAuth` has no effect; write `clientAuth: \
                        RequireAndVerifyClientCert`, or remove the files"
                .to_owned());
        }
        mode @ (ClientAuth::RequestClientCert | ClientAuth::RequireAnyClientCert) => {
            return Err(format!(
                "`clientAuth: {mode:?}` takes certificates that nobody verified, which proves nothing about a client; \
                 write `RequireAndVerifyClientCert`, `VerifyClientCertIfGiven` or `NoClientCert`"
            ));
        }
        ClientAuth::VerifyClientCertIfGiven => true,
        ClientAuth::RequireAndVerifyClientCert => false,
    };
    if profile.client_ca_files.is_empty() {
        return Err("`clientAuth` verifies certificates and needs `clientCAFiles`: the authorities to trust"
            .to_owned());
    }
    let mut roots = RootCertStore::empty();
    for file in &profile.client_ca_files {
        for certificate in certificates("clientCAFiles", file)? {
            roots.add(certificate).map_err(|error| format!("`clientCAFiles`: {file}: {error}"))?;
        }
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map(Some).map_err(|error| format!("`clientCAFiles`: {error}"))
}

fn certificate(
    profile: &TlsProfile,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let missing = |key: &str| format!("a listener needs `{key}`");
    let cert_file = profile.cert_file.as_deref().ok_or_else(|| missing("certFile"))?;
    let key_file = profile.key_file.as_deref().ok_or_else(|| missing("keyFile"))?;
    let chain = certificates("certFile", cert_file)?;
    let pem = fs::read(key_file).map_err(|error| format!("`keyFile`: cannot read {key_file}: {error}"))?;
    // The error's text is ours: a library's might quote what it read.
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| format!("`keyFile`: {key_file} holds no PEM private key that can be read"))?;
    Ok((chain, key))
}

fn certificates(key: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = fs::read(file).map_err(|error| format!("`{key}`: cannot read {file}: {error}"))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| format!("`{key}`: {file}: {error}"))?;
    if found.is_empty() {
        return Err(format!("`{key}`: {file} holds no PEM certificate"));
    }
    Ok(found)
}

static FROM_1_2: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static FROM_1_3: &[&SupportedProtocolVersion] = &[&TLS13];

#[cfg(test)]
pub(crate) mod tests;
