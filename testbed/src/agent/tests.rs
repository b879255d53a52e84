//! People and an application of this room with a stand-in for the provider between them: what they do when it works,
//! when it says no, when it hangs, and when it lies.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use url::form_urlencoded;

use super::spec::{Account, AppSpec, PersonSpec, Spec};
use crate::history::{Event, Login, Seen, VisitKind, VisitOutcome, What, unix_now};

/// How the stand-in behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    SaysNo,
    HangsAtFirst,
    HangsAfterThePassword,
    Confuses,
    RenewsNothing,
    NobodyAtThePortal,
}

struct Lab {
    ca_pem: String,
    certificate_pem: String,
    key_pem: String,
}

impl Lab {
    fn new() -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(vec![]).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.clone().self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(ca, ca_key);
        let leaf =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        Self { ca_pem, certificate_pem: leaf.pem(), key_pem: key.serialize_pem() }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let chain = rustls::pki_types::CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A provider with one page, one session cookie and one key.
struct StandIn {
    manner: Manner,
    issuer: String,
    key: EcdsaKeyPair,
    codes: Mutex<HashMap<String, (String, String)>>,
    asked: AtomicU32,
}

impl StandIn {
    async fn start(manner: Manner, lab: &Lab, tasks: &mut JoinSet<()>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let it = Arc::new(Self {
            manner,
            issuer: issuer.clone(),
            key,
            codes: Mutex::default(),
            asked: AtomicU32::new(0),
        });
        let tls = lab.acceptor();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (tls, it) = (tls.clone(), it.clone());
                open.spawn(async move {
                    let Ok(stream) = tls.accept(tcp).await else { return };
                    let service = hyper::service::service_fn(move |request| {
                        let it = it.clone();
                        async move { Ok::<_, Infallible>(it.answer(request).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        issuer
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let cookie = parts.headers.get("cookie").map(|value| value.to_str().unwrap().to_owned());
        match parts.uri.path() {
            "/.well-known/openid-configuration" => self.discovery(),
            "/keys" => self.keys(),
            "/auth" => {
                if self.manner == Manner::HangsAtFirst && self.asked.fetch_add(1, Ordering::SeqCst) < 1 {
                    std::future::pending::<()>().await;
                }
                self.auth(&query, cookie.as_deref())
            }
            "/sign-in" => {
                if self.manner == Manner::HangsAfterThePassword
                    && self.asked.fetch_add(1, Ordering::SeqCst) < 1
                {
                    std::future::pending::<()>().await;
                }
                self.sign_in(&query, &body)
            }
            "/token" => self.token(&body),
            "/userinfo" => {
                self.userinfo(&parts.headers["authorization"].to_str().unwrap()["Bearer ".len()..])
            }
            _ => response(404, "text/html", "no"),
        }
    }

    fn discovery(&self) -> Response<Full<Bytes>> {
        let at = |path: &str| format!("{}{path}", self.issuer);
        response(
            200,
            "application/json",
            &json!({"issuer": self.issuer, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
                "jwks_uri": at("/keys"), "userinfo_endpoint": at("/userinfo"),
                "authorization_response_iss_parameter_supported": true})
            .to_string(),
        )
    }

    fn keys(&self) -> Response<Full<Bytes>> {
        let point = self.key.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        let key = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": part(1..33), "y": part(33..65)});
        response(200, "application/json", &json!({ "keys": [key] }).to_string())
    }

    fn auth(&self, query: &str, cookie: Option<&str>) -> Response<Full<Bytes>> {
        if self.manner == Manner::SaysNo {
            return response(503, "text/html", "<h1>Nobody can sign you in now</h1>");
        }
        if let Some(person) = cookie.and_then(|cookie| cookie.strip_prefix("idp=")) {
            return self.back(query, person);
        }
        let action = format!("/sign-in?{query}").replace('&', "&amp;");
        let form = format!(
            "<form method=post action=\"{action}\"><input name=user><input type=password name=pass><button>go</button></form>"
        );
        response(200, "text/html", &form)
    }

    fn sign_in(&self, query: &str, body: &[u8]) -> Response<Full<Bytes>> {
        let fields: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        if fields["pass"] != format!("{}-secret", fields["user"]) {
            return response(401, "text/html", "<form><input type=password name=pass></form>");
        }
        let mut back = self.back(query, &fields["user"]);
        let cookie = format!("idp={}; Path=/auth; Secure; HttpOnly; SameSite=None", fields["user"]);
        back.headers_mut().insert("set-cookie", cookie.parse().unwrap());
        back
    }

    fn back(&self, query: &str, person: &str) -> Response<Full<Bytes>> {
        let asked: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let code = super::app::relying_party::random_token();
        self.codes.lock().unwrap().insert(code.clone(), (person.to_owned(), asked["nonce"].clone()));
        let pairs = [("code", &code), ("state", &asked["state"]), ("iss", &self.issuer)];
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let mut response = response(303, "text/plain", "");
        let location = format!("{}?{query}", asked["redirect_uri"]);
        response.headers_mut().insert("location", location.parse().unwrap());
        response
    }

    fn token(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let (person, nonce) = match form["grant_type"].as_str() {
            "refresh_token" => (form["refresh_token"].clone(), String::new()),
            _ => self.codes.lock().unwrap().remove(&form["code"]).unwrap(),
        };
        let claims = json!({"iss": self.issuer, "aud": form["client_id"], "sub": format!("s-{person}"), "nonce": nonce,
            "iat": unix_now(), "exp": unix_now() + 60, "lab_person": person});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "ES256", "kid": "k"})), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        let id_token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
        let once = super::app::relying_party::random_token();
        let access =
            format!("{person}~{}", if self.manner == Manner::RenewsNothing { "same" } else { &once });
        let tokens = json!({"access_token": access, "token_type": "Bearer", "id_token": id_token, "refresh_token": person});
        response(200, "application/json", &tokens.to_string())
    }

    fn userinfo(&self, access: &str) -> Response<Full<Bytes>> {
        let person = access.split('~').next().unwrap();
        let person = if self.manner == Manner::Confuses { "somebody-else" } else { person };
        response(200, "application/json", &json!({ "sub": format!("s-{person}") }).to_string())
    }
}

fn response(status: u16, kind: &str, body: &str) -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::from(body.to_owned()));
    Response::builder().status(status).header("content-type", kind).body(body).unwrap()
}

async fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn spec(lab: &Lab, issuer: &str, keep_session: bool) -> Spec {
    let listen = free_port().await;
    let app = AppSpec {
        name: "branch-app".into(),
        host: "localhost".into(),
        listen,
        certificate_pem: lab.certificate_pem.clone(),
        key_pem: lab.key_pem.clone(),
        issuer: issuer.to_owned(),
        client_id: "branch-app".into(),
        client_secret: None,
        has_a_key: false,
        scope: "openid".into(),
    };
    let account =
        Account { host: "localhost".into(), of: None, username: "a-1".into(), password: "a-1-secret".into() };
    let person = PersonSpec {
        name: "a-1".into(),
        accounts: vec![account],
        app: "branch-app".into(),
        url: format!("https://localhost:{}/", listen.port()),
        begins: None,
        every_us: 50_000,
        keep_session,
        chromium: false,
        twin_of: None,
    };
    Spec {
        region: "branch-a".into(),
        ca_pem: lab.ca_pem.clone(),
        apps: vec![app],
        people: vec![person],
        chromium: None,
        probes: vec![],
        probe_interval_us: 1_000_000,
        patience_us: 400_000,
        restarts: 2,
        seed: 1,
    }
}

/// Lives until `enough` events of people came, then stops as told.
async fn run(manner: Manner, keep_session: bool, enough: usize) -> Vec<Event> {
    in_rounds(manner, keep_session, enough, 1).await
}

/// Begins anew each time that `enough` events of people came, and stops after so many rounds.
async fn in_rounds(manner: Manner, keep_session: bool, enough: usize, rounds: usize) -> Vec<Event> {
    let mut tasks = JoinSet::new();
    let lab = Lab::new();
    let issuer = StandIn::start(manner, &lab, &mut tasks).await;
    let mut spec = spec(&lab, &issuer, keep_session).await;
    if manner == Manner::NobodyAtThePortal {
        spec.people[0].begins = Some(format!("https://localhost:{}/portal", free_port().await.port()));
    }
    let (mut commands, input) = tokio::io::duplex(1 << 16);
    let (output, events) = tokio::io::duplex(1 << 20);
    tasks.spawn(async move { super::live(input, output).await.unwrap() });
    let begin = serde_json::to_string(&spec).unwrap() + "\n{\"begin\":true}\n";
    commands.write_all(begin.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(events).lines();
    let mut seen: Vec<Event> = Vec::new();
    let mut told = 0;
    while let Some(line) = lines.next_line().await.unwrap() {
        seen.push(serde_json::from_str(&line).unwrap());
        let of_people =
            seen.iter().filter(|event| matches!(event.what, What::Login(_) | What::Visit(_))).count();
        if told < rounds && of_people >= enough * (told + 1) {
            told += 1;
            let order: &[u8] = if told == rounds { b"{\"stop\":true}\n" } else { b"{\"begin\":true}\n" };
            commands.write_all(order).await.unwrap();
        }
    }
    seen
}

fn logins(events: &[Event]) -> Vec<&Login> {
    events
        .iter()
        .filter_map(|event| if let What::Login(login) = &event.what { Some(&**login) } else { None })
        .collect()
}

#[tokio::test]
async fn a_person_signs_in_and_the_application_knows_who_it_is() {
    let events = run(Manner::Honest, false, 3).await;
    let logins = logins(&events);
    assert!(logins.len() >= 3);
    for login in logins {
        assert_eq!(login.seen, Seen::SignedIn, "{login:?}");
        let who = login.who.as_ref().unwrap();
        assert_eq!((who.sub.as_str(), who.lab_person.as_deref()), ("s-a-1", Some("a-1")));
        assert_eq!((login.acts.passwords, login.acts.reloads, login.acts.restarts), (1, 0, 0));
        let paths: Vec<&str> = login.hops.iter().map(|hop| hop.url.split_once('/').unwrap().1).collect();
        assert_eq!(paths, ["", "auth", "sign-in", "callback", "me"]);
    }
}

#[tokio::test]
async fn a_clear_no_ends_the_login_at_once() {
    let events = run(Manner::SaysNo, false, 1).await;
    let Seen::Refused { status, says, waited } = &logins(&events)[0].seen else { panic!("{events:?}") };
    assert_eq!((*status, says.as_str()), (503, "Nobody can sign you in now"));
    assert!(*waited < 400_000);
}

#[tokio::test]
async fn whose_first_page_hangs_types_the_address_again() {
    let events = run(Manner::HangsAtFirst, true, 1).await;
    let login = logins(&events)[0];
    assert_eq!(login.seen, Seen::SignedIn, "{login:?}");
    assert_eq!((login.acts.reloads, login.acts.restarts, login.acts.passwords), (0, 1, 1));
    assert!(login.hops[1].error.is_some() && login.hops[2].url == login.hops[0].url, "{login:?}");
}

#[tokio::test]
async fn who_waits_in_vain_behind_a_form_reloads_the_form() {
    let events = run(Manner::HangsAfterThePassword, true, 1).await;
    let login = logins(&events)[0];
    assert_eq!(login.seen, Seen::SignedIn, "{login:?}");
    assert_eq!((login.acts.reloads, login.acts.restarts, login.acts.passwords), (1, 0, 2));
    assert!(login.hops[2].path() == "/sign-in" && login.hops[2].error.is_some(), "{login:?}");
    assert!(login.hops[3].method == "GET" && login.hops[3].url == login.hops[1].url, "{login:?}");
}

#[tokio::test]
async fn who_begins_where_nobody_is_opens_the_application() {
    let events = run(Manner::NobodyAtThePortal, true, 1).await;
    let login = logins(&events)[0];
    assert_eq!(login.seen, Seen::SignedIn, "{login:?}");
    assert_eq!((login.acts.restarts, login.acts.passwords), (1, 1));
    assert!(login.hops[0].path() == "/portal" && login.hops[0].error.is_some(), "{login:?}");
}

#[tokio::test]
async fn a_provider_that_confuses_people_signs_nobody_in() {
    let events = run(Manner::Confuses, false, 1).await;
    let login = logins(&events)[0];
    assert!(login.who.is_none());
    assert!(matches!(login.seen, Seen::Refused { .. }), "{login:?}");
    assert!(login.hops.iter().any(|hop| hop.status == Some(500)), "{login:?}");
}

#[tokio::test]
async fn a_person_with_a_session_comes_back_without_a_password() {
    let events = run(Manner::Honest, true, 6).await;
    let visits: Vec<_> = events
        .iter()
        .filter_map(|event| {
            if let What::Visit(visit) = &event.what { Some((visit.kind, &visit.outcome)) } else { None }
        })
        .collect();
    assert_eq!(logins(&events).len(), 1);
    let kinds: Vec<VisitKind> = visits.iter().take(4).map(|(kind, _)| *kind).collect();
    assert_eq!(kinds[0], VisitKind::Page);
    assert!(kinds.contains(&VisitKind::Refresh) && kinds.contains(&VisitKind::SingleSignOn), "{kinds:?}");
    assert!(visits.iter().all(|(_, outcome)| **outcome == VisitOutcome::Kept), "{visits:?}");
}

#[tokio::test]
async fn tokens_that_are_the_old_ones_are_not_renewed() {
    let events = run(Manner::RenewsNothing, true, 4).await;
    let renewal = events.iter().find_map(|event| match &event.what {
        What::Visit(visit) if visit.kind == VisitKind::Refresh => Some(&visit.outcome),
        _ => None,
    });
    assert!(
        matches!(renewal, Some(VisitOutcome::Lost { says }) if says.contains("the old one")),
        "{renewal:?}"
    );
}

#[tokio::test]
async fn in_each_round_people_begin_anew_with_empty_browsers() {
    let events = in_rounds(Manner::Honest, true, 4, 3).await;
    assert_eq!(logins(&events).len(), 3, "one sign-in a round, and visits after it");
    for login in logins(&events) {
        assert_eq!((&login.seen, login.acts.passwords), (&Seen::SignedIn, 1), "{login:?}");
    }
}
