//! Redirect URIs: what may be registered, and which request names a registered one.
//!
//! Exact string comparison (RFC 9700 section 4.1.3): no prefixes, no patterns, no case folding, no normalisation. The one
//! exception is the port of a loopback IP address of a native application (RFC 8252 section 7.3), and only for public
//! clients; it never loosens another URI.

use url::{Host, Url};

/// A registered redirect URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RedirectUri {
    exact: String,
    loopback: Option<Loopback>,
}

/// A loopback URI without its port: `http://127.0.0.1` and `/callback`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Loopback {
    origin: &'static str,
    rest: String,
}

/// Origins at which the port may vary: IP literals, never `localhost`, which a resolver may answer otherwise.
const LOOPBACK_ORIGINS: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

impl RedirectUri {
    /// Accepts a URI for registration: absolute, without fragment and user information; `https`, or `http` at a
    /// loopback name or address, or (public clients) a private-use scheme with a dot.
    ///
    /// # Errors
    /// What is wrong with it, in words for the operator.
    pub(super) fn register(text: &str, public: bool) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|why| format!("`{text}` is not an absolute URL: {why}"))?;
        if url.fragment().is_some() {
            return Err(format!("`{text}` must not have a fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!("`{text}` must not have a user name or password"));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            let why = "must be ASCII without spaces, control characters or backslashes; percent-encode it";
            return Err(format!("`{text}` {why}"));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(format!("`{text}` is plain http; write https (http is for loopback only)")),
            scheme if public && scheme.contains('.') => {}
            _ => return Err(format!("`{text}` must be https")),
        }
        let loopback = if public { Loopback::parse(text) } else { None };
        Ok(Self { exact: text.to_owned(), loopback })
    }

    /// Whether `presented` is this URI.
    pub(super) fn matches(&self, presented: &str) -> bool {
        self.exact == presented || self.loopback.as_ref().is_some_and(|loopback| loopback.matches(presented))
    }
}

impl Loopback {
    fn parse(text: &str) -> Option<Self> {
        LOOPBACK_ORIGINS.into_iter().find_map(|origin| {
            let rest = after_port(text.strip_prefix(origin)?)?;
            Some(Self { origin, rest: rest.to_owned() })
        })
    }

    fn matches(&self, presented: &str) -> bool {
        presented.strip_prefix(self.origin).and_then(after_port).is_some_and(|rest| rest == self.rest)
    }
}

/// What follows an optional `:port`; nothing if that is not a port, or if the host goes on.
fn after_port(text: &str) -> Option<&str> {
    let Some(port) = text.strip_prefix(':') else {
        return (text.is_empty() || text.starts_with(['/', '?'])).then_some(text);
    };
    let end = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
    let (digits, rest) = port.split_at(end);
    let valid = digits.parse::<u16>().is_ok_and(|port| port != 0);
    (valid && (rest.is_empty() || rest.starts_with(['/', '?']))).then_some(rest)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(text: &str, public: bool) -> RedirectUri {
        RedirectUri::register(text, public).unwrap()
    }

    #[test]
    fn only_the_very_same_string_is_the_registered_redirect_uri() {
        let uri = registered("https://app.example.com/cb", false);
        assert!(uri.matches("https://app.example.com/cb"));
        for other in [
            "https://app.example.com/cb/",
            "https://app.example.com/cb?x=1",
            "https://app.example.com/cb#f",
            "https://APP.example.com/cb",
            "https://app.example.com/CB",
            "https://app.example.com/a/../cb",
            "https://app.example.com/%63b",
            "https://app.example.com/%2563b",
            "https://app.example.com/cb/..;/evil",
            "https://appxexample.com/cb",
            "https://app.example.com:443/cb",
            "https://app.example.com@evil.example/cb",
            "https://a@b@app.example.com/cb",
            "https://app.example.com/cb.evil",
            "http://app.example.com/cb",
            " https://app.example.com/cb",
            "",
        ] {
            assert!(!uri.matches(other), "{other}");
        }
    }

    #[test]
    fn the_port_of_a_loopback_address_may_vary_for_public_clients_only() {
        let native = registered("http://127.0.0.1/cb", true);
        assert!(native.matches("http://127.0.0.1:51234/cb") && native.matches("http://127.0.0.1/cb"));
        assert!(registered("http://[::1]:1/cb?a=b", true).matches("http://[::1]:9/cb?a=b"));
        for other in [
            "http://127.0.0.1:51234/other",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://127.0.0.1:80:80/cb",
            "http://localhost:51234/cb",
            "http://[::1]:51234/cb",
            "https://127.0.0.1:51234/cb",
        ] {
            assert!(!native.matches(other), "{other}");
        }
        assert!(!registered("http://127.0.0.1/cb", false).matches("http://127.0.0.1:51234/cb"));
    }

    #[test]
    fn the_loopback_rule_loosens_no_other_redirect_uri() {
        assert!(!registered("http://localhost:8080/cb", true).matches("http://localhost:8081/cb"));
        assert!(
            !registered("https://app.example.com:8443/cb", true).matches("https://app.example.com:9443/cb")
        );
    }

    #[test]
    fn a_redirect_uri_that_would_leak_or_lose_a_code_cannot_be_registered() {
        for (text, public) in [
            ("http://app.example.com/cb", false),
            ("https://app.example.com/cb#x", false),
            ("https://user@app.example.com/cb", false),
            ("/cb", false),
            ("javascript:alert(1)", true),
            ("data:text/html,x", true),
            ("com.example.app:/cb", false),
            ("https://app.example.com/c b", false),
            ("https://app.example.com\\@evil.example/", false),
            ("https://app.example.com/zurück", false),
        ] {
            assert!(RedirectUri::register(text, public).is_err(), "{text}");
        }
        assert!(RedirectUri::register("com.example.app:/cb", true).is_ok());
        assert!(RedirectUri::register("http://app.localhost:3000/cb", false).is_ok());
    }
}
