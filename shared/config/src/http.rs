//! `http` and `tls`: where the node listens, with which certificates and limits.

use serde::{Deserialize, Serialize};

use crate::GoDuration;

/// The listener.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Http {
    /// Address and port to listen on. Defaults to `0.0.0.0:9443`.
    pub address: String,
    /// Name of the TLS profile for the listener; without one the node speaks plain HTTP, and says so.
    pub tls: Option<String>,
    /// Older form of `tls`: one host, whose `tls` counts. Several are not supported yet. Defaults to none.
    pub hosts: Vec<Host>,
    /// Origin under which browsers reach this node, `https://host[:port]`. Defaults to the issuer's origin, then to
    /// that of the first connector's redirect URL.
    #[serde(rename = "publicURL")]
    pub public_url: Option<url::Url>,
    /// Seconds to read a whole request; 0 for none. Defaults to 20.
    pub read_timeout_seconds: u64,
    /// Seconds to read a request's head; 0 for `readTimeoutSeconds`. Defaults to 5.
    pub read_header_timeout_seconds: u64,
    /// Seconds to write an answer. Defaults to 20.
    pub write_timeout_seconds: u64,
    /// Seconds a kept connection may be silent. Defaults to 60.
    pub idle_timeout_seconds: u64,
    /// Seconds an endpoint may take to answer. Defaults to 15.
    pub endpoint_timeout_seconds: u64,
    /// Addresses (CIDR) of load balancers whose `Forwarded` and `X-Forwarded-*` headers are believed. Defaults to none.
    pub trusted_proxies: Vec<String>,
    /// Open connections in all. Defaults to 10000.
    pub max_connections: usize,
    /// Open connections of one address (trusted proxies are not counted). Defaults to 1000.
    pub max_connections_per_address: usize,
    /// How long the node goes on accepting after it began to answer 503 at `/status`. Defaults to `5s`.
    pub drain_delay: GoDuration,
    /// How long requests in flight may take to end after that. Defaults to `20s`.
    pub grace_period: GoDuration,
    /// The access log.
    pub access_log: AccessLog,
}

/// A host name that the listener answers to.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Host {
    /// Answers for every name that no other host has. Defaults to false.
    pub default: bool,
    /// Name of the TLS profile.
    pub tls: Option<String>,
}

/// One line a request.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLog {
    /// Switches the access log off. Defaults to false.
    pub disabled: bool,
}

/// A named TLS profile: certificates of a listener, trust of a connector, or both.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsProfile {
    /// PEM file with the certificate chain.
    #[schemars(extend("x-file" = "certificates"))]
    pub cert_file: Option<String>,
    /// PEM file with the private key.
    #[schemars(extend("x-file" = "key"))]
    pub key_file: Option<String>,
    /// PEM file with further authorities to trust, added to those of the operating system.
    #[schemars(extend("x-file" = "certificates"))]
    pub ca_file: Option<String>,
    /// What the listener asks of clients. Defaults to `NoClientCert`.
    pub client_auth: ClientAuth,
    /// PEM files with the authorities of client certificates.
    #[serde(rename = "clientCAFiles")]
    #[schemars(extend("x-file" = "certificates"))]
    pub client_ca_files: Vec<String>,
    /// `1.2` or `1.3`. Defaults to `1.2`; lower is refused.
    #[schemars(extend("x-scalar" = true))]
    pub min_version: Option<String>,
    /// Cipher suites for TLS 1.2. Defaults to all that are safe.
    pub enabled_ciphers: Vec<String>,
}

/// What a listener asks of clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
pub enum ClientAuth {
    /// No certificate is asked for.
    #[default]
    NoClientCert,
    /// Asked for, not needed, not verified.
    RequestClientCert,
    /// Needed, not verified.
    RequireAnyClientCert,
    /// Verified if given.
    VerifyClientCertIfGiven,
    /// Needed and verified.
    RequireAndVerifyClientCert,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            address: "0.0.0.0:9443".into(),
            tls: None,
            hosts: Vec::new(),
            public_url: None,
            read_timeout_seconds: 20,
            read_header_timeout_seconds: 5,
            write_timeout_seconds: 20,
            idle_timeout_seconds: 60,
            endpoint_timeout_seconds: 15,
            trusted_proxies: Vec::new(),
            max_connections: 10_000,
            max_connections_per_address: 1_000,
            drain_delay: GoDuration::seconds(5),
            grace_period: GoDuration::seconds(20),
            access_log: AccessLog::default(),
        }
    }
}
