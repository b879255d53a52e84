//! Kinds of connectors that a configuration may name and this version cannot run. They load, say so, and are never chosen.

/// A connector that cannot be used.
#[derive(Debug)]
pub struct NotBuilt {
    pub(crate) name: String,
    /// What is missing, such as `SAML`.
    pub(crate) what: &'static str,
}

impl NotBuilt {
    /// Why nobody can sign in here.
    pub(crate) fn why(&self) -> String {
        format!("{} is not built yet", self.what)
    }
}
