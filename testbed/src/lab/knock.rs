//! Asking a program whether it is ready, where it accepts connections before it can do anything (a JVM that answers 503 for
//! seconds). One question at a time, asked by a thread of its own in the program's region, so that nobody waits for it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::region::Region;

/// Patience with one answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Before the question, so that a program that says no is not asked all the time.
const PAUSE: Duration = Duration::from_millis(100);

/// What is asked: `GET https://HOST/PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its name, as its certificate has it.
    pub host: String,
    /// The path.
    pub path: String,
    /// File with the authority of its certificate, PEM.
    pub authority: PathBuf,
}

/// A question that is under way.
#[derive(Debug)]
pub struct Knock(Receiver<bool>);

impl Knock {
    /// Asks the program at `address` from within its region.
    pub fn at(address: SocketAddr, question: &Question, region: &Region) -> Self {
        let (says, answer) = channel();
        let question = question.clone();
        let ask = move || {
            std::thread::sleep(PAUSE);
            let _ = says.send(ask(address, &question).unwrap_or(false));
        };
        // Without a thread there is no answer, which is no: it will be asked again.
        let _ = region.inside(move || std::thread::Builder::new().name("knock".to_owned()).spawn(ask));
        Self(answer)
    }

    /// Whether it said 200; none while the question is under way.
    pub fn answer(&self) -> Option<bool> {
        match self.0.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(false),
        }
    }
}

fn ask(address: SocketAddr, question: &Question) -> io::Result<bool> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(&question.authority)?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(question.host.clone()).map_err(io::Error::other)?;
    let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(tls, tcp);
    let Question { host, path, .. } = question;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(start.ends_with(b" 200"))
}
