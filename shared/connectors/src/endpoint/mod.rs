//! An operator's own endpoint, asked instead of the provider: `healthCheck.customEndpoint`, for connectors of every
//! protocol.
//!
//! Three things may come of a question. An answer that is as written is a good probe. Any other whole answer, one that is
//! too large included, is a plain no. What is no answer (refused, silent, broken off, a certificate that is not trusted)
//! is a failed probe. Redirects are answers and are not followed.

mod matcher;

use std::time::Duration;

use http::{Request, Response, header};
use mangrove_config::health_check::CustomEndpoint;
use mangrove_keys::ambient;
use url::Url;

use self::matcher::Matcher;
use crate::http::{HttpBuildError, HttpError, Limits, NoAnswer};
use crate::{HttpClient, Look, ProbeResult};

/// Longest body that is read.
const LARGEST: usize = 256 * 1024;

/// An endpoint that judges a connector.
#[derive(Debug)]
pub(crate) struct Endpoint {
    url: Url,
    matcher: Matcher,
    http: HttpClient,
}

impl Endpoint {
    /// Reads what an operator wrote; `http` is the connector's share of the client.
    pub(crate) fn build(written: &CustomEndpoint, http: HttpClient) -> Result<Self, HttpBuildError> {
        let refuse = |why| HttpBuildError(format!("customEndpoint: {why}"));
        let matcher = Matcher::read(&written.response_matcher).map_err(refuse)?;
        Ok(Self { url: written.endpoint.clone(), matcher, http })
    }

    /// Asks within `timeout`: a probe.
    pub(crate) async fn probe(&self, timeout: Duration) -> ProbeResult {
        let began = ambient::now();
        match self.ask(timeout).await {
            Ok(answer) => match self.matcher.mismatch(&answer) {
                None => ProbeResult::Answered { took: ambient::now().since(began), knows_this_node: false },
                Some(why) => ProbeResult::EndpointRefused { why: said(why) },
            },
            Err(HttpError::TooLarge { limit }) => {
                ProbeResult::EndpointRefused { why: said(too_large(limit)) }
            }
            Err(why) => ProbeResult::Failed { no_answer: why.is_no_answer(), why: said(why) },
        }
    }

    /// The same just before somebody is sent on.
    pub(crate) async fn look(&self, patience: Duration) -> Look {
        let began = ambient::now();
        match self.probe(patience).await {
            ProbeResult::Answered { took, .. } => Look::Answered { took },
            ProbeResult::EndpointRefused { why } => Look::Refused { why },
            ProbeResult::Failed { why, .. } => {
                Look::Failed { why, timed_out: ambient::now().since(began) >= patience }
            }
            ProbeResult::SaysNo { why } => Look::SaysNo { why },
            ProbeResult::Misconfigured { why } => Look::Misconfigured { why },
        }
    }

    async fn ask(&self, timeout: Duration) -> Result<Response<Vec<u8>>, HttpError> {
        let limits = Limits { total: timeout, body: LARGEST, plain_http: true, ..Limits::default() };
        match self.send(&limits).await {
            // A kept connection that ended just now says nothing about the next one.
            Err(HttpError::NoAnswer(NoAnswer::Reset)) => self.send(&limits).await,
            outcome => outcome,
        }
    }

    async fn send(&self, limits: &Limits) -> Result<Response<Vec<u8>>, HttpError> {
        let request = Request::get(self.url.as_str()).header(header::ACCEPT, "*/*").body(Vec::new());
        let request = request.map_err(|_| HttpError::NotAllowed("not a URL for HTTP".into()))?;
        self.http.send(request, limits).await
    }
}

/// A look at a connector: by its endpoint where it has one, else by `itself`.
pub(crate) async fn look(
    endpoint: Option<&Endpoint>,
    patience: Duration,
    itself: impl Future<Output = Look>,
) -> Look {
    match endpoint {
        Some(endpoint) => endpoint.look(patience).await,
        None => itself.await,
    }
}

/// A look when nobody else is left: an endpoint that is silent has not said no, so the connector itself is asked as well.
pub(crate) async fn look_at_last(
    endpoint: Option<&Endpoint>,
    patience: Duration,
    itself: impl Future<Output = Look>,
) -> Look {
    let Some(endpoint) = endpoint else { return itself.await };
    match futures::join!(endpoint.look(patience), itself) {
        (Look::Failed { .. }, seen) => seen,
        (judged, _) => judged,
    }
}

fn said(what: impl std::fmt::Display) -> String {
    format!("customEndpoint: {what}")
}

fn too_large(limit: usize) -> String {
    format!("the body is larger than {limit} bytes")
}
