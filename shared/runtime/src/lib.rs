//! Process life: listeners, TLS, lifecycle, logs, `/status`, the admin interface and the command line that both roles
//! share. Builds the rooms above it from a configuration; holds no protocol logic.

pub mod admin;
pub mod cli;
pub mod front;
mod heartbeat;
pub mod lifecycle;
pub mod listener;
pub mod logging;
pub mod net;
pub mod node;
pub mod role;
mod rooms;
pub mod signals;
pub mod state;
pub mod tls;

pub use role::Role;
