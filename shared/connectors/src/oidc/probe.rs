//! A look at the provider: its discovery document and keys fetched fresh, its own word where it gives one, and, where an
//! operator wants it, its token endpoint asked with a code that nobody issued; or the operator's own endpoint instead of all
//! that.

use mangrove_config::health_check::Probe;
use mangrove_continuity::Blame;
use mangrove_keys::ambient;

use super::Oidc;
use super::word::Said;
use crate::ProbeResult;
use crate::finder::Found;
use crate::http::Limits;

impl Oidc {
    pub(crate) async fn probe(&self) -> ProbeResult {
        let timeout = self.settings.health.timeout;
        if let Some(endpoint) = &self.endpoint {
            return endpoint.probe(timeout).await;
        }
        let began = ambient::now();
        let limits = Limits { total: timeout, ..Limits::DOCUMENT };
        match self.with_its_word(&limits, self.provider.look(&limits)).await {
            (Ok(_), Some(Said::No(why))) => return ProbeResult::SaysNo { why },
            (Ok(_), _) => {}
            (Err(why), _) => {
                return ProbeResult::Failed { why: why.to_string(), no_answer: why.is_no_answer() };
            }
        }
        let rehearsed = match self.settings.probe {
            Probe::Discovery => None,
            Probe::Token => Some(self.rehearse().await),
        };
        let took = ambient::now().since(began);
        match rehearsed {
            None => ProbeResult::Answered { took, knows_this_node: false },
            Some(Ok(())) => {
                self.found.iter().for_each(Found::prove);
                ProbeResult::Answered { took, knows_this_node: true }
            }
            Some(Err(failure)) if failure.keeps_out => ProbeResult::Misconfigured { why: failure.log },
            Some(Err(failure)) if failure.blame == Blame::Unavailable => {
                ProbeResult::Failed { why: failure.log, no_answer: failure.no_answer }
            }
            // Some other word for a code that nobody issued: it answers, and says nothing of this node.
            Some(Err(_)) => ProbeResult::Answered { took, knows_this_node: false },
        }
    }
}
