//! The HTTP Redirect binding (SAML 2.0 bindings, section 3.4): a message in a query, and its signature beside it.
//!
//! A signature covers the octets of the query as the peer wrote them, so nothing is decoded and encoded again: lower-case
//! `%2b` is as good as `%2B`. No parameter may be there twice, or two readers could take two different ones.

use std::fmt;
use std::io::{Read, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::gate::{Opened, Root};
use crate::names::{DS, is};
use crate::refused::Refused;
use crate::signature::{Certificates, Method, SigningKey, Verified};

/// Which parameter carries the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// `SAMLRequest`.
    Request,
    /// `SAMLResponse`.
    Response,
}

/// A message that came in a query. Nobody vouches for it until it is verified.
pub struct Received {
    message: Opened,
    relay_state: Option<String>,
    signature: Option<Signature>,
}

struct Signature {
    method: Method,
    octets: Vec<u8>,
    value: Vec<u8>,
}

/// The query for a message, without `?`: deflated, encoded, and signed if there is a key.
///
/// # Errors
/// The key fails.
pub fn encode(
    parameter: Parameter,
    xml: &str,
    relay_state: Option<&str>,
    key: Option<&SigningKey>,
) -> Result<String, Refused> {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    let deflated =
        deflate.write_all(xml.as_bytes()).and_then(|()| deflate.finish()).map_err(|_| Refused::Deflate)?;
    let mut query = format!("{}={}", parameter.name(), escaped(&BASE64_STANDARD.encode(deflated)));
    if let Some(relay_state) = relay_state {
        query += &format!("&RelayState={}", escaped(relay_state));
    }
    if let Some(key) = key {
        query += &format!("&SigAlg={}", escaped(key.method().uri()));
        let signature = BASE64_STANDARD.encode(key.asn1(query.as_bytes())?);
        query += &format!("&Signature={}", escaped(&signature));
    }
    Ok(query)
}

impl Received {
    /// Reads a query, as it was received: without `?`, nothing decoded. Parameters that are not the binding's are left
    /// alone.
    ///
    /// # Errors
    /// A parameter is missing, twice or malformed, or the message is stopped by the gate.
    pub fn decode(query: &str, parameter: Parameter, root: Root) -> Result<Self, Refused> {
        if query.len() > LONGEST_QUERY {
            return Err(Refused::TooLong { limit: LONGEST_QUERY });
        }
        let raw = Raw::split(query)?;
        let message = raw.message(parameter)?;
        let deflated =
            BASE64_STANDARD.decode(text(message)?).map_err(|_| Refused::Base64(parameter.name()))?;
        let message = Opened::open(&inflate(&deflated)?, root)?;
        if message.untrusted()?.root_element().children().any(|child| is(child, DS, "Signature")) {
            return Err(Refused::StraySignature); // section 3.4.4.1: it must be removed
        }
        let relay_state = raw.relay_state.map(|raw| text(&raw.replace('+', " "))).transpose()?;
        Ok(Self { message, relay_state, signature: raw.signature(parameter)? })
    }

    /// The message. Nobody vouches for it.
    pub fn message(&self) -> &Opened {
        &self.message
    }

    /// `RelayState`, which means nothing to anybody but who wrote it.
    pub fn relay_state(&self) -> Option<&str> {
        self.relay_state.as_deref()
    }

    /// Whether there is a signature to verify.
    pub fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// Verifies the signature by these certificates. ECDSA is taken in ASN.1, as peers write it, and in two halves.
    ///
    /// # Errors
    /// There is none, or it does not hold.
    pub fn verify(self, by: &Certificates) -> Result<Verified, Refused> {
        let signature = self.signature.ok_or(Refused::Unsigned)?;
        if !by.verify(signature.method, &signature.octets, &signature.value, false) {
            return Err(Refused::Signature { of: self.message.root(), certificates: by.len() });
        }
        Ok(self.message.vouched_for())
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Received({:?}, signed: {})", self.message, self.is_signed())
    }
}

impl Parameter {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// The values of the binding's parameters, as they stand in the query.
#[derive(Default)]
struct Raw<'a> {
    request: Option<&'a str>,
    response: Option<&'a str>,
    relay_state: Option<&'a str>,
    method: Option<&'a str>,
    signature: Option<&'a str>,
    encoding: Option<&'a str>,
}

impl<'a> Raw<'a> {
    fn split(query: &'a str) -> Result<Self, Refused> {
        let mut raw = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = text(name)?;
            let (slot, known) = match plain.as_str() {
                "SAMLRequest" => (&mut raw.request, "SAMLRequest"),
                "SAMLResponse" => (&mut raw.response, "SAMLResponse"),
                "RelayState" => (&mut raw.relay_state, "RelayState"),
                "SigAlg" => (&mut raw.method, "SigAlg"),
                "Signature" => (&mut raw.signature, "Signature"),
                "SAMLEncoding" => (&mut raw.encoding, "SAMLEncoding"),
                _ => continue,
            };
            if name != known {
                return Err(Refused::Query("the name of a parameter is escaped"));
            }
            if slot.replace(value).is_some() {
                return Err(Refused::Twice(known));
            }
        }
        Ok(raw)
    }

    fn message(&self, parameter: Parameter) -> Result<&'a str, Refused> {
        let (wanted, other) = match parameter {
            Parameter::Request => (self.request, self.response),
            Parameter::Response => (self.response, self.request),
        };
        if other.is_some() {
            return Err(Refused::Query("it has a request and a response"));
        }
        if let Some(encoding) = self.encoding
            && text(encoding)? != DEFLATE
        {
            return Err(Refused::Query("its SAMLEncoding is not DEFLATE"));
        }
        wanted.ok_or(Refused::Missing(parameter.name()))
    }

    /// The signature, and what it covers: the parameters in the binding's order, however the query orders them.
    fn signature(&self, parameter: Parameter) -> Result<Option<Signature>, Refused> {
        let (method, value) = match (self.method, self.signature) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(Refused::Missing("Signature")),
            (None, Some(_)) => return Err(Refused::Missing("SigAlg")),
            (Some(method), Some(value)) => (method, value),
        };
        let mut octets = format!("{}={}", parameter.name(), self.message(parameter)?);
        if let Some(relay_state) = self.relay_state {
            octets += &format!("&RelayState={relay_state}");
        }
        octets += &format!("&SigAlg={method}");
        let method = Method::parse(&text(method)?)
            .ok_or(Refused::Algorithm("SigAlg is not RSA or ECDSA with SHA-2"))?;
        let value = BASE64_STANDARD.decode(text(value)?).map_err(|_| Refused::Base64("Signature"))?;
        Ok(Some(Signature { method, octets: octets.into_bytes(), value }))
    }
}

/// Inflates, and stops as soon as it is more than the gate would read.
fn inflate(deflated: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut decoder = DeflateDecoder::new(deflated);
    let mut xml = Vec::new();
    decoder.by_ref().take(LONGEST_MESSAGE as u64 + 1).read_to_end(&mut xml).map_err(|_| Refused::Deflate)?;
    if xml.len() > LONGEST_MESSAGE {
        return Err(Refused::TooLong { limit: LONGEST_MESSAGE });
    }
    if decoder.total_in() != deflated.len() as u64 {
        return Err(Refused::Deflate);
    }
    Ok(xml)
}

/// Undoes percent encoding. A plus is a plus: it is a space only in `RelayState`.
fn text(raw: &str) -> Result<String, Refused> {
    const BROKEN: Refused = Refused::Query("an escape is broken");
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).ok_or(BROKEN);
            let (high, low) = (digit()?, digit()?);
            out.push(u8::try_from(high << 4 | low).map_err(|_| BROKEN)?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).map_err(|_| BROKEN)
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len() * 2), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
        out
    })
}

const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";

/// Octets of a query.
const LONGEST_QUERY: usize = 64 * 1024;

/// Octets of a message that a query may inflate to.
const LONGEST_MESSAGE: usize = 256 * 1024;
