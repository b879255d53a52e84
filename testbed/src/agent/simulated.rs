//! The simulated browser: follows redirects, keeps cookies, sends forms, and writes down every hop. Runs no scripts, and
//! knows nothing of logins.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;
use tokio::time::{Instant, timeout_at};
use url::{Url, form_urlencoded};

use super::browser::{How, Navigation, authority, reference};
use super::jar::{self, Jar};
use super::page::Page;
use super::wire::{Answer, Connections, Wire};
use crate::history::{self, Hop, Micros, Trouble};

/// As many redirects in a row as browsers follow.
const MOST_REDIRECTS: usize = 20;

/// A browser with an empty jar at first.
pub struct Simulated {
    connections: Connections,
    jar: Jar,
    /// Every request so far, in order.
    pub hops: Vec<Hop>,
    /// What led to the page in the window, or to the browser's own page about a failure: what a reload repeats.
    stands: Option<Navigation>,
}

impl Navigation {
    fn redirected(&self, status: u16, to: Url) -> Self {
        let keeps_form = matches!(status, 307 | 308);
        Self {
            url: to,
            form: self.form.clone().filter(|_| keeps_form),
            from: self.from.clone(),
            how: How::ItGoesOn,
        }
    }

    fn method(&self) -> Method {
        if self.form.is_some() { Method::POST } else { Method::GET }
    }

    fn cross_site(&self) -> bool {
        self.from.as_ref().is_some_and(|from| !jar::same_site_urls(from, &self.url))
    }

    fn fetch_site(&self) -> &'static str {
        match &self.from {
            None => "none",
            Some(from) if from.origin() == self.url.origin() => "same-origin",
            Some(_) if self.cross_site() => "cross-site",
            Some(_) => "same-site",
        }
    }
}

impl Simulated {
    /// A browser nobody used yet.
    pub fn new(wire: &Wire) -> Self {
        Self { connections: wire.connections(), jar: Jar::default(), hops: Vec::new(), stands: None }
    }

    /// Goes there and follows redirects until there is a page, with this much patience for each server on the way.
    pub async fn open(&mut self, to: Navigation, patience: Duration) -> Result<Page, Trouble> {
        let mut at = to;
        let result = self.follow(&mut at, patience).await;
        // While nothing comes, the page before stands where it stood.
        if !matches!(result, Err(Trouble::Timeout)) {
            self.stands = Some(at);
        }
        result
    }

    /// Loads once more what stands in the window: a page, or one of the browser's own about a failure. That is the address
    /// that failed, but where nothing came at all: then it is the page before.
    ///
    /// # Errors
    /// Why no page came.
    pub async fn reload(&mut self, patience: Duration) -> Result<Page, Trouble> {
        match self.stands.clone() {
            Some(stands) => self.open(stands, patience).await,
            None => Err(Trouble::Garbage),
        }
    }

    async fn follow(&mut self, at: &mut Navigation, patience: Duration) -> Result<Page, Trouble> {
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.hop(at, Instant::now() + patience).await?;
            let status = answer.status.as_u16();
            match redirect(&answer, &at.url) {
                Some(next) => *at = at.redirected(status, next),
                None => return Ok(page(at.url.clone(), &answer)),
            }
        }
        Err(Trouble::Redirects)
    }

    async fn hop(&mut self, at: &Navigation, deadline: Instant) -> Result<Answer, Trouble> {
        let start = history::now();
        let request = self.request(at).ok_or(Trouble::Garbage)?;
        let result = timeout_at(deadline, self.connections.send(&at.url, &request))
            .await
            .unwrap_or(Err(Trouble::Timeout));
        if let Ok(answer) = &result {
            let unix_now = history::unix_now();
            for cookie in
                answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok())
            {
                self.jar.take(&at.url, cookie, unix_now);
            }
        }
        self.note(at, start, &result);
        result
    }

    fn note(&mut self, at: &Navigation, start: Micros, result: &Result<Answer, Trouble>) {
        self.hops.push(Hop {
            start,
            took: history::now().saturating_sub(start),
            method: at.method().to_string(),
            url: format!("{}{}", authority(&at.url), at.url.path()),
            status: result.as_ref().ok().map(|answer| answer.status.as_u16()),
            error: result.as_ref().err().copied(),
            reference: reference(&at.url),
        });
    }

    fn request(&self, at: &Navigation) -> Option<Request<Full<Bytes>>> {
        let path = at
            .url
            .query()
            .map_or_else(|| at.url.path().to_owned(), |query| format!("{}?{query}", at.url.path()));
        let mut request = Request::builder().method(at.method()).uri(path);
        *request.headers_mut()? = headers(at);
        let how = jar::Navigation { cross_site: at.cross_site(), safe: at.form.is_none() };
        if let Some(cookies) = self.jar.header(&at.url, how, history::unix_now()) {
            request = request.header(header::COOKIE, cookies);
        }
        let Some(fields) = &at.form else { return request.body(Full::default()).ok() };
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let origin = at.from.as_ref().unwrap_or(&at.url).origin().ascii_serialization();
        request
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)))
            .ok()
    }
}

fn headers(at: &Navigation) -> HeaderMap {
    let fixed = [
        (header::USER_AGENT, "Mozilla/5.0 (X11; Linux) MangroveTestbed/0.1"),
        (header::ACCEPT, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
        (header::ACCEPT_LANGUAGE, "en"),
        (header::UPGRADE_INSECURE_REQUESTS, "1"),
        (HeaderName::from_static("sec-fetch-mode"), "navigate"),
        (HeaderName::from_static("sec-fetch-dest"), "document"),
        (HeaderName::from_static("sec-fetch-user"), "?1"),
        (HeaderName::from_static("sec-fetch-site"), at.fetch_site()),
    ];
    let mut headers: HeaderMap =
        fixed.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    if let Ok(host) = HeaderValue::from_str(&authority(&at.url)) {
        headers.insert(header::HOST, host);
    }
    headers
}

fn redirect(answer: &Answer, from: &Url) -> Option<Url> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers.get(header::LOCATION)?.to_str().ok()?;
    from.join(location).ok()
}

fn page(url: Url, answer: &Answer) -> Page {
    let kind =
        answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Page {
        url,
        status: answer.status.as_u16(),
        kind: kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
        body: String::from_utf8_lossy(&answer.body).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::page::{Field, Form};

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn form(action: &str, post: bool) -> Form {
        let field = Field { name: "a".into(), value: String::new(), kind: "text".into() };
        Form { number: 0, action: url(action), post, fields: vec![field], buttons: vec![] }
    }

    fn posted() -> Navigation {
        let form = form("https://root.mesh.test/in", true);
        Navigation::filled(&form, "alice", "", 0, &url("https://root.mesh.test/page"))
    }

    #[test]
    fn a_post_becomes_a_get_unless_the_answer_says_to_repeat_it() {
        for (status, keeps) in [(301, false), (302, false), (303, false), (307, true), (308, true)] {
            let next = posted().redirected(status, url("https://edge.mesh.test/"));
            assert_eq!(next.form.is_some(), keeps, "{status}");
        }
    }

    #[test]
    fn a_form_with_get_puts_its_fields_into_the_address() {
        let form = form("https://root.mesh.test/in?x=1", false);
        let go = Navigation::filled(&form, "b c", "", 0, &url("https://root.mesh.test/"));
        assert_eq!(go.url.as_str(), "https://root.mesh.test/in?a=b+c");
    }

    #[test]
    fn a_browser_says_where_it_comes_from() {
        let typed = Navigation::typed(&url("https://app.mesh.test/"));
        assert_eq!(typed.fetch_site(), "none");
        assert_eq!(posted().fetch_site(), "same-origin");
        assert_eq!(posted().redirected(303, url("https://edge.mesh.test/")).fetch_site(), "same-site");
        assert_eq!(posted().redirected(303, url("https://other.example/")).fetch_site(), "cross-site");
    }
}
