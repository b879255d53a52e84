//! A small OpenID provider on loopback with keys of its own, which dies and comes back on command.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mangrove_keys::{Algorithm, KeyRing, ambient};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use url::Url;

pub(crate) const CLIENT: &str = "node";
pub(crate) const SECRET: &str = "secret";

/// A running provider, or a dead one.
pub(crate) struct Idp {
    pub(crate) issuer: String,
    address: SocketAddr,
    house: Arc<House>,
    tasks: JoinSet<()>,
    shut: Arc<Notify>,
}

/// Takes connections until it is shut.
struct Door {
    listener: Option<TcpListener>,
    shut: Arc<Notify>,
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        if let Some(listener) = &mut self.listener {
            tokio::select! {
                taken = Listener::accept(listener) => return taken,
                () = self.shut.notified() => self.listener = None,
            }
        }
        std::future::pending().await
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.as_ref().ok_or(std::io::ErrorKind::NotConnected)?.local_addr()
    }
}

struct House {
    issuer: String,
    ring: KeyRing,
    codes: Mutex<HashMap<String, BTreeMap<String, String>>>,
    hits: Mutex<HashMap<String, usize>>,
    /// Laid over the claims of every ID token.
    claims: Mutex<Value>,
    secret: Mutex<String>,
    /// The classes that it lists.
    classes: Mutex<Vec<String>>,
    /// It has a page where people sign out.
    has_logout: Mutex<bool>,
    /// What the token endpoint answers instead of tokens.
    instead: Mutex<Option<u16>>,
    /// How much longer the token endpoint takes than the others.
    takes_for_tokens: Mutex<Duration>,
    /// How long it takes to answer; none: it never does.
    takes: Mutex<Option<Duration>>,
}

impl Idp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = format!("http://127.0.0.1:{}", address.port());
        let dir = tempfile::tempdir().unwrap();
        let house = House {
            issuer: issuer.clone(),
            ring: KeyRing::generate_kept(dir.path(), Algorithm::Es256).unwrap(),
            codes: Mutex::default(),
            hits: Mutex::default(),
            claims: Mutex::new(json!({})),
            secret: Mutex::new(SECRET.into()),
            classes: Mutex::default(),
            has_logout: Mutex::new(true),
            instead: Mutex::default(),
            takes_for_tokens: Mutex::default(),
            takes: Mutex::new(Some(Duration::ZERO)),
        };
        let mut idp =
            Self { issuer, address, house: Arc::new(house), tasks: JoinSet::new(), shut: Arc::default() };
        idp.serve(listener);
        idp
    }

    /// Ends every connection and listens no more.
    pub(crate) async fn dies(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Takes no connections any more, and goes on with those that it has.
    pub(crate) async fn shuts_its_door(&self) {
        self.shut.notify_one();
        while TcpStream::connect(self.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn comes_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }

    /// Claims of the ID tokens from now on, over the usual ones; `null` takes one out.
    pub(crate) fn says(&self, claims: Value) {
        *self.house.claims.lock().unwrap() = claims;
    }

    pub(crate) fn changes_its_secret(&self) {
        *self.house.secret.lock().unwrap() = "rotated".into();
    }

    /// It knows the node again.
    pub(crate) fn remembers_its_secret(&self) {
        *self.house.secret.lock().unwrap() = SECRET.into();
    }

    /// The token endpoint answers every question with this status.
    pub(crate) fn answers_for_tokens_with(&self, status: Option<u16>) {
        *self.house.instead.lock().unwrap() = status;
    }

    /// It can meet these `acr` values and no others.
    pub(crate) fn lists(&self, classes: &[&str]) {
        *self.house.classes.lock().unwrap() = classes.iter().map(|class| (*class).to_owned()).collect();
    }

    /// It has no page where people sign out.
    pub(crate) fn has_no_logout(&self) {
        *self.house.has_logout.lock().unwrap() = false;
    }

    /// Every answer takes so long from now on.
    pub(crate) fn takes(&self, time: Duration) {
        *self.house.takes.lock().unwrap() = Some(time);
    }

    /// The token endpoint takes so long, the others not.
    pub(crate) fn takes_for_tokens(&self, time: Duration) {
        *self.house.takes_for_tokens.lock().unwrap() = time;
    }

    /// It takes connections and answers nothing, as if every packet were lost.
    pub(crate) fn vanishes(&self) {
        *self.house.takes.lock().unwrap() = None;
    }

    /// How often a path was asked for.
    pub(crate) fn hits(&self, path: &str) -> usize {
        self.house.hits.lock().unwrap().get(path).copied().unwrap_or_default()
    }

    /// The person signs in at `url`: where the browser is sent back to, without the origin.
    pub(crate) fn signs_in(&self, url: &str) -> String {
        let asked = self.asked(url);
        let code = ambient::token();
        let back = self.back(&asked, &[("code", &code)]);
        self.house.codes.lock().unwrap().insert(code, asked);
        back
    }

    /// The provider sends the browser back with an error.
    pub(crate) fn refuses(&self, url: &str, error: &str) -> String {
        self.back(&self.asked(url), &[("error", error)])
    }

    fn asked(&self, url: &str) -> BTreeMap<String, String> {
        let url = Url::parse(url).unwrap();
        assert!(url.as_str().starts_with(&self.issuer), "{url} leads to {} only by mistake", self.issuer);
        url.query_pairs().into_owned().collect()
    }

    fn back(&self, asked: &BTreeMap<String, String>, params: &[(&str, &str)]) -> String {
        let mut back = Url::parse(&asked["redirect_uri"]).unwrap();
        back.query_pairs_mut()
            .extend_pairs(params)
            .append_pair("state", &asked["state"])
            .append_pair("iss", &self.issuer);
        format!("{}?{}", back.path(), back.query().unwrap())
    }

    fn serve(&mut self, listener: TcpListener) {
        let app = self.house.clone().router();
        let door = Door { listener: Some(listener), shut: Arc::clone(&self.shut) };
        self.tasks.spawn(async move { axum::serve(door, app).await.unwrap() });
    }
}

impl House {
    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(async |State(house): State<Arc<Self>>| house.ring.jwks().to_string()))
            .route("/token", post(token))
            .layer(from_fn_with_state(self.clone(), count))
            .with_state(self)
    }

    fn id_token(&self, asked: &BTreeMap<String, String>) -> String {
        let now = ambient::unix_now();
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "alice", "iat": now, "exp": now + 300, "auth_time": now,
            "nonce": asked.get("nonce"), "email": "alice@example.com", "employee": "e-1", "amr": ["pwd"],
        });
        for (name, value) in self.claims.lock().unwrap().as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.ring.sign(None, "JWT", &claims).unwrap()
    }
}

async fn count(State(house): State<Arc<House>>, request: Request, next: Next) -> Response {
    *house.hits.lock().unwrap().entry(request.uri().path().to_owned()).or_default() += 1;
    let takes = *house.takes.lock().unwrap();
    match takes {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
    next.run(request).await
}

async fn discovery(State(house): State<Arc<House>>) -> String {
    let at = |path: &str| format!("{}{path}", house.issuer);
    let logout = house.has_logout.lock().unwrap().then(|| at("/end"));
    json!({
        "issuer": house.issuer, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
        "jwks_uri": at("/jwks"), "end_session_endpoint": logout,
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": true,
        "acr_values_supported": *house.classes.lock().unwrap(),
    })
    .to_string()
}

async fn token(
    State(house): State<Arc<House>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let takes = *house.takes_for_tokens.lock().unwrap();
    tokio::time::sleep(takes).await;
    if let Some(status) = *house.instead.lock().unwrap() {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    let secret = house.secret.lock().unwrap().clone();
    let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{CLIENT}:{secret}")));
    if headers.get(header::AUTHORIZATION).is_none_or(|said| said.as_bytes() != expected.as_bytes()) {
        return (StatusCode::UNAUTHORIZED, json!({ "error": "invalid_client" }).to_string()).into_response();
    }
    let asked = house.codes.lock().unwrap().remove(form.get("code").map_or("", String::as_str));
    match asked {
        Some(asked) => {
            let id_token = house.id_token(&asked);
            json!({ "token_type": "Bearer", "access_token": "a", "id_token": id_token })
                .to_string()
                .into_response()
        }
        None => (StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant" }).to_string()).into_response(),
    }
}
