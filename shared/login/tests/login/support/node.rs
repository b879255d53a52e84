//! A node without a listener: a login room, and a downstream protocol that says what it was told.

use std::path::Path;
use std::sync::{Arc, Mutex, Once};

use axum::Router;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use mangrove_cache::Cache;
use mangrove_config::Config;
use mangrove_connectors::{Connector, HttpClient, Parts};
use mangrove_keys::seal::Sealer;
use mangrove_login::{DecisionLog, Login, LoginParts, Mode, Refused, SessionHandle, SignedIn};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::idp::{CLIENT, Idp, SECRET};

pub(crate) const ORIGIN: &str = "https://node.example";

/// A node and all it stands on.
pub(crate) struct Node {
    pub(crate) login: Arc<Login>,
    pub(crate) router: Router,
    pub(crate) told: Arc<Told>,
    pub(crate) cache: Cache,
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
    _dir: Arc<tempfile::TempDir>,
}

/// A downstream protocol that answers with what it was told, as JSON.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) ended: Mutex<Vec<String>>,
    pub(crate) last: Mutex<Option<SignedIn>>,
}

impl Mode for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    /// Everything but what no application asks for.
    fn tells(&self, _: &str, name: &str) -> bool {
        name != "untold"
    }

    fn resume<'a>(&'a self, data: &'a [u8], outcome: Result<SignedIn, Refused>) -> BoxFuture<'a, Response> {
        let data = String::from_utf8_lossy(data).into_owned();
        Box::pin(async move {
            let told = match outcome {
                Ok(signed_in) => {
                    *self.last.lock().unwrap() = Some(signed_in.clone());
                    json!({
                        "data": data, "sub": signed_in.sub, "via": signed_in.via, "member": signed_in.member,
                        "attributes": signed_in.attributes, "login": signed_in.login_id,
                    })
                }
                Err(refused) => {
                    json!({ "data": data, "refused": refused.why, "login": refused.login_id })
                }
            };
            told.to_string().into_response()
        })
    }

    fn session_ended<'a>(&'a self, session: &'a SessionHandle) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.ended.lock().unwrap().push(session.sid().to_owned()) })
    }
}

/// A connector to a provider, with a redirect path of its own.
pub(crate) fn oidc(name: &str, idp: &Idp) -> Value {
    json!({
        "type": "oidc", "name": name, "oauthClientID": CLIENT, "oauthClientSecret": SECRET,
        "oidcWellKnownURL": format!("{}/.well-known/openid-configuration", idp.issuer),
        "oauthRedirectURL": format!("{ORIGIN}/{name}/callback"),
    })
}

/// A group whose `sub` is the employee's number at every member.
pub(crate) fn group(name: &str, members: &[&str]) -> Value {
    let mapping: serde_json::Map<String, Value> =
        members.iter().map(|member| ((*member).to_owned(), "employee".into())).collect();
    json!({
        "type": "continuity", "name": name, "failover": { "idps": members },
        "attributes": [{ "name": "sub", "mapping": mapping }],
    })
}

impl Node {
    pub(crate) fn new(connectors: Value) -> Self {
        Self::with(json!({ "connectors": connectors }))
    }

    pub(crate) fn with(config: Value) -> Self {
        Self::on(config, Arc::new(tempfile::tempdir().unwrap()), Cache::in_memory(1000))
    }

    /// Two nodes of one configuration, with one cache and one state between them.
    pub(crate) fn two(connectors: &Value) -> [Self; 2] {
        let (dir, cache) = (Arc::new(tempfile::tempdir().unwrap()), Cache::in_memory(1000));
        let node = || Self::on(json!({ "connectors": connectors }), Arc::clone(&dir), cache.clone());
        [node(), node()]
    }

    /// A node on a state and a cache.
    pub(crate) fn on(config: Value, dir: Arc<tempfile::TempDir>, cache: Cache) -> Self {
        // A line that nobody listened to when it was first said may be heard by nobody later: somebody always listens.
        static LISTENS: Once = Once::new();
        LISTENS.call_once(|| _ = tracing::subscriber::set_global_default(tracing_subscriber::registry()));
        let config: Arc<Config> = Arc::new(serde_json::from_value(config).unwrap());
        let parts = Parts { http: HttpClient::new().unwrap(), state_dir: dir.path().to_owned() };
        let login = Login::new(LoginParts {
            connectors: Connector::build(&config, &parts).unwrap(),
            config,
            cache: cache.clone(),
            decisions: DecisionLog::new(1000),
            sealer: Sealer::from_state(dir.path()).unwrap(),
            public_url: Url::parse(ORIGIN).unwrap(),
            node_id: "this-node".into(),
        });
        let told = Arc::new(Told::default());
        login.add_mode(told.clone());
        let router = login.router();
        Self {
            login,
            router,
            told,
            cache,
            tasks: JoinSet::new(),
            shutdown: CancellationToken::new(),
            _dir: dir,
        }
    }

    /// Starts probes and expiry.
    pub(crate) fn runs(&mut self) {
        for (_, task) in self.login.tasks(self.shutdown.clone()) {
            self.tasks.spawn(task);
        }
    }

    /// Ends every task, and all of them do end; none has ended by itself, which would end a node.
    pub(crate) async fn stops(&mut self) {
        assert!(self.tasks.try_join_next().is_none(), "a task ended by itself");
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }

    /// What is known of a login, as one text.
    pub(crate) fn why(&self, login: &str) -> String {
        self.login.decisions().why(login).unwrap().join("\n")
    }
}

/// A users file with Alice, whose hash is as cheap as the algorithm allows: these tests are not about hashing.
pub(crate) fn users(dir: &Path) -> Value {
    use argon2::password_hash::PasswordHasher;
    let params = argon2::Params::new(argon2::Params::MIN_M_COST, 1, 1, None).unwrap();
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash = hasher.hash_password(b"correct horse").unwrap().to_string();
    let file = dir.join("users.yaml");
    let users = json!({ "users": [
        { "username": "alice", "passwordHash": hash, "attributes": { "employee": "e-1" } },
    ]});
    std::fs::write(&file, users.to_string()).unwrap();
    json!({ "type": "local", "name": "directory", "usersFile": file, "title": "Branch A" })
}
