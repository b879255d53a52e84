//! Services by name (RFC 2782): which hosts offer one, in which order to ask them.
//!
//! An answer is a list that anybody on the way could have written. It is cut short, names outside the configured suffix are
//! not read, and what is left is only ever a proposal: whoever is named has to prove itself before anybody is sent there.
//! Hosts of one priority are ordered by their weights and this node's id, so that nodes spread as the weights say and each
//! keeps to its own order.

use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{RData, RecordType};
use mangrove_keys::secret;
use tokio::time::timeout;

use super::{LOOKUP, Names, NoAddress};

/// Records of an answer that are read.
const READ: usize = 64;

/// A host and port that offer the service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host {
    /// Its name, in lower case, without a dot at its end.
    pub name: String,
    /// Its port.
    pub port: u16,
}

/// What name servers say of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// Who offers it, the preferred first; each once, none outside the suffix.
    pub hosts: Vec<Host>,
    /// Names that were left out because they are not under the suffix.
    pub outside: usize,
    /// How long the answer holds, as its servers say.
    pub lives: Duration,
}

impl Names {
    /// Who offers the service `name`, such as `_mangrove-root._tcp.example.com`, of the hosts right or further below
    /// `suffix`. `node` is what makes this node's order its own.
    ///
    /// # Errors
    /// See [`NoAddress`]; no memory is kept here.
    pub async fn services(
        self: &Arc<Self>,
        name: &str,
        suffix: &str,
        node: &str,
    ) -> Result<Services, NoAddress> {
        let sources = self.sources().await;
        let resolver = sources.resolver.as_ref().ok_or(NoAddress::Silent)?;
        let name = format!("{}.", name.trim_end_matches('.'));
        let found = timeout(LOOKUP, resolver.lookup(name, RecordType::SRV)).await;
        let lookup = match found {
            Ok(Ok(lookup)) => lookup,
            Ok(Err(why)) if why.is_no_records_found() => return Err(NoAddress::NotFound),
            _ => return Err(NoAddress::Silent),
        };
        let records = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some((srv, record.ttl)),
            _ => None,
        });
        let read: Vec<(&SRV, u32)> = records.take(READ).collect();
        let lives = read.iter().map(|(_, ttl)| *ttl).min().ok_or(NoAddress::NotFound)?;
        let offers: Vec<Offer> = read.iter().map(|(srv, _)| Offer::of(srv)).collect();
        let (inside, outside): (Vec<_>, Vec<_>) =
            offers.into_iter().partition(|offer| offer.host.is_under(suffix));
        Ok(Services {
            hosts: in_order(inside, node),
            outside: outside.iter().filter(|offer| !offer.host.name.is_empty()).count(),
            lives: Duration::from_secs(lives.into()),
        })
    }
}

impl Host {
    /// Whether the name is below `suffix`, by whole labels.
    fn is_under(&self, suffix: &str) -> bool {
        let suffix = suffix.trim_matches('.').to_ascii_lowercase();
        let below = self.name.strip_suffix(&suffix).and_then(|rest| rest.strip_suffix('.'));
        below.is_some_and(|label| !label.is_empty()) && is_a_host_name(&self.name)
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// Letters, digits, hyphens and dots (RFC 1123 section 2.1): what may stand in a URL and in a log.
fn is_a_host_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= 253
        && name.split('.').all(|label| (1..=63).contains(&label.len()) && label.chars().all(plain))
}

/// One record.
struct Offer {
    priority: u16,
    weight: u16,
    host: Host,
}

impl Offer {
    /// A target that is the root means that there is no such service: a host without a name, which is under no suffix.
    fn of(srv: &SRV) -> Self {
        let name = srv.target.to_ascii().to_ascii_lowercase();
        let host = Host { name: name.trim_end_matches('.').to_owned(), port: srv.port };
        Self { priority: srv.priority, weight: srv.weight, host }
    }

    /// The smaller, the earlier among its priority: weighted rendezvous hashing, the same at each look. A weight of zero has
    /// a very small chance, as RFC 2782 says.
    fn place(&self, node: &str) -> f64 {
        let digest = secret::sha256_base64url(format!("{node}\n{}", self.host).as_bytes());
        let bits = digest.bytes().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(byte));
        let mixed = bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11;
        #[allow(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let chance = (mixed as f64 + 0.5) / (1_u64 << 53) as f64;
        -chance.ln() / (f64::from(self.weight)).max(1e-3)
    }
}

fn in_order(mut offers: Vec<Offer>, node: &str) -> Vec<Host> {
    offers.sort_by(|a, b| {
        a.priority.cmp(&b.priority).then(a.place(node).total_cmp(&b.place(node))).then(a.host.cmp(&b.host))
    });
    let mut hosts = Vec::new();
    for offer in offers {
        if !hosts.contains(&offer.host) {
            hosts.push(offer.host);
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(name: &str, priority: u16, weight: u16) -> Offer {
        Offer { priority, weight, host: Host { name: name.into(), port: 443 } }
    }

    fn is_under(name: &str, suffix: &str) -> bool {
        Host { name: name.into(), port: 443 }.is_under(suffix)
    }

    #[test]
    fn a_suffix_is_whole_labels_with_something_before_them() {
        assert!(
            is_under("root-dc1.mesh.example", "mesh.example")
                && is_under("a.b.mesh.example", ".Mesh.example.")
        );
        for name in
            ["mesh.example", "evilmesh.example", "mesh.example.evil", ".mesh.example", "a..mesh.example", ""]
        {
            assert!(!is_under(name, "mesh.example"), "{name}");
        }
        assert!(
            !is_under("a b.mesh.example", "mesh.example") && !is_under("a@b.mesh.example", "mesh.example")
        );
    }

    #[test]
    fn priority_comes_first_and_a_host_once() {
        let offers = vec![offer("b.x", 20, 1), offer("a.x", 10, 0), offer("b.x", 5, 1)];
        let names: Vec<String> = in_order(offers, "node").into_iter().map(|host| host.name).collect();
        assert_eq!(names, ["b.x", "a.x"]);
    }

    #[test]
    fn nodes_spread_as_the_weights_say_and_each_keeps_its_order() {
        let first = |node: usize| {
            let offers = vec![offer("heavy.x", 1, 30), offer("light.x", 1, 10), offer("last.x", 1, 0)];
            in_order(offers, &format!("node-{node}")).remove(0).name
        };
        assert!((0..50).all(|node| first(node) == first(node)));
        let heavy = (0..4_000).filter(|node| first(*node) == "heavy.x").count();
        assert!((2_800..3_200).contains(&heavy), "three in four: {heavy} of 4000");
        assert!((0..4_000).all(|node| first(node) != "last.x"));
    }
}
