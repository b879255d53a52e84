//! The device cookie: which accounts this browser signed in to with a password, sealed, for 180 days.
//!
//! It gives nobody anything but a queue of their own: whoever guesses elsewhere does not slow down the browser that
//! knows the account, and the counters of [`crate::guessing`] still hold for the device itself.

use std::sync::Arc;

use mangrove_keys::{ambient, seal::Sealer};
use serde::{Deserialize, Serialize};

use crate::{cookies::DEVICE_SECONDS, digest};

/// Most accounts of one device; the one used longest ago goes first.
const MOST_ACCOUNTS: usize = 8;

const PURPOSE: &str = "device cookie";

/// Seals and opens device cookies.
#[derive(Debug)]
pub(crate) struct Devices {
    sealer: Arc<Sealer>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Device {
    id: String,
    /// Hash of connector and account, and when it last signed in, in seconds since the Unix epoch; newest first.
    accounts: Vec<(u64, u64)>,
}

impl Devices {
    /// With the node's sealer.
    pub(crate) fn new(sealer: Arc<Sealer>) -> Self {
        Self { sealer }
    }

    /// The id of the device, if it signed in to this account within 180 days.
    pub(crate) fn known(
        &self,
        cookie: Option<&str>,
        connector: &str,
        account: &str,
        unix: u64,
    ) -> Option<String> {
        let device = self.open(cookie)?;
        let wanted = hashed(connector, account);
        let fresh = |at: u64| unix.saturating_sub(at) < DEVICE_SECONDS;
        device.accounts.iter().any(|(account, at)| *account == wanted && fresh(*at)).then_some(device.id)
    }

    /// The cookie that says this device signed in to this account now, too.
    pub(crate) fn remember(&self, cookie: Option<&str>, connector: &str, account: &str, unix: u64) -> String {
        let mut device =
            self.open(cookie).unwrap_or_else(|| Device { id: ambient::short_id(), accounts: Vec::new() });
        let this = hashed(connector, account);
        device.accounts.retain(|(account, _)| *account != this);
        device.accounts.insert(0, (this, unix));
        device.accounts.truncate(MOST_ACCOUNTS);
        let bytes = serde_json::to_vec(&device).expect("plain data becomes JSON");
        self.sealer.seal(PURPOSE, &bytes)
    }

    fn open(&self, cookie: Option<&str>) -> Option<Device> {
        serde_json::from_slice(&self.sealer.open(PURPOSE, cookie?)?).ok()
    }
}

fn hashed(connector: &str, account: &str) -> u64 {
    let account = account.trim().to_lowercase();
    digest::number(PURPOSE, &[connector.as_bytes(), account.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices() -> (tempfile::TempDir, Devices) {
        let dir = tempfile::tempdir().unwrap();
        let sealer = Arc::new(Sealer::from_state(dir.path()).unwrap());
        (dir, Devices::new(sealer))
    }

    #[test]
    fn a_device_is_known_for_the_accounts_it_signed_in_to_and_for_180_days() {
        let (_dir, devices) = devices();
        let cookie = devices.remember(None, "directory", "Alice", 1000);
        assert!(devices.known(Some(&cookie), "directory", "alice", 1001).is_some());
        assert!(devices.known(Some(&cookie), "directory", "bob", 1001).is_none());
        assert!(devices.known(Some(&cookie), "other", "alice", 1001).is_none());
        assert!(devices.known(Some(&cookie), "directory", "alice", 1000 + DEVICE_SECONDS).is_none());
    }

    #[test]
    fn a_device_keeps_its_id_over_accounts_and_forgets_the_oldest() {
        let (_dir, devices) = devices();
        let mut cookie = devices.remember(None, "directory", "first", 0);
        let id = devices.known(Some(&cookie), "directory", "first", 1);
        for number in 0..MOST_ACCOUNTS {
            cookie = devices.remember(Some(&cookie), "directory", &number.to_string(), 1);
        }
        assert_eq!(devices.known(Some(&cookie), "directory", "0", 2), id);
        assert_eq!(devices.known(Some(&cookie), "directory", "first", 2), None);
    }

    #[test]
    fn a_forged_device_cookie_is_none() {
        let (_dir, ours) = devices();
        let (_other_dir, other) = devices();
        let forged = other.remember(None, "directory", "alice", 0);
        assert!(ours.known(Some(&forged), "directory", "alice", 1).is_none());
        assert!(ours.known(Some("nonsense"), "directory", "alice", 1).is_none());
    }
}
