//! Exactly one host. HTTP servers behind and in front disagree about requests with none or two, and an attacker lives
//! in that disagreement; so there is one authority, well formed, in one place, or the answer is 400.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderValue, Method, Request};

/// Checks the request's authority and leaves it in the `Host` header, wherever it stood.
pub(super) fn settle<B>(request: &mut Request<B>) -> Result<(), &'static str> {
    if request.method() == Method::CONNECT {
        return Err("This server is no proxy.");
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Err("This request names two hosts."),
        (Some(host), None) => Some(authority(host)?),
        (None, _) => None,
    };
    let target = match request.uri().authority() {
        Some(written) => Some(without_user(written.clone())?),
        None => None,
    };
    let one = match (target, header) {
        (Some(a), Some(b)) if a != b => return Err("This request names two hosts."),
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => return Err("This request names no host."),
    };
    let value = HeaderValue::from_str(one.as_str()).map_err(|_| MALFORMED)?;
    request.headers_mut().insert(HOST, value);
    Ok(())
}

fn authority(host: &HeaderValue) -> Result<Authority, &'static str> {
    without_user(Authority::try_from(host.as_bytes()).map_err(|_| MALFORMED)?)
}

fn without_user(authority: Authority) -> Result<Authority, &'static str> {
    let port =
        authority.as_str().rsplit_once(']').map_or(authority.as_str(), |(_, rest)| rest).rsplit_once(':');
    let port_is_good = port.is_none_or(|(_, port)| port.parse::<u16>().is_ok());
    if authority.as_str().contains('@') || authority.host().is_empty() || !port_is_good {
        return Err(MALFORMED);
    }
    Ok(authority)
}

const MALFORMED: &str = "This request's host cannot be read.";

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(uri: &str, hosts: &[&str]) -> Result<String, &'static str> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        let mut request = request.body(()).unwrap();
        settle(&mut request)?;
        assert_eq!(request.headers().get_all(HOST).iter().count(), 1);
        Ok(request.headers()[HOST].to_str().unwrap().to_owned())
    }

    #[test]
    fn one_host_is_fine_wherever_it_stands() {
        assert_eq!(settled("/", &["root.localhost:9443"]).unwrap(), "root.localhost:9443");
        assert_eq!(settled("https://root.localhost/x", &[]).unwrap(), "root.localhost");
        assert_eq!(settled("https://root.localhost/x", &["ROOT.localhost"]).unwrap(), "root.localhost");
        assert_eq!(settled("/", &["[::1]:9443"]).unwrap(), "[::1]:9443");
        assert_eq!(settled("/", &["[::1]"]).unwrap(), "[::1]");
    }

    #[test]
    fn none_two_and_nonsense_are_refused() {
        assert!(settled("/", &[]).is_err());
        assert!(settled("/", &["a.example", "b.example"]).is_err());
        assert!(settled("/", &["a.example", "a.example"]).is_err(), "twice the same is still two");
        assert!(settled("https://a.example/", &["b.example"]).is_err());
        for wrong in ["", "user@a.example", "a.example:port", "a.example:99999", "a b", "a.example/x", ":80"]
        {
            assert!(settled("/", &[wrong]).is_err(), "{wrong:?}");
        }
    }
}
