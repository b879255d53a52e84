//! The OpenID Connect provider as applications and browsers see it: a whole node in this process, a person who signs in at
//! a `local` connector, and verifiers that are not ours.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod assertions;
mod authorize;
mod cascade;
mod clients;
mod discovery;
mod health;
mod layers;
mod logout;
mod refresh;
mod support;
mod token;
mod tokens;
mod way;
