//! The lab's DNS: authoritative for `mesh.test`, over UDP and TCP, in each region on its own loopback, so that a cut link
//! never cuts names. Everything outside the domain does not exist.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::addresses;
use super::region::Region;
use crate::language::DOMAIN;

/// Life of an answer in seconds: short, so that later faults of DNS are seen soon.
const TTL: u32 = 5;
const SLOWEST_CLIENT: Duration = Duration::from_millis(500);

/// The DNS server of all regions; dropping it stops its thread.
#[derive(Debug)]
pub struct Dns {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dns {
    /// Listens in every region and answers these names.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub fn start(regions: &[Region], names: BTreeMap<String, Ipv4Addr>) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for region in regions {
            sockets.push(region.inside(listen)?);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("dns".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                serve(&sockets, &names);
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen() -> io::Result<(UdpSocket, TcpListener)> {
    let address = SocketAddr::from((addresses::DNS, 53));
    let (udp, tcp) = (UdpSocket::bind(address)?, TcpListener::bind(address)?);
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}

/// Waits a moment for questions, and answers those that came.
fn serve(sockets: &[(UdpSocket, TcpListener)], names: &BTreeMap<String, Ipv4Addr>) {
    let mut fds: Vec<_> = sockets
        .iter()
        .flat_map(|(udp, tcp)| [udp.as_fd(), tcp.as_fd()])
        .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
        .collect();
    if !matches!(poll(&mut fds, PollTimeout::from(50u8)), Ok(1..)) {
        return;
    }
    let mut question = [0u8; 1500];
    for (udp, tcp) in sockets {
        while let Ok((length, from)) = udp.recv_from(&mut question) {
            if let Some(answer) = answer(&question[..length], names) {
                let _ = udp.send_to(&answer, from);
            }
        }
        while let Ok((stream, _)) = tcp.accept() {
            let _ = converse(stream, names);
        }
    }
}

/// One question over TCP; a slow client is left.
fn converse(mut stream: TcpStream, names: &BTreeMap<String, Ipv4Addr>) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(SLOWEST_CLIENT))?;
    stream.set_write_timeout(Some(SLOWEST_CLIENT))?;
    let mut length = [0u8; 2];
    stream.read_exact(&mut length)?;
    let mut question = vec![0u8; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut question)?;
    if let Some(answer) = answer(&question, names) {
        let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        stream.write_all(&[&length.to_be_bytes(), &answer[..]].concat())?;
    }
    Ok(())
}

/// The answer to a question; none to what is no question.
fn answer(question: &[u8], names: &BTreeMap<String, Ipv4Addr>) -> Option<Vec<u8>> {
    let asked = Message::from_vec(question).ok()?;
    if asked.metadata.message_type != MessageType::Query || asked.metadata.op_code != OpCode::Query {
        return None;
    }
    let query = asked.queries.first()?.clone();
    let mut reply = Message::response(asked.metadata.id, OpCode::Query);
    reply.metadata = Metadata::response_from_request(&asked.metadata);
    reply.metadata.authoritative = true;
    let name = query.name().clone();
    let key = name.to_ascii().to_lowercase();
    let key = key.trim_end_matches('.');
    let kind = query.query_type();
    reply.add_query(query);
    match names.get(key) {
        Some(address) if kind == RecordType::A => {
            reply.add_answer(Record::from_rdata(name, TTL, RData::A(A(*address))));
        }
        found => {
            reply.add_authority(soa()?);
            if found.is_none() {
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
        }
    }
    reply.to_vec().ok()
}

/// Says how long "does not exist" holds.
fn soa() -> Option<Record> {
    let zone = Name::from_ascii(DOMAIN).ok()?;
    let soa = SOA::new(Name::from_ascii("dns.mesh.test.").ok()?, zone.clone(), 1, 60, 60, 60, TTL);
    Some(Record::from_rdata(zone, TTL, RData::SOA(soa)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::Query;

    fn ask(name: &str, kind: RecordType) -> Message {
        let names = BTreeMap::from([("edge-a.mesh.test".to_owned(), Ipv4Addr::new(10, 64, 3, 10))]);
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        Message::from_vec(&answer(&question.to_vec().unwrap(), &names).unwrap()).unwrap()
    }

    #[test]
    fn a_name_of_the_lab_has_its_address_however_it_is_written() {
        let reply = ask("Edge-A.mesh.test.", RecordType::A);
        assert_eq!(reply.answers[0].data, RData::A(A(Ipv4Addr::new(10, 64, 3, 10))));
    }

    #[test]
    fn a_name_without_ipv6_says_so_and_other_names_do_not_exist() {
        let none = ask("edge-a.mesh.test.", RecordType::AAAA);
        assert_eq!((none.metadata.response_code, none.answers.len()), (ResponseCode::NoError, 0));
        assert_eq!(ask("example.com.", RecordType::A).metadata.response_code, ResponseCode::NXDomain);
    }

    #[test]
    fn junk_is_not_answered() {
        assert_eq!(answer(&[1, 2, 3], &BTreeMap::new()), None);
    }
}
