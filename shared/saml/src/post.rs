//! The HTTP POST binding (SAML 2.0 bindings, section 3.5): the value of a form field. The form itself is the page's.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::gate::{Opened, Root};
use crate::refused::Refused;

/// Opens the value of `SAMLResponse` or `SAMLRequest`: base64, lines allowed.
///
/// # Errors
/// Not base64, or stopped by the gate.
pub fn decode(value: &str, root: Root) -> Result<Opened, Refused> {
    if value.len() > LONGEST_VALUE {
        return Err(Refused::TooLong { limit: LONGEST_VALUE });
    }
    let packed: String = value.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).collect();
    let xml = BASE64_STANDARD.decode(packed).map_err(|_| Refused::Base64("the posted message"))?;
    Opened::open(&xml, root)
}

/// The value of the form field.
pub fn encode(xml: &str) -> String {
    BASE64_STANDARD.encode(xml)
}

/// Four thirds of what the gate reads, and line ends.
const LONGEST_VALUE: usize = 360 * 1024;
