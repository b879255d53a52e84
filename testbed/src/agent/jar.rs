//! A browser's cookies, as far as a login needs them: RFC 6265bis with `Domain`, `Path`, `Secure`, `Max-Age`, `Expires`,
//! `SameSite` and the `__Host-` and `__Secure-` prefixes. Third parties do not occur: every request is a navigation.

use url::Url;

/// All cookies of one browser.
#[derive(Debug, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    same_site: SameSite,
    /// Unix seconds; `None`: until the browser is closed.
    expires: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SameSite {
    Strict,
    Lax,
    None,
}

/// How a navigation came about, as far as `SameSite` asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Navigation {
    /// Whether another site sent the browser here.
    pub cross_site: bool,
    /// Whether the method is one that only reads.
    pub safe: bool,
}

impl Jar {
    /// Takes one `Set-Cookie` of an answer from `url`; what a browser would refuse is dropped without a word.
    pub fn take(&mut self, url: &Url, set_cookie: &str, unix_now: u64) {
        let Some(cookie) = parse(url, set_cookie, unix_now) else { return };
        self.cookies.retain(|kept| {
            (kept.name.as_str(), kept.domain.as_str(), kept.path.as_str())
                != (cookie.name.as_str(), cookie.domain.as_str(), cookie.path.as_str())
        });
        if cookie.expires.is_none_or(|expires| expires > unix_now) {
            self.cookies.push(cookie);
        }
    }

    /// The `Cookie` header for a request to `url`, longer paths first.
    pub fn header(&self, url: &Url, how: Navigation, unix_now: u64) -> Option<String> {
        let host = url.host_str()?;
        let mut fitting: Vec<&Cookie> =
            self.cookies.iter().filter(|cookie| cookie.fits(host, url, how, unix_now)).collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> =
            fitting.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        if pairs.is_empty() { None } else { Some(pairs.join("; ")) }
    }
}

impl Cookie {
    fn fits(&self, host: &str, url: &Url, how: Navigation, unix_now: u64) -> bool {
        let site_allows = match self.same_site {
            SameSite::None => true,
            SameSite::Lax => !how.cross_site || how.safe,
            SameSite::Strict => !how.cross_site,
        };
        let domain = if self.host_only { self.domain == host } else { within(host, &self.domain) };
        domain
            && site_allows
            && path_covers(&self.path, url.path())
            && (!self.secure || url.scheme() == "https")
            && self.expires.is_none_or(|expires| expires > unix_now)
    }
}

fn parse(url: &Url, set_cookie: &str, unix_now: u64) -> Option<Cookie> {
    let host = url.host_str()?;
    let mut parts = set_cookie.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let mut cookie = Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        domain: host.to_owned(),
        host_only: true,
        path: default_path(url),
        secure: false,
        same_site: SameSite::Lax,
        expires: None,
    };
    let mut max_age = None;
    for attribute in parts {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.is_empty() => {
                cookie.domain = value.trim_start_matches('.').to_ascii_lowercase();
                cookie.host_only = false;
            }
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "secure" => cookie.secure = true,
            "max-age" => max_age = value.parse::<i64>().ok(),
            "expires" => cookie.expires = expires(value),
            "samesite" => cookie.same_site = same_site(value),
            _ => {}
        }
    }
    if let Some(age) = max_age {
        cookie.expires = Some(u64::try_from(age).map_or(0, |age| unix_now.saturating_add(age)));
    }
    acceptable(&cookie, url, host).then_some(cookie)
}

fn acceptable(cookie: &Cookie, url: &Url, host: &str) -> bool {
    let https = url.scheme() == "https";
    let domain = cookie.host_only || (within(host, &cookie.domain) && cookie.domain.contains('.'));
    let prefix = if cookie.name.starts_with("__Host-") {
        cookie.secure && cookie.host_only && cookie.path == "/"
    } else {
        !cookie.name.starts_with("__Secure-") || cookie.secure
    };
    let same_site = cookie.same_site != SameSite::None || cookie.secure;
    !cookie.name.is_empty() && domain && prefix && same_site && (!cookie.secure || https)
}

fn same_site(value: &str) -> SameSite {
    match value.to_ascii_lowercase().as_str() {
        "none" => SameSite::None,
        "strict" => SameSite::Strict,
        _ => SameSite::Lax,
    }
}

fn expires(value: &str) -> Option<u64> {
    let time = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    Some(u64::try_from(time.timestamp()).unwrap_or(0))
}

fn default_path(url: &Url) -> String {
    match url.path().rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(end) => url.path()[..end].to_owned(),
    }
}

fn within(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn path_covers(cookie: &str, request: &str) -> bool {
    match request.strip_prefix(cookie) {
        Some(rest) => rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

/// Whether two URLs are of one site: their last two labels and the scheme agree.
pub fn same_site_urls(a: &Url, b: &Url) -> bool {
    fn site(url: &Url) -> Option<(&str, String)> {
        let labels: Vec<&str> = url.host_str()?.rsplit('.').take(2).collect();
        Some((url.scheme(), labels.join(".")))
    }
    site(a) == site(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const TYPED: Navigation = Navigation { cross_site: false, safe: true };

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn jar_with(set_by: &str, cookie: &str) -> Jar {
        let mut jar = Jar::default();
        jar.take(&url(set_by), cookie, NOW);
        jar
    }

    #[test]
    fn a_cookie_goes_back_to_its_host_and_to_nobody_else() {
        let jar = jar_with("https://edge-a.mesh.test/oauth2/auth", "s=1; Path=/; Secure; HttpOnly");
        assert_eq!(jar.header(&url("https://edge-a.mesh.test/x"), TYPED, NOW).as_deref(), Some("s=1"));
        for other in ["https://edge-b.mesh.test/", "https://x.edge-a.mesh.test/", "http://edge-a.mesh.test/"]
        {
            assert_eq!(jar.header(&url(other), TYPED, NOW), None, "{other}");
        }
    }

    #[test]
    fn a_domain_cookie_goes_to_the_hosts_under_it_and_never_to_a_whole_top_level() {
        let jar = jar_with("https://edge.mesh.test/", "s=1; Domain=.mesh.test");
        assert!(jar.header(&url("https://root.mesh.test/"), TYPED, NOW).is_some());
        assert!(jar.header(&url("https://notmesh.test/"), TYPED, NOW).is_none());
        for refused in ["s=1; Domain=test", "s=1; Domain=other.test"] {
            assert!(jar_with("https://edge.mesh.test/", refused).cookies.is_empty(), "{refused}");
        }
    }

    #[test]
    fn a_path_covers_whole_segments_only() {
        let jar = jar_with("https://edge.mesh.test/oidc/callback", "s=1");
        assert!(jar.header(&url("https://edge.mesh.test/oidc/x"), TYPED, NOW).is_some());
        assert!(jar.header(&url("https://edge.mesh.test/oidcx"), TYPED, NOW).is_none());
    }

    #[test]
    fn the_prefixes_are_taken_at_their_word() {
        for (cookie, taken) in [
            ("__Host-s=1; Path=/; Secure", true),
            ("__Host-s=1; Path=/", false),
            ("__Host-s=1; Path=/x; Secure", false),
            ("__Host-s=1; Path=/; Secure; Domain=edge.mesh.test", false),
            ("__Secure-s=1", false),
            ("s=1; SameSite=None", false),
            ("s=1; SameSite=None; Secure", true),
        ] {
            assert_eq!(!jar_with("https://edge.mesh.test/", cookie).cookies.is_empty(), taken, "{cookie}");
        }
    }

    #[test]
    fn a_cookie_ends_when_its_server_says_so() {
        let mut jar = jar_with("https://edge.mesh.test/", "s=1; Max-Age=60");
        assert!(jar.header(&url("https://edge.mesh.test/"), TYPED, NOW + 61).is_none());
        jar.take(&url("https://edge.mesh.test/"), "s=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", NOW);
        assert!(jar.cookies.is_empty());
    }

    #[test]
    fn another_sites_post_takes_only_cookies_that_ask_for_it() {
        let mut jar = jar_with("https://edge.mesh.test/", "lax=1");
        jar.take(&url("https://edge.mesh.test/"), "none=1; SameSite=None; Secure", NOW);
        jar.take(&url("https://edge.mesh.test/"), "strict=1; SameSite=Strict", NOW);
        let header = |cross_site, safe| {
            jar.header(&url("https://edge.mesh.test/"), Navigation { cross_site, safe }, NOW)
        };
        assert_eq!(header(true, false).as_deref(), Some("none=1"));
        assert_eq!(header(true, true).as_deref(), Some("lax=1; none=1"));
        assert_eq!(header(false, false).as_deref(), Some("lax=1; none=1; strict=1"));
    }
}
