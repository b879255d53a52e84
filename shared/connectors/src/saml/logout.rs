//! Single logout (SAML Profiles 4.4): what this node tells the provider, and what the provider tells it.
//!
//! Both go through the browser. A request to end sessions is believed only when it is signed; an answer to ours is, where it is
//! signed, because all that hangs on it is whether the person reads that the provider could not be told.

use std::sync::Arc;

use mangrove_keys::ambient;
use mangrove_saml::logout::{Answered, Expected, LogoutRequest, LogoutResponse, Refusal, Wanted};
use mangrove_saml::metadata::Binding;
use mangrove_saml::redirect::{self, Parameter, Received};
use mangrove_saml::response::NameId;
use mangrove_saml::roxmltree::Document;
use mangrove_saml::{DecryptionKeys, Refused, Root, SigningKey, post, sign, uris};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};

use super::Saml;
use super::begin::{fresh_id, with_query};
use super::provider::Published;
use super::work;
use crate::farewell::{Carried, Farewell, Heard, Sending, Wish};
use crate::{Failure, Identity, Network, Once};

/// Longest `RelayState` of a provider, in bytes: it is taken back in the answer. The standard allows 80 (SAML Bindings 3.4.3 and
/// 3.5.3), and some providers write more; what this node writes for itself has 43.
const LONGEST_RELAY_STATE: usize = 1024;

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

fn kept(identity: &Identity) -> Option<NameId> {
    let Kept { value, format, qualifier, sp_qualifier } =
        serde_json::from_str(identity.logout_hint.as_deref()?).ok()?;
    Some(NameId { value, format, qualifier, sp_qualifier })
}

impl Saml {
    pub(crate) fn logout_path(&self) -> Option<&str> {
        self.settings.logout.as_ref().map(Url::path)
    }

    pub(crate) fn has_logout(&self, identity: &Identity) -> bool {
        self.told_at(identity).is_some()
    }

    /// How and where the provider is told, and of whom: where both sides have a door, and this node a key.
    fn told_at(&self, identity: &Identity) -> Option<(Binding, Url, NameId)> {
        self.settings.logout.as_ref()?;
        self.settings.signing()?;
        let (binding, to) = self.provider.last_good()?.logout_by()?.request();
        Some((binding, to, kept(identity)?))
    }

    /// A signed request to end the provider's session, from what is known of the provider; nothing is fetched for it.
    pub(crate) async fn logout(&self, identity: &Identity, from: Network) -> Option<Farewell> {
        let (binding, to, name) = self.told_at(identity)?;
        let (settings, session) = (Arc::clone(&self.settings), identity.upstream_sid.clone());
        let id = fresh_id();
        let asked = id.clone();
        let written = self.benches.requests.run_for(from, move || {
            let request = LogoutRequest {
                id: &id,
                issued: ambient::unix_now(),
                destination: to.as_str(),
                issuer: &settings.entity_id,
                name_id: &name,
                session: session.as_deref(),
            };
            let message = (Parameter::Request, Root::LogoutRequest, request.write());
            send(message, None, binding, to, settings.signing())
        });
        match written.await {
            Ok(Ok(to)) => Some(Farewell { to, asked: Some(asked) }),
            Ok(Err(why)) => self.cannot_say(&why),
            Err(why) => self.cannot_say(&why),
        }
    }

    /// What arrived at the single logout service.
    pub(crate) async fn hears(&self, carried: Carried, from: Network) -> Result<Heard, Failure> {
        let known = self.provider.published().await.map_err(|why| why.into_failure(self.name()))?;
        let carried = Arc::new(carried);
        let mut heard = self.heard(&carried, &known, from).await?;
        if let Err(Unheard::Refused(Refused::Signature { .. })) = heard
            && let Some(newer) = self.newer(&known).await
        {
            heard = self.heard(&carried, &newer, from).await?;
        }
        heard.map_err(|why| Failure::protocol(self.said(why)))
    }

    async fn heard(
        &self,
        carried: &Arc<Carried>,
        known: &Arc<Published>,
        from: Network,
    ) -> Result<Result<Heard, Unheard>, Failure> {
        let (settings, carried, known) = (Arc::clone(&self.settings), Arc::clone(carried), Arc::clone(known));
        let heard = self.benches.anybodys.run_for(from, move || {
            let here = settings.logout.as_ref().map(Url::as_str).unwrap_or_default();
            let expected = Expected { provider: &known.entity_id, here };
            hear(&carried, &known, &expected, ambient::unix_now())
        });
        heard.await.map_err(|undone| work::failure(undone, self.name()))
    }

    /// Tells the provider that what it wished has happened.
    pub(crate) async fn replies(&self, wish: &Wish, from: Network) -> Option<Sending> {
        let known = self.provider.last_good()?;
        let (binding, to) = known.logout_by()?.response();
        let (settings, in_response_to) = (Arc::clone(&self.settings), wish.once.id.clone());
        let relay_state = wish.relay_state.clone();
        let written = self.benches.requests.run_for(from, move || {
            let response = LogoutResponse {
                id: &fresh_id(),
                issued: ambient::unix_now(),
                destination: to.as_str(),
                issuer: &settings.entity_id,
                in_response_to: &in_response_to,
                status: (uris::SUCCESS, None),
            };
            let message = (Parameter::Response, Root::LogoutResponse, response.write());
            send(message, relay_state.as_deref(), binding, to, settings.signing())
        });
        match written.await {
            Ok(Ok(to)) => Some(to),
            Ok(Err(why)) => self.cannot_say(&why),
            Err(why) => self.cannot_say(&why),
        }
    }

    /// Whether an identity is one that the provider wishes to end.
    pub(crate) fn is_meant(&self, wish: &Wish, identity: &Identity) -> bool {
        let same = |said: &Option<String>, known: &Option<String>| {
            said == known || said.is_none() || known.is_none()
        };
        if identity.connector != self.settings.name {
            return false;
        }
        let Some(known) = kept(identity) else { return false };
        let session = wish.sessions.is_empty()
            || identity.upstream_sid.as_ref().is_none_or(|session| wish.sessions.contains(session));
        known.value == wish.name
            && session
            && same(&wish.qualifier, &known.qualifier)
            && same(&wish.sp_qualifier, &known.sp_qualifier)
    }

    fn cannot_say<T>(&self, why: &dyn std::fmt::Display) -> Option<T> {
        tracing::warn!(connector = self.name(), %why, "a logout cannot be told to the provider");
        None
    }
}

/// A message on its way, signed where there is a key.
fn send(
    (parameter, root, xml): (Parameter, Root, String),
    relay_state: Option<&str>,
    binding: Binding,
    to: Url,
    key: Option<&SigningKey>,
) -> Result<Sending, Refused> {
    if binding == Binding::Redirect {
        return Ok(Sending::Redirect(with_query(to, &redirect::encode(parameter, &xml, relay_state, key)?)));
    }
    let xml = key.map_or(Ok(xml.clone()), |key| sign(&xml, root, key))?;
    let mut fields = vec![(parameter.name(), post::encode(&xml))];
    fields.extend(relay_state.map(|state| ("RelayState", state.to_owned())));
    Ok(Sending::Post(to, fields))
}

/// Why a message about a logout is not believed.
#[derive(Debug, thiserror::Error)]
enum Unheard {
    #[error("a message about a logout: {0}")]
    Refused(#[from] Refused),
    #[error("a message about a logout: {0}")]
    Refusal(#[from] Refusal),
    #[error("a message about a logout: {0}")]
    Form(&'static str),
}

/// Opens, verifies and judges a message; not on an async thread.
fn hear(carried: &Carried, known: &Published, expected: &Expected<'_>, now: u64) -> Result<Heard, Unheard> {
    let answer = |document: &Document<'_>| -> Result<Heard, Unheard> {
        let Answered { to, well } = Answered::read(document.root_element(), expected, now)?;
        Ok(Heard::Answer { to, well })
    };
    let wish = |document: Option<Document<'_>>, relay_state: Option<&str>| -> Result<Heard, Unheard> {
        let document = document.ok_or(Refused::Unsigned)?;
        let Wanted { id, until, name_id, sessions } = Wanted::read(document.root_element(), expected, now)?;
        let NameId { value: name, qualifier, sp_qualifier, .. } = name_id;
        if relay_state.is_some_and(|state| state.len() > LONGEST_RELAY_STATE) {
            return Err(Unheard::Form("its RelayState is longer than 1024 bytes"));
        }
        let relay_state = relay_state.map(str::to_owned);
        let once = Once { id, until };
        Ok(Heard::Wish(Wish { once, relay_state, name, qualifier, sp_qualifier, sessions }))
    };
    match carried {
        Carried::Query(query) if names(query, "SAMLRequest") => {
            let received = Received::decode(query, Parameter::Request, Root::LogoutRequest)?;
            let relay_state = received.relay_state().map(str::to_owned);
            wish(received.verify(&known.certificates)?.message()?, relay_state.as_deref())
        }
        Carried::Query(query) => {
            let received = Received::decode(query, Parameter::Response, Root::LogoutResponse)?;
            if !received.is_signed() {
                return answer(&received.message().untrusted()?);
            }
            answer(&received.verify(&known.certificates)?.message()?.ok_or(Refused::Unsigned)?)
        }
        Carried::Form(form) => {
            let fields: Vec<(String, String)> = form_urlencoded::parse(form).into_owned().collect();
            let field = |name: &'static str| {
                let mut all = fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
                let first = all.next();
                if all.next().is_some() { Err(Unheard::Form("a field is there twice")) } else { Ok(first) }
            };
            match (field("SAMLRequest")?, field("SAMLResponse")?) {
                (Some(request), None) => {
                    let opened = post::decode(request, Root::LogoutRequest)?;
                    let verified = opened.verify(&known.certificates, &DecryptionKeys::none())?;
                    wish(verified.message()?, field("RelayState")?)
                }
                (None, Some(response)) => {
                    let opened = post::decode(response, Root::LogoutResponse)?;
                    match opened.verify(&known.certificates, &DecryptionKeys::none()) {
                        Ok(verified) => answer(&verified.message()?.ok_or(Refused::Unsigned)?),
                        Err(Refused::Unsigned) => answer(&opened.untrusted()?),
                        Err(why) => Err(why.into()),
                    }
                }
                _ => Err(Unheard::Form("it holds neither a request nor a response, or both")),
            }
        }
    }
}

fn names(query: &str, parameter: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some(parameter))
}
