//! Names to addresses for `check`, so that two providers behind one address are noticed. The operating system answers; once
//! it was too slow, nothing more is asked, because `check` also runs where there is no network.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use mangrove_config::Resolver;

/// Patience with one name.
const PATIENCE: Duration = Duration::from_secs(1);

/// The operating system's resolver.
#[derive(Debug, Default)]
pub(super) struct SystemNames {
    silent: AtomicBool,
}

impl Resolver for SystemNames {
    fn addresses(&self, host: &str) -> Vec<IpAddr> {
        if self.silent.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let (answer, asked) = mpsc::channel();
        let name = (host.to_owned(), 443);
        // Nobody waits for a thread that is still asking when the process ends.
        std::thread::spawn(move || {
            let found =
                name.to_socket_addrs().map(|found| found.map(|it| it.ip()).collect()).unwrap_or_default();
            let _ = answer.send(found);
        });
        asked.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            self.silent.store(true, Ordering::Relaxed);
            Vec::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_this_machine_has_its_address() {
        assert!(SystemNames::default().addresses("localhost").iter().all(IpAddr::is_loopback));
        assert!(!SystemNames::default().addresses("localhost").is_empty());
    }

    #[test]
    fn after_one_silence_nothing_more_is_asked() {
        let names = SystemNames::default();
        names.silent.store(true, Ordering::Relaxed);
        assert!(names.addresses("localhost").is_empty());
    }
}
