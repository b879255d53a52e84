//! The lab's certificate authority: made for each run, good for the lab's domain only, its key in memory and never
//! elsewhere.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_RSA_SHA256,
};

use crate::language::{DOMAIN, host};

/// The authority; dropping it forgets its key.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate and key.
#[derive(Clone)]
pub struct Leaf {
    /// Chain, PEM.
    pub certificate_pem: String,
    /// Key, PEM.
    pub key_pem: String,
}

impl Authority {
    /// Makes an authority that can vouch for names under the lab's domain and for nothing else.
    ///
    /// # Errors
    /// When the random source or the encoder fails.
    pub fn create() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(DOMAIN.to_owned())],
            excluded_subtrees: Vec::new(),
        });
        params.distinguished_name = name("Mangrove testbed, this run only");
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// The authority's certificate, PEM: what everybody in the lab trusts.
    pub fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// An RSA key to sign and to decrypt with, in a certificate of its own: a service provider's, whom nobody vouches for.
    ///
    /// # Errors
    /// When the random source or the encoder fails.
    pub fn service_provider(server: &str) -> Result<Leaf, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(&host(server));
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
        Ok(Leaf { certificate_pem: params.self_signed(&key)?.pem(), key_pem: key.serialize_pem() })
    }

    /// A certificate for the server `NAME.mesh.test`.
    ///
    /// # Errors
    /// When the random source or the encoder fails.
    pub fn leaf(&self, server: &str) -> Result<Leaf, rcgen::Error> {
        self.leaf_with(server, |_| {})
    }

    /// The same, and its time has been over for years.
    ///
    /// # Errors
    /// As for [`Self::leaf`].
    pub fn expired_leaf(&self, server: &str) -> Result<Leaf, rcgen::Error> {
        self.leaf_with(server, |params| {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        })
    }

    fn leaf_with(&self, server: &str, change: impl Fn(&mut CertificateParams)) -> Result<Leaf, rcgen::Error> {
        let mut params = CertificateParams::new(vec![host(server)])?;
        params.distinguished_name = name(server);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Leaf { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

/// Says nothing of the key.
impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaf").finish_non_exhaustive()
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}
