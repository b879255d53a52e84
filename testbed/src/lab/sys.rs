//! What needs `unsafe`: making a TUN device, giving it an address, bringing a device up, asking the scheduler for
//! precedence, and giving a child its signals back. Nothing else of the testbed is unsafe.
#![allow(unsafe_code, reason = "ioctl, setpriority and pre_exec have no safe wrapper")]

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::libc;
use nix::sys::signal::SigSet;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

nix::ioctl_write_ptr_bad!(tun_set_iff, libc::TUNSETIFF, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_address, libc::SIOCSIFADDR, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_netmask, libc::SIOCSIFNETMASK, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_mtu, libc::SIOCSIFMTU, libc::ifreq);

/// A request about the device `name`, everything else zero.
fn request(name: &str) -> libc::ifreq {
    // SAFETY: `ifreq` is plain data for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    request
}

fn in4(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (to, from) in data[2..6].iter_mut().zip(address.octets()) {
        *to = from as libc::c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as libc::sa_family_t, sa_data: data }
}

/// Makes the TUN device `name` in the calling thread's network namespace; it lives as long as the file.
pub(super) fn tun(name: &str) -> io::Result<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut request = request(name);
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: TUNSETIFF reads an `ifreq` through the pointer, which lives until the call returns.
    unsafe { tun_set_iff(file.as_raw_fd(), &raw const request) }.map_err(io::Error::from).map(|_| file)
}

/// Gives `device` (or its alias `device:1`) an address and a netmask.
pub(super) fn address(device: &str, address: Ipv4Addr, mask: Ipv4Addr) -> io::Result<()> {
    let control = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut request = request(device);
    request.ifr_ifru.ifru_addr = in4(address);
    // SAFETY: both calls read an `ifreq` through a pointer that lives until they return.
    unsafe { set_address(control.as_raw_fd(), &raw const request) }?;
    request.ifr_ifru.ifru_addr = in4(mask);
    unsafe { set_netmask(control.as_raw_fd(), &raw const request) }?;
    Ok(())
}

/// Brings `device` up.
pub(super) fn up(device: &str, mtu: Option<u16>) -> io::Result<()> {
    let control = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut request = request(device);
    if let Some(mtu) = mtu {
        request.ifr_ifru.ifru_mtu = libc::c_int::from(mtu);
        // SAFETY: reads an `ifreq` through a pointer that lives until the call returns.
        unsafe { set_mtu(control.as_raw_fd(), &raw const request) }?;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: as above.
    unsafe { set_flags(control.as_raw_fd(), &raw const request) }?;
    Ok(())
}

/// Puts the calling thread before others, where the system allows it; a busy machine then delays packets less.
pub(super) fn precedence() {
    // SAFETY: takes numbers only; a refusal changes nothing.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -15) };
}

/// Lets a process to be started hear all signals: the supervisor's threads block some, and children inherit that.
pub(super) fn hears_signals(command: &mut Command) {
    let unblock = || SigSet::all().thread_unblock().map_err(io::Error::from);
    // SAFETY: between fork and exec only `sigprocmask` is called, which is async-signal-safe and allocates nothing.
    unsafe { command.pre_exec(unblock) };
}
