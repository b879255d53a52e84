//! A proxy in front of an identity provider, as most have one, that can be told to misbehave. It passes bytes on, untouched,
//! until then; so the provider itself is the shipped one, and keeps what it knows while its front shows something else.
//!
//! Its listener and its connections are in the provider's region, and end with it. Owns no TLS but what it shows when it
//! misbehaves, or speaks for a provider that speaks none: the provider's own certificate, or one for the same name that has expired.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;

use super::ca::Leaf;
use super::region::Region;
use super::server::Server;
use crate::history::{IdpState, Micros, now};

/// Pieces of an answer that are under way at one time when pages are slow.
const PIECES: usize = 1024;

/// What a front needs.
#[derive(Debug, Clone)]
pub struct FrontSpec {
    /// Where it listens: the provider's address, as everybody knows it.
    pub listen: SocketAddr,
    /// The provider's own certificate.
    pub right: Arc<Leaf>,
    /// One for the same name whose time is over.
    pub expired: Arc<Leaf>,
    /// The provider speaks no TLS, and the front speaks it for the provider.
    pub speaks_tls: bool,
}

/// How a front does its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// How.
    pub state: IdpState,
    /// How late answers come, if that is how.
    pub by: Duration,
}

/// A front at work; dropping it closes its listener and every connection.
#[derive(Debug)]
pub struct Front {
    orders: UnboundedSender<Order>,
    _server: Server,
}

struct Order {
    manner: Manner,
    done: SyncSender<Micros>,
}

/// What all connections of a front share.
struct House {
    behind: SocketAddr,
    right: TlsAcceptor,
    expired: TlsAcceptor,
    speaks_tls: bool,
}

impl Front {
    /// Listens in the provider's region; the provider itself is at `behind`.
    ///
    /// # Errors
    /// When the address is taken, or a certificate cannot be used.
    pub fn open(spec: &FrontSpec, behind: SocketAddr, manner: Manner, region: &Region) -> io::Result<Self> {
        let (right, expired) = (tls(&spec.right)?, tls(&spec.expired)?);
        let house = House { behind, right, expired, speaks_tls: spec.speaks_tls };
        let (orders, inbox) = unbounded_channel();
        let serve = move |listener| serve(listener, Arc::new(house), manner, inbox);
        let server = Server::open("front", region, TcpListener::bind(spec.listen), serve)?;
        Ok(Self { orders, _server: server })
    }

    /// Does its work like this from now on; answers when every connection of before was closed.
    pub fn behave(&self, manner: Manner) -> Option<Micros> {
        let (done, answer) = sync_channel(1);
        self.orders.send(Order { manner, done }).ok()?;
        answer.recv().ok()
    }
}

/// TLS that shows this certificate.
pub(super) fn tls(leaf: &Leaf) -> io::Result<TlsAcceptor> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(leaf.certificate_pem.as_bytes()).collect();
    let chain = chain.map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until nobody can give an order any more.
async fn serve(
    listener: TcpListener,
    house: Arc<House>,
    mut manner: Manner,
    mut orders: UnboundedReceiver<Order>,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some(order) = order else { return };
                manner = order.manner;
                open.shutdown().await;
                let _ = order.done.send(now());
            }
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let house = Arc::clone(&house);
                open.spawn(async move {
                    // Whoever goes away in the middle is no concern of a proxy.
                    let _ = house.meet(client, manner).await;
                });
            }
            Some(_) = open.join_next() => {}
        }
    }
}

impl House {
    async fn meet(&self, client: TcpStream, manner: Manner) -> io::Result<()> {
        client.set_nodelay(true)?;
        match manner.state {
            IdpState::Errors => {
                let page = "<!doctype html><title>Error</title><h1>Internal server error</h1>";
                answer(self.right.accept(client).await?, 500, page).await
            }
            IdpState::Garbage => {
                let page = "<!doctype html><title>Welcome</title><h1>It works!</h1>";
                answer(self.right.accept(client).await?, 200, page).await
            }
            IdpState::ExpiredCertificate => {
                let page = "<!doctype html><title>Welcome</title><h1>You should not have come here</h1>";
                answer(self.expired.accept(client).await?, 200, page).await
            }
            _ => {
                // Who only knocks does not reach a provider that is served by a server as small as PHP's own.
                if self.speaks_tls {
                    let client = self.right.accept(client).await?;
                    pass_on(client, self.provider().await?, manner.by).await
                } else {
                    pass_on(client, self.provider().await?, manner.by).await
                }
            }
        }
    }
}

impl House {
    async fn provider(&self) -> io::Result<TcpStream> {
        let provider = TcpStream::connect(self.behind).await?;
        provider.set_nodelay(true)?;
        Ok(provider)
    }
}

/// Copies both ways, answers so much later than they came.
async fn pass_on(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    mut provider: TcpStream,
    by: Duration,
) -> io::Result<()> {
    if by.is_zero() {
        return copy_bidirectional(&mut client, &mut provider).await.map(drop);
    }
    let (mut asks, mut hears) = tokio::io::split(client);
    let (mut answers, mut is_asked) = provider.split();
    let forth = async {
        tokio::io::copy(&mut asks, &mut is_asked).await?;
        is_asked.shutdown().await
    };
    tokio::try_join!(forth, late(&mut answers, &mut hears, by)).map(drop)
}

/// Copies, each piece so much later than it came.
async fn late(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    by: Duration,
) -> io::Result<()> {
    let (sender, mut pieces) = tokio::sync::mpsc::channel::<(Instant, Bytes)>(PIECES);
    let read = async move {
        let mut piece = vec![0; 16 * 1024];
        loop {
            let length = from.read(&mut piece).await?;
            let due = Instant::now() + by;
            let sent = sender.send((due, Bytes::copy_from_slice(&piece[..length]))).await;
            if length == 0 || sent.is_err() {
                return Ok(());
            }
        }
    };
    let write = async {
        while let Some((due, piece)) = pieces.recv().await {
            sleep_until(due).await;
            to.write_all(&piece).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}

/// Answers every request of a connection with this page.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    status: u16,
    page: &'static str,
) -> io::Result<()> {
    let service = service_fn(move |_| async move {
        let answer = Response::builder().status(status).header(header::CONTENT_TYPE, "text/html");
        Ok::<_, Infallible>(
            answer.body(Full::new(Bytes::from_static(page.as_bytes()))).expect("a fixed answer"),
        )
    });
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    use super::*;
    use crate::lab::addresses;
    use crate::lab::ca::Authority;

    const BY: Duration = Duration::from_millis(300);

    /// A provider that says what it hears, and its front.
    struct Lab {
        authority: Authority,
        region: Region,
        front: Option<Front>,
        address: SocketAddr,
        /// Its addresses live as long as this.
        _tun: std::os::fd::OwnedFd,
    }

    fn lab(speaks_tls: bool) -> Lab {
        let (region, _tun) = Region::create("cloud", 0, &[]).expect("needs root and /dev/net/tun");
        let [address, behind] = [443, 8443].map(|port| SocketAddr::from((addresses::own(0), port)));
        let provider = region.inside(move || TcpListener::bind(behind)).unwrap();
        std::thread::spawn(move || {
            for mut stream in provider.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let mut word = [0; 4];
                    while stream.read_exact(&mut word).is_ok_and(|()| stream.write_all(&word).is_ok()) {}
                });
            }
        });
        let authority = Authority::create().unwrap();
        let right = Arc::new(authority.leaf("corp").unwrap());
        let expired = Arc::new(authority.expired_leaf("corp").unwrap());
        let spec = FrontSpec { listen: address, right, expired, speaks_tls };
        let front = Front::open(&spec, behind, Manner::default(), &region).unwrap();
        Lab { authority, region, front: Some(front), address, _tun }
    }

    impl Lab {
        fn behave(&self, state: IdpState, by: Duration) {
            self.front.as_ref().unwrap().behave(Manner { state, by }).expect("the front answers");
        }

        fn connect(&self) -> io::Result<TcpStream> {
            let address = self.address;
            self.region.inside(move || TcpStream::connect(address))
        }

        /// A connection with TLS, which begins with the first word.
        fn connect_tls(&self) -> StreamOwned<ClientConnection, TcpStream> {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(self.authority.certificate_pem().as_bytes()).unwrap())
                .unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config =
                ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
            let name = ServerName::try_from("corp.mesh.test").unwrap();
            let tls = ClientConnection::new(config, name).unwrap();
            StreamOwned::new(tls, self.connect().unwrap())
        }

        /// The answer to a request over TLS, or why there is none.
        fn ask(&self) -> Result<String, String> {
            let mut stream = self.connect_tls();
            let request = b"GET /any HTTP/1.1\r\nHost: corp.mesh.test\r\nConnection: close\r\n\r\n";
            stream.write_all(request).map_err(|error| error.to_string())?;
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            Ok(answer)
        }
    }

    fn echo(stream: &mut (impl Read + Write)) -> io::Result<Duration> {
        let began = Instant::now();
        stream.write_all(b"word")?;
        let mut word = [0; 4];
        stream.read_exact(&mut word)?;
        assert_eq!(&word, b"word");
        Ok(began.elapsed())
    }

    /// One word of ten, on a machine that is busy; of slow pages every one is late.
    fn passes_at_once(stream: &mut TcpStream) {
        let times: Vec<_> = (0..10).map(|_| echo(stream).unwrap()).collect();
        assert!(times.iter().any(|time| *time < BY), "{times:?}");
    }

    #[test]
    fn a_front_speaks_tls_for_a_provider_that_speaks_none() {
        let lab = lab(true);
        let mut stream = lab.connect_tls();
        assert!(echo(&mut stream).is_ok() && echo(&mut stream).is_ok());
        let (mut clear, mut heard) = (lab.connect().unwrap(), Vec::new());
        clear.write_all(b"word").unwrap();
        let _ = clear.read_to_end(&mut heard);
        assert!(!heard.ends_with(b"word"), "nothing passes in the clear");
        lab.behave(IdpState::SlowPages, BY);
        assert!(echo(&mut stream).is_err(), "connections of before are gone");
        assert!(echo(&mut lab.connect_tls()).unwrap() >= BY);
        lab.behave(IdpState::ExpiredCertificate, Duration::ZERO);
        assert!(echo(&mut lab.connect_tls()).is_err());
    }

    #[test]
    fn a_front_passes_everything_on_until_it_is_told_to_misbehave() {
        let mut lab = lab(false);
        let mut stream = lab.connect().unwrap();
        passes_at_once(&mut stream);

        lab.behave(IdpState::Errors, Duration::ZERO);
        assert!(echo(&mut stream).is_err(), "connections of before are gone");
        assert!(lab.ask().unwrap().starts_with("HTTP/1.1 500 "));
        lab.behave(IdpState::Garbage, Duration::ZERO);
        let page = lab.ask().unwrap();
        assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("It works!"), "{page}");
        lab.behave(IdpState::ExpiredCertificate, Duration::ZERO);
        let why = lab.ask().unwrap_err();
        assert!(why.contains("xpired"), "{why}");
        lab.behave(IdpState::SlowPages, BY);
        let mut slow = lab.connect().unwrap();
        assert!((0..2).all(|_| echo(&mut slow).unwrap() >= BY));

        lab.behave(IdpState::Right, Duration::ZERO);
        let mut stream = lab.connect().unwrap();
        passes_at_once(&mut stream);
        lab.front = None;
        assert!(echo(&mut stream).is_err());
        assert_eq!(lab.connect().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
