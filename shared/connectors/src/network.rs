//! Whom a request is counted for: what one subscriber has of the Internet's addresses.
//!
//! Owns which addresses are one; what is counted, and what follows, is the business of whoever counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address, or the /56 of an IPv6 address: that is what a home line has. An IPv4 address that was mapped into IPv6 is an IPv4
/// address. What is bounded is counted by it; [`Self::site`] is for what is only shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(first_bits(address.to_canonical(), 56))
    }
}

impl Network {
    /// An IPv4 address, or the /48 of an IPv6 address: an office or a rented server has as much. For turns and room that nobody is
    /// denied while there is some: the up to 256 home lines of a /48 share them, as those behind one IPv4 address do.
    #[must_use]
    pub fn site(self) -> Self {
        Self(first_bits(self.0, 48))
    }
}

fn first_bits(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> bits))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Nobody knows from where.
impl Default for Network {
    fn default() -> Self {
        Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Network {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn a_subscriber_is_one_ipv4_address_or_56_bits_of_ipv6() {
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8:0:100::1"), of("2001:db8:0:1ff:ffff::2"));
        assert_ne!(of("2001:db8:0:100::1"), of("2001:db8:0:200::1"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
    }

    #[test]
    fn a_site_is_one_ipv4_address_or_48_bits_of_ipv6() {
        assert_ne!(of("192.0.2.1").site(), of("192.0.2.2").site());
        assert_eq!(of("2001:db8:1:100::1").site(), of("2001:db8:1:ff00::2").site());
        assert_ne!(of("2001:db8:1::1").site(), of("2001:db8:2::1").site());
    }
}
