//! The command line's side of the admin socket: one request, one JSON answer.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no node answers at {0}: is it running? (`-socket` or `-config` says which node is meant)")]
    NobodyThere(String),
    /// Somebody else's node.
    #[error("{0} is not yours: run this as the node's user, or as root")]
    NotAllowed(String),
    /// The node says no.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("the node at {0} gave no answer that can be read: {1}")]
    Broken(String, String),
}

/// Asks a node.
///
/// # Errors
/// See [`ClientError`].
pub async fn ask(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, ClientError> {
    let name = socket.display().to_string();
    let broken = |error: &dyn std::fmt::Display| ClientError::Broken(name.clone(), error.to_string());
    let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NobodyThere(name.clone()),
        io::ErrorKind::PermissionDenied => ClientError::NotAllowed(name.clone()),
        _ => broken(&error),
    })?;
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(text)))
            .expect("a request of literals and a path that was checked");
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            drop(sender);
            Ok::<_, hyper::Error>((status, body))
        };
        let (answer, _) = tokio::join!(answer, connection);
        answer
    };
    let (status, body) = match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(broken(&error)),
        Err(_) => return Err(broken(&"it takes too long")),
    };
    let body = body.map_err(|error| broken(&error))?.to_bytes();
    let value: Value = serde_json::from_slice(&body).map_err(|error| broken(&error))?;
    if status == StatusCode::OK {
        return Ok(value);
    }
    Err(ClientError::Refused(value["error"].as_str().unwrap_or(status.as_str()).to_owned()))
}

const PATIENCE: Duration = Duration::from_secs(10);
const LARGEST: usize = 16 * 1024 * 1024;
