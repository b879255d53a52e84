//! A look at the provider: its discovery document and keys fetched fresh, and its own word where it gives one; or the
//! operator's own endpoint instead of all that.

use mangrove_keys::ambient;

use super::Oidc;
use super::word::Said;
use crate::ProbeResult;
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
            (Ok(_), Some(Said::No(why))) => ProbeResult::SaysNo { why },
            (Ok(_), _) => ProbeResult::Answered { took: ambient::now().since(began) },
            (Err(why), _) => ProbeResult::Failed { why: why.to_string(), no_answer: why.is_no_answer() },
        }
    }
}
