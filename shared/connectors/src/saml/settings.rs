//! A connector's settings, read once: what follows trusts them.

use std::path::PathBuf;
use std::time::Duration;

use mangrove_config::connectors::{RequestBinding, Saml as Written, name_id_format};
use mangrove_continuity::HealthPolicy;
use mangrove_keys::{Algorithm, Signer};
use mangrove_saml::metadata::Binding;
use mangrove_saml::{DecryptionKeys, SigningKey};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use url::Url;

use crate::health;
use crate::http::{HttpBuildError, is_acceptable};

/// How long metadata is used after the last good fetch, unless configured.
const KEYS_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// What one SAML connector was told.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) metadata: Source,
    pub(super) entity_id: String,
    pub(super) consumer: Url,
    pub(super) logout: Option<Url>,
    pub(super) key: Option<Key>,
    pub(super) name_id_format: Option<String>,
    /// How a request goes, best first.
    pub(super) bindings: [Binding; 2],
    pub(super) allows_unasked: bool,
    pub(super) trust_email: bool,
    pub(super) keys_max_age: Duration,
    pub(super) health: HealthPolicy,
}

/// Where the provider's metadata is.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Web(Url),
    File(PathBuf),
}

/// This node's key as a service provider.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) signing: SigningKey,
    pub(super) decryption: DecryptionKeys,
    pub(super) decrypts: bool,
}

impl Settings {
    pub(super) fn read(written: &Written) -> Result<Self, HttpBuildError> {
        let refuse = |why: String| Err(HttpBuildError(why));
        let metadata = match written.metadata_url.scheme() {
            "file" => match written.metadata_url.to_file_path() {
                Ok(path) => Source::File(path),
                Err(()) => {
                    return refuse("samlMetadataURL: write the file as file:///path/to/metadata.xml".into());
                }
            },
            _ if is_acceptable(&written.metadata_url) => Source::Web(written.metadata_url.clone()),
            _ => return refuse("samlMetadataURL: https:// or file:/// is needed".into()),
        };
        let format = written.name_id_format.as_ref();
        let format = format.map(|format| {
            let unknown =
                || HttpBuildError(format!("samlNameIDFormat: {format} is not a format of name ids"));
            name_id_format(format).ok_or_else(unknown)
        });
        let key = match (&written.sp_cert_path, &written.sp_key_path) {
            (Some(certificate), Some(key)) => Some(Key::read(certificate, key)?),
            (None, None) => None,
            _ => return refuse("samlSPCertPath and samlSPKeyPath go together: one is missing".into()),
        };
        Ok(Self {
            name: written.name.clone(),
            metadata,
            entity_id: written.entity_id.clone(),
            consumer: written.consumer_service_url.clone(),
            logout: written.logout_callback_url.clone(),
            key,
            name_id_format: format.transpose()?,
            bindings: match written.request_binding {
                RequestBinding::Post => [Binding::Post, Binding::Redirect],
                RequestBinding::Redirect => [Binding::Redirect, Binding::Post],
            },
            allows_unasked: written.allow_idp_initiated,
            trust_email: written.trust_email,
            keys_max_age: written.keys_max_age.map_or(KEYS_MAX_AGE, |age| age.0),
            health: health::policy(written.health_check.as_ref()),
        })
    }

    /// The key that requests are signed with.
    pub(super) fn signing(&self) -> Option<&SigningKey> {
        self.key.as_ref().map(|key| &key.signing)
    }
}

impl Key {
    /// The first certificate of one file, and the key in another.
    fn read(certificate: &str, key: &str) -> Result<Self, HttpBuildError> {
        let file = |setting: &str, path: &str| {
            let unread = |why| HttpBuildError(format!("{setting}: {path} cannot be read: {why}"));
            std::fs::read(path).map_err(unread)
        };
        let pem = file("samlSPCertPath", certificate)?;
        let der = CertificateDer::from_pem_slice(&pem).map_err(|_| {
            HttpBuildError(format!("samlSPCertPath: there is no certificate in {certificate}"))
        })?;
        let pem = zeroize::Zeroizing::new(file("samlSPKeyPath", key)?);
        let signer =
            Signer::from_pem("samlSPKeyPath", &pem).map_err(|why| HttpBuildError(why.to_string()))?;
        let is_rsa = signer.algorithm() == Algorithm::Rs256;
        let signing = SigningKey::new(signer, der.to_vec())
            .map_err(|why| HttpBuildError(format!("samlSPCertPath and samlSPKeyPath: {why}")))?;
        // A key on an elliptic curve signs and cannot decrypt.
        let decryption = match is_rsa {
            true => DecryptionKeys::none().with_pem(&pem),
            false => Ok(DecryptionKeys::none()),
        };
        let decryption = decryption.map_err(|why| HttpBuildError(format!("samlSPKeyPath: {key}: {why}")))?;
        Ok(Self { signing, decryption, decrypts: is_rsa })
    }
}
