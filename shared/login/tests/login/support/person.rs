//! A person: a browser with cookies, at the door of a node.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::{HeaderMap, Request as HttpRequest, StatusCode, header};
use mangrove_connectors::{Ask, Prompt};
use mangrove_login::{Browser, Outcome, Peer, Request, Resume, SignedIn};
use serde_json::Value;
use tower::ServiceExt;
use url::form_urlencoded;

use super::node::Node;

/// A browser.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) address: IpAddr,
    pub(crate) headers: HeaderMap,
}

/// What a node answered.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What an application asks of `group`.
pub(crate) fn asks(via: &str, ask: Ask) -> Request {
    Request {
        from_ref: None,
        app: "app".into(),
        idps: vec![via.into()],
        ask,
        resume: Resume { mode: "told".into(), data: b"the application's request".to_vec() },
    }
}

pub(crate) fn silently() -> Ask {
    Ask { prompt: Some(Prompt::None), ..Ask::default() }
}

impl Person {
    pub(crate) fn new() -> Self {
        Self { cookies: BTreeMap::new(), address: [192, 0, 2, 1].into(), headers: HeaderMap::new() }
    }

    /// The same person, whose browser says where its next requests come from.
    pub(crate) fn coming_from(mut self, site: &'static str) -> Self {
        self.headers.insert("sec-fetch-site", site.parse().unwrap());
        self
    }

    /// The application sends the browser to the node: who is signed in at once, or what it shows.
    pub(crate) async fn starts(&mut self, node: &Node, request: Request) -> Result<SignedIn, Page> {
        let browser = self.browser();
        match node.login.authenticate(&browser, request).await {
            Outcome::SignedIn(signed_in) => Ok(signed_in),
            Outcome::Respond(response) => Err(self.reads(response).await),
        }
    }

    /// The same, where a page or a redirect is expected.
    pub(crate) async fn is_shown(&mut self, node: &Node, request: Request) -> Page {
        match self.starts(node, request).await {
            Err(page) => page,
            Ok(signed_in) => panic!("signed in at once: {signed_in:?}"),
        }
    }

    pub(crate) async fn opens(&mut self, node: &Node, path: &str) -> Page {
        self.sends(node, HttpRequest::get(path), Body::empty()).await
    }

    pub(crate) async fn posts(&mut self, node: &Node, path: &str, form: &[(&str, &str)]) -> Page {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request =
            HttpRequest::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.sends(node, request, Body::from(body)).await
    }

    /// The one login cookie.
    pub(crate) fn login_cookies(&self) -> Vec<&str> {
        let is_login = |name: &&String| name.starts_with("__Host-mangrove-login-");
        self.cookies.keys().filter(is_login).map(String::as_str).collect()
    }

    pub(crate) fn session_cookie(&self) -> Option<&str> {
        self.cookies.get("maverics_session").map(String::as_str)
    }

    /// As the node sees it.
    pub(crate) fn browser(&self) -> Browser {
        Browser::read(&self.sent_headers(), Some(Peer { address: self.address, secure: true }))
    }

    fn sent_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        let line: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !line.is_empty() {
            headers.insert(header::COOKIE, line.join("; ").parse().unwrap());
        }
        headers
    }

    async fn sends(&mut self, node: &Node, request: http::request::Builder, body: Body) -> Page {
        let mut request = request.body(body).unwrap();
        request.headers_mut().extend(self.sent_headers());
        request.extensions_mut().insert(Peer { address: self.address, secure: true });
        let response = node.router.clone().oneshot(request).await.unwrap();
        self.reads(response).await
    }

    async fn reads(&mut self, response: Response) -> Page {
        let (parts, body) = response.into_parts();
        for crumb in parts.headers.get_all(header::SET_COOKIE) {
            let (pair, attributes) = crumb.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, body }
    }
}

impl Page {
    /// Where it leads.
    pub(crate) fn leads_to(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.headers[header::LOCATION].to_str().unwrap()
    }

    /// What the downstream protocol was told.
    pub(crate) fn told(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.status, self.body))
    }

    /// The value of a hidden field.
    pub(crate) fn hidden(&self, name: &str) -> String {
        self.between(&format!("name=\"{name}\" value=\""), "\"")
    }

    /// The retry link.
    pub(crate) fn again(&self) -> String {
        self.between("href=\"", "\"")
    }

    /// The login's id, as the page says it.
    pub(crate) fn login_id(&self) -> String {
        self.between("<code>", "</code>")
    }

    pub(crate) fn is_a_page(&self) -> bool {
        self.body.contains("<!DOCTYPE html>")
    }

    fn between(&self, before: &str, after: &str) -> String {
        let at =
            self.body.find(before).unwrap_or_else(|| panic!("no {before} in {}", self.body)) + before.len();
        let rest = &self.body[at..];
        rest[..rest.find(after).unwrap()].to_owned()
    }
}
