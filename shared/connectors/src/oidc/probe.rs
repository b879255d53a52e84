//! A look at the provider: its discovery document and keys fetched fresh, and its own word where it gives one; or the
//! operator's own endpoint instead of all that.

use std::time::Duration;

use http::{Request, Response, header};
use mangrove_config::connectors::{CustomEndpoint, ResponseMatcher};
use mangrove_keys::ambient;

use super::Oidc;
use super::word::Said;
use crate::ProbeResult;
use crate::http::Limits;

/// Longest part of a custom endpoint's answer that is read.
const LARGEST: usize = 256 * 1024;

impl Oidc {
    pub(crate) async fn probe(&self) -> ProbeResult {
        let began = ambient::now();
        let timeout = self.settings.health.timeout;
        match &self.settings.endpoint {
            Some(endpoint) => match self.ask(endpoint, timeout).await {
                Ok(()) => ProbeResult::Answered { took: ambient::now().since(began) },
                Err(result) => result,
            },
            None => {
                let limits = Limits { total: timeout, ..Limits::DOCUMENT };
                match self.with_its_word(&limits, self.provider.look(&limits)).await {
                    (Ok(_), Some(Said::No(why))) => ProbeResult::SaysNo { why },
                    (Ok(_), _) => ProbeResult::Answered { took: ambient::now().since(began) },
                    (Err(why), _) => {
                        ProbeResult::Failed { why: why.to_string(), no_answer: why.is_no_answer() }
                    }
                }
            }
        }
    }

    pub(super) async fn ask(&self, endpoint: &CustomEndpoint, timeout: Duration) -> Result<(), ProbeResult> {
        let limits = Limits { total: timeout, body: LARGEST, plain_http: true, ..Limits::default() };
        let request = Request::get(endpoint.endpoint.as_str()).header(header::ACCEPT, "*/*").body(Vec::new());
        let failed = |why: String, no_answer| ProbeResult::Failed { why, no_answer };
        let request = request.map_err(|_| failed("customEndpoint is not a URL for HTTP".into(), false))?;
        let answer = self.http.send(request, &limits).await;
        let answer = answer.map_err(|why| failed(format!("customEndpoint: {why}"), why.is_no_answer()))?;
        match mismatch(&endpoint.response_matcher, &answer) {
            None => Ok(()),
            Some(why) => Err(ProbeResult::EndpointRefused { why: format!("customEndpoint: {why}") }),
        }
    }
}

/// What in the answer is not as the operator wrote.
fn mismatch(matcher: &ResponseMatcher, answer: &Response<Vec<u8>>) -> Option<String> {
    let status = answer.status();
    let expected = &matcher.expected_statuses;
    let good = if expected.is_empty() { status.is_success() } else { expected.contains(&status.as_u16()) };
    if !good {
        return Some(format!("status {}", status.as_u16()));
    }
    if let Some(wanted) = &matcher.body.contains
        && !String::from_utf8_lossy(answer.body()).contains(wanted.as_str())
    {
        return Some("the body does not hold what it must".into());
    }
    let lacks = |(name, value): &(&String, &String)| {
        !answer.headers().get_all(name.as_str()).iter().any(|found| found.as_bytes() == value.as_bytes())
    };
    matcher.headers.iter().find(lacks).map(|(name, _)| format!("header {name} is missing or different"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(yaml: &str) -> ResponseMatcher {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn answer(status: u16, body: &str) -> Response<Vec<u8>> {
        Response::builder().status(status).header("x-idp", "up").body(body.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn everything_that_is_given_must_hold() {
        let briefs = matcher("{ expectedStatuses: [200], body: { contains: healthy } }");
        assert_eq!(mismatch(&briefs, &answer(200, "all healthy")), None);
        assert!(mismatch(&briefs, &answer(200, "degraded")).unwrap().contains("body"));
        assert!(mismatch(&briefs, &answer(204, "healthy")).unwrap().contains("204"));
        assert_eq!(mismatch(&matcher("{}"), &answer(204, "")), None);
        assert!(mismatch(&matcher("{}"), &answer(302, "")).is_some());
        assert_eq!(mismatch(&matcher("{ headers: { X-Idp: up } }"), &answer(200, "")), None);
        assert!(
            mismatch(&matcher("{ headers: { X-Idp: down } }"), &answer(200, "")).unwrap().contains("X-Idp")
        );
    }
}
