//! What hostile SAML responses cost a real node, over HTTP, and what a flood of them does to everybody else. Prints its figures.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

mod lab;
#[path = "../../shared/connectors/tests/saml/lying_idp/mod.rs"]
mod lying_idp;

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lab::{Lab, Running, request};
use lying_idp::{Asked, Idp};
use mangrove_saml::{names::SAMLP, post};
use tokio::runtime::Runtime;
use url::form_urlencoded::Serializer;

const CONSUMER: &str = "http://root.localhost:9443/corp/acs";
const AUTHORIZE: &str = "/oauth2/auth?response_type=code&client_id=app&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb\
    &scope=openid&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// Addresses of an honest person and of the attackers, as a proxy in front says them.
const HONEST: &str = "192.0.2.1";
const HOSTILE: &str = "198.51.100.1";

/// A login that a browser began: its address and cookies, and the request that it carries to the provider.
struct Begun {
    from: &'static str,
    cookies: String,
    asked: Asked,
}

fn node(idp: &Idp) -> (Lab, Running) {
    let more = format!(
        "  - name: corp\n    type: saml\n    samlMetadataURL: {}\n    samlEntityID: http://root.localhost:9443\n    \
         samlConsumerServiceURL: {CONSUMER}\n    \
         samlLogoutCallbackURL: http://root.localhost:9443/corp/slo\n    healthCheck: {{ enabled: true, interval: 1s, timeout: 1s, \
         unhealthyThreshold: 1 }}\noidcProvider:\n  discovery: {{ issuer: http://root.localhost:9443 }}\napps:\n  - name: app\n    \
         type: oidc\n    clientID: app\n    clientSecret: 0123456789abcdef0123456789abcdef\n    \
         redirectURLs: [https://app.example.com/cb]\n    authentication: {{ idps: [corp] }}\n",
        idp.metadata_url()
    );
    let lab = Lab::with("  trustedProxies: [127.0.0.1]\n", &more);
    let node = lab.start();
    (lab, node)
}

fn begin(to: SocketAddr, from: &'static str) -> Begun {
    let head = format!(
        "Host: root.localhost\r\nX-Forwarded-For: {from}\r\nSec-Fetch-Mode: navigate\r\nConnection: close\r\n\r\n"
    );
    let (status, page) = request(to, &format!("GET {AUTHORIZE} HTTP/1.1\r\n{head}")).unwrap();
    assert_eq!(status, 200, "{page}");
    let cookies = page.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let cookies: Vec<_> = cookies.filter_map(|line| line.split(';').next()).collect();
    let fields = ["SAMLRequest", "RelayState"].map(|name| {
        let (_, rest) =
            page.split_once(&format!("name=\"{name}\" value=\"")).expect("the field is in the page");
        (name.to_owned(), rest.split('"').next().unwrap().to_owned())
    });
    Begun { from, cookies: cookies.join("; "), asked: Asked::in_form(&fields) }
}

/// Brings a response; the status, and whether somebody is signed in.
fn bring(to: SocketAddr, begun: &Begun, response: &str) -> (u16, bool) {
    let state = begun.asked.relay_state.clone().unwrap();
    let pairs = [("SAMLResponse", post::encode(response)), ("RelayState", state)];
    let form = Serializer::new(String::new()).extend_pairs(pairs).finish();
    let (status, answer) = posts(to, "/corp/acs", (begun.from, &begun.cookies), &form);
    (status, answer.contains("https://app.example.com/cb?") && answer.contains("code="))
}

/// The same at the door for logouts, for which nobody has to have begun anything.
fn bring_to_the_door(to: SocketAddr, request: &str) -> u16 {
    let form = Serializer::new(String::new()).append_pair("SAMLRequest", &post::encode(request)).finish();
    posts(to, "/corp/slo", (HOSTILE, ""), &form).0
}

fn posts(to: SocketAddr, path: &str, (from, cookies): (&str, &str), form: &str) -> (u16, String) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: root.localhost\r\nX-Forwarded-For: {from}\r\nCookie: {cookies}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    request(to, &(head + form)).unwrap()
}

/// CPU that a process has used, and the most memory that it ever had, in MiB.
fn used(id: u32) -> (Duration, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let after: Vec<_> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    let ticks: u64 = after[11].parse::<u64>().unwrap() + after[12].parse::<u64>().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: f64 = peak.split_ascii_whitespace().next().unwrap().parse().unwrap();
    (Duration::from_millis(ticks * 10), peak / 1024.0)
}

/// A good response with something more in it.
fn with(good: &str, inside: &str) -> String {
    let attack = good.replacen("<samlp:Status>", &format!("{inside}<samlp:Status>"), 1);
    assert!(attack.len() <= 256 * 1024, "{}", attack.len());
    attack
}

fn numbered(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

fn hostile(good: &str) -> Vec<(&'static str, String)> {
    let scope = numbered(28, |at| format!(" xmlns:n{at}='urn:{at}'"));
    let tag = numbered(64, |at| format!(" a{at}=''"));
    let mut bombs = vec![
        ("changed after it was signed", good.replacen("alice-1", "mallory", 1)),
        ("16,000 comments", with(good, &format!("<x>{}</x>", "<!---->".repeat(16_000)))),
        (
            "28 namespaces in scope",
            with(good, &format!("<x{scope}>{}</x>", "<n0:y xmlns:m='u:m'/>".repeat(5_000))),
        ),
        ("480 tags of 64 attributes", with(good, &format!("<x{tag}/>").repeat(480))),
        ("16,000 elements", with(good, &"<x/>".repeat(16_000))),
        ("240 KB of text", with(good, &format!("<x>{}</x>", "&#65;".repeat(48_000)))),
    ];
    let mut nested = String::new();
    for _ in 0..30_000 {
        nested.write_str("<x>").unwrap();
    }
    bombs.push(("depth 30,000", with(good, &nested)));
    bombs
}

#[test]
fn hostile_responses_cost_little_and_a_flood_of_them_keeps_nobody_out() {
    let runtime = Runtime::new().unwrap();
    let idp = runtime.block_on(Idp::start());
    let (_lab, node) = node(&idp);
    let to = node.address;
    let honest = || {
        let began = Instant::now();
        let begun = begin(to, HONEST);
        let response = idp.response(&begun.asked);
        let posted = Instant::now();
        let (status, signed_in) = bring(to, &begun, &response);
        assert!(signed_in, "an honest login ended with {status}");
        (began.elapsed(), posted.elapsed())
    };
    honest();
    const TIMES: u32 = 10;
    let measured = |name: &str, run: &dyn Fn()| {
        let (cpu, peak) = used(node.id());
        (0..TIMES).for_each(|_| run());
        let (cpu_after, peak_after) = used(node.id());
        let each = (cpu_after - cpu) / TIMES;
        println!("{name}: {each:.1?} of CPU each, its login included; peak +{:.1} MiB", peak_after - peak);
        assert!(each < Duration::from_secs(1) && peak_after - peak < 128.0, "{name}");
    };
    measured("an honest login", &|| _ = honest());
    let good = idp.response(&begin(to, HONEST).asked);
    for (name, attack) in hostile(&good) {
        measured(name, &|| {
            let (status, signed_in) = bring(to, &begin(to, HOSTILE), &attack);
            assert!((400..500).contains(&status) && !signed_in, "{name}: {status}");
        });
    }
    let dear = "<x/>".repeat(16_000);
    let (response, farewell) = (with(&good, &dear), logout_request(&dear));
    measured("16,000 elements at the door for logouts", &|| {
        assert_eq!(bring_to_the_door(to, &farewell), 400);
    });
    let ten = || worst(&(0..10).map(|_| honest()).collect::<Vec<_>>());
    println!("worst of ten honest logins, and of their answers: {:.0?}", ten());
    let answers = || assert!(!bring(to, &begin(to, HOSTILE), &response).1);
    flooded("answers", &answers, &ten);
    flooded("logouts", &|| _ = bring_to_the_door(to, &farewell), &ten);
    println!("peak in all: {:.1} MiB", used(node.id()).1);
    honest();
}

/// A flood, and beside it what honest people do: they are all signed in, or this does not end well.
fn flooded(of: &str, attack: &(dyn Fn() + Sync), honest: &dyn Fn() -> (Duration, Duration)) {
    let (over, brought) = (AtomicBool::new(false), AtomicUsize::new(0));
    let began = Instant::now();
    let under = std::thread::scope(|threads| {
        for _ in 0..FLOOD {
            threads.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    attack();
                    brought.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while brought.load(Ordering::Relaxed) < FLOOD && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ends = Ends(&over);
        honest()
    });
    let rate = f64::from(u32::try_from(brought.into_inner()).unwrap()) / began.elapsed().as_secs_f64();
    println!("beside {FLOOD} attackers that bring {of}, {rate:.0} a second: {under:.0?}");
}

/// Ends the flood, whatever becomes of the honest.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn logout_request(inside: &str) -> String {
    format!(
        "<samlp:LogoutRequest xmlns:samlp=\"{SAMLP}\" ID=\"_1\" Version=\"2.0\" \
         IssueInstant=\"2026-01-01T00:00:00Z\">{inside}</samlp:LogoutRequest>"
    )
}

/// Browsers behind one address that bring the dearest message, each as fast as it can.
const FLOOD: usize = 64;

/// Longest wait for the flood to have begun.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest whole login and the longest answer.
fn worst(all: &[(Duration, Duration)]) -> (Duration, Duration) {
    let longest = |part: fn(&(Duration, Duration)) -> Duration| all.iter().map(part).max().unwrap();
    (longest(|login| login.0), longest(|login| login.1))
}
