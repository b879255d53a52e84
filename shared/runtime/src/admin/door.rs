//! The guard of the admin interface's TCP address: a token, and nothing that a page in a browser could send.

use std::net::SocketAddr;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, Method, Request, StatusCode};
use mangrove_config::Secret;
use mangrove_keys::secret;

/// What a request must carry.
pub(super) struct Guard {
    hosts: Vec<String>,
    token: Secret,
}

impl Guard {
    pub(super) fn new(address: SocketAddr, token: Secret) -> Self {
        let port = address.port();
        Self { hosts: vec![address.to_string(), format!("localhost:{port}")], token }
    }

    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), (StatusCode, &'static str)> {
        let headers = request.headers();
        // A name that an attacker's DNS points here (rebinding) is not this host.
        let host = one(headers, HOST).ok_or((StatusCode::BAD_REQUEST, "exactly one Host is needed"))?;
        if !self.hosts.iter().any(|own| own == host) {
            return Err((StatusCode::FORBIDDEN, "this is not the admin interface's own host"));
        }
        if headers.contains_key(ORIGIN) {
            let own = one(headers, ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
            if !own.is_some_and(|own| self.hosts.iter().any(|host| host == own)) {
                return Err((
                    StatusCode::FORBIDDEN,
                    "a page of another origin may not use the admin interface",
                ));
            }
        }
        let given = one(headers, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        if !given.is_some_and(|given| secret::equal(given.as_bytes(), self.token.expose().as_bytes())) {
            return Err((StatusCode::UNAUTHORIZED, "the admin token is missing or wrong"));
        }
        let is_json =
            one(headers, CONTENT_TYPE).is_some_and(|kind| kind.split(';').next() == Some("application/json"));
        if request.method() != Method::GET && !is_json {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "changes are JSON"));
        }
        Ok(())
    }
}

fn one(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, headers: &[(&str, &str)]) -> Result<(), u16> {
        let guard = Guard::new("127.0.0.1:9600".parse().unwrap(), Secret::new("the-token"));
        let mut request = Request::builder().method(method).uri("/status");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        guard.check(&request.body(()).unwrap()).map_err(|(status, _)| status.as_u16())
    }

    const HOST_AND_TOKEN: [(&str, &str); 2] =
        [("host", "127.0.0.1:9600"), ("authorization", "Bearer the-token")];

    #[test]
    fn the_token_opens_the_door() {
        assert_eq!(check(Method::GET, &HOST_AND_TOKEN), Ok(()));
        assert_eq!(check(Method::GET, &[("host", "localhost:9600"), HOST_AND_TOKEN[1]]), Ok(()));
    }

    #[test]
    fn nothing_else_does() {
        assert_eq!(check(Method::GET, &[HOST_AND_TOKEN[0]]), Err(401));
        assert_eq!(check(Method::GET, &[HOST_AND_TOKEN[0], ("authorization", "Bearer wrong")]), Err(401));
        assert_eq!(check(Method::GET, &[HOST_AND_TOKEN[0], ("authorization", "the-token")]), Err(401));
        assert_eq!(check(Method::GET, &[HOST_AND_TOKEN[1]]), Err(400), "no host");
        assert_eq!(
            check(Method::GET, &[("host", "evil.example:9600"), HOST_AND_TOKEN[1]]),
            Err(403),
            "rebinding"
        );
        let [host, token] = HOST_AND_TOKEN;
        assert_eq!(check(Method::GET, &[host, token, ("origin", "http://evil.example")]), Err(403));
        assert_eq!(check(Method::GET, &[host, token, ("origin", "null")]), Err(403));
        assert_eq!(check(Method::GET, &[host, token, ("origin", "http://127.0.0.1:9600")]), Ok(()));
    }

    #[test]
    fn a_change_is_json_and_no_form() {
        let [host, token] = HOST_AND_TOKEN;
        assert_eq!(check(Method::POST, &[host, token]), Err(415));
        assert_eq!(check(Method::POST, &[host, token, ("content-type", "text/plain")]), Err(415));
        assert_eq!(check(Method::POST, &[host, token, ("content-type", "application/json")]), Ok(()));
    }
}
