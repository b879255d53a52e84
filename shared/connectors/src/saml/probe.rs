//! A look at the provider: its single sign-on service asked with a well-formed request, as a browser would bring it, and its
//! metadata fetched fresh; or the operator's own endpoint instead.
//!
//! The service decides, and how long it takes is how long the provider takes. Metadata that cannot be fetched is said and changes
//! nothing while the last good one may be used; it may lie on another machine than people sign in on, and be given up before the
//! service is.

use std::time::Duration;

use http::{Request, header};
use mangrove_keys::ambient;
use url::form_urlencoded::Serializer;

use super::Saml;
use super::begin::{Asked, Outgoing, fresh_id};
use super::provider::{FetchError, Published};
use crate::http::{HttpError, Limits, NoAnswer};
use crate::{Failure, Network, ProbeResult};
use mangrove_saml::metadata::Binding;

/// Why nobody would be signed in.
pub(super) enum Closed {
    /// No answer, or none that is HTTP.
    Http(HttpError),
    /// It answered with this status.
    Status(u16),
    /// This node could not ask.
    Unasked(Failure),
}

impl Saml {
    pub(crate) async fn probe(&self) -> ProbeResult {
        let timeout = self.settings.health.timeout;
        if let Some(endpoint) = &self.endpoint {
            return endpoint.probe(timeout).await;
        }
        let limits = Limits { total: timeout, ..Limits::DOCUMENT };
        let known = self.provider.known();
        let early = async {
            match &known {
                Some(known) => Some(self.timed_knock(known, &limits).await),
                None => None,
            }
        };
        let of_metadata = Limits { total: timeout * 4 / 5, ..limits };
        let (fetched, early) = futures::join!(self.provider.look(&of_metadata), early);
        let known = match (fetched, self.provider.known()) {
            (Ok(fresh), _) => fresh,
            (Err(why), Some(known)) if !matches!(why, FetchError::SomebodyElse { .. }) => {
                tracing::warn!(connector = self.name(), %why, "metadata of the last good fetch is used");
                known
            }
            (Err(why), _) if why.is_for_an_operator() => {
                return ProbeResult::Misconfigured { why: self.said(why) };
            }
            (Err(why), _) => {
                return ProbeResult::Failed { why: why.to_string(), no_answer: why.is_no_answer() };
            }
        };
        let knocked = match early {
            Some(knocked) => knocked,
            None => self.timed_knock(&known, &limits).await,
        };
        match knocked {
            Ok(took) => ProbeResult::Answered { took, knows_this_node: false },
            Err(closed) => ProbeResult::Failed { why: closed.to_string(), no_answer: closed.is_no_answer() },
        }
    }

    /// Fetches the metadata again: what kept the connector out was in there.
    ///
    /// # Errors
    /// What a login would meet.
    pub(crate) async fn rehearse(&self) -> Result<(), Failure> {
        let looked = self.provider.look(&Limits::DOCUMENT).await;
        looked.map(drop).map_err(|why| why.into_failure(self.name()))
    }

    /// A knock, and how long it took.
    async fn timed_knock(&self, known: &Published, limits: &Limits) -> Result<Duration, Closed> {
        let began = ambient::now();
        self.knock(known, limits).await.map(|()| ambient::now().since(began))
    }

    /// Asks the single sign-on service for a login that nobody will finish. A page or a way to one is good; an error page,
    /// whoever's it is, would be all that a person sees.
    pub(super) async fn knock(&self, known: &Published, limits: &Limits) -> Result<(), Closed> {
        match self.knock_once(known, limits).await {
            // A kept connection that ended just now says nothing about the next one.
            Err(Closed::Http(HttpError::NoAnswer(NoAnswer::Reset))) => self.knock_once(known, limits).await,
            knocked => knocked,
        }
    }

    async fn knock_once(&self, known: &Published, limits: &Limits) -> Result<(), Closed> {
        let Some((binding, to)) = known.sign_on_by(&[Binding::Redirect, Binding::Post]).cloned() else {
            return Err(Closed::Unasked(Failure::misconfigured("the metadata names nowhere to ask")));
        };
        let asked = Asked {
            id: fresh_id(),
            issued: ambient::unix_now(),
            force: false,
            passive: false,
            classes: Vec::new(),
            relay_state: ambient::token(),
        };
        let request = match self
            .outgoing((&self.benches.watch, Network::default()), asked, binding, to)
            .await
            .map_err(Closed::Unasked)?
        {
            Outgoing::Redirect(url) => Request::get(url.as_str()).body(Vec::new()),
            Outgoing::Post(url, fields) => Request::post(url.as_str())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()),
        };
        let mut request =
            request.map_err(|_| Closed::Http(HttpError::NotAllowed("not a URL for HTTP".into())))?;
        request
            .headers_mut()
            .insert(header::ACCEPT, header::HeaderValue::from_static("text/html, */*;q=0.5"));
        match self.http.send(request, limits).await {
            Ok(answer) if answer.status().is_success() || answer.status().is_redirection() => Ok(()),
            Ok(answer) => Err(Closed::Status(answer.status().as_u16())),
            // A page that is longer than is read here is a page.
            Err(HttpError::TooLarge { .. }) => Ok(()),
            Err(why) => Err(Closed::Http(why)),
        }
    }
}

impl Closed {
    pub(super) fn is_no_answer(&self) -> bool {
        matches!(self, Self::Http(why) if why.is_no_answer())
    }
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(why) => write!(f, "single sign-on service: {why}"),
            Self::Status(status @ 500..) => write!(f, "the single sign-on service answered {status}"),
            Self::Status(status) => write!(
                f,
                "the single sign-on service answered {status} to a well-formed request: does it know samlEntityID?"
            ),
            Self::Unasked(failure) => f.write_str(&failure.log),
        }
    }
}
