//! HTTP/1.1 over TLS as a browser speaks it: names by the region's DNS, trust in the lab's CA only, connections kept per
//! origin and tried anew when a kept one turns out dead. No redirects, no cookies: see [`super::browser`].

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use url::Url;

use super::names::Names;
use crate::history::{Event, Trouble};

/// More of a body than this is no page of a login.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// How to reach servers from here; shared by everybody who knows the same names.
#[derive(Clone)]
pub struct Wire {
    tls: TlsConnector,
    names: Arc<Names>,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, whole.
    pub body: Bytes,
}

/// The connections of one browser. Dropping it closes them.
pub struct Connections {
    wire: Wire,
    idle: HashMap<(String, u16), SendRequest<Full<Bytes>>>,
    drivers: JoinSet<()>,
}

impl Wire {
    /// A wire that trusts this CA and no other.
    pub fn new(ca_pem: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            let certificate = certificate.map_err(|error| format!("the lab's CA is not PEM: {error}"))?;
            roots.add(certificate).map_err(|error| format!("the lab's CA is no certificate: {error}"))?;
        }
        if roots.is_empty() {
            return Err("the lab's CA is missing".to_owned());
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), names: Arc::new(Names::of_program()) })
    }

    /// The same wire for a person's browsers, which know no name yet.
    pub fn of_person(&self, name: &str, events: &UnboundedSender<Event>) -> Self {
        Self { names: Arc::new(Names::of_person(name, events)), ..self.clone() }
    }

    /// The same wire for a program, which knows no name yet.
    pub fn of_program(&self) -> Self {
        Self { names: Arc::new(Names::of_program()), ..self.clone() }
    }

    /// Asks for a name before it is needed.
    pub async fn learn(&self, host: &str) {
        let _ = self.names.find(host, 443).await;
    }

    /// No connections yet.
    pub fn connections(&self) -> Connections {
        Connections { wire: self.clone(), idle: HashMap::new(), drivers: JoinSet::new() }
    }

    async fn connect(
        &self,
        host: &str,
        port: u16,
        drivers: &mut JoinSet<()>,
    ) -> Result<SendRequest<Full<Bytes>>, Trouble> {
        let addresses = self.names.find(host, port).await.map_err(|_| Trouble::Dns)?;
        let mut trouble = Trouble::Dns;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(tcp) => return self.greet(tcp, host, drivers).await,
                Err(error) => trouble = connect_trouble(&error),
            }
        }
        Err(trouble)
    }

    async fn greet(
        &self,
        tcp: TcpStream,
        host: &str,
        drivers: &mut JoinSet<()>,
    ) -> Result<SendRequest<Full<Bytes>>, Trouble> {
        let _ = tcp.set_nodelay(true);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Trouble::Tls)?;
        let stream = self.tls.connect(name, tcp).await.map_err(|error| tls_trouble(&error))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| http_trouble(&error))?;
        drivers.spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

impl Connections {
    /// Sends a request to the origin of `url` and reads the answer whole. The request's URI is in origin form and has
    /// its `Host`. Waits as long as it takes: patience is the caller's.
    pub async fn send(&mut self, url: &Url, request: &Request<Full<Bytes>>) -> Result<Answer, Trouble> {
        let host = url.host_str().ok_or(Trouble::Dns)?.to_owned();
        let port = url.port_or_known_default().ok_or(Trouble::Dns)?;
        if url.scheme() != "https" {
            return Err(Trouble::Tls);
        }
        while self.drivers.try_join_next().is_some() {}
        let key = (host, port);
        if let Some(mut kept) = self.idle.remove(&key)
            && kept.ready().await.is_ok()
        {
            match self.exchange(&key, kept, request.clone()).await {
                Err(Trouble::Reset) => {} // it died while nobody looked: browsers try once more on a new one
                answer => return answer,
            }
        }
        let fresh = self.wire.connect(&key.0, key.1, &mut self.drivers).await?;
        self.exchange(&key, fresh, request.clone()).await
    }

    async fn exchange(
        &mut self,
        key: &(String, u16),
        mut sender: SendRequest<Full<Bytes>>,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, Trouble> {
        let response = sender.send_request(request).await.map_err(|error| http_trouble(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, BODY_LIMIT)
            .collect()
            .await
            .map_err(|error| error.downcast_ref::<hyper::Error>().map_or(Trouble::Garbage, http_trouble))?;
        self.idle.insert(key.clone(), sender);
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }
}

fn connect_trouble(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::TimedOut => Trouble::Timeout,
        _ => Trouble::Refused,
    }
}

fn tls_trouble(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::InvalidData => Trouble::Tls,
        io::ErrorKind::TimedOut => Trouble::Timeout,
        _ => Trouble::Reset,
    }
}

fn http_trouble(error: &hyper::Error) -> Trouble {
    if error.is_parse() || error.is_parse_too_large() { Trouble::Garbage } else { Trouble::Reset }
}
