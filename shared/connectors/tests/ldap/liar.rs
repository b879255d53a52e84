//! A directory that answers as a test wants, octet by octet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Bind {
        name: String,
        password: String,
    },
    /// With the attributes that it named, and the cookie if it was for a page.
    Search {
        base: String,
        attributes: Vec<String>,
        page: Option<Vec<u8>>,
    },
    Other,
}

impl Request {
    pub(crate) fn is_search(&self) -> bool {
        matches!(self, Self::Search { .. })
    }

    /// Whether it asks for the entry of whoever signs in.
    pub(crate) fn seeks_a_person(&self) -> bool {
        self.names("entryUUID")
    }

    /// Whether it is a search that names this attribute.
    pub(crate) fn names(&self, attribute: &str) -> bool {
        matches!(self, Self::Search { attributes, .. } if attributes.iter().any(|name| name == attribute))
    }
}

/// What it does then.
pub(crate) enum Reply {
    /// These operations, each in a message with the request's id.
    Say(Vec<Vec<u8>>),
    /// These octets, as they are.
    Raw(Vec<u8>),
    /// The same, so much later.
    Late(Duration, Vec<Vec<u8>>),
    /// Nothing, and the connection stays.
    Silence,
    /// No more answers, but the connection stays open the other way.
    HalfClose,
    /// The connection is closed.
    Hang,
}

/// A running liar.
pub(crate) struct Liar {
    pub(crate) port: u16,
    /// With the number of the connection that it came by.
    asked: Arc<Mutex<Vec<(usize, Request)>>>,
    _tasks: JoinSet<()>,
}

impl Liar {
    pub(crate) async fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = door.local_addr().unwrap().port();
        let (asked, reply) = (Arc::new(Mutex::new(Vec::new())), Arc::new(reply));
        let mut tasks = JoinSet::new();
        let seen = asked.clone();
        tasks.spawn(async move {
            let mut visits = JoinSet::new();
            for number in 0.. {
                let Ok((client, _)) = door.accept().await else { return };
                visits.spawn(visit(number, client, seen.clone(), reply.clone()));
            }
        });
        Self { port, asked, _tasks: tasks }
    }

    /// All it was asked.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().iter().map(|(_, request)| request.clone()).collect()
    }

    /// What it was asked on each connection.
    pub(crate) fn conversations(&self) -> Vec<Vec<Request>> {
        let mut conversations = BTreeMap::<usize, Vec<Request>>::new();
        for (number, request) in self.asked.lock().unwrap().iter() {
            conversations.entry(*number).or_default().push(request.clone());
        }
        conversations.into_values().collect()
    }

    pub(crate) fn connector(&self) -> Value {
        json!({
            "type": "ldap", "name": "liar", "url": format!("ldap://127.0.0.1:{}", self.port), "allowPlaintext": true,
            "baseDN": "dc=x", "bindDN": "cn=service", "bindPassword": "service-password",
        })
    }
}

async fn visit(
    number: usize,
    mut client: TcpStream,
    seen: Arc<Mutex<Vec<(usize, Request)>>>,
    reply: Arc<impl Fn(&Request) -> Reply + Send + Sync>,
) {
    let mut half_closed = false;
    while let Some((id, request)) = next(&mut client).await {
        seen.lock().unwrap().push((number, request.clone()));
        let all = |operations: Vec<Vec<u8>>| operations.iter().flat_map(|it| message(id, it)).collect();
        let octets = match reply(&request) {
            Reply::Say(operations) => all(operations),
            Reply::Late(by, operations) => {
                tokio::time::sleep(by).await;
                all(operations)
            }
            Reply::Raw(octets) => octets,
            Reply::Silence => continue,
            Reply::HalfClose => {
                client.shutdown().await.ok();
                half_closed = true;
                continue;
            }
            Reply::Hang => return,
        };
        if half_closed || client.write_all(&octets).await.is_err() {
            return;
        }
    }
}

/// Reads one request; ours are shorter than 64 KiB.
async fn next(client: &mut TcpStream) -> Option<(u8, Request)> {
    client.read_u8().await.ok()?;
    let mut length = usize::from(client.read_u8().await.ok()?);
    if length >= 0x80 {
        let octets = length & 0x7f;
        length = 0;
        for _ in 0..octets {
            length = length << 8 | usize::from(client.read_u8().await.ok()?);
        }
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).await.ok()?;
    let (id, operation) = (body[2], &body[3..]);
    let request = match operation[0] {
        0x60 => {
            let at = 2 + 3; // the operation's head, the version
            let name = usize::from(operation[at + 1]);
            let name_ends = at + 2 + name;
            let password = usize::from(operation[name_ends + 1]);
            let text = |from: usize, length: usize| {
                String::from_utf8(operation[from..from + length].to_vec()).unwrap()
            };
            Request::Bind { name: text(at + 2, name), password: text(name_ends + 2, password) }
        }
        0x63 => {
            let fields = elements(elements(operation)[0]);
            let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
            // Base, scope, aliases, two limits, types only, filter, attributes.
            let attributes = elements(fields[7]).into_iter().map(text).collect();
            let page = elements(operation).get(1).map(|controls| page_of(controls));
            Request::Search { base: text(fields[0]), attributes, page }
        }
        _ => Request::Other,
    };
    Some((id, request))
}

/// The cookie of the one control of a search, which every directory may pass over.
fn page_of(controls: &[u8]) -> Vec<u8> {
    let control = elements(elements(controls)[0]);
    let [b"1.2.840.113556.1.4.319", value] = control[..] else {
        panic!("not for pages, or critical: {control:?}")
    };
    elements(elements(value)[0])[1].to_vec()
}

/// What elements that stand one after the other hold; ours are shorter than 64 KiB.
fn elements(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut held = Vec::new();
    while let [_, first, rest @ ..] = octets {
        let more = usize::from(first.checked_sub(0x80).unwrap_or_default());
        let (length, rest) = rest.split_at(more);
        let length = if more == 0 {
            usize::from(*first)
        } else {
            length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet))
        };
        let (body, rest) = rest.split_at(length);
        held.push(body);
        octets = rest;
    }
    held
}

/// A sequence in a sequence in a sequence, so many octets in all.
pub(crate) fn nested(octets: usize) -> Vec<u8> {
    let mut octets_left = octets;
    let mut nested = Vec::new();
    while octets_left > 0 {
        let length = u32::try_from(octets_left.saturating_sub(6)).unwrap().to_be_bytes();
        nested.extend([0x30, 0x84, length[0], length[1], length[2], length[3]]);
        octets_left = octets_left.saturating_sub(6);
    }
    nested
}

pub(crate) fn element(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[tag, 0x84, length[0], length[1], length[2], length[3]], body].concat()
}

pub(crate) fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    element(0x30, &[&element(0x02, &[id]), operation].concat())
}

/// A result under an operation's tag: 0x61 of a bind, 0x65 of a search.
pub(crate) fn result(tag: u8, code: u8, words: &str) -> Vec<u8> {
    element(tag, &[element(0x0a, &[code]), element(0x04, b""), element(0x04, words.as_bytes())].concat())
}

/// The end of a page, behind which there is another if there is a cookie.
pub(crate) fn end_of_page(cookie: &[u8]) -> Vec<u8> {
    let value = element(0x30, &[element(0x02, &[0]), element(0x04, cookie)].concat());
    end_with(&[&value])
}

/// The end of a search, with controls for pages that hold these values.
pub(crate) fn end_with(values: &[&[u8]]) -> Vec<u8> {
    let control = |value: &&[u8]| {
        element(0x30, &[element(0x04, b"1.2.840.113556.1.4.319"), element(0x04, value)].concat())
    };
    let controls: Vec<u8> = values.iter().flat_map(control).collect();
    [result(0x65, 0, ""), element(0xa0, &controls)].concat()
}

/// Values of one attribute stand one after the other.
pub(crate) fn entry(dn: &str, attributes: &[(&str, &str)]) -> Vec<u8> {
    let attributes = attributes.chunk_by(|one, next| one.0 == next.0).flat_map(|values| {
        let name = element(0x04, values[0].0.as_bytes());
        let values: Vec<u8> = values.iter().flat_map(|(_, value)| element(0x04, value.as_bytes())).collect();
        element(0x30, &[name, element(0x31, &values)].concat())
    });
    let attributes: Vec<u8> = attributes.collect();
    element(0x64, &[element(0x04, dn.as_bytes()), element(0x30, &attributes)].concat())
}

/// What an honest directory with one Alice answers.
pub(crate) fn honestly(request: &Request) -> Reply {
    Reply::Say(match request {
        Request::Bind { name, password } => {
            let known = [("cn=service", "service-password"), ("cn=alice", "correct horse")];
            let right = known.contains(&(name, password));
            vec![result(0x61, if right { 0 } else { 49 }, "")]
        }
        Request::Search { .. } => vec![entry("cn=alice", &[("uid", "alice")]), result(0x65, 0, "")],
        Request::Other => return Reply::Silence,
    })
}
