//! The lab's DNS: authoritative for `mesh.test`, over UDP and TCP, in each region on its own loopback, so that a cut link
//! never cuts names. Everything outside the domain does not exist. Each region's may be dead, lie, or be out of date.
//! Roots are also a service: `_mangrove-root._tcp.mesh.test`.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Bound;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::addresses;
use super::region::Region;
use crate::history::{ANSWERS_LIVE, Micros, NamesState, now};
use crate::language::DOMAIN;

const SLOWEST_CLIENT: Duration = Duration::from_millis(500);

/// The DNS server of all regions; dropping it stops its thread.
#[derive(Debug)]
pub struct Dns {
    modes: Arc<Mutex<Vec<Mode>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the DNS of one region answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mode {
    /// How.
    pub state: NamesState,
    /// Host names that it is about; none: all.
    pub about: Vec<String>,
}

/// What there is to know: addresses of host names, and the hosts that offer a service, the preferred first.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    /// Addresses.
    pub names: BTreeMap<String, Ipv4Addr>,
    /// Hosts.
    pub services: BTreeMap<String, Vec<String>>,
}

impl Dns {
    /// Listens in every region and answers what is in the zone.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub fn start(regions: &[Region], zone: Zone) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for region in regions {
            sockets.push(region.inside(listen)?);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let modes = Arc::new(Mutex::new(vec![Mode::default(); regions.len()]));
        let asked = Arc::clone(&modes);
        let thread = std::thread::Builder::new().name("dns".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                serve(&sockets, &zone, &asked);
            }
        })?;
        Ok(Self { modes, stop, thread: Some(thread) })
    }

    /// Makes a region's DNS answer so; no answer comes by the old state after that. None if it did already.
    pub fn change(&self, region: usize, mode: Mode) -> Option<Micros> {
        let mut modes = lock(&self.modes);
        let old = modes.get_mut(region)?;
        if *old == mode {
            return None;
        }
        *old = mode;
        Some(now())
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

fn lock(modes: &Mutex<Vec<Mode>>) -> MutexGuard<'_, Vec<Mode>> {
    modes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen() -> io::Result<(UdpSocket, TcpListener)> {
    let address = SocketAddr::from((addresses::DNS, 53));
    let (udp, tcp) = (UdpSocket::bind(address)?, TcpListener::bind(address)?);
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}

/// Waits a moment for questions, and answers those that came.
fn serve(sockets: &[(UdpSocket, TcpListener)], zone: &Zone, modes: &Mutex<Vec<Mode>>) {
    let mut fds: Vec<_> = sockets
        .iter()
        .flat_map(|(udp, tcp)| [udp.as_fd(), tcp.as_fd()])
        .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
        .collect();
    if !matches!(poll(&mut fds, PollTimeout::from(50u8)), Ok(1..)) {
        return;
    }
    let mut question = [0u8; 1500];
    for (region, (udp, tcp)) in sockets.iter().enumerate() {
        while let Ok((length, from)) = udp.recv_from(&mut question) {
            // Answered under the lock: a change is done when it is given back.
            let modes = lock(modes);
            if let Some(answer) = answer(&question[..length], zone, &modes[region]) {
                let _ = udp.send_to(&answer, from);
            }
        }
        while let Ok((stream, _)) = tcp.accept() {
            let mode = lock(modes)[region].clone();
            let _ = converse(stream, zone, &mode);
        }
    }
}

/// One question over TCP; a slow client is left.
fn converse(mut stream: TcpStream, zone: &Zone, mode: &Mode) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(SLOWEST_CLIENT))?;
    stream.set_write_timeout(Some(SLOWEST_CLIENT))?;
    let mut length = [0u8; 2];
    stream.read_exact(&mut length)?;
    let mut question = vec![0u8; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut question)?;
    if let Some(answer) = answer(&question, zone, mode) {
        let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        stream.write_all(&[&length.to_be_bytes(), &answer[..]].concat())?;
    }
    Ok(())
}

/// The answer to a question; none to what is no question, and none where DNS is dead.
fn answer(question: &[u8], zone: &Zone, mode: &Mode) -> Option<Vec<u8>> {
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
    if kind == RecordType::SRV && zone.services.contains_key(key) {
        for (at, host) in offers(zone, key, mode)?.iter().enumerate() {
            let priority = u16::try_from(at).unwrap_or(u16::MAX);
            let srv = SRV::new(priority, 1, addresses::PORT, Name::from_ascii(format!("{host}.")).ok()?);
            reply.add_answer(Record::from_rdata(name.clone(), ANSWERS_LIVE, RData::SRV(srv)));
        }
        return reply.to_vec().ok();
    }
    match address(&zone.names, key, mode)? {
        Some(address) if kind == RecordType::A => {
            reply.add_answer(Record::from_rdata(name, ANSWERS_LIVE, RData::A(A(address))));
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

/// The address of a name as this mode has it; the outer none is silence.
fn address(names: &BTreeMap<String, Ipv4Addr>, key: &str, mode: &Mode) -> Option<Option<Ipv4Addr>> {
    let right = names.get(key).copied();
    if !mode.about.is_empty() && !mode.about.iter().any(|host| host == key) {
        return Some(right);
    }
    match mode.state {
        NamesState::Right => Some(right),
        NamesState::Dead => None,
        // The next name's: somebody listens there, and is somebody else.
        NamesState::Lying => Some(right.map(|right| {
            let after = (Bound::Excluded(key), Bound::Unbounded);
            let next = names.range::<str, _>(after).chain(names.iter()).map(|(_, address)| *address);
            next.into_iter().find(|address| *address != right).unwrap_or(right)
        })),
        NamesState::Stale => Some(right.map(|right| {
            let [a, b, c, _] = right.octets();
            Ipv4Addr::new(a, b, c, addresses::NOBODY)
        })),
    }
}

/// Who offers a service as this mode has it; none is silence.
fn offers(zone: &Zone, key: &str, mode: &Mode) -> Option<Vec<String>> {
    let right = zone.services.get(key)?;
    let concerned = mode.about.is_empty() || mode.about.iter().any(|name| name == key);
    match mode.state {
        NamesState::Dead if concerned => None,
        // Everybody but them: each has a certificate of the lab's authority, and one is outside its domain.
        NamesState::Lying if concerned => {
            let others = zone.names.keys().filter(|host| !right.contains(host)).cloned();
            Some(std::iter::once("root-dc1.evil.example".to_owned()).chain(others).collect())
        }
        _ => Some(right.clone()),
    }
}

/// Says how long "does not exist" holds.
fn soa() -> Option<Record> {
    let zone = Name::from_ascii(DOMAIN).ok()?;
    let soa = SOA::new(Name::from_ascii("dns.mesh.test.").ok()?, zone.clone(), 1, 60, 60, 60, ANSWERS_LIVE);
    Some(Record::from_rdata(zone, ANSWERS_LIVE, RData::SOA(soa)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::Query;

    const ROOTS: &str = "_mangrove-root._tcp.mesh.test";

    fn zone() -> Zone {
        let name =
            |name: &str, region, last| (format!("{name}.mesh.test"), Ipv4Addr::new(10, 64, region, last));
        Zone {
            names: BTreeMap::from([name("edge-a", 3, 10), name("root-dc1", 1, 10)]),
            services: BTreeMap::from([(ROOTS.to_owned(), vec!["root-dc1.mesh.test".to_owned()])]),
        }
    }

    fn ask_in(mode: &Mode, name: &str, kind: RecordType) -> Option<Message> {
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let answer = answer(&question.to_vec().unwrap(), &zone(), mode)?;
        Some(Message::from_vec(&answer).unwrap())
    }

    fn ask(name: &str, kind: RecordType) -> Message {
        ask_in(&Mode::default(), name, kind).unwrap()
    }

    #[test]
    fn a_dns_may_be_dead_lie_or_be_out_of_date_about_some_names() {
        let root = |state, about: &[&str]| {
            let about = about.iter().map(|name| (*name).to_owned()).collect();
            let reply = ask_in(&Mode { state, about }, "root-dc1.mesh.test.", RecordType::A)?;
            reply.answers.first().map(|answer| answer.data.to_string())
        };
        assert_eq!(root(NamesState::Dead, &[]), None);
        assert_eq!(root(NamesState::Lying, &[]).as_deref(), Some("10.64.3.10"), "somebody else");
        assert_eq!(root(NamesState::Stale, &[]).as_deref(), Some("10.64.1.253"), "nobody");
        assert_eq!(root(NamesState::Dead, &["root-dc1.mesh.test"]), None);
        for state in [NamesState::Dead, NamesState::Lying, NamesState::Stale] {
            assert_eq!(root(state, &["edge-a.mesh.test"]).as_deref(), Some("10.64.1.10"), "{state:?}");
        }
        let unknown =
            ask_in(&Mode { state: NamesState::Lying, about: Vec::new() }, "x.mesh.test.", RecordType::A);
        assert_eq!(unknown.unwrap().metadata.response_code, ResponseCode::NXDomain);
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
    fn roots_are_a_service_and_a_lie_about_it_names_everybody_else() {
        let offered = |state, about: &[&str]| {
            let about = about.iter().map(|name| (*name).to_owned()).collect();
            let reply = ask_in(&Mode { state, about }, ROOTS, RecordType::SRV)?;
            let target = |answer: &Record| match &answer.data {
                RData::SRV(srv) => srv.target.to_ascii(),
                other => panic!("{other}"),
            };
            Some(reply.answers.iter().map(target).collect::<Vec<_>>())
        };
        let right = Some(vec!["root-dc1.mesh.test.".to_owned()]);
        assert_eq!(offered(NamesState::Right, &[]), right);
        assert_eq!(offered(NamesState::Dead, &[]), None);
        assert_eq!(offered(NamesState::Lying, &["root-dc1.mesh.test"]), right);
        let lie = offered(NamesState::Lying, &[ROOTS]).unwrap();
        assert_eq!(lie, ["root-dc1.evil.example.", "edge-a.mesh.test."]);
    }

    #[test]
    fn junk_is_not_answered() {
        assert_eq!(answer(&[1, 2, 3], &Zone::default(), &Mode::default()), None);
    }
}
