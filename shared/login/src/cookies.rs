//! Names, attributes and bounds of the cookies that this room sets.
//!
//! The scheme of the node's public URL decides, not that of the socket: on `https` a login's cookies carry the `__Host-`
//! prefix, `Secure` and `SameSite=None` (an answer may come as a cross-site form), on plain `http` (loopback only) no
//! prefix, no `Secure`, `Lax`. Each attempt has a login cookie of its own, named after its `state`; a browser keeps at
//! most [`MOST_LOGINS`] of them, the oldest goes first.

use axum::response::Response;
use http::{HeaderValue, header};
use url::Url;

use crate::trip::Leg;
use crate::{Browser, digest};

/// Most login cookies of one browser.
pub(crate) const MOST_LOGINS: usize = 6;

/// Life of a login in progress, in seconds.
pub(crate) const LOGIN_SECONDS: u64 = 15 * 60;

/// Life of the device cookie, in seconds.
pub(crate) const DEVICE_SECONDS: u64 = 180 * 24 * 3600;

/// Names and attributes of this node's cookies.
#[derive(Debug, Clone)]
pub(crate) struct Cookies {
    https: bool,
    session: String,
    login_prefix: String,
    device: String,
    browser: String,
    logout: String,
}

/// A cookie to set or, without a value, to clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crumb(String);

impl Crumb {
    /// Adds `Set-Cookie` to a response; such a response is never cached.
    pub(crate) fn drop_on(self, response: &mut Response) {
        if let Ok(value) = HeaderValue::try_from(self.0) {
            response.headers_mut().append(header::SET_COOKIE, value);
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

impl Cookies {
    /// Cookies of a node under `public_url` whose session cookie has the configured name.
    pub(crate) fn new(public_url: &Url, session: &str) -> Self {
        let https = public_url.scheme() == "https";
        let own = |name: &str| format!("{}mangrove-{name}", if https { "__Host-" } else { "" });
        Self {
            https,
            session: session.to_owned(),
            login_prefix: own("login-"),
            device: own("device"),
            browser: own("browser"),
            logout: own("logout"),
        }
    }

    /// What opens the browser's session: the session cookie's value together with the browser's id. The session cookie's
    /// name is the operator's and has no prefix, so that a neighbour under the same domain can plant one of his own; the
    /// browser's id he cannot plant.
    pub(crate) fn session_key(&self, browser: &Browser) -> Option<String> {
        Some(session_key(browser.cookie(&self.session)?, self.browser(browser)?))
    }

    /// The browser sends a session cookie, good or not.
    pub(crate) fn has_session(&self, browser: &Browser) -> bool {
        browser.cookies.iter().any(|(name, _)| *name == self.session)
    }

    /// Sets the session cookie; it ends with the browser.
    pub(crate) fn set_session(&self, value: &str) -> Crumb {
        self.crumb(&self.session, value, None)
    }

    /// Clears the session cookie.
    pub(crate) fn clear_session(&self) -> Crumb {
        self.crumb(&self.session, "", Some(0))
    }

    /// The sealed list of accounts that this browser signed in to.
    pub(crate) fn device<'a>(&self, browser: &'a Browser) -> Option<&'a str> {
        browser.cookie(&self.device)
    }

    /// Sets the device cookie.
    pub(crate) fn set_device(&self, value: &str) -> Crumb {
        self.crumb(&self.device, value, Some(DEVICE_SECONDS))
    }

    /// The random id by which unanswered requests of one browser are counted.
    pub(crate) fn browser<'a>(&self, browser: &'a Browser) -> Option<&'a str> {
        browser.cookie(&self.browser)
    }

    /// Sets the id of this browser; it ends with the browser.
    pub(crate) fn set_browser(&self, value: &str) -> Crumb {
        self.crumb(&self.browser, value, None)
    }

    /// How far the browser has got with a logout that is on its way through upstreams.
    pub(crate) fn logout(&self, browser: &Browser) -> Option<Leg> {
        Leg::parse(browser.cookie(&self.logout)?)
    }

    /// Sets how far it has got.
    pub(crate) fn set_logout(&self, leg: &Leg) -> Crumb {
        self.crumb(&self.logout, &leg.to_string(), Some(LOGIN_SECONDS))
    }

    /// Clears that.
    pub(crate) fn clear_logout(&self) -> Crumb {
        self.crumb(&self.logout, "", Some(0))
    }

    /// The login cookie that belongs to a `state`.
    pub(crate) fn login<'a>(&self, browser: &'a Browser, state: &str) -> Option<LoginCookie<'a>> {
        LoginCookie::parse(browser.cookie(&self.login_name(state))?)
    }

    /// All login cookies of the browser, newest first.
    pub(crate) fn logins<'a>(&self, browser: &'a Browser) -> Vec<LoginCookie<'a>> {
        let mut all: Vec<_> =
            self.login_names(browser).filter_map(|(_, value)| LoginCookie::parse(value)).collect();
        all.sort_by_key(|cookie| std::cmp::Reverse(cookie.made));
        all
    }

    /// The login cookie whose name ends in `suffix`.
    pub(crate) fn login_by_suffix<'a>(&self, browser: &'a Browser, suffix: &str) -> Option<LoginCookie<'a>> {
        LoginCookie::parse(browser.cookie(&format!("{}{suffix}", self.login_prefix))?)
    }

    /// The end of the name of a login cookie that belongs to a login.
    pub(crate) fn login_of<'a>(&self, browser: &'a Browser, flow: &str) -> Option<&'a str> {
        let mut names = self.login_names(browser);
        let (name, _) =
            names.find(|(_, value)| LoginCookie::parse(value).is_some_and(|cookie| cookie.flow == flow))?;
        name.get(self.login_prefix.len()..)
    }

    /// Sets a login cookie again as it is, for another 15 minutes.
    pub(crate) fn renew_login(&self, browser: &Browser, suffix: &str) -> Option<Crumb> {
        let cookie = self.login_by_suffix(browser, suffix)?;
        Some(self.crumb(&format!("{}{suffix}", self.login_prefix), &cookie.to_string(), Some(LOGIN_SECONDS)))
    }

    /// The end of the name of the login cookie for a `state`: eight hexadecimal digits.
    pub(crate) fn suffix(&self, state: &str) -> String {
        format!("{:08x}", digest::number("login cookie", &[state.as_bytes()]) >> 32)
    }

    /// Sets the login cookie of an attempt and clears the oldest where there would be too many.
    pub(crate) fn set_login(&self, browser: &Browser, state: &str, cookie: &LoginCookie<'_>) -> Vec<Crumb> {
        let name = self.login_name(state);
        let mut others: Vec<_> = self
            .login_names(browser)
            .filter(|(other, _)| *other != name)
            .map(|(other, value)| (LoginCookie::parse(value).map_or(0, |c| c.made), other))
            .collect();
        others.sort_by_key(|(made, _)| std::cmp::Reverse(*made));
        let mut crumbs: Vec<_> = others
            .into_iter()
            .skip(MOST_LOGINS - 1)
            .map(|(_, other)| self.crumb(other, "", Some(0)))
            .collect();
        crumbs.push(self.crumb(&name, &cookie.to_string(), Some(LOGIN_SECONDS)));
        crumbs
    }

    /// Clears the cookies of all attempts of one login.
    pub(crate) fn clear_logins_of(&self, browser: &Browser, flow: &str) -> Vec<Crumb> {
        self.login_names(browser)
            .filter(|(_, value)| LoginCookie::parse(value).is_some_and(|c| c.flow == flow))
            .map(|(name, _)| self.crumb(name, "", Some(0)))
            .collect()
    }

    fn login_names<'a>(&self, browser: &'a Browser) -> impl Iterator<Item = (&'a str, &'a str)> {
        let prefix = self.login_prefix.clone();
        browser
            .cookies
            .iter()
            .filter(move |(name, _)| name.strip_prefix(&prefix).is_some_and(is_suffix))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn login_name(&self, state: &str) -> String {
        format!("{}{}", self.login_prefix, self.suffix(state))
    }

    fn crumb(&self, name: &str, value: &str, max_age: Option<u64>) -> Crumb {
        let attributes = if self.https { "Secure; SameSite=None" } else { "SameSite=Lax" };
        let age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        Crumb(format!("{name}={value}; Path=/; HttpOnly; {attributes}{age}"))
    }
}

/// What opens a session: the value of its cookie in the browser of this id.
pub(crate) fn session_key(cookie: &str, browser: &str) -> String {
    format!("{cookie}.{browser}")
}

fn is_suffix(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What a login cookie holds: `seconds.flow.secret`. The secret opens the attempt together with its `state`; the flow is
/// the login it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoginCookie<'a> {
    /// When it was made, seconds since the Unix epoch; orders cookies and nothing else.
    pub(crate) made: u64,
    /// Id of the login.
    pub(crate) flow: &'a str,
    /// What binds the `state` to this browser.
    pub(crate) secret: &'a str,
}

impl<'a> LoginCookie<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let mut parts = value.splitn(3, '.');
        let made = u64::from_str_radix(parts.next()?, 16).ok()?;
        let (flow, secret) = (parts.next()?, parts.next()?);
        (!flow.is_empty() && !secret.is_empty()).then_some(Self { made, flow, secret })
    }
}

impl std::fmt::Display for LoginCookie<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}.{}.{}", self.made, self.flow, self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn cookies(url: &str) -> Cookies {
        Cookies::new(&Url::parse(url).unwrap(), "maverics_session")
    }

    fn browser(line: &str) -> Browser {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, line.parse().unwrap());
        Browser::read(&headers, None)
    }

    #[test]
    fn on_https_a_login_cookie_is_bound_to_this_host_and_travels_with_cross_site_forms() {
        let made = LoginCookie { made: 1, flow: "f", secret: "s" };
        let crumbs = cookies("https://edge.example").set_login(&browser("x=1"), "state", &made);
        let text = &crumbs[0].0;
        assert!(text.starts_with("__Host-mangrove-login-"), "{text}");
        assert!(text.contains("; Path=/; HttpOnly; Secure; SameSite=None; Max-Age=900"), "{text}");
    }

    #[test]
    fn on_loopback_http_there_is_no_prefix_and_no_secure() {
        let text = cookies("http://edge.localhost:8080").set_session("v").0;
        assert_eq!(text, "maverics_session=v; Path=/; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn the_oldest_login_cookie_of_a_browser_goes_first() {
        let cookies = cookies("https://edge.example");
        let line: Vec<_> =
            (0..MOST_LOGINS).map(|i| format!("__Host-mangrove-login-0000000{i}={:x}.f.s", 100 + i)).collect();
        let made = LoginCookie { made: 999, flow: "f", secret: "s" };
        let crumbs = cookies.set_login(&browser(&line.join("; ")), "state", &made);
        assert_eq!(crumbs.len(), 2);
        assert!(crumbs[0].0.starts_with("__Host-mangrove-login-00000000=;"), "{:?}", crumbs[0]);
    }

    #[test]
    fn only_the_cookies_of_the_finished_login_are_cleared() {
        let cookies = cookies("https://edge.example");
        let browser =
            browser("__Host-mangrove-login-00000001=1.mine.s; __Host-mangrove-login-00000002=1.other.s");
        let crumbs = cookies.clear_logins_of(&browser, "mine");
        assert_eq!(crumbs.len(), 1);
        assert!(crumbs[0].0.starts_with("__Host-mangrove-login-00000001=;"));
    }

    #[test]
    fn a_login_cookie_reads_back_as_it_was_written() {
        let cookie = LoginCookie { made: 0x1234, flow: "flow", secret: "se.cret" };
        assert_eq!(LoginCookie::parse(&cookie.to_string()), Some(cookie));
        assert_eq!(LoginCookie::parse("zz.flow.secret"), None);
        assert_eq!(LoginCookie::parse("1.flow"), None);
        assert_eq!(LoginCookie::parse("1..x"), None);
    }
}
