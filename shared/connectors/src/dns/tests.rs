//! Name servers that are honest, slow, dead, failing, denying, confused or lying.

use std::path::Path;

use hickory_resolver::Hosts;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::sources::{ADDRESSES, SERVER, interleave};
use super::*;

/// How a name server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// One IPv4 address for every name, and that there is no IPv6; for so many seconds.
    Honest { ttl: u32 },
    /// Not at all.
    Dead,
    /// That it failed.
    Failing,
    /// That there is no such name.
    Denying,
    /// The right thing about IPv4, and nothing about IPv6.
    SilentAboutIpv6,
    /// An answer to another question.
    Confused,
    /// That every name is at this address, and no name is a service.
    At(Ipv4Addr),
    /// That every name is at this address for a minute, so long after the question.
    Slow(Ipv4Addr, Duration),
    /// That every name is a service, at these hosts: priority, weight, name.
    Offers(&'static [(u16, u16, &'static str)]),
}

/// A name server, how it answers from now on, and which names it was asked for in IPv4.
pub(crate) struct Server {
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<String>>>,
    pub(crate) names: Arc<Names>,
    _tasks: JoinSet<()>,
}

const HONEST: Manner = Manner::Honest { ttl: 0 };

impl Server {
    pub(crate) async fn start(manner: Manner) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let port = socket.local_addr().unwrap().port();
        let (manner, asked) = (Arc::new(Mutex::new(manner)), Arc::new(Mutex::default()));
        let mut tasks = JoinSet::new();
        let (its_manner, names): (_, Arc<Mutex<Vec<String>>>) = (manner.clone(), asked.clone());
        tasks.spawn(async move {
            let mut buffer = [0; 1500];
            let mut answers = JoinSet::new();
            loop {
                let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
                let manner = *its_manner.lock().unwrap();
                let question = Message::from_vec(&buffer[..len]).unwrap();
                if question.queries[0].query_type() == RecordType::A {
                    names.lock().unwrap().push(question.queries[0].name().to_ascii());
                }
                let Some(answer) = answer(&question, manner) else { continue };
                let socket = Arc::clone(&socket);
                answers.spawn(async move {
                    if let Manner::Slow(_, late) = manner {
                        tokio::time::sleep(late).await;
                    }
                    socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
                });
            }
        });
        let sources =
            Sources { resolver: Some(resolver(port)), hosts: Hosts::default(), stamps: [None, None] };
        Self { manner, asked, names: Names::made(sources, None), _tasks: tasks }
    }

    pub(crate) fn is(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    async fn says(&self, seconds: u64) -> Found {
        self.names.addresses_at("idp.example", move || Moment(seconds * 1_000_000)).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn known() -> Vec<IpAddr> {
    vec![IpAddr::from([192, 0, 2, 7])]
}

fn answer(question: &Message, manner: Manner) -> Option<Message> {
    let query = question.queries[0].clone();
    let is_ipv4 = query.query_type() == RecordType::A;
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    let (code, ttl) = match manner {
        Manner::Dead => return None,
        Manner::SilentAboutIpv6 if !is_ipv4 => return None,
        Manner::Failing => (ResponseCode::ServFail, None),
        Manner::Denying => (ResponseCode::NXDomain, None),
        Manner::Honest { ttl } => (ResponseCode::NoError, Some(ttl)),
        Manner::Slow(..) => (ResponseCode::NoError, Some(60)),
        Manner::SilentAboutIpv6 | Manner::Confused | Manner::At(_) | Manner::Offers(_) => {
            (ResponseCode::NoError, Some(0))
        }
    };
    answer.metadata.response_code = code;
    let name = match manner {
        Manner::Confused => Name::from_ascii("bank.example.").unwrap(),
        _ => query.name().clone(),
    };
    if let Some(ttl) = ttl.filter(|_| is_ipv4) {
        let address = match manner {
            Manner::At(address) | Manner::Slow(address, _) => address,
            _ => Ipv4Addr::new(192, 0, 2, 7),
        };
        answer.add_answer(Record::from_rdata(name.clone(), ttl, RData::A(address.into())));
    }
    if let Manner::Offers(offers) = manner
        && query.query_type() == RecordType::SRV
    {
        for (priority, weight, target) in offers {
            let srv = SRV::new(*priority, *weight, 8443, Name::from_ascii(target).unwrap());
            answer.add_answer(Record::from_rdata(name.clone(), 60, RData::SRV(srv)));
        }
    }
    answer.add_query(query);
    Some(answer)
}

fn resolver(port: u16) -> TokioResolver {
    let mut connection = ConnectionConfig::udp();
    connection.port = port;
    let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
    let search = vec![Name::from_ascii("branch.example.").unwrap()];
    let config = ResolverConfig::from_parts(None, search, vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().timeout = SERVER;
    builder.options_mut().attempts = 1;
    builder.build().unwrap()
}

#[tokio::test]
async fn the_last_good_answer_is_served_while_name_servers_are_silent_and_not_for_ever() {
    let server = Server::start(HONEST).await;
    assert_eq!(server.says(1).await, Ok(known()));
    server.is(Manner::Dead);
    let started = std::time::Instant::now();
    assert_eq!(server.says(60).await, Ok(known()));
    assert!(started.elapsed() < LOOKUP, "with a memory nobody waits long");
    let started = std::time::Instant::now();
    assert_eq!(server.says(61).await, Ok(known()));
    assert!(started.elapsed() < WITH_MEMORY, "the second one does not wait at all");
    assert_eq!(server.says(25 * 3600).await, Err(NoAddress::Silent));
    let other = server.names.addresses_at("other.example", || Moment(1)).await;
    assert_eq!(other, Err(NoAddress::Silent));
}

/// Waits until a name server's late answer is known: `until` the last good addresses are these.
async fn learns(server: &Server, address: Ipv4Addr) {
    let known = || server.names.memory.recall(&"idp.example".to_owned(), Moment(60_000_000));
    let deadline = std::time::Instant::now() + LOOKUP;
    while known().is_none_or(|known| known.addresses != [IpAddr::from(address)]) {
        assert!(std::time::Instant::now() < deadline, "the late answer was never learned");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_slow_name_server_keeps_nobody_waiting_and_is_believed_when_it_answers() {
    let moved = Ipv4Addr::new(192, 0, 2, 8);
    let server = Server::start(HONEST).await;
    assert_eq!(server.says(1).await, Ok(known()));
    server.is(Manner::Slow(moved, WITH_MEMORY + Duration::from_millis(200)));
    let started = std::time::Instant::now();
    let (one, other) = tokio::join!(server.says(60), server.says(60));
    assert_eq!((one, other), (Ok(known()), Ok(known())), "meanwhile what was known");
    assert!(started.elapsed() < WITH_MEMORY + Duration::from_millis(150));
    learns(&server, moved).await;
    let asked = server.asked();
    assert_eq!(server.says(61).await, Ok(vec![moved.into()]));
    assert_eq!(server.asked(), asked, "what it answered late is kept as long as it says");
}

#[tokio::test]
async fn a_name_of_several_words_is_asked_for_as_it_stands_and_one_word_below_the_search_domain() {
    let server = Server::start(Manner::Denying).await;
    assert!(server.says(1).await.is_err());
    assert_eq!(server.asked(), ["idp.example."]);
    let server = Server::start(HONEST).await;
    server.names.addresses("idp").await.unwrap();
    assert_eq!(server.asked(), ["idp.branch.example."]);
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
}

#[tokio::test]
async fn files_that_change_are_read_again_and_one_without_servers_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files { resolv_conf: dir.path().join("resolv.conf"), hosts: dir.path().join("hosts") };
    write(&files.hosts, "192.0.2.7 idp.example\n");
    let names = Names::following(files.clone());
    assert_eq!(names.addresses("idp.example").await, Ok(known()));
    assert_eq!(names.addresses("other.example").await, Err(NoAddress::Silent), "there are no servers yet");
    write(&files.hosts, "192.0.2.8 idp.example # moved\n");
    write(&files.resolv_conf, "nameserver 127.0.0.1\n");
    let moved: IpAddr = [192, 0, 2, 8].into();
    let deadline = std::time::Instant::now() + FILES_EVERY * 5;
    while names.addresses("idp.example").await != Ok(vec![moved]) {
        assert!(std::time::Instant::now() < deadline, "the change was never read");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(names.sources().await.resolver.is_some());
    std::fs::remove_file(&files.resolv_conf).unwrap();
    while names.sources().await.resolver.is_some() {
        assert!(std::time::Instant::now() < deadline, "the loss was never noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(names.addresses("idp.example").await, Ok(vec![moved]));
}

#[tokio::test]
async fn name_servers_that_fail_deny_or_answer_something_else_take_no_known_name_away() {
    for lie in [Manner::Failing, Manner::Denying, Manner::Confused] {
        let server = Server::start(HONEST).await;
        assert_eq!(server.says(1).await, Ok(known()));
        server.is(lie);
        assert_eq!(server.says(60).await, Ok(known()), "{lie:?}");
        assert!(server.says(25 * 3600).await.is_err(), "{lie:?}, and its memory is over");
    }
}

#[tokio::test]
async fn a_lookup_that_fails_inside_ends_as_silence_and_the_next_one_asks_anew() {
    let server = Server::start(HONEST).await;
    let calls = AtomicU64::new(0);
    let breaks = move || match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Moment(1),
        _ => panic!("while what was found is learned"),
    };
    assert_eq!(server.names.addresses_at("idp.example", breaks).await, Err(NoAddress::Silent));
    assert_eq!(server.says(1).await, Ok(known()));
}

#[test]
fn a_look_at_the_files_that_fails_inside_is_followed_by_another() {
    let next = AtomicU64::new(UNDER_WAY);
    let fails = AssertUnwindSafe(|| {
        let _look = Look(&next);
        panic!("while files are read");
    });
    assert!(std::panic::catch_unwind(fails).is_err());
    assert!(next.into_inner() < UNDER_WAY);
}

#[tokio::test]
async fn an_answer_to_another_question_is_none() {
    let server = Server::start(Manner::Confused).await;
    assert!(server.says(1).await.is_err());
}

#[tokio::test]
async fn an_answer_is_kept_as_long_as_it_says() {
    let server = Server::start(Manner::Honest { ttl: 3_600 }).await;
    assert_eq!(server.says(1).await, Ok(known()));
    assert_eq!(server.says(2).await, Ok(known()));
    assert_eq!(server.asked().len(), 1, "within its time nobody is asked again");
    let server = Server::start(HONEST).await;
    server.says(1).await.unwrap();
    server.says(2).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn silence_about_one_family_costs_the_other_a_moment_and_reads_as_no_such_name_never() {
    let server = Server::start(Manner::SilentAboutIpv6).await;
    let started = std::time::Instant::now();
    assert_eq!(server.says(1).await, Ok(known()));
    assert!(started.elapsed() < SERVER);
}

#[test]
fn families_take_turns_and_ipv6_begins() {
    let v4 = |last| IpAddr::from([192, 0, 2, last]);
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    assert_eq!(interleave(vec![v6], vec![v4(1), v4(2)]), [v6, v4(1), v4(2)]);
    assert!(interleave(vec![v6; 100], Vec::new()).len() <= ADDRESSES);
}

#[tokio::test]
async fn literals_and_localhost_need_no_server() {
    let names = Names::of_system();
    assert_eq!(names.addresses("[::1]").await.unwrap(), [IpAddr::from(Ipv6Addr::LOCALHOST)]);
    assert!(names.addresses("app.localhost").await.unwrap().iter().all(IpAddr::is_loopback));
}

async fn offered(server: &Server) -> Result<(Vec<String>, usize), NoAddress> {
    let found = server.names.services("_mangrove-root._tcp.example.com", "mesh.example.com", "node").await?;
    assert_eq!(found.lives, Duration::from_secs(60));
    Ok((found.hosts.iter().map(ToString::to_string).collect(), found.outside))
}

#[tokio::test]
async fn a_service_is_its_hosts_in_order_and_none_outside_the_suffix() {
    const OFFERS: &[(u16, u16, &str)] = &[
        (20, 1, "Root-DC2.mesh.example.com."),
        (10, 1, "root-dc1.mesh.example.com."),
        (1, 1, "root.evil.example."),
        (1, 1, "mesh.example.com.evil.example."),
    ];
    let server = Server::start(Manner::Offers(OFFERS)).await;
    let inside = ["root-dc1.mesh.example.com:8443", "root-dc2.mesh.example.com:8443"];
    assert_eq!(offered(&server).await, Ok((inside.map(str::to_owned).to_vec(), 2)));
}

#[tokio::test]
async fn a_service_that_is_withdrawn_offers_nobody_and_a_dead_server_is_told_from_it() {
    let server = Server::start(Manner::Offers(&[(0, 0, ".")])).await;
    assert_eq!(offered(&server).await, Ok((Vec::new(), 0)));
    for (manner, why) in [
        (Manner::Dead, NoAddress::Silent),
        (Manner::Failing, NoAddress::Silent),
        (Manner::Denying, NoAddress::NotFound),
        (Manner::At(Ipv4Addr::LOCALHOST), NoAddress::NotFound),
    ] {
        assert_eq!(offered(&Server::start(manner).await).await, Err(why), "{manner:?}");
    }
}

#[test]
fn where_a_name_proved_itself_is_remembered_and_not_for_ever() {
    let names = Names::of_system();
    let address = IpAddr::from([192, 0, 2, 7]);
    names.prove_at("idp.example", 443, address, Moment(0));
    let after = |hours: u64| names.proven_at("idp.example", 443, Moment(hours * 3_600 * 1_000_000));
    assert_eq!((after(23), after(25)), (Some(address), None));
    assert_eq!(names.proven_at("idp.example", 444, Moment(0)), None);
}
