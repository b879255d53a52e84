//! Downstream protocols: what applications speak to this node. Each is a mode of its own that ends in the same login;
//! none knows anything of an upstream.

pub mod oidc;
