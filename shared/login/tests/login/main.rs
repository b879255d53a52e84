//! Whole logins through a room without a listener, against real providers on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests")]

mod support;

mod attacks;
mod busy;
mod directory;
mod door;
mod failover;
mod found;
mod handed_back;
mod judged;
mod logout;
mod logout_again;
mod looks;
mod loops;
mod misconfigured;
mod passive;
mod password;
mod passwords_under_way;
mod saml;
mod saml_again;
mod sign_in;
mod simulated;
mod unanswered;
mod word;
