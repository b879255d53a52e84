//! Every limit of a connection, as numbers.
//!
//! What operators may set comes from `http`; the rest are constants with their reasons. A zero in the configuration
//! means "none", except where the reference says otherwise.

use std::time::Duration;

use mangrove_config::http::Http;

/// Limits of the listener and its connections.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From accept to the first whole request head; TLS handshake included in its own right.
    pub head: Duration,
    /// Longest TLS handshake.
    pub handshake: Duration,
    /// From the end of a request's head to the end of its body.
    pub body: Option<Duration>,
    /// Longest time a write may make no progress.
    pub write: Option<Duration>,
    /// Longest silence between two requests.
    pub idle: Duration,
    /// Longest time an endpoint may take.
    pub endpoint: Option<Duration>,
    /// Longest life of a connection; then it is closed after the request in flight.
    pub age: Duration,
    /// Longest wait for the client's end of a connection that this side has closed, so that the last answer arrives.
    pub linger: Duration,
    /// HTTP/2: silence after which a ping is sent, and how long its answer may take.
    pub ping: Duration,
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one address.
    pub per_address: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Bytes of a request's body: a SAML answer with a long certificate chain fits ten times over.
    pub body_bytes: usize,
    /// HTTP/2 streams at once on one connection.
    pub streams: u32,
    /// HTTP/2 streams that a client opened and reset before they were looked at (rapid reset).
    pub pending_resets: usize,
}

impl Limits {
    /// The limits that an operator's `http` section means.
    pub fn from_config(http: &Http) -> Self {
        let read = seconds(http.read_timeout_seconds);
        Self {
            head: seconds(http.read_header_timeout_seconds).or(read).unwrap_or(FOREVER),
            body: read,
            write: seconds(http.write_timeout_seconds),
            idle: seconds(http.idle_timeout_seconds).or(read).unwrap_or(FOREVER),
            endpoint: seconds(http.endpoint_timeout_seconds),
            connections: http.max_connections,
            per_address: http.max_connections_per_address,
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            body: Some(Duration::from_secs(20)),
            write: Some(Duration::from_secs(20)),
            idle: Duration::from_secs(60),
            endpoint: Some(Duration::from_secs(15)),
            age: Duration::from_secs(3600),
            linger: Duration::from_millis(500),
            ping: Duration::from_secs(20),
            connections: 10_000,
            per_address: 1_000,
            head_bytes: 32 * 1024,
            headers: 64,
            body_bytes: 1024 * 1024,
            streams: 128,
            pending_resets: 20,
        }
    }
}

fn seconds(count: u64) -> Option<Duration> {
    (count > 0).then(|| Duration::from_secs(count))
}

/// An operator who switches every read timeout off still gets one a day.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_for_the_head_means_the_time_for_the_whole_request() {
        let http = Http { read_header_timeout_seconds: 0, read_timeout_seconds: 7, ..Http::default() };
        assert_eq!(Limits::from_config(&http).head, Duration::from_secs(7));
    }

    #[test]
    fn zero_for_writing_means_no_limit() {
        let http = Http { write_timeout_seconds: 0, ..Http::default() };
        assert_eq!(Limits::from_config(&http).write, None);
    }
}
