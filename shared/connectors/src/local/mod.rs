//! `type: local`: users in a file on this node.

use mangrove_config::connectors::Local as Written;

use crate::{Begin, Failure, Identity, ProbeResult};

/// A file of users.
#[derive(Debug)]
pub struct Local {
    written: Written,
}

impl Local {
    pub(crate) fn build(written: &Written) -> Self {
        Self { written: written.clone() }
    }
    pub(crate) fn name(&self) -> &str {
        &self.written.name
    }
    pub(crate) fn able(&self) -> Result<(), String> {
        Ok(())
    }
    pub(crate) fn begin(&self) -> Begin {
        Begin::Password { title: self.written.title.clone().unwrap_or_else(|| self.written.name.clone()) }
    }
    pub(crate) async fn verify_password(
        &self,
        _username: &str,
        _password: &str,
    ) -> Result<Identity, Failure> {
        Err(Failure::unavailable("not built yet"))
    }
    pub(crate) fn probe(&self) -> ProbeResult {
        ProbeResult::Failed { why: "not built yet".into(), no_answer: false }
    }
}
