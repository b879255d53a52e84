//! A stand-in for the provider: one page, one session cookie, one key, and a manner.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
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
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use url::form_urlencoded;

use crate::agent::app;
use crate::history::unix_now;

/// How the stand-in behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    SaysNo,
    HangsAtFirst,
    HangsAfterThePassword,
    Confuses,
    RenewsNothing,
    /// Leaves everything as it is when somebody signs out.
    KeepsPeople,
}

pub(super) struct Lab {
    pub(super) ca_pem: String,
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
}

impl Lab {
    pub(super) fn new() -> Self {
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
pub(super) struct StandIn {
    manner: Manner,
    issuer: String,
    key: EcdsaKeyPair,
    codes: Mutex<HashMap<String, (String, String)>>,
    asked: AtomicU32,
    /// Whose tokens work no more.
    out: Mutex<HashSet<String>>,
}

impl StandIn {
    pub(super) async fn start(manner: Manner, lab: &Lab, tasks: &mut JoinSet<()>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let it = Arc::new(Self {
            manner,
            issuer: issuer.clone(),
            key,
            codes: Mutex::default(),
            asked: AtomicU32::new(0),
            out: Mutex::default(),
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
            "/end" => response(
                200,
                "text/html",
                &format!(
                    "<h1>Sign out?</h1><form method=post action=\"/out?{}\"><button>Yes</button></form>",
                    query.replace('&', "&amp;")
                ),
            ),
            "/out" => self.out(&query, cookie.as_deref().unwrap_or_default()),
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
                "end_session_endpoint": at("/end"),
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
        if let Some(person) = cookie.and_then(signed_in) {
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
        self.out.lock().unwrap().remove(&fields["user"]);
        let mut back = self.back(query, &fields["user"]);
        let cookie = format!("idp={}; Path=/; Secure; HttpOnly; SameSite=None", fields["user"]);
        back.headers_mut().insert("set-cookie", cookie.parse().unwrap());
        back
    }

    fn back(&self, query: &str, person: &str) -> Response<Full<Bytes>> {
        let asked: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let code = app::relying_party::random_token();
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
        let once = app::relying_party::random_token();
        let access =
            format!("{person}~{}", if self.manner == Manner::RenewsNothing { "same" } else { &once });
        let tokens = json!({"access_token": access, "token_type": "Bearer", "id_token": id_token, "refresh_token": person});
        response(200, "application/json", &tokens.to_string())
    }

    fn out(&self, query: &str, cookie: &str) -> Response<Full<Bytes>> {
        let asked: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert!(asked["id_token_hint"].split('.').count() == 3 && asked["client_id"] == "branch-app");
        let mut response = response(303, "text/plain", "");
        let location = format!("{}?state={}", asked["post_logout_redirect_uri"], asked["state"]);
        response.headers_mut().insert("location", location.parse().unwrap());
        if let Some(person) = signed_in(cookie).filter(|_| self.manner != Manner::KeepsPeople) {
            self.out.lock().unwrap().insert(person.to_owned());
            response.headers_mut().insert("set-cookie", "idp=; Path=/; Secure; Max-Age=0".parse().unwrap());
        }
        response
    }

    fn userinfo(&self, access: &str) -> Response<Full<Bytes>> {
        let person = access.split('~').next().unwrap();
        if self.out.lock().unwrap().contains(person) {
            return response(401, "text/html", "nobody");
        }
        let person = if self.manner == Manner::Confuses { "somebody-else" } else { person };
        response(200, "application/json", &json!({ "sub": format!("s-{person}") }).to_string())
    }
}

/// Whom a browser's cookies say it has.
fn signed_in(cookies: &str) -> Option<&str> {
    cookies.split("; ").find_map(|cookie| cookie.strip_prefix("idp="))
}

fn response(status: u16, kind: &str, body: &str) -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::from(body.to_owned()));
    Response::builder().status(status).header("content-type", kind).body(body).unwrap()
}
