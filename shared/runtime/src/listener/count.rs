//! How many connections are open, in all and by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use mangrove_connectors::Network;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts connections.
#[derive(Clone)]
pub(crate) struct Counter {
    places: Arc<Semaphore>,
    total: usize,
    per_address: usize,
    by_address: Arc<Mutex<HashMap<Network, usize>>>,
}

/// A place among all connections, taken before the accept.
pub(crate) struct Place(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// A place among one address's connections.
pub(crate) struct AddressPlace {
    address: Network,
    by_address: Arc<Mutex<HashMap<Network, usize>>>,
}

impl Counter {
    pub(crate) fn new(total: usize, per_address: usize) -> Self {
        let total = total.clamp(1, Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(total));
        Self { places, total, per_address: per_address.max(1), by_address: Arc::default() }
    }

    /// Waits for a free place; while none is free nothing is accepted and the kernel's backlog holds the rest.
    pub(crate) async fn place(&self) -> Place {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        Place(permit.expect("the semaphore is never closed"))
    }

    /// A place for one more connection of this address, or none.
    pub(crate) fn of_address(&self, address: IpAddr) -> Option<AddressPlace> {
        let address = Network::from(address);
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(AddressPlace { address, by_address: Arc::clone(&self.by_address) })
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.total - self.places.available_permits()
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_number_of_places_and_no_more_until_one_is_free() {
        let counter = Counter::new(10, 2);
        let address = "192.0.2.1".parse().unwrap();
        let first = counter.of_address(address).expect("one");
        let _second = counter.of_address(address).expect("two");
        assert!(counter.of_address(address).is_none());
        assert!(counter.of_address("192.0.2.2".parse().unwrap()).is_some());
        drop(first);
        assert!(counter.of_address(address).is_some());
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_their_places() {
        let counter = Counter::new(10, 1);
        let _held = counter.of_address("2001:db8::1".parse().unwrap()).expect("one");
        assert!(counter.of_address("2001:db8:0:ff::2".parse().unwrap()).is_none());
        assert!(counter.of_address("2001:db8:0:100::2".parse().unwrap()).is_some());
    }
}
