//! What a listener really does with each word of a profile, over real handshakes.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

/// An authority, a server's files and a client's certificate, in a folder of their own.
struct Lab {
    folder: tempfile::TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Lab {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let lab = Self { folder: tempfile::tempdir().unwrap(), ca };
        let (chain, key) = lab.issue("root.localhost");
        std::fs::write(lab.path("cert.pem"), chain).unwrap();
        std::fs::write(lab.path("key.pem"), key).unwrap();
        std::fs::write(lab.path("ca.pem"), lab.ca.pem()).unwrap();
        lab
    }

    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.ca).unwrap().pem(), key.serialize_pem())
    }

    fn path(&self, name: &str) -> String {
        Path::join(self.folder.path(), name).to_str().unwrap().to_owned()
    }

    fn profile(&self) -> TlsProfile {
        let file = |name| Some(self.path(name));
        TlsProfile { cert_file: file("cert.pem"), key_file: file("key.pem"), ..TlsProfile::default() }
    }

    /// A handshake; the version agreed on, or the client's complaint.
    async fn handshake(
        &self,
        profile: &TlsProfile,
        versions: &[&'static SupportedProtocolVersion],
        client: Option<(String, String)>,
    ) -> Result<ProtocolVersion, String> {
        let acceptor = TlsAcceptor::from(server("test", profile).unwrap());
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let serving = async {
            let (stream, _) = socket.accept().await.unwrap();
            acceptor.accept(stream).await.map(|s| s.get_ref().1.protocol_version().unwrap())
        };
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let connecting = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("root.localhost").unwrap();
            TlsConnector::from(Arc::new(config)).connect(name, stream).await
        };
        // The server's word counts: in TLS 1.3 a client is done before its certificate was looked at.
        let (served, _client) = tokio::join!(serving, connecting);
        served.map_err(|error| error.to_string())
    }
}

/// A listener's configuration, and a client's that trusts it and offers these protocols.
pub(crate) fn pair(alpn: &[&str]) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let lab = Lab::new();
    let mut roots = RootCertStore::empty();
    roots.add(lab.ca.der().clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut client = builder.with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    (server("test", &lab.profile()).unwrap(), Arc::new(client))
}

#[tokio::test]
async fn a_minimum_of_1_3_refuses_a_client_of_1_2_at_the_socket() {
    let lab = Lab::new();
    let strict = TlsProfile { min_version: Some("1.3".into()), ..lab.profile() };
    assert!(lab.handshake(&strict, &[&TLS12], None).await.is_err());
    assert_eq!(lab.handshake(&strict, &[&TLS13], None).await, Ok(ProtocolVersion::TLSv1_3));
    assert_eq!(lab.handshake(&lab.profile(), &[&TLS12], None).await, Ok(ProtocolVersion::TLSv1_2));
}

#[tokio::test]
async fn tls_1_1_is_refused_at_the_socket_even_by_default() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let lab = Lab::new();
    let acceptor = TlsAcceptor::from(server("test", &lab.profile()).unwrap());
    let (mut client, socket) = tokio::io::duplex(4096);
    // A ClientHello whose record, version and suites are those of TLS 1.1.
    let mut hello = vec![0x03, 0x02];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    // Signature algorithms and groups, so that nothing but the version is wrong.
    hello.extend([0, 16, 0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23]);
    let mut handshake = vec![1, 0, 0, u8::try_from(hello.len()).unwrap()];
    handshake.extend(hello);
    let mut record = vec![0x16, 0x03, 0x01, 0, u8::try_from(handshake.len()).unwrap()];
    record.extend(handshake);
    client.write_all(&record).await.unwrap();
    let error = acceptor.accept(socket).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("Tls12NotOffered"), "{error}");
    let mut alert = [0; 7];
    client.read_exact(&mut alert).await.unwrap();
    assert_eq!(alert[0], 0x15, "the client is told by an alert");
}

#[tokio::test]
async fn a_required_client_certificate_is_required_and_verified() {
    let lab = Lab::new();
    let profile = TlsProfile {
        client_auth: ClientAuth::RequireAndVerifyClientCert,
        client_ca_files: vec![lab.path("ca.pem")],
        ..lab.profile()
    };
    assert!(lab.handshake(&profile, &[&TLS13], None).await.is_err());
    assert!(
        lab.handshake(&profile, &[&TLS13], Some(Lab::new().issue("edge"))).await.is_err(),
        "another authority"
    );
    assert!(lab.handshake(&profile, &[&TLS13], Some(lab.issue("edge"))).await.is_ok());
    let optional = TlsProfile { client_auth: ClientAuth::VerifyClientCertIfGiven, ..profile };
    assert!(lab.handshake(&optional, &[&TLS13], None).await.is_ok());
    assert!(lab.handshake(&optional, &[&TLS13], Some(Lab::new().issue("edge"))).await.is_err());
}

#[tokio::test]
async fn only_the_ciphers_that_are_named_are_spoken_in_tls_1_2() {
    let lab = Lab::new();
    // The server's key is ECDSA: with RSA suites only, TLS 1.2 has nothing left to agree on.
    let rsa_only = vec!["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384".to_owned()];
    let profile = TlsProfile { enabled_ciphers: rsa_only, ..lab.profile() };
    assert!(lab.handshake(&profile, &[&TLS12], None).await.is_err());
    assert!(lab.handshake(&profile, &[&TLS13], None).await.is_ok());
}

#[test]
fn what_cannot_be_done_safely_is_refused_with_what_to_write() {
    let lab = Lab::new();
    let with = |change: fn(&mut TlsProfile)| {
        let mut profile = lab.profile();
        change(&mut profile);
        server("listener", &profile).map(|_| ()).unwrap_err().to_string()
    };
    let refusals = [
        (with(|p| p.min_version = Some("1.1".into())), "`minVersion: 1.1` is not safe"),
        (with(|p| p.min_version = Some("2".into())), "is not a version"),
        (with(|p| p.client_auth = ClientAuth::RequestClientCert), "proves nothing"),
        (with(|p| p.client_auth = ClientAuth::RequireAnyClientCert), "proves nothing"),
        (with(|p| p.client_auth = ClientAuth::RequireAndVerifyClientCert), "needs `clientCAFiles`"),
        (with(|p| p.client_ca_files = vec!["ca.pem".into()]), "has no effect"),
        (with(|p| p.enabled_ciphers = vec!["TLS_RSA_WITH_RC4_128_SHA".into()]), "not among the safe ones"),
        (with(|p| p.cert_file = None), "a listener needs `certFile`"),
        (with(|p| p.key_file = Some("/does/not/exist".into())), "cannot read /does/not/exist"),
    ];
    for (said, wanted) in refusals {
        assert!(said.starts_with("TLS profile `listener`: ") && said.contains(wanted), "{said}");
    }
}
