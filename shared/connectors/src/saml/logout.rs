//! Single logout: what is kept of a login for it.

use mangrove_saml::response::NameId;
use serde::{Deserialize, Serialize};

/// A name id, as it is kept with a session.
#[derive(Serialize, Deserialize)]
struct Kept {
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qualifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sp_qualifier: Option<String>,
}

/// What a session keeps of whom the provider knows.
pub(super) fn hint(name: &NameId) -> Option<String> {
    let NameId { value, format, qualifier, sp_qualifier } = name.clone();
    serde_json::to_string(&Kept { value, format, qualifier, sp_qualifier }).ok()
}
