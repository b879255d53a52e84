//! The lab: regions as network namespaces, the switch between them, DNS, the certificate authority, processes.
//!
//! Everything here lives as long as one process: namespaces are anonymous, the TUN devices hang on file descriptors, files
//! are on a memory file system that only the run sees. When the process dies, however it dies, nothing is left.

pub mod addresses;
pub mod ca;
pub mod chromium;
pub mod clock;
pub mod configs;
pub mod crowd;
mod describe;
pub mod disk;
pub mod dns;
pub mod endpoint;
pub mod expiry;
pub mod foreign;
pub mod front;
pub mod idp;
pub mod knock;
pub mod lateness;
pub mod log;
pub mod mesh;
pub mod packet;
pub mod paths;
pub mod process;
mod programs;
pub mod region;
mod server;
pub mod socks;
mod specs;
pub mod switch;
mod sys;

#[cfg(test)]
mod tests;
