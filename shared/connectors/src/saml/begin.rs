//! The request for a login, on its way through the browser.

use std::sync::Arc;

use mangrove_keys::ambient;
use mangrove_saml::metadata::Binding;
use mangrove_saml::request::AuthnRequest;
use mangrove_saml::{Refused, Root, post, redirect, sign};
use url::Url;

use super::Saml;
use super::settings::Settings;
use super::work;
use crate::bench::Bench;
use crate::{Ask, Begin, Failure, Network, Pending, Prompt};

/// A request that is ready to leave.
pub(super) enum Outgoing {
    /// By this URL.
    Redirect(Url),
    /// As these fields of a form, to this URL.
    Post(Url, Vec<(&'static str, String)>),
}

/// What is asked.
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) issued: u64,
    pub(super) force: bool,
    pub(super) passive: bool,
    pub(super) classes: Vec<String>,
    pub(super) relay_state: String,
}

impl Saml {
    pub(crate) async fn begin(&self, ask: &Ask) -> Result<Begin, Failure> {
        let known = self.provider.published().await.map_err(|why| why.into_failure(self.name()))?;
        let passive = ask.prompt == Some(Prompt::None);
        let asked = Asked {
            id: fresh_id(),
            issued: ambient::unix_now(),
            // SAML cannot say how old a proof may be, only that it must be new: whoever's is too old is asked once more.
            force: matches!(ask.prompt, Some(Prompt::Login | Prompt::SelectAccount))
                || (!passive && ask.max_age == Some(0)),
            passive,
            classes: classes(ask),
            relay_state: ambient::token(),
        };
        let pending = Pending {
            state: asked.relay_state.clone(),
            nonce: asked.id.clone(),
            pkce_verifier: None,
            issuer: known.entity_id.clone(),
            redirect_url: self.settings.consumer.clone(),
            began: asked.issued,
            max_age: ask.max_age,
            forced: asked.force,
            classes: !asked.classes.is_empty(),
        };
        let Some((binding, to)) = known.sign_on_by(&self.settings.bindings).cloned() else {
            return Err(Failure::misconfigured(self.said("the metadata names nowhere to send a request to")));
        };
        Ok(match self.outgoing((&self.benches.requests, ask.from), asked, binding, to).await? {
            Outgoing::Redirect(url) => Begin::Redirect { url, pending },
            Outgoing::Post(url, fields) => Begin::Post { url, fields, pending },
        })
    }

    /// Writes a request at a bench, for somebody from a network, and signs it where there is a key.
    pub(super) async fn outgoing(
        &self,
        (bench, whom): (&Bench, Network),
        asked: Asked,
        binding: Binding,
        to: Url,
    ) -> Result<Outgoing, Failure> {
        let settings = Arc::clone(&self.settings);
        let written = bench.run_for(whom, move || write(&asked, &settings, binding, to)).await;
        let written = written.map_err(|undone| work::failure(undone, self.name()))?;
        written.map_err(|why| Failure::misconfigured(self.said(format_args!("the request: {why}"))))
    }
}

/// Classes of proof that SAML can ask for, which are URIs (SAML Core 2.7.2.2). Other values mean something to OpenID providers only.
fn classes(ask: &Ask) -> Vec<String> {
    let wanted = ask.acr_values.iter().flat_map(|all| all.split_ascii_whitespace());
    wanted.filter(|class| Url::parse(class).is_ok()).map(str::to_owned).collect()
}

/// 256 bits; an XML name must not begin with a digit.
pub(super) fn fresh_id() -> String {
    format!("_{}", ambient::token())
}

fn write(asked: &Asked, settings: &Settings, binding: Binding, to: Url) -> Result<Outgoing, Refused> {
    let classes: Vec<&str> = asked.classes.iter().map(String::as_str).collect();
    let request = AuthnRequest {
        id: &asked.id,
        issued: asked.issued,
        destination: to.as_str(),
        issuer: &settings.entity_id,
        consumer: settings.consumer.as_str(),
        name_id_format: settings.name_id_format.as_deref(),
        force: asked.force,
        passive: asked.passive,
        classes: &classes,
    };
    let xml = request.write();
    match binding {
        Binding::Redirect => {
            let relay_state = Some(asked.relay_state.as_str());
            let query =
                redirect::encode(redirect::Parameter::Request, &xml, relay_state, settings.signing())?;
            Ok(Outgoing::Redirect(with_query(to, &query)))
        }
        Binding::Post => {
            let xml = match settings.signing() {
                Some(key) => sign(&xml, Root::AuthnRequest, key)?,
                None => xml,
            };
            let fields = vec![("SAMLRequest", post::encode(&xml)), ("RelayState", asked.relay_state.clone())];
            Ok(Outgoing::Post(to, fields))
        }
    }
}

/// What stands in the endpoint's own query stays, as it is: a signature covers the rest octet by octet.
pub(super) fn with_query(mut to: Url, query: &str) -> Url {
    let own = to.query().filter(|own| !own.is_empty()).map(|own| format!("{own}&{query}"));
    to.set_query(Some(own.as_deref().unwrap_or(query)));
    to
}
