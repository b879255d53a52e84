//! A whole node in this process (a `local` connector, a login, a provider) and a person's user agent in front of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Method, Request, StatusCode, header};
use mangrove_cache::Cache;
use mangrove_config::Config;
use mangrove_connectors::{Connector, HttpClient, Parts};
use mangrove_keys::seal::Sealer;
use mangrove_keys::{Algorithm, KeyRing, secret};
use mangrove_login::{DecisionLog, Login, LoginParts, Peer};
use mangrove_providers::oidc::{BuildError, OidcParts, OidcProvider};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use url::Url;

pub(crate) const ISSUER: &str = "https://node.example";
pub(crate) const CALLBACK: &str = "https://app.example/cb";
pub(crate) const APP: (&str, &str) = ("app", "app-secret");
pub(crate) const OTHER: (&str, &str) = ("other", "other-secret");
pub(crate) const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";

/// A node.
pub(crate) struct Node {
    router: Router,
    dir: tempfile::TempDir,
    config: Value,
    pub(crate) cache: Cache,
    pub(crate) login: Arc<Login>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// Tokens of one sign-in.
#[derive(Debug, Clone)]
pub(crate) struct Tokens(pub(crate) Value);

/// A person's browser: cookies, and the forms of pages.
#[derive(Default)]
pub(crate) struct Person {
    cookies: BTreeMap<String, String>,
}

pub(crate) fn default_config() -> Value {
    let idps = json!({ "idps": ["people"] });
    json!({
        "connectors": [{ "type": "local", "name": "people", "usersFile": "" }],
        "oidcProvider": { "discovery": { "issuer": ISSUER } },
        "apps": [
            {
                "type": "oidc", "name": "the app", "clientID": APP.0, "authentication": idps,
                "credentials": { "secrets": [APP.1, "app-secret-of-next-month", "p%c nt+&=:ö"] },
                "redirectURLs": [CALLBACK, "https://app.example/second?fixed=1"],
                "postLogoutRedirectURLs": ["https://app.example/bye"],
                "claimsMapping": { "team": "people.groups[0]" },
                "customScopes": { "scopes": [{ "name": "orders:read" }] },
                "allowedAudiences": ["https://api.example", "https://other-api.example"],
            },
            {
                "type": "oidc", "name": "the other app", "clientID": OTHER.0, "clientSecret": OTHER.1,
                "redirectURLs": [CALLBACK], "authentication": idps, "grantTypes": ["authorization_code"],
                "accessToken": { "type": "opaque" }, "idTokenSignedResponseAlg": "ES256",
            },
            {
                "type": "oidc", "name": "native", "clientID": "native", "public": true, "authentication": idps,
                "redirectURLs": ["http://127.0.0.1/cb"],
            },
            {
                "type": "oidc", "name": "an edge", "clientID": "edge", "clientSecret": "edge-secret",
                "redirectURLs": [CALLBACK], "authentication": idps, "pathClaim": true,
            },
        ],
    })
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::with(default_config())
    }

    pub(crate) fn with(mut config: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let users = dir.path().join("users.yaml");
        std::fs::write(&users, people()).unwrap();
        if config["connectors"][0]["type"] == "local" {
            config["connectors"][0]["usersFile"] = json!(users.to_str().unwrap());
        }
        let cache = Cache::in_memory(10_000);
        let (router, login) = build(&config, dir.path(), cache.clone()).unwrap();
        Self { router, dir, config, cache, login }
    }

    /// The same node with the same keys after a restart: sessions and cache are gone.
    pub(crate) fn restarted(&self) -> Router {
        build(&self.config, self.dir.path(), Cache::in_memory(10_000)).unwrap().0
    }

    /// All its routes, to be served on a socket.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        send(&self.router, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A form without a browser.
    pub(crate) async fn form(&self, path: &str, basic: Option<(&str, &str)>, form: &[(&str, &str)]) -> Reply {
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some((id, secret)) = basic {
            request = request.header(header::AUTHORIZATION, basic_header(id, secret));
        }
        self.send(request.body(Body::from(encode(form))).unwrap()).await
    }

    /// Redeems a code as the app.
    pub(crate) async fn redeem(&self, code: &str) -> Reply {
        self.form("/oauth2/token", Some(APP), &code_form(code)).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Reply {
        self.form("/oauth2/token", Some(APP), &[("grant_type", "refresh_token"), ("refresh_token", token)])
            .await
    }

    pub(crate) async fn userinfo(&self, token: &str) -> Reply {
        let request =
            Request::get("/oauth2/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn introspect(&self, client: (&str, &str), token: &str) -> Reply {
        self.form("/oauth2/introspect", Some(client), &[("token", token)]).await
    }

    /// Signs alice in to the app with `scope`, and gives the tokens.
    pub(crate) async fn tokens(&self, person: &mut Person, scope: &str) -> Tokens {
        let code = person.code(self, &[("scope", scope)]).await;
        let reply = self.redeem(&code).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        Tokens(reply.json())
    }
}

/// What is wrong with a configuration.
pub(crate) fn problems(config: &Value) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    build(config, dir.path(), Cache::in_memory(10))
        .err()
        .map(|BuildError(problems)| problems)
        .unwrap_or_default()
}

fn build(config: &Value, dir: &std::path::Path, cache: Cache) -> Result<(Router, Arc<Login>), BuildError> {
    let config: Arc<Config> = Arc::new(serde_json::from_value(config.clone()).unwrap());
    let parts = Parts { http: HttpClient::new().unwrap(), state_dir: dir.to_owned() };
    let rsa = KeyRing::generate_kept(dir, Algorithm::Rs256).unwrap();
    let keys = rsa.and(KeyRing::generate_kept(dir, Algorithm::Es256).unwrap()).unwrap();
    // Each node of a test has an id of its own, told by its issuer.
    let node_id = config.public_url().host_str().unwrap().to_owned();
    let login = Login::new(LoginParts {
        config: Arc::clone(&config),
        connectors: Connector::build(&config, &parts).unwrap(),
        cache: cache.clone(),
        decisions: DecisionLog::new(100),
        sealer: Sealer::from_state(dir).unwrap(),
        public_url: config.public_url(),
        node_id: node_id.clone(),
    });
    let parts = OidcParts { config: &config, login: Arc::clone(&login), cache, keys, node_id };
    let provider = OidcProvider::build(parts)?;
    Ok((provider.router().merge(login.router()), login))
}

fn people() -> String {
    // argon2id of `correct horse`, as cheap as the algorithm allows: these tests are not about hashing.
    let hash = quick_hash("correct horse");
    let person = |name: &str, sub: &str| {
        json!({ "username": name, "passwordHash": hash, "attributes": {
            "sub": sub, "email": format!("{name}@example.com"), "email_verified": true, "name": "Some Body",
            "groups": ["engineering", "oncall"], "phone_number": "+1 555 0100",
        }})
    };
    json!({ "users": [person("alice", "a-1"), person("bob", "b-2")] }).to_string()
}

fn quick_hash(password: &str) -> String {
    use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    argon2.hash_password_with_salt(password.as_bytes(), b"salt for a test.").unwrap().to_string()
}

pub(crate) async fn send(router: &Router, mut request: Request<Body>) -> Reply {
    request.extensions_mut().insert(Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: true });
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    Reply { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|_| panic!("{} is not JSON: {}", self.status, self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The error that an application is told in a body.
    pub(crate) fn error(&self) -> (u16, String) {
        let error = self.json()["error"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), error)
    }

    /// The parameters that an application is told at its redirect URI.
    pub(crate) fn told(&self) -> BTreeMap<String, String> {
        assert!(self.status.is_redirection(), "{}: {}", self.status, self.text);
        let url = Url::parse(self.header("location")).unwrap();
        url.query_pairs().into_owned().collect()
    }

    /// A page for a person, and nobody is sent anywhere.
    pub(crate) fn is_a_page(&self) -> bool {
        self.status.is_client_error()
            && self.headers.get(header::LOCATION).is_none()
            && self.header("content-type").starts_with("text/html")
            && self.header("content-security-policy").contains("frame-ancestors 'none'")
    }
}

impl Tokens {
    pub(crate) fn access(&self) -> &str {
        self.0["access_token"].as_str().unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        self.0["id_token"].as_str().unwrap()
    }

    pub(crate) fn refresh(&self) -> &str {
        self.0["refresh_token"].as_str().unwrap()
    }
}

impl Person {
    /// An authorization request for the app, with `params` over the usual ones; an empty value leaves one out.
    pub(crate) async fn authorize(&mut self, node: &Node, params: &[(&str, &str)]) -> Reply {
        self.get(node, &authorize_url(params)).await
    }

    /// Signs alice in, by the page if need be, and gives the code.
    pub(crate) async fn code(&mut self, node: &Node, params: &[(&str, &str)]) -> String {
        let reply = self.sign_in(node, params, "alice").await;
        reply.told().remove("code").unwrap_or_else(|| panic!("no code: {}", reply.header("location")))
    }

    /// Goes on until the browser is sent to an application.
    pub(crate) async fn sign_in(&mut self, node: &Node, params: &[(&str, &str)], name: &str) -> Reply {
        self.sign_in_at(node, &authorize_url(params), name).await
    }

    /// The same from any authorization request.
    pub(crate) async fn sign_in_at(&mut self, node: &Node, path: &str, name: &str) -> Reply {
        let mut reply = self.get(node, path).await;
        for _ in 0..8 {
            if reply.status.is_redirection() {
                let location = reply.header("location").to_owned();
                let own = location.starts_with('/') || location.starts_with(&format!("{ISSUER}/"));
                if !own {
                    return reply;
                }
                reply = self.get(node, location.trim_start_matches(ISSUER)).await;
            } else if reply.text.contains("type=\"password\"") {
                reply = self.submit(node, &reply, &[("username", name), ("password", "correct horse")]).await;
            } else {
                return reply;
            }
        }
        panic!("the sign-in goes round in circles");
    }

    /// Submits the first form of a page, hidden fields included.
    pub(crate) async fn submit(&mut self, node: &Node, page: &Reply, typed: &[(&str, &str)]) -> Reply {
        let form = page.text.split("<form").nth(1).expect("a form");
        let action = attribute(form, "action").expect("an action");
        let hidden: Vec<(String, String)> = form
            .split("<input")
            .skip(1)
            .filter(|input| attribute(input, "type").as_deref() == Some("hidden"))
            .map(|input| (attribute(input, "name").unwrap(), attribute(input, "value").unwrap_or_default()))
            .collect();
        let fields: Vec<(&str, &str)> =
            hidden.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain(typed.iter().copied()).collect();
        self.post(node, action.trim_start_matches(ISSUER), &fields).await
    }

    pub(crate) async fn get(&mut self, node: &Node, path: &str) -> Reply {
        self.ask(node, Method::GET, path, None).await
    }

    pub(crate) async fn post(&mut self, node: &Node, path: &str, form: &[(&str, &str)]) -> Reply {
        self.ask(node, Method::POST, path, Some(encode(form))).await
    }

    async fn ask(&mut self, node: &Node, method: Method, path: &str, form: Option<String>) -> Reply {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request =
            Request::builder().method(method).uri(path).header(header::COOKIE, cookies.join("; "));
        if form.is_some() {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ORIGIN, ISSUER)
                .header("sec-fetch-site", "same-origin");
        }
        let reply = node.send(request.body(Body::from(form.unwrap_or_default())).unwrap()).await;
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if text.contains("Max-Age=0") || value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }
}

/// The URL of an authorization request.
pub(crate) fn authorize_url(params: &[(&str, &str)]) -> String {
    let usual = [
        ("client_id", APP.0),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "the state"),
        ("nonce", "the-nonce"),
    ];
    let kept = usual.into_iter().filter(|(name, _)| !params.iter().any(|(other, _)| other == name));
    let all: Vec<(&str, &str)> =
        kept.chain(params.iter().copied().filter(|(_, value)| !value.is_empty())).collect();
    format!("/oauth2/auth?{}", encode(&all))
}

pub(crate) fn code_form(code: &str) -> [(&str, &str); 3] {
    [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)]
}

pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// `Authorization: Basic`, form-encoded first as RFC 6749 section 2.3.1 says.
pub(crate) fn basic_header(id: &str, secret: &str) -> String {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

/// The challenge of [`VERIFIER`].
pub(crate) fn challenge() -> String {
    secret::sha256_base64url(VERIFIER.as_bytes())
}

/// A part of a JWT, unverified: 0 is the header, 1 the claims.
pub(crate) fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("a JWT has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split('>').next()?.split_once(&format!("{name}=\""))?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}
