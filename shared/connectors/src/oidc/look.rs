//! A look before leaving: would this provider answer a browser that is sent there now?
//!
//! Cheaper than a probe and with a far shorter deadline: the discovery document alone, over kept connections, past any
//! fetch that is under way. Where nothing is known yet the keys are fetched along, so that the login which waits for the
//! look need not fetch them again. A provider that gives its own word is asked for it meanwhile. Where an operator points at an endpoint, that is asked, as the probes ask it.

use std::time::Duration;

use mangrove_keys::ambient;

use super::Oidc;
use super::metadata::MetadataError;
use super::provider::FetchError;
use super::word::Said;
use crate::endpoint;
use crate::http::{HttpError, Limits, NoAnswer};
use crate::{Knock, Look};

impl Oidc {
    pub(crate) async fn look(&self, patience: Duration) -> Look {
        endpoint::look(self.endpoint.as_ref(), patience, self.look_itself(patience)).await
    }

    /// Whether the page where people would be sent can be connected to now. Asks nothing, so that providers which limit requests
    /// count none. Where an endpoint judges, its last word stands. A page elsewhere than what looks ask may be closed to this node
    /// and open to people.
    pub(crate) async fn opens(&self) -> Knock {
        let page = self.provider.last_good().map(|good| good.metadata.authorization_endpoint.clone());
        let Some(page) = page.filter(|_| self.endpoint.is_none()) else { return Knock::Open };
        match self.http.opens(&page).await {
            Ok(()) => Knock::Open,
            Err(why @ HttpError::NoAnswer(NoAnswer::Refused))
                if page.origin() == self.settings.well_known.origin() =>
            {
                Knock::Closed { why: self.said(format!("its page: {why}")) }
            }
            Err(_) => Knock::Unsure,
        }
    }

    pub(crate) async fn look_at_last(&self, patience: Duration) -> Look {
        endpoint::look_at_last(self.endpoint.as_ref(), patience, self.look_itself(patience)).await
    }

    async fn look_itself(&self, patience: Duration) -> Look {
        let began = ambient::now();
        let limits = Limits { connect: patience, total: patience, ..Limits::DOCUMENT };
        let glancing = async {
            let seen = self.provider.glance(&limits).await;
            match &seen {
                // A kept connection that ended just now says nothing about the next one.
                Err(FetchError::Http { why: HttpError::NoAnswer(NoAnswer::Reset), .. }) => {
                    self.provider.glance(&limits).await
                }
                _ => seen,
            }
        };
        match self.with_its_word(&limits, glancing).await {
            (Ok(()), None) => Look::Answered { took: ambient::now().since(began) },
            (Ok(()), Some(Said::No(why))) => Look::SaysNo { why },
            (Ok(()), Some(Said::InDoubt(why))) => Look::Failed { why, timed_out: true },
            (Err(why), _) => self.judge(&why),
        }
    }

    fn judge(&self, why: &FetchError) -> Look {
        let said = self.said(why);
        match why {
            FetchError::Metadata(MetadataError::Issuer { .. } | MetadataError::PlainHttp) => {
                Look::Misconfigured { why: said }
            }
            FetchError::Http { why: HttpError::NoAnswer(NoAnswer::Timeout), .. } => {
                Look::Failed { why: said, timed_out: true }
            }
            _ => Look::Failed { why: said, timed_out: false },
        }
    }
}
