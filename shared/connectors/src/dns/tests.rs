//! Name servers that are honest, dead, failing, denying, confused or lying.

use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::rdata::SRV;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

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
    /// That every name is a service, at these hosts: priority, weight, name.
    Offers(&'static [(u16, u16, &'static str)]),
}

/// A name server, how it answers from now on, and how often it was asked for IPv4.
pub(crate) struct Server {
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicUsize>,
    pub(crate) names: Arc<Names>,
    _tasks: JoinSet<()>,
}

const HONEST: Manner = Manner::Honest { ttl: 0 };

impl Server {
    pub(crate) async fn start(manner: Manner) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let (manner, asked) = (Arc::new(Mutex::new(manner)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        let (its_manner, count) = (manner.clone(), asked.clone());
        tasks.spawn(async move {
            let mut buffer = [0; 1500];
            loop {
                let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
                let manner = *its_manner.lock().unwrap();
                let question = Message::from_vec(&buffer[..len]).unwrap();
                let is_ipv4 = question.queries[0].query_type() == RecordType::A;
                count.fetch_add(usize::from(is_ipv4), Ordering::SeqCst);
                if let Some(answer) = answer(&question, manner) {
                    socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
                }
            }
        });
        Self { manner, asked, names: Arc::new(Names::asking(resolver(port))), _tasks: tasks }
    }

    pub(crate) fn is(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    async fn says(&self, seconds: u64) -> Result<Vec<IpAddr>, NoAddress> {
        self.names.addresses_at("idp.example.", || Moment(seconds * 1_000_000)).await
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
        let address = if let Manner::At(address) = manner { address } else { Ipv4Addr::new(192, 0, 2, 7) };
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
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
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
    let other = server.names.addresses_at("other.example.", || Moment(1)).await;
    assert_eq!(other, Err(NoAddress::Silent));
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
async fn an_answer_to_another_question_is_none() {
    let server = Server::start(Manner::Confused).await;
    assert!(server.says(1).await.is_err());
}

#[tokio::test]
async fn an_answer_is_kept_as_long_as_it_says() {
    let server = Server::start(Manner::Honest { ttl: 3_600 }).await;
    assert_eq!(server.says(1).await, Ok(known()));
    assert_eq!(server.says(2).await, Ok(known()));
    assert_eq!(server.asked.load(Ordering::SeqCst), 1, "within its time nobody is asked again");
    let server = Server::start(HONEST).await;
    server.says(1).await.unwrap();
    server.says(2).await.unwrap();
    assert_eq!(server.asked.load(Ordering::SeqCst), 2);
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
