//! The one outgoing HTTP client of the process.

/// The outgoing HTTP client. One is made per process; each connector takes a share of it with its own TLS profile.
#[derive(Debug, Clone)]
pub struct HttpClient {}

/// Settings from which no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpBuildError {
    /// In words.
    #[error("{0}")]
    Settings(String),
}

impl HttpClient {
    /// Loads the operating system's trust and name resolution.
    ///
    /// # Errors
    /// No resolver can be built from this system's settings.
    pub fn new() -> Result<Self, HttpBuildError> {
        Ok(Self {})
    }
}
