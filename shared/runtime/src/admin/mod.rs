//! The admin interface: what an operator asks a running node, and orders it to do.
//!
//! A Unix socket, mode 0600, for the service's user and root; a TCP address on loopback only when configured, and then
//! with a token, exact `Host` and `Origin`, and JSON bodies, so that no page in a browser on the same machine can use it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /status` | a snapshot: node, listeners, connectors, sessions |
//! | `GET /why/{login id}` | that login's story and its decisions, oldest first |
//! | `GET /decisions` | the newest decisions in memory |
//! | `POST /drain`, `/force` | `{"connector", "why", "seconds"}`: an order; the last two are optional |
//! | `POST /undrain`, `/unforce` | `{"connector"}`: takes it back |

mod api;
pub mod client;
mod door;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use mangrove_config::Secret;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::listener::{Answer, Caller, Limits, serve_http1};

pub use api::{Api, ListenerStatus};
pub use socket::{AdminSocket, SocketError, bind as bind_socket};

/// Who is at the admin interface.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// A process of this user, as the kernel says.
    User(u32),
    /// Whoever holds the token, from this address.
    Token(SocketAddr),
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(uid) => {
                let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(*uid)).ok().flatten();
                match user {
                    Some(user) => write!(f, "{} (uid {uid})", user.name),
                    None => write!(f, "uid {uid}"),
                }
            }
            Self::Token(address) => write!(f, "token holder at {address}"),
        }
    }
}

/// The admin interface over its Unix socket. Ends when `stop` is cancelled; removes the socket.
pub async fn serve_socket(socket: AdminSocket, api: Arc<Api>, stop: CancellationToken) {
    let limits = Arc::new(Limits::default());
    let connections = TaskTracker::new();
    let own_uid = nix::unistd::geteuid().as_raw();
    while let Some(accepted) = stop.run_until_cancelled(socket.listener.accept()).await {
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        // The file's mode keeps others out; this does too, should the mode be changed by hand.
        let uid = stream.peer_cred().map(|credentials| credentials.uid());
        let Some(uid) = uid.ok().filter(|uid| *uid == 0 || *uid == own_uid) else {
            tracing::warn!(target: "admin", "a stranger at the admin socket was sent away");
            continue;
        };
        if connections.len() >= MOST_CONNECTIONS {
            continue;
        }
        let visitor = Arc::new(Visitor { api: Arc::clone(&api), who: Who::User(uid) });
        connections.spawn(serve_http1(stream, Arc::clone(&limits), visitor, stop.clone()));
    }
    drop(socket);
    connections.close();
    connections.wait().await;
}

/// The admin interface over TCP.
pub async fn serve_tcp(socket: TcpListener, token: Secret, api: Arc<Api>, stop: CancellationToken) {
    let limits = Arc::new(Limits::default());
    let connections = TaskTracker::new();
    let Ok(address) = socket.local_addr() else { return };
    let guard = Arc::new(door::Guard::new(address, token));
    while let Some(accepted) = stop.run_until_cancelled(socket.accept()).await {
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        if connections.len() >= MOST_CONNECTIONS {
            continue;
        }
        let visitor = Visitor { api: Arc::clone(&api), who: Who::Token(peer) };
        let guarded = Arc::new(Guarded { guard: Arc::clone(&guard), visitor: Arc::new(visitor) });
        connections.spawn(serve_http1(stream, Arc::clone(&limits), guarded, stop.clone()));
    }
    connections.close();
    connections.wait().await;
}

/// Somebody who may do everything.
struct Visitor {
    api: Arc<Api>,
    who: Who,
}

impl Answer for Visitor {
    async fn answer(self: Arc<Self>, _: Caller, request: Request<Incoming>) -> Response<Body> {
        self.api.answer(&self.who, request).await
    }
}

/// Somebody who has to show a token first.
struct Guarded {
    guard: Arc<door::Guard>,
    visitor: Arc<Visitor>,
}

impl Answer for Guarded {
    async fn answer(self: Arc<Self>, caller: Caller, request: Request<Incoming>) -> Response<Body> {
        match self.guard.check(&request) {
            Ok(()) => Arc::clone(&self.visitor).answer(caller, request).await,
            Err((status, words)) => {
                tracing::warn!(target: "admin", who = %self.visitor.who, why = words, "refused");
                api::refusal(status, words)
            }
        }
    }
}

const MOST_CONNECTIONS: usize = 32;

#[cfg(test)]
mod tests;
