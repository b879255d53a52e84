//! A region: an anonymous network namespace with one TUN device, and a thread that lives in it. What the thread starts or
//! opens is in the region; the namespace ends with the last thing in it.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, unshare};

use super::{addresses, sys};

/// Largest packet between regions.
pub const MTU: u16 = 1500;
const DEVICE: &str = "mesh0";

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace with its own thread.
#[derive(Debug)]
pub struct Region {
    name: String,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Region {
    /// Makes the region with these addresses besides its own, and the TUN device that leads out of it.
    ///
    /// # Errors
    /// What the kernel refused, and of what.
    pub fn create(name: &str, index: usize, servers: &[Ipv4Addr]) -> io::Result<(Self, OwnedFd)> {
        let (jobs, inbox) = channel::<Job>();
        let (ready, born) = sync_channel(1);
        let addresses: Vec<_> =
            std::iter::once(addresses::own(index)).chain(servers.iter().copied()).collect();
        let thread = std::thread::Builder::new().name(format!("region-{name}")).spawn(move || {
            let made = enter(&addresses);
            let failed = made.is_err();
            if ready.send(made).is_err() || failed {
                return;
            }
            for job in inbox {
                job();
            }
        })?;
        let tun = born.recv().map_err(|_| io::Error::other("the region's thread died"))??;
        Ok((Self { name: name.to_owned(), jobs: Some(jobs), thread: Some(thread) }, OwnedFd::from(tun)))
    }

    /// The region's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does something inside the region: processes started and sockets opened by it belong there.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = sync_channel(1);
        let job: Job = Box::new(move || {
            let _ = done.send(work());
        });
        self.jobs
            .as_ref()
            .expect("there until dropped")
            .send(job)
            .expect("the region's thread lives as long as the region");
        result.recv().expect("work inside a region does not panic")
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn enter(addresses: &[Ipv4Addr]) -> io::Result<File> {
    let named =
        |what: &'static str| move |error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
    unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from).map_err(named("a network namespace"))?;
    sys::up("lo", None).map_err(named("the loopback device"))?;
    let tun = sys::tun(DEVICE).map_err(named("a TUN device"))?;
    for (number, address) in addresses.iter().enumerate() {
        let label = if number == 0 { DEVICE.to_owned() } else { format!("{DEVICE}:{number}") };
        sys::address(&label, *address, addresses::MASK).map_err(named("an address"))?;
        if number == 0 {
            sys::up(DEVICE, Some(MTU)).map_err(named("the TUN device up"))?;
        }
    }
    Ok(tun)
}
