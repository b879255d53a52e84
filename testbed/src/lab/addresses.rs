//! The address plan: region R is `10.64.(R+1).0/24`, its people `.1`, its servers from `.10`. The addresses exist only
//! inside the namespaces.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::language::{Topology, host};

/// Where the DNS of a region answers: on its own loopback, so that no link lies between.
pub const DNS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
/// Netmask of every address: all regions look as if on one link, and the switch decides.
pub const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 0, 0);
/// Last byte of an address that nobody has in any region.
pub const NOBODY: u8 = 253;
/// Port of every server.
pub const PORT: u16 = 443;
/// Port of a server that has a front before it.
pub const PORT_BEHIND: u16 = 8443;

/// A region's own address; browsers and nodes send from it.
pub fn own(region: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 64, u8::try_from(region + 1).unwrap_or(255), 1)
}

/// Region of an address of the lab.
pub fn region_of(address: [u8; 4]) -> Option<usize> {
    match address {
        [10, 64, region @ 1..=254, _] => Some(usize::from(region) - 1),
        _ => None,
    }
}

/// Which server has which address.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    servers: BTreeMap<String, Ipv4Addr>,
}

impl Plan {
    /// Gives every node, IdP, application and endpoint an address in its region, in the file's order.
    pub fn of(topology: &Topology) -> Self {
        let idps = topology.idps.iter().map(|it| (&it.name, &it.region));
        let nodes = topology.nodes.iter().map(|it| (&it.name, &it.region));
        let apps = topology.apps.iter().map(|it| (&it.name, &it.region));
        let mut next = vec![10u8; topology.regions.len()];
        let mut servers = BTreeMap::new();
        let endpoints = topology.endpoints.iter().map(|it| (&it.name, &it.region));
        for (name, region) in idps.chain(nodes).chain(apps).chain(endpoints) {
            let Some(region) = topology.region_index(region) else { continue };
            let [a, b, c, _] = own(region).octets();
            servers.insert(name.clone(), Ipv4Addr::new(a, b, c, next[region]));
            next[region] = next[region].saturating_add(1);
        }
        Self { servers }
    }

    /// Address of a server.
    pub fn address(&self, name: &str) -> Option<Ipv4Addr> {
        self.servers.get(name).copied()
    }

    /// Addresses of a region's servers.
    pub fn in_region(&self, region: usize) -> Vec<Ipv4Addr> {
        self.servers.values().copied().filter(|it| region_of(it.octets()) == Some(region)).collect()
    }

    /// Names and addresses as DNS says them.
    pub fn names(&self) -> BTreeMap<String, Ipv4Addr> {
        self.servers.iter().map(|(name, address)| (host(name), *address)).collect()
    }
}
