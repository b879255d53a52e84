//! Whole runs, most of them with stand-ins for the nodes. Need root (or user name spaces) and `/dev/net/tun`.
#![allow(
    clippy::unwrap_used,
    reason = "a test of its own crate; the exemption of unit tests does not reach it"
)]

mod broken;
mod faults;
mod foreign;
mod leaves_nothing;
mod stand_in;
mod up;
mod verbs;
