//! What a request says about the browser that sent it: cookies, address, and whether a person navigates.
//!
//! Owns the [`Browser`] extractor, and [`Peer`] and [`RequestId`], which the runtime sets for each request after it has
//! judged forwarded headers. Does not own what any cookie means.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request::Parts};

use crate::layout::Reference;

/// Most cookies of one request that are looked at; the rest is ignored. Browsers keep up to 180 for a domain and all its
/// neighbours, and send ours after those with longer paths.
const MOST_COOKIES: usize = 512;

/// Who is at the other end of the connection, after forwarded headers of trusted proxies were applied. The runtime puts
/// it into the request's extensions; without it the address is unspecified and the connection counts as plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The browser's address.
    pub address: IpAddr,
    /// The browser speaks TLS, here or at the proxy in front.
    pub secure: bool,
}

/// Id of one request, in its answer's `X-Request-Id`, in the access log, and on pages that belong to no login. The runtime
/// puts it into the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// What a request says about the browser that sent it.
#[derive(Debug, Clone)]
pub struct Browser {
    /// All cookies, in the order sent; names can occur more than once.
    pub cookies: Vec<(String, String)>,
    /// The browser's address; an IPv4 address mapped into IPv6 is an IPv4 address here.
    pub address: IpAddr,
    /// The browser speaks TLS.
    pub secure: bool,
    /// A person's own navigation, not a frame or a script (Fetch metadata; browsers that send none count as navigating).
    pub top_level: bool,
    /// Where the request comes from.
    pub site: Site,
    /// `User-Agent`, informs only.
    pub user_agent: Option<String>,
    /// The request's id.
    pub request_id: Option<RequestId>,
}

/// `Sec-Fetch-Site`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// This node's own page, a page of the same site, or the person typed the address.
    Own,
    /// Another site.
    Cross,
    /// The browser does not say.
    Unsaid,
}

impl Browser {
    /// Reads a request's head.
    pub fn read(headers: &HeaderMap, peer: Option<Peer>) -> Self {
        let peer = peer.unwrap_or(Peer { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), secure: false });
        Self {
            cookies: cookies(headers),
            address: peer.address.to_canonical(),
            secure: peer.secure,
            top_level: top_level(headers) && !speculative(headers),
            site: if speculative(headers) { Site::Unsaid } else { site(headers) },
            user_agent: text(headers, "user-agent").map(str::to_owned),
            request_id: None,
        }
    }

    /// What to look for in the logs about this request.
    pub fn reference(&self) -> Option<Reference<'_>> {
        self.request_id.as_ref().map(|id| Reference::Request(&id.0))
    }

    /// The one value of a cookie; none where it is missing, or sent twice with different values (a neighbour under the
    /// same domain may have planted one of them).
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut values = self.cookies.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let first = values.next()?;
        values.all(|other| other == first).then_some(first)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let browser = Self::read(&parts.headers, parts.extensions.get::<Peer>().copied());
        Ok(Self { request_id: parts.extensions.get::<RequestId>().cloned(), ..browser })
    }
}

fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .take(MOST_COOKIES)
        .collect()
}

fn top_level(headers: &HeaderMap) -> bool {
    let is = |name, wanted| text(headers, name).is_none_or(|value| value == wanted);
    is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
}

/// Fetched in advance, without anybody having asked for it.
fn speculative(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-purpose") || headers.contains_key("purpose")
}

fn site(headers: &HeaderMap) -> Site {
    match text(headers, "sec-fetch-site") {
        Some("same-origin" | "same-site" | "none") => Site::Own,
        Some(_) => Site::Cross,
        None => Site::Unsaid,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browser(headers: &[(&'static str, &str)]) -> Browser {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Browser::read(&map, None)
    }

    #[test]
    fn cookies_of_several_lines_are_read_in_order() {
        let browser = browser(&[("cookie", "a=1; b=\"2\""), ("cookie", "c=x=y")]);
        assert_eq!(browser.cookie("a"), Some("1"));
        assert_eq!(browser.cookie("b"), Some("2"));
        assert_eq!(browser.cookie("c"), Some("x=y"));
    }

    #[test]
    fn a_cookie_sent_twice_with_different_values_is_no_cookie() {
        let twice = browser(&[("cookie", "s=mine; s=planted")]);
        assert_eq!(twice.cookie("s"), None);
        let same = browser(&[("cookie", "s=mine; s=mine")]);
        assert_eq!(same.cookie("s"), Some("mine"));
    }

    #[test]
    fn neighbours_with_many_cookies_do_not_hide_ours() {
        let line: String = (0..180).map(|number| format!("neighbour-{number}=x; ")).collect();
        assert_eq!(browser(&[("cookie", &format!("{line}ours=1"))]).cookie("ours"), Some("1"));
    }

    #[test]
    fn a_frame_is_not_a_top_level_navigation() {
        assert!(browser(&[]).top_level);
        assert!(browser(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]).top_level);
        assert!(!browser(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]).top_level);
        assert!(!browser(&[("sec-fetch-mode", "cors")]).top_level);
    }

    #[test]
    fn a_page_fetched_in_advance_is_nobody_s_navigation() {
        let prefetch = browser(&[("sec-purpose", "prefetch"), ("sec-fetch-site", "same-origin")]);
        assert!(!prefetch.top_level);
        assert_eq!(prefetch.site, Site::Unsaid);
    }

    #[test]
    fn an_address_mapped_into_ipv6_is_the_ipv4_address() {
        let peer = Peer { address: "::ffff:192.0.2.7".parse().unwrap(), secure: true };
        let browser = Browser::read(&HeaderMap::new(), Some(peer));
        assert_eq!(browser.address, "192.0.2.7".parse::<IpAddr>().unwrap());
    }
}
