//! A SOCKS5 door (RFC 1928) from the machine into one region: who comes in is where the region's people are. Names are
//! asked of the region's DNS; only addresses of the lab are connected to, never a loopback and never the world.
//!
//! A socket belongs to the network namespace in which it was made: the listener was made outside, and everything that the
//! door's thread makes is inside.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::addresses;
use super::region::Region;
use super::server::Server;

/// Connections at one time; more wait at the door.
const MOST: usize = 256;
/// A client that has not said by then where it wants to go is left.
const GREETING: Duration = Duration::from_secs(10);
const VERSION: u8 = 5;

/// What a client is answered (RFC 1928, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    Done = 0,
    Failed = 1,
    NotAllowed = 2,
    NoSuchHost = 4,
    Refused = 5,
    NoSuchCommand = 7,
    NoSuchAddress = 8,
}

/// Where a client wants to go.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Address(Ipv4Addr),
    Name(String),
}

/// The open door; dropping it closes it and everything that came through.
#[derive(Debug)]
pub struct Socks {
    _door: Server,
}

impl Socks {
    /// Opens a door from `listener` into `region`, for the first `regions` regions of the address plan.
    ///
    /// # Errors
    /// When a thread or its reactor cannot be made.
    pub fn open(listener: std::net::TcpListener, region: &Region, regions: usize) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listen = async move { TcpListener::from_std(listener) };
        let serve = move |listener| serve(listener, regions);
        Ok(Self { _door: Server::open("socks", region, listen, serve)? })
    }
}

async fn serve(listener: TcpListener, regions: usize) {
    let mut guests = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = guests.join_next() => {}
            accepted = listener.accept(), if guests.len() < MOST => match accepted {
                Ok((client, _)) => {
                    guests.spawn(guest(client, regions));
                }
                // Out of descriptors, most likely: those that are open must end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
        }
    }
}

/// One connection, from its greeting to its end.
async fn guest(mut client: TcpStream, regions: usize) {
    let _ = client.set_nodelay(true);
    let Ok(Ok(wanted)) = timeout(GREETING, greet(&mut client)).await else { return };
    let mut nobody = [0; 1];
    let reached = match wanted {
        Ok((target, port)) => tokio::select! {
            reached = reach(target, port, regions) => reached,
            // Who waits says nothing until answered; what can be read is the end.
            _ = client.peek(&mut nobody) => return,
        },
        Err(reply) => Err(reply),
    };
    let reply = reached.as_ref().err().copied().unwrap_or(Reply::Done);
    let answer = [VERSION, reply as u8, 0, 1, 0, 0, 0, 0, 0, 0];
    if client.write_all(&answer).await.is_err() {
        return;
    }
    if let Ok(mut server) = reached {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

/// Hears which address is wanted; the inner error is what to answer instead of it.
async fn greet(client: &mut TcpStream) -> io::Result<Result<(Target, u16), Reply>> {
    if client.read_u8().await? != VERSION {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut methods = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut methods).await?;
    let open = methods.contains(&0);
    client.write_all(&[VERSION, if open { 0 } else { 0xff }]).await?;
    if !open {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let target = match head[3] {
        1 => {
            let mut octets = [0; 4];
            client.read_exact(&mut octets).await?;
            Ok(Target::Address(Ipv4Addr::from(octets)))
        }
        3 => {
            let mut name = vec![0; usize::from(client.read_u8().await?)];
            client.read_exact(&mut name).await?;
            String::from_utf8(name).map(named).map_err(|_| Reply::NoSuchHost)
        }
        4 => {
            client.read_exact(&mut [0; 16]).await?;
            Err(Reply::NoSuchAddress)
        }
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let port = client.read_u16().await?;
    let connect = head[0] == VERSION && head[1] == 1;
    Ok(if connect { target.map(|target| (target, port)) } else { Err(Reply::NoSuchCommand) })
}

/// An address written as a name is an address.
fn named(name: String) -> Target {
    name.parse().map_or(Target::Name(name), Target::Address)
}

/// Connects, from inside the region.
async fn reach(target: Target, port: u16, regions: usize) -> Result<TcpStream, Reply> {
    let address = match target {
        Target::Address(address) => address,
        Target::Name(name) => {
            let found = tokio::net::lookup_host((name, port)).await.map_err(|_| Reply::NoSuchHost)?;
            let mut four = found.filter_map(|address| match address.ip() {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            });
            four.next().ok_or(Reply::NoSuchHost)?
        }
    };
    if !allowed(address, regions) {
        return Err(Reply::NotAllowed);
    }
    let server =
        TcpStream::connect(SocketAddr::from((address, port))).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => Reply::Refused,
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable => Reply::NoSuchHost,
            _ => Reply::Failed,
        })?;
    let _ = server.set_nodelay(true);
    Ok(server)
}

fn allowed(address: Ipv4Addr, regions: usize) -> bool {
    addresses::region_of(address.octets()).is_some_and(|region| region < regions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_labs_own_regions_are_reached() {
        let here = |text: &str| allowed(text.parse().unwrap(), 2);
        assert!(here("10.64.1.10") && here("10.64.2.1"));
        for foreign in ["127.0.0.1", "127.0.0.53", "0.0.0.0", "10.64.3.10", "10.65.1.1", "192.0.2.1"] {
            assert!(!here(foreign), "{foreign}");
        }
    }

    /// What the door answers to these bytes after its greeting.
    async fn answer(request: &[u8]) -> Vec<u8> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut guests = JoinSet::new();
        guests.spawn(guest(server, 2));
        client.write_all(&[5, 1, 0]).await.unwrap();
        client.write_all(request).await.unwrap();
        let mut said = Vec::new();
        // Who is left in the middle of a sentence sees a reset.
        let _ = client.read_to_end(&mut said).await;
        said
    }

    #[tokio::test]
    async fn a_loopback_is_not_allowed_however_it_is_named() {
        let by_address = answer(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 80]).await;
        let as_text = answer(&[&[5, 1, 0, 3, 9], &b"127.0.0.1"[..], &[0, 80]].concat()).await;
        let by_name = answer(&[&[5, 1, 0, 3, 9], &b"localhost"[..], &[0, 80]].concat()).await;
        for said in [by_address, as_text, by_name] {
            assert_eq!(said[..4], [5, 0, 5, Reply::NotAllowed as u8]);
        }
    }

    #[tokio::test]
    async fn what_the_door_does_not_do_is_said() {
        let bind = answer(&[5, 2, 0, 1, 10, 64, 1, 10, 0, 80]).await;
        assert_eq!(bind[..4], [5, 0, 5, Reply::NoSuchCommand as u8]);
        let six = answer(&[&[5, 1, 0, 4][..], &[0; 18]].concat()).await;
        assert_eq!(six[..4], [5, 0, 5, Reply::NoSuchAddress as u8]);
        assert_eq!(answer(b"GET / HTTP/1.1\r\n").await, [5, 0], "no SOCKS request after the greeting");
    }
}
