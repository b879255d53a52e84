//! One person's browser and the application behind it, on two kept connections: enough HTTP/1.1 to log in, and nothing
//! that would cost the load generator more than the server.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use scraper::{Html, Selector};

use crate::node::{CLIENT_ID, CLIENT_SECRET, Node, PASSWORD, REDIRECT_URI, USERNAME};

/// A PKCE verifier; the bench needs no secrecy.
const VERIFIER: &str = "bench-verifier-bench-verifier-bench-verifier-bench";

/// A browser with a session, and its application.
pub(crate) struct Client {
    browser: Connection,
    application: Connection,
    cookies: BTreeMap<String, String>,
    authorize: String,
}

/// What came back.
struct Response {
    status: u16,
    location: Option<String>,
    cookies: Vec<(String, String)>,
    body: String,
}

impl Client {
    /// Signs in with the password once.
    pub(crate) fn signed_in(node: &Node) -> Self {
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()));
        let mut client = Self {
            browser: Connection::open(node),
            application: Connection::open(node),
            cookies: BTreeMap::new(),
            authorize: format!(
                "/oauth2/auth?response_type=code&client_id={CLIENT_ID}&redirect_uri={}&scope=openid%20profile%20email\
                 &state=s&nonce=n&code_challenge={challenge}&code_challenge_method=S256",
                encode(REDIRECT_URI)
            ),
        };
        let mut response = client.browse(&client.authorize.clone(), None);
        for _ in 0..8 {
            if let Some(location) = &response.location {
                if location.starts_with(REDIRECT_URI) {
                    let code = code_of(location);
                    client.redeem(&code);
                    return client;
                }
                let path = path_of(location);
                response = client.browse(&path, None);
            } else {
                let (action, fields) = form_of(&response.body);
                response = client.browse(&path_of(&action), Some(&fields));
            }
        }
        panic!("the sign-in did not come to an end: {} {}", response.status, response.body);
    }

    /// One login by the session that is there: authorize, then token.
    pub(crate) fn single_sign_on(&mut self) {
        let path = self.authorize.clone();
        let response = self.browse(&path, None);
        let location =
            response.location.as_deref().unwrap_or_else(|| panic!("no redirect: {}", response.body));
        assert!(location.starts_with(REDIRECT_URI), "the session was not enough: {location}");
        self.redeem(&code_of(location));
    }

    fn redeem(&mut self, code: &str) {
        let basic = STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
        let body = format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={VERIFIER}",
            encode(code),
            encode(REDIRECT_URI)
        );
        let head = format!("Authorization: Basic {basic}\r\n");
        let response = self.application.send("POST", "/oauth2/token", &head, Some(&body));
        assert!(response.status == 200 && response.body.contains("id_token"), "no tokens: {}", response.body);
    }

    fn browse(&mut self, path: &str, form: Option<&str>) -> Response {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut head = String::from(
            "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Site: same-origin\r\n",
        );
        if !pairs.is_empty() {
            head += &format!("Cookie: {}\r\n", pairs.join("; "));
        }
        if form.is_some() {
            head += &format!("Origin: http://{}\r\n", self.browser.host);
        }
        let response = self.browser.send(if form.is_some() { "POST" } else { "GET" }, path, &head, form);
        for (name, value) in &response.cookies {
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.clone(), value.clone());
            }
        }
        response
    }
}

/// One kept connection.
struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    fn open(node: &Node) -> Self {
        let stream = TcpStream::connect(node.address()).expect("the node listens");
        stream.set_nodelay(true).expect("nodelay can be set");
        Self { stream: BufReader::new(stream), host: node.host().to_owned() }
    }

    fn send(&mut self, method: &str, path: &str, head: &str, form: Option<&str>) -> Response {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{head}", self.host);
        match form {
            Some(body) => {
                request += &format!(
                    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
            None => request += "\r\n",
        }
        self.stream.get_mut().write_all(request.as_bytes()).expect("the node reads");
        self.receive()
    }

    fn receive(&mut self) -> Response {
        let status = self.line().split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let mut response = Response { status, location: None, cookies: Vec::new(), body: String::new() };
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "location" => response.location = Some(value.to_owned()),
                "content-length" => length = value.parse().expect("a length"),
                "transfer-encoding" => chunked = value.contains("chunked"),
                "set-cookie" => {
                    let (name, rest) = value.split_once('=').expect("a cookie");
                    response
                        .cookies
                        .push((name.to_owned(), rest.split(';').next().unwrap_or_default().to_owned()));
                }
                _ => {}
            }
        }
        assert!(!chunked, "the node sends lengths");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a whole body");
        response.body = String::from_utf8(body).expect("text");
        response
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the node answers");
        line.trim_end().to_owned()
    }
}

fn code_of(location: &str) -> String {
    let url = url::Url::parse(location).expect("a URL");
    url.query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap_or_else(|| panic!("no code: {location}"))
        .1
        .into_owned()
}

/// Path and query of an absolute or relative URL.
fn path_of(location: &str) -> String {
    match url::Url::parse(location) {
        Ok(url) => url[url::Position::BeforePath..].to_owned(),
        Err(_) => location.to_owned(),
    }
}

/// Action and filled fields of the form with a password.
fn form_of(page: &str) -> (String, String) {
    let document = Html::parse_document(page);
    let one = |selector| Selector::parse(selector).expect("a selector");
    let form = document.select(&one("form")).next().unwrap_or_else(|| panic!("no form on: {page}"));
    let mut fields = Vec::new();
    for input in form.select(&one("input")) {
        let Some(name) = input.value().attr("name") else { continue };
        let value = match input.value().attr("type").unwrap_or("text") {
            "password" => PASSWORD,
            "hidden" => input.value().attr("value").unwrap_or_default(),
            "text" | "email" => USERNAME,
            _ => continue,
        };
        fields.push(format!("{}={}", encode(name), encode(value)));
    }
    (form.value().attr("action").unwrap_or_default().to_owned(), fields.join("&"))
}

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
