//! An application: a strict OIDC relying party with a TLS listener and sessions of its own.
//!
//! `GET /` starts a login at its provider, `/callback` ends it, `/me` says whom the application has (401 if nobody),
//! `/refresh` renews the tokens first, `/tokens` says whether they work. `/sign-out` ends the session, here and at the provider,
//! and `/signed-out` is where that leads back to. Keeps everything in memory; dies with its region.

pub mod relying_party;
pub mod sign_out;
pub mod token;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use url::{Url, form_urlencoded};

use self::relying_party::{Pending, Refusal, RelyingParty, Tokens, random_token};
use self::token::equal;
use super::spec::AppSpec;
use super::wire::Wire;
use crate::history::{self, Micros, SECOND};

const SESSION: &str = "__Host-app";
const LOGIN: &str = "__Host-app-login";
/// A login that has not come back by then is forgotten.
const LOGIN_LIFE: Micros = 600 * SECOND;
/// More logins than this at once, or sessions, are no lab any more.
const MOST_KEPT: usize = 100_000;

/// An application, listening.
pub struct App {
    listener: TcpListener,
    tls: TlsAcceptor,
    shop: Arc<Shop>,
}

/// What its requests share.
struct Shop {
    party: RelyingParty,
    logins: Mutex<HashMap<String, Started>>,
    sessions: Mutex<HashMap<String, Tokens>>,
    leaving: sign_out::Leaving,
}

struct Started {
    pending: Pending,
    browser: String,
    at: Micros,
}

impl App {
    /// Binds its listener.
    pub async fn bind(spec: AppSpec, wire: Wire) -> Result<Self, String> {
        let name = spec.name.clone();
        let problem = |what: &str, error: &dyn std::fmt::Display| format!("{name}: {what}: {error}");
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(spec.certificate_pem.as_bytes()).collect();
        let chain = chain.map_err(|error| problem("certificate", &error))?;
        let key =
            PrivateKeyDer::from_pem_slice(spec.key_pem.as_bytes()).map_err(|error| problem("key", &error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| problem("TLS", &error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| problem("TLS", &error))?;
        let listener = TcpListener::bind(spec.listen).await.map_err(|error| problem("listen", &error))?;
        if let Some(node) = Url::parse(&spec.issuer).ok().as_ref().and_then(Url::host_str) {
            wire.learn(node).await;
        }
        let shop = Shop {
            party: RelyingParty::new(spec, wire),
            logins: Mutex::default(),
            sessions: Mutex::default(),
            leaving: sign_out::Leaving::default(),
        };
        Ok(Self { listener, tls: TlsAcceptor::from(Arc::new(config)), shop: Arc::new(shop) })
    }

    /// Serves until dropped.
    pub async fn serve(self) {
        let mut open = JoinSet::new();
        loop {
            while open.try_join_next().is_some() {}
            let Ok((tcp, _)) = self.listener.accept().await else { continue };
            let (tls, shop) = (self.tls.clone(), self.shop.clone());
            open.spawn(async move { serve_one(tcp, tls, shop).await });
        }
    }
}

async fn serve_one(tcp: TcpStream, tls: TlsAcceptor, shop: Arc<Shop>) {
    let _ = tcp.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(Duration::from_secs(10), tls.accept(tcp)).await else { return };
    let service = service_fn(move |request: Request<Incoming>| {
        let shop = shop.clone();
        async move { Ok::<_, Infallible>(shop.answer(&request.into_parts().0).await) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(60))
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Shop {
    async fn answer(&self, request: &Parts) -> Response<Full<Bytes>> {
        if request.method != Method::GET {
            return page(405, "This page is only for reading");
        }
        let result = match request.uri.path() {
            "/" => self.begin().await,
            "/callback" => self.callback(request).await,
            "/me" => self.me(&request.headers),
            "/refresh" => self.refresh(&request.headers).await,
            "/tokens" => self.tokens(request).await,
            "/sign-out" => self.sign_out(request).await,
            sign_out::BACK => self.signed_out(request).await,
            _ => Err(Refusal { status: 404, says: "There is no such page".to_owned() }),
        };
        result.unwrap_or_else(|refusal| page(refusal.status, &refusal.says))
    }

    async fn begin(&self) -> Result<Response<Full<Bytes>>, Refusal> {
        let (url, pending) = self.party.begin().await?;
        let browser = random_token();
        let cookie = format!("{LOGIN}={browser}; Path=/; Secure; HttpOnly; SameSite=Lax");
        let at = history::now();
        let mut logins = lock(&self.logins);
        if logins.len() >= MOST_KEPT {
            logins.retain(|_, started| at.saturating_sub(started.at) < LOGIN_LIFE);
        }
        logins.insert(pending.state.clone(), Started { pending, browser, at });
        Ok(redirect(url.as_str(), &[cookie]))
    }

    async fn callback(&self, request: &Parts) -> Result<Response<Full<Bytes>>, Refusal> {
        let query = request.uri.query().unwrap_or_default();
        let params: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let state = params
            .iter()
            .find(|(key, _)| key == "state")
            .map(|(_, value)| value.as_str())
            .unwrap_or_default();
        let started = lock(&self.logins).remove(state);
        let browser = cookie(&request.headers, LOGIN).unwrap_or_default();
        let pending = match started {
            Some(started) if equal(&started.browser, &browser) => started.pending,
            _ => {
                return Err(Refusal {
                    status: 400,
                    says: "This answer belongs to no login of this browser".to_owned(),
                });
            }
        };
        let tokens = self.party.finish(&pending, &params).await?;
        let session = random_token();
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= MOST_KEPT {
            sessions.clear();
        }
        sessions.insert(session.clone(), tokens);
        Ok(redirect("/me", &[format!("{SESSION}={session}; Path=/; Secure; HttpOnly; SameSite=Lax")]))
    }

    fn session(&self, headers: &HeaderMap) -> Result<(String, Tokens), Refusal> {
        let session = cookie(headers, SESSION).unwrap_or_default();
        let found = lock(&self.sessions).get(&session).cloned();
        found
            .map(|tokens| (session, tokens))
            .ok_or_else(|| Refusal { status: 401, says: "You are not signed in".to_owned() })
    }

    fn me(&self, headers: &HeaderMap) -> Result<Response<Full<Bytes>>, Refusal> {
        let (_, tokens) = self.session(headers)?;
        Ok(greeting(&tokens))
    }

    async fn refresh(&self, headers: &HeaderMap) -> Result<Response<Full<Bytes>>, Refusal> {
        let (session, tokens) = self.session(headers)?;
        let renewed = self.party.refresh(&tokens).await?;
        let response = greeting(&renewed);
        lock(&self.sessions).insert(session, renewed);
        Ok(response)
    }
}

/// Whom the application has, as data.
fn greeting(tokens: &Tokens) -> Response<Full<Bytes>> {
    let mut body = json!(tokens.who);
    body["can_refresh"] = json!(tokens.refresh.is_some());
    data(&body)
}

fn data(body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    set(response.headers_mut(), header::CONTENT_TYPE, "application/json");
    set(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    response
}

fn page(status: u16, says: &str) -> Response<Full<Bytes>> {
    let html = maud::html! { (maud::DOCTYPE) title { "Application" } h1 { (says) } }.into_string();
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    set(response.headers_mut(), header::CONTENT_TYPE, "text/html; charset=utf-8");
    response
}

fn redirect(to: &str, cookies: &[String]) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::FOUND;
    set(response.headers_mut(), header::LOCATION, to);
    for cookie in cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    set(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    response
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
