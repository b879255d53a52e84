//! A look before leaving: would this provider answer a browser that is sent there now?
//!
//! As a probe, with a far shorter deadline and without the metadata, unless nothing is known yet: then the metadata is all
//! that is asked for, so that the login which waits for the look need not fetch it again.

use std::time::Duration;

use mangrove_keys::ambient;

use super::Saml;
use crate::endpoint;
use crate::http::{HttpError, Limits, NoAnswer};
use crate::{Knock, Look};

impl Saml {
    pub(crate) async fn look(&self, patience: Duration) -> Look {
        endpoint::look(self.endpoint.as_ref(), patience, self.look_itself(patience)).await
    }

    /// Whether the page where people would be sent can be connected to now. Asks nothing, so that providers which limit
    /// requests count none. Where an endpoint judges, its last word stands.
    pub(crate) async fn opens(&self) -> Knock {
        let known = self.provider.last_good().filter(|_| self.endpoint.is_none());
        let page = known.as_ref().and_then(|known| known.sign_on_by(&self.settings.bindings));
        let Some((_, page)) = page else { return Knock::Open };
        match self.http.opens(page).await {
            Ok(()) => Knock::Open,
            // A look would knock at the same door.
            Err(why @ HttpError::NoAnswer(NoAnswer::Refused)) => {
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
        let timed_out = |why: &HttpError| matches!(why, HttpError::NoAnswer(NoAnswer::Timeout));
        let Some(known) = self.provider.known() else {
            return match self.provider.look(&limits).await {
                Ok(_) => Look::Answered { took: ambient::now().since(began) },
                Err(why) if why.is_for_an_operator() => Look::Misconfigured { why: self.said(why) },
                Err(why) => Look::Failed {
                    timed_out: matches!(&why, super::provider::FetchError::Http(why) if timed_out(why)),
                    why: self.said(why),
                },
            };
        };
        match self.knock(&known, &limits).await {
            Ok(()) => Look::Answered { took: ambient::now().since(began) },
            Err(closed) => Look::Failed {
                timed_out: matches!(&closed, super::probe::Closed::Http(why) if timed_out(why)),
                why: self.said(closed),
            },
        }
    }
}
