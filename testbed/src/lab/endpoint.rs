//! The lab's status endpoints: each answers every request alike, over TLS, until it is told to say something else. A change
//! counts for connections that stand, too.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::ca::Leaf;
use super::front::tls;
use super::region::Region;
use super::server::Server;
use crate::history::{Micros, now};
use crate::language::endpoints::Says;

/// What an endpoint needs.
#[derive(Debug, Clone)]
pub struct EndpointSpec {
    /// Its name.
    pub name: String,
    /// Index of its region.
    pub region: usize,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate.
    pub leaf: Leaf,
    /// What it says at first.
    pub says: Says,
}

/// All endpoints of a lab; dropping them closes them.
#[derive(Debug, Default)]
pub struct Endpoints {
    open: BTreeMap<String, Open>,
}

#[derive(Debug)]
struct Open {
    at_first: Says,
    says: Arc<Mutex<Says>>,
    _server: Server,
}

impl Endpoints {
    /// Opens every endpoint in its region.
    ///
    /// # Errors
    /// When an address is taken, or a certificate cannot be used.
    pub fn open(specs: &[EndpointSpec], regions: &[Region]) -> io::Result<Self> {
        let open =
            specs.iter().map(|spec| Ok((spec.name.clone(), Open::begin(spec, &regions[spec.region])?)));
        Ok(Self { open: open.collect::<io::Result<_>>()? })
    }

    /// Makes an endpoint say this, or what it said at first; when, if it said something else before.
    pub fn say(&self, name: &str, says: Option<&Says>) -> Option<Micros> {
        let open = self.open.get(name)?;
        let says = says.unwrap_or(&open.at_first);
        let mut current = open.says.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == *says {
            return None;
        }
        current.clone_from(says);
        Some(now())
    }
}

impl Open {
    fn begin(spec: &EndpointSpec, region: &Region) -> io::Result<Self> {
        let acceptor = tls(&spec.leaf)?;
        let says = Arc::new(Mutex::new(spec.says.clone()));
        let (listen, shown) = (spec.listen, Arc::clone(&says));
        let serve = move |listener| serve(listener, acceptor, shown);
        let server = Server::open("endpoint", region, TcpListener::bind(listen), serve)?;
        Ok(Self { at_first: spec.says.clone(), says, _server: server })
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, says: Arc<Mutex<Says>>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                open.spawn(meet(client, acceptor.clone(), Arc::clone(&says)));
            }
            Some(_) = open.join_next() => {}
        }
    }
}

async fn meet(client: TcpStream, acceptor: TlsAcceptor, says: Arc<Mutex<Says>>) {
    let Ok(stream) = acceptor.accept(client).await else { return };
    let service = service_fn(move |_| {
        let Says { status, body } = says.lock().unwrap_or_else(PoisonError::into_inner).clone();
        async move {
            let mut answer = Response::new(Full::new(Bytes::from(body)));
            *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
            Ok::<_, Infallible>(answer)
        }
    });
    // Whoever goes away in the middle has heard enough.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    use super::*;
    use crate::lab::addresses;
    use crate::lab::ca::Authority;

    #[test]
    fn a_flip_is_heard_on_connections_that_stand() {
        let (region, _tun) = Region::create("dc", 0, &[]).expect("needs root and /dev/net/tun");
        let authority = Authority::create().unwrap();
        let listen = SocketAddr::from((addresses::own(0), 443));
        let leaf = authority.leaf("soc").unwrap();
        let spec = EndpointSpec { name: "soc".to_owned(), region: 0, listen, leaf, says: Says::default() };
        let regions = [region];
        let endpoints = Endpoints::open(&[spec], &regions).unwrap();

        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        let tls = ClientConnection::new(config, ServerName::try_from("soc.mesh.test").unwrap()).unwrap();
        let stream = regions[0].inside(move || TcpStream::connect(listen)).unwrap();
        let mut stream = StreamOwned::new(tls, stream);
        let mut ask = || {
            stream.write_all(b"GET /any HTTP/1.1\r\nHost: soc.mesh.test\r\n\r\n").unwrap();
            let mut answer = vec![0; 4096];
            let mut length = 0;
            let whole = |text: &[u8]| text.ends_with(b"healthy") || text.ends_with(b"maintenance");
            while !whole(&answer[..length]) {
                let more = stream.read(&mut answer[length..]).unwrap();
                assert_ne!(more, 0, "ended in the middle: {}", String::from_utf8_lossy(&answer[..length]));
                length += more;
            }
            String::from_utf8(answer[..length].to_vec()).unwrap()
        };
        assert!(ask().starts_with("HTTP/1.1 200 "));
        let maintenance = Says { status: 503, body: "maintenance".to_owned() };
        assert!(endpoints.say("soc", Some(&maintenance)).is_some());
        assert!(endpoints.say("soc", Some(&maintenance)).is_none(), "it said so already");
        assert!(ask().starts_with("HTTP/1.1 503 "));
        assert!(endpoints.say("soc", None).is_some());
        assert!(ask().ends_with("healthy"));
    }
}
