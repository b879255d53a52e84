//! A small OpenID provider with keys of its own that speaks the protocol well, and lies on command.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use mangrove_connectors::Answer;
use mangrove_keys::{Algorithm, ForeignKeys, KeyRing, ambient};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use url::{Url, form_urlencoded};

pub(crate) const CLIENT: &str = "mesh";
pub(crate) const SECRET: &str = "mesh secret";
/// A code that some client of this provider got honestly; this provider says `unauthorized_client` to all others.
pub(crate) const CODE_OF_ANOTHER_CLIENT: &str = "code-of-another-client";

type Change = Box<dyn Fn(&mut Value) + Send>;
type Forge = Box<dyn Fn(String) -> String + Send>;

/// What the provider lies about; nothing at first.
#[derive(Default)]
pub(crate) struct Lies {
    /// Changes the ID token before it is signed.
    pub(crate) claims: Option<Change>,
    /// Changes the signed token.
    pub(crate) forge: Option<Forge>,
    /// Changes the discovery document.
    pub(crate) discovery: Option<Change>,
    /// Changes the userinfo answer.
    pub(crate) userinfo: Option<Change>,
    /// Answers this at a path instead: status, `Location`, body.
    pub(crate) instead: HashMap<&'static str, (u16, &'static str, String)>,
    /// Paths that never answer.
    pub(crate) silent: Vec<&'static str>,
    /// What it says of itself to a client that it knows; yes at first.
    pub(crate) word: Option<String>,
    /// The secret it knows, if another.
    pub(crate) secret: Option<String>,
    /// The client's public keys: then it takes no secret. Assertions must be for this audience.
    pub(crate) client_keys: Option<(Value, String)>,
}

/// A running provider, or a dead one.
pub(crate) struct Idp {
    pub(crate) issuer: String,
    address: SocketAddr,
    house: Arc<House>,
    tls: Option<TlsAcceptor>,
    tasks: JoinSet<()>,
}

pub(crate) struct House {
    issuer: String,
    lies: Mutex<Lies>,
    ring: Mutex<KeyRing>,
    codes: Mutex<HashMap<String, BTreeMap<String, String>>>,
    hits: Mutex<HashMap<String, usize>>,
    /// Assertions that were used: their ids, and themselves.
    used: Mutex<Vec<(String, String)>>,
}

impl Idp {
    /// The header of the last assertion by which the client proved who it is.
    pub(crate) fn last_proof(&self) -> Value {
        let used = self.house.used.lock().unwrap();
        let header = used.last().unwrap().1.split('.').next().unwrap().to_owned();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
    }

    pub(crate) async fn start() -> Self {
        Self::start_with(None, "http", "127.0.0.1").await
    }

    pub(crate) async fn start_with(tls: Option<TlsAcceptor>, scheme: &str, host: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = format!("{scheme}://{host}:{}", address.port());
        let house = Arc::new(House {
            issuer: issuer.clone(),
            lies: Mutex::default(),
            ring: Mutex::new(new_ring()),
            codes: Mutex::default(),
            hits: Mutex::default(),
            used: Mutex::default(),
        });
        let mut idp = Self { issuer, address, house, tls, tasks: JoinSet::new() };
        idp.serve(listener);
        idp
    }

    /// Ends every connection and listens no more.
    pub(crate) async fn dies(&mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) async fn comes_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }

    pub(crate) fn lies(&self, lie: impl FnOnce(&mut Lies)) {
        lie(&mut self.house.lies.lock().unwrap());
    }

    pub(crate) fn tells_the_truth(&self) {
        *self.house.lies.lock().unwrap() = Lies::default();
    }

    /// New keys, and the old ones are gone.
    pub(crate) fn rolls_keys(&self) {
        *self.house.ring.lock().unwrap() = new_ring();
    }

    pub(crate) fn jwks(&self) -> Value {
        self.house.ring.lock().unwrap().jwks().clone()
    }

    /// How often a path was asked for.
    pub(crate) fn hits(&self, path: &str) -> usize {
        self.house.hits.lock().unwrap().get(path).copied().unwrap_or_default()
    }

    /// The person signs in: what the browser brings back.
    pub(crate) fn signs_in(&self, url: &Url) -> Answer {
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let code = ambient::token();
        let mut params = vec![("code".to_owned(), code.clone()), ("iss".to_owned(), self.issuer.clone())];
        params.extend(asked.get("state").map(|state| ("state".to_owned(), state.clone())));
        let path = Url::parse(&asked["redirect_uri"]).unwrap().path().to_owned();
        self.house.codes.lock().unwrap().insert(code, asked);
        Answer { path, params, ..Answer::default() }
    }

    fn serve(&mut self, listener: TcpListener) {
        let (app, tls) = (self.house.clone().router(), self.tls.clone());
        self.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (service, tls) = (TowerToHyperService::new(app.clone()), tls.clone());
                connections.spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    match tls {
                        None => drop(server.serve_connection(TokioIo::new(tcp), service).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                drop(server.serve_connection(TokioIo::new(stream), service).await);
                            }
                        }
                    }
                });
            }
        });
    }
}

impl House {
    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .route("/health", get(async || "all healthy"))
            .route("/word", post(word))
            .layer(from_fn_with_state(self.clone(), misbehave))
            .with_state(self)
    }

    fn id_token(&self, asked: &BTreeMap<String, String>, access_token: &str) -> String {
        let now = ambient::unix_now();
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "alice-1", "iat": now, "exp": now + 300, "auth_time": now,
            "nonce": asked.get("nonce"), "at_hash": Algorithm::Rs256.half_hash(access_token),
            "acr": "silver", "amr": ["pwd", "otp"], "sid": "s1", "name": "Alice", "mangrove_path": ["root1"],
        });
        if let Some(change) = &self.lies.lock().unwrap().claims {
            change(&mut claims);
        }
        let token = self.ring.lock().unwrap().sign(None, "JWT", &claims).unwrap();
        match &self.lies.lock().unwrap().forge {
            Some(forge) => forge(token),
            None => token,
        }
    }

    fn knows_client(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        if let Some((keys, audience)) = self.lies.lock().unwrap().client_keys.clone() {
            return !headers.contains_key(header::AUTHORIZATION) && self.knows_key(&keys, &audience, body);
        }
        let secret = self.lies.lock().unwrap().secret.clone().unwrap_or_else(|| SECRET.into());
        let expected =
            format!("{CLIENT}:{}", form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>());
        let expected = format!("Basic {}", BASE64_STANDARD.encode(expected));
        headers.get(header::AUTHORIZATION).is_some_and(|said| said.as_bytes() == expected.as_bytes())
    }
}

impl House {
    fn knows_key(&self, keys: &Value, audience: &str, body: &[u8]) -> bool {
        let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let keys = ForeignKeys::parse(keys.to_string().as_bytes()).unwrap();
        let Some(token) = form.get("client_assertion") else { return false };
        let Ok(proof) = keys.verify_jws(token, &Algorithm::ALL) else { return false };
        let id = proof.claims["jti"].as_str().unwrap().to_owned();
        let mut used = self.used.lock().unwrap();
        let first = used.iter().all(|(earlier, _)| *earlier != id);
        used.push((id, token.clone()));
        let life = proof.claims["exp"].as_u64().unwrap() - ambient::unix_now();
        first
            && form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            && form["client_id"] == CLIENT
            && (&proof.claims["iss"], &proof.claims["sub"]) == (&CLIENT.into(), &CLIENT.into())
            && proof.claims["aud"] == audience
            && life <= 300
            && !form.contains_key("client_secret")
    }
}

async fn misbehave(State(house): State<Arc<House>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    *house.hits.lock().unwrap().entry(path.clone()).or_default() += 1;
    let silent = house.lies.lock().unwrap().silent.contains(&path.as_str());
    if silent {
        std::future::pending::<()>().await;
    }
    let instead = house.lies.lock().unwrap().instead.get(path.as_str()).cloned();
    match instead {
        Some((status, location, body)) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(header::LOCATION, location)], body).into_response()
        }
        None => next.run(request).await,
    }
}

async fn discovery(State(house): State<Arc<House>>) -> Response {
    let at = |path: &str| format!("{}{path}", house.issuer);
    let mut document = json!({
        "issuer": house.issuer, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
        "jwks_uri": at("/jwks"), "userinfo_endpoint": at("/userinfo"), "end_session_endpoint": at("/end"),
        "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        "authorization_response_iss_parameter_supported": true,
    });
    if let Some(change) = &house.lies.lock().unwrap().discovery {
        change(&mut document);
    }
    document.to_string().into_response()
}

async fn jwks(State(house): State<Arc<House>>) -> String {
    house.ring.lock().unwrap().jwks().to_string()
}

async fn token(State(house): State<Arc<House>>, headers: HeaderMap, body: Bytes) -> Response {
    if !house.knows_client(&headers, &body) {
        return (StatusCode::UNAUTHORIZED, json!({ "error": "invalid_client" }).to_string()).into_response();
    }
    let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    if form.get("code").is_some_and(|code| code == CODE_OF_ANOTHER_CLIENT) {
        return (StatusCode::BAD_REQUEST, json!({ "error": "unauthorized_client" }).to_string())
            .into_response();
    }
    let asked = house.codes.lock().unwrap().remove(form.get("code").map_or("", String::as_str));
    let challenge = form
        .get("code_verifier")
        .map(|verifier| BASE64_URL_SAFE_NO_PAD.encode(Algorithm::Rs256.hash(verifier.as_bytes())));
    let good = |asked: &BTreeMap<String, String>| {
        asked.get("code_challenge") == challenge.as_ref()
            && asked.get("redirect_uri") == form.get("redirect_uri")
    };
    let Some(asked) = asked.filter(good) else {
        return (StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant" }).to_string()).into_response();
    };
    let access_token = ambient::token();
    let id_token = house.id_token(&asked, &access_token);
    json!({ "token_type": "Bearer", "access_token": access_token, "id_token": id_token })
        .to_string()
        .into_response()
}

async fn userinfo(State(house): State<Arc<House>>) -> Response {
    let mut claims = json!({
        "sub": "alice-1", "email": "alice@example.com", "name": "Somebody else", "mangrove_path": ["forged"],
    });
    if let Some(change) = &house.lies.lock().unwrap().userinfo {
        change(&mut claims);
    }
    ([(header::CONTENT_TYPE, "application/json")], claims.to_string()).into_response()
}

/// What it says of itself; a client that it does not know learns nothing.
async fn word(State(house): State<Arc<House>>, headers: HeaderMap, body: Bytes) -> Response {
    if !house.knows_client(&headers, &body) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let word = house.lies.lock().unwrap().word.clone();
    word.unwrap_or_else(|| json!({ "can_sign_in": true, "age": 0 }).to_string()).into_response()
}

/// A token with another header, or other claims, and the signature it had.
pub(crate) fn rewritten(
    token: &str,
    change: impl FnOnce(&mut Map<String, Value>, &mut Map<String, Value>),
) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let decode = |part: &str| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (mut head, mut claims) = (decode(parts[0]), decode(parts[1]));
    change(&mut head, &mut claims);
    let encode = |part: Map<String, Value>| BASE64_URL_SAFE_NO_PAD.encode(Value::from(part).to_string());
    format!("{}.{}.{}", encode(head), encode(claims), parts[2])
}

/// A token signed with HMAC-SHA256 under any bytes.
pub(crate) fn signed_with_secret(token: &str, key: &[u8]) -> String {
    let unsigned = rewritten(token, |head, _| {
        head.insert("alg".into(), "HS256".into());
    });
    let (signed, _) = unsigned.rsplit_once('.').unwrap();
    let tag = aws_lc_rs::hmac::sign(
        &aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key),
        signed.as_bytes(),
    );
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

fn new_ring() -> KeyRing {
    let dir = tempfile::tempdir().unwrap();
    KeyRing::generate_kept(Path::new(dir.path()), Algorithm::Rs256).unwrap()
}
