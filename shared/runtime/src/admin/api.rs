//! What the admin interface answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use mangrove_continuity::Moment;
use mangrove_continuity::order::{Order, What};
use mangrove_keys::ambient;
use mangrove_login::{Line, Login, UnknownConnector, Whose};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Who;
use crate::front::Status;
use crate::listener::Gauge;
use crate::node;

/// Most decisions in one answer: what a client takes.
const MOST_DECISIONS: usize = 10_000;

/// What the interface knows of its node.
pub struct Api {
    /// The role's name, `mangrove-root` or `mangrove-edge`.
    pub role: &'static str,
    /// The node's id.
    pub node_id: String,
    /// Where browsers reach it.
    pub public_url: String,
    /// File of its configuration.
    pub configuration: String,
    /// When it was built.
    pub started: Moment,
    /// Health, orders and sessions.
    pub login: Arc<Login>,
    /// Whether it is on the way out.
    pub status: Arc<Status>,
    /// Its listeners.
    pub listeners: Vec<ListenerStatus>,
}

/// One listener, for the snapshot.
pub struct ListenerStatus {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// How many connections are open.
    pub gauge: Gauge,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderAsk {
    connector: String,
    #[serde(default)]
    why: String,
    seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndAsk {
    connector: Option<String>,
    subject: Option<String>,
    #[serde(default)]
    why: String,
}

type Refusal = (StatusCode, String);

impl Api {
    pub(super) async fn answer(&self, who: &Who, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let answered = match (&parts.method, path) {
            (&Method::GET, "/status") => Ok(self.snapshot()),
            (&Method::GET, _) if path.starts_with("/why/") => self.why(&path["/why/".len()..]),
            (&Method::GET, "/decisions") => Ok(self.decisions()),
            (&Method::POST, "/drain") => self.order(who, Some(What::Drain), body).await,
            (&Method::POST, "/force") => self.order(who, Some(What::Force), body).await,
            (&Method::POST, "/undrain" | "/unforce") => self.order(who, None, body).await,
            (&Method::POST, "/end-sessions") => self.end_sessions(who, body).await,
            _ => Err((StatusCode::NOT_FOUND, "no such request".to_owned())),
        };
        match answered {
            Ok(value) => reply(StatusCode::OK, &value),
            Err((status, words)) => refusal(status, &words),
        }
    }

    /// The node, as one JSON document.
    pub fn snapshot(&self) -> Value {
        let now = ambient::now();
        let listeners: Vec<Value> = self
            .listeners
            .iter()
            .map(|l| json!({ "address": l.address, "tls": l.tls, "connections": l.gauge.open() }))
            .collect();
        json!({
            "node": {
                "id": self.node_id,
                "role": self.role,
                "version": env!("CARGO_PKG_VERSION"),
                "uptime_seconds": now.since(self.started).as_secs(),
                "process": std::process::id(),
                "public_url": self.public_url,
                "configuration": self.configuration,
                "leaving": self.status.is_leaving(),
            },
            "listeners": listeners,
            "connectors": self.login.watch().snapshot(now),
            "sessions": self.login.sessions(),
        })
    }

    fn why(&self, login: &str) -> Result<Value, Refusal> {
        let decisions = self.login.decisions();
        let story = decisions.why(login).ok_or_else(|| {
            (
                StatusCode::NOT_FOUND,
                format!("nothing is known of login {login}: not of this node, or too long ago"),
            )
        })?;
        let lines = self.ours(decisions.of(login).iter().map(Line::from).collect());
        Ok(json!({ "login": login, "story": story, "lines": lines }))
    }

    /// The newest decisions in memory.
    fn decisions(&self) -> Value {
        let mut lines = self.ours(self.login.decisions().lines());
        lines.sort_by_key(|line| line.at);
        lines.drain(..lines.len().saturating_sub(MOST_DECISIONS));
        json!({ "lines": lines })
    }

    /// Lines with this node's name, as in its log.
    fn ours(&self, mut lines: Vec<Line>) -> Vec<Line> {
        let name = self.public_url.parse().map(|url| node::name(&url)).unwrap_or_default();
        lines.iter_mut().for_each(|line| line.node.clone_from(&name));
        lines
    }

    async fn end_sessions(&self, who: &Who, body: Incoming) -> Result<Value, Refusal> {
        let ask: EndAsk = read(body).await?;
        let whose = match (ask.subject, ask.connector) {
            (Some(sub), None) if !sub.is_empty() => Whose::Person(sub),
            (None, Some(connector)) => Whose::Upstream(connector),
            _ => return Err(bad("name either `connector` or `subject`")),
        };
        let unknown = |error: UnknownConnector| (StatusCode::NOT_FOUND, error.to_string());
        let ended = self.login.end_sessions(&whose).await.map_err(unknown)?;
        // Which person it was is not for the log.
        let connector = match &whose {
            Whose::Upstream(name) => Some(name.as_str()),
            Whose::Person(_) => None,
        };
        tracing::warn!(target: "admin", who = %who, connector, ended, why = ask.why, "an operator ended sessions");
        Ok(json!({ "ended": ended }))
    }

    async fn order(&self, who: &Who, what: Option<What>, body: Incoming) -> Result<Value, Refusal> {
        let ask: OrderAsk = read(body).await?;
        let now = ambient::now();
        let order = what.map(|what| Order {
            what,
            who: who.to_string(),
            why: if ask.why.is_empty() { "no reason given".to_owned() } else { ask.why.clone() },
            until: ask.seconds.map(|seconds| now + Duration::from_secs(seconds)),
        });
        let unknown = |error: UnknownConnector| (StatusCode::NOT_FOUND, error.to_string());
        self.login.watch().order(&ask.connector, order).map_err(unknown)?;
        tracing::warn!(
            target: "admin",
            who = %who,
            connector = ask.connector,
            order = what.map_or("none", |what| if what == What::Drain { "drain" } else { "force" }),
            why = ask.why,
            seconds = ask.seconds,
            "an operator changed this node"
        );
        let connectors = self.login.watch().snapshot(now);
        let changed = connectors.iter().find(|status| status.name == ask.connector);
        Ok(json!({ "connector": changed }))
    }
}

fn bad(words: impl std::fmt::Display) -> Refusal {
    (StatusCode::BAD_REQUEST, words.to_string())
}

/// What was asked.
async fn read<T: serde::de::DeserializeOwned>(body: Incoming) -> Result<T, Refusal> {
    let body = Limited::new(body, 16 * 1024).collect().await.map_err(bad)?;
    serde_json::from_slice(&body.to_bytes()).map_err(bad)
}

fn reply(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn refusal(status: StatusCode, words: &str) -> Response<Body> {
    reply(status, &json!({ "error": words }))
}
