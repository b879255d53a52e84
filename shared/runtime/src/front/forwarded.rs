//! Who a request comes from. `X-Forwarded-*` and `Forwarded` are believed only when the socket's other end is a proxy
//! that the configuration names, and taken away in any case: nothing behind this file can read them, so they can shape
//! no link and no issuer.
//!
//! A proxy appends; what a stranger wrote is on the left. So the list is read from the right, past addresses that are
//! themselves trusted proxies, and ends at the first that is not, or that is not an address.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use mangrove_login::Peer;

use super::peer_of_socket;
use crate::listener::Caller;
use crate::net::Network;

/// One hop as a proxy describes it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hop {
    address: Option<IpAddr>,
    secure: Option<bool>,
}

/// Who sent the request; the headers that might have said so are gone afterwards.
pub(super) fn peer(trusted: &[Network], caller: Caller, headers: &mut HeaderMap) -> Peer {
    let mut peer = peer_of_socket(caller);
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.holds(address));
    if is_trusted(peer.address) {
        let hops = if headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(X_FORWARDED_PROTO) {
            x_forwarded(headers)
        } else {
            forwarded(headers)
        };
        for hop in hops.iter().rev() {
            peer.secure = hop.secure.unwrap_or(peer.secure);
            let Some(address) = hop.address else { break };
            peer.address = address;
            if !is_trusted(address) {
                break;
            }
        }
    }
    strip(headers);
    peer
}

fn x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    // One proxy in front writes one scheme; of several the nearest one's counts, which is the last.
    let secure = list(headers, X_FORWARDED_PROTO).last().map(|scheme| scheme.eq_ignore_ascii_case("https"));
    let mut hops: Vec<Hop> =
        list(headers, X_FORWARDED_FOR).map(|text| Hop { address: node(text), secure: None }).collect();
    match hops.last_mut() {
        Some(last) => last.secure = secure,
        None => hops.push(Hop { address: None, secure }),
    }
    hops
}

/// RFC 7239.
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    list(headers, FORWARDED)
        .map(|element| {
            let mut hop = Hop::default();
            for pair in element.split(';') {
                let Some((name, value)) = pair.trim().split_once('=') else { continue };
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => hop.address = node(value),
                    "proto" => hop.secure = Some(value.trim_matches('"').eq_ignore_ascii_case("https")),
                    _ => {}
                }
            }
            hop
        })
        .collect()
}

/// Every element of a comma-separated header, over all its lines. What is not text is an element that says nothing.
fn list<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().flat_map(|line| line.to_str().unwrap_or("").split(',')).map(str::trim)
}

/// An address, with or without a port, quotes and brackets.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

fn strip(headers: &mut HeaderMap) {
    let is_forwarded = |name: &HeaderName| {
        let name = name.as_str();
        name == FORWARDED
            || name == "x-real-ip"
            || name.starts_with("x-forwarded")
            || name.starts_with("x_forwarded")
    };
    let found: Vec<HeaderName> = headers.keys().filter(|name| is_forwarded(name)).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

const FORWARDED: &str = "forwarded";
const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(socket: &str, written: &[(&'static str, &str)]) -> (String, bool, usize) {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let caller = Caller { socket: SocketAddr::new(socket.parse().unwrap(), 4711), tls: false };
        let mut headers = HeaderMap::new();
        for (name, value) in written {
            headers.append(*name, value.parse().unwrap());
        }
        let peer = peer(&trusted, caller, &mut headers);
        (peer.address.to_string(), peer.secure, headers.len())
    }

    #[test]
    fn a_stranger_says_what_he_likes_and_changes_nothing() {
        for written in [
            [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https")],
            [("forwarded", "for=127.0.0.1;proto=https"), ("x-forwarded-host", "evil.example")],
            [("x-real-ip", "127.0.0.1"), ("x_forwarded_for", "127.0.0.1")],
        ] {
            assert_eq!(seen("192.0.2.9", &written), ("192.0.2.9".into(), false, 0), "{written:?}");
        }
    }

    #[test]
    fn a_named_proxy_is_believed() {
        let written = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")];
        assert_eq!(seen("10.0.0.1", &written), ("198.51.100.1".into(), true, 0));
        let written = [("forwarded", "for=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.1")];
        assert_eq!(seen("10.0.0.1", &written), ("2001:db8::1".into(), true, 0));
    }

    #[test]
    fn what_a_client_wrote_before_the_proxy_did_is_not_read() {
        let written = [("x-forwarded-for", "127.0.0.1, 198.51.100.1, 10.0.0.2")];
        assert_eq!(seen("10.0.0.1", &written).0, "198.51.100.1");
        let written = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "198.51.100.1")];
        assert_eq!(seen("10.0.0.1", &written).0, "198.51.100.1", "over several lines");
    }

    #[test]
    fn words_instead_of_an_address_end_the_reading() {
        assert_eq!(seen("10.0.0.1", &[("x-forwarded-for", "127.0.0.1, unknown")]).0, "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[("forwarded", "for=127.0.0.1, for=_hidden")]).0, "10.0.0.1");
    }
}
