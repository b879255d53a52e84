//! The response that the browser brought: opened, verified, judged.
//!
//! Everything comes through the browser, so nothing here is a sample of health, and whatever does not fit ends the login.
//! Only what the provider signed can say more: that a clock is wrong, or that it does not know this node.

use std::collections::BTreeSet;
use std::sync::Arc;

use mangrove_keys::{ambient, secret};
use mangrove_saml::response::{self, Expected, Refusal, Status, Vouched};
use mangrove_saml::roxmltree::Document;
use mangrove_saml::{Refused, Root, Signed, post};
use serde_json::{Map, Value};

use super::provider::Published;
use super::settings::Settings;
use super::work;
use super::{Saml, claims, logout};
use crate::failure::printable;
use crate::identity::Once;
use crate::{Again, Answer, Failure, Identity, Network, Pending};

/// How old a response may be that nobody asked for, in seconds.
const ON_ITS_WAY: u64 = 300;

/// What a response has to answer.
#[derive(Clone)]
struct Attempt {
    issuer: String,
    request: Option<String>,
    asked: u64,
    forced: bool,
    max_age: Option<u64>,
}

impl From<&Pending> for Attempt {
    fn from(pending: &Pending) -> Self {
        Self {
            issuer: pending.issuer.clone(),
            request: Some(pending.nonce.clone()),
            asked: pending.began,
            forced: pending.forced,
            max_age: pending.max_age,
        }
    }
}

/// What a response came to.
enum Judged {
    /// Somebody is vouched for, with these claims.
    Vouched(Box<(Vouched, Map<String, Value>)>),
    /// The provider says no; and whether it signed that.
    No(Status, bool),
}

/// Why a response came to nothing.
#[derive(Debug, thiserror::Error)]
enum Unbelieved {
    /// It is not what its signature says, or has none.
    #[error("the response: {0}")]
    Refused(#[from] Refused),
    /// The provider signed it, it answers what was asked, and what it says of the person is encrypted so that this node cannot
    /// open it.
    #[error("the response: {0}")]
    Unopened(Refused),
    /// It is not an answer to what was asked.
    #[error("the response: {0}")]
    Refusal(#[from] Refusal),
}

impl Saml {
    pub(crate) async fn finish(&self, pending: &Pending, answer: &Answer) -> Result<Identity, Failure> {
        let known = self.provider.published().await.map_err(|why| why.into_failure(self.name()))?;
        let response = self.response(pending, answer, &known)?;
        match self.judged(&known, &pending.into(), response, answer.from).await? {
            Ok(Judged::Vouched(person)) => {
                let (vouched, claims) = *person;
                Ok(self.identity(known.entity_id.clone(), vouched, claims))
            }
            Ok(Judged::No(status, signed)) => Err(self.no(&status, signed, pending)),
            Err(why) => Err(self.unbelieved(&why, pending)),
        }
    }

    pub(crate) fn allows_unasked(&self) -> bool {
        self.settings.allows_unasked
    }

    /// A response that nobody asked for, and that says so (SAML Profiles 4.1.5).
    pub(crate) async fn unasked(&self, answer: &Answer) -> Result<Identity, Failure> {
        let known = self.provider.published().await.map_err(|why| why.into_failure(self.name()))?;
        let response = self.only_response(answer)?;
        let attempt = Attempt {
            issuer: known.entity_id.clone(),
            request: None,
            asked: ambient::unix_now().saturating_sub(ON_ITS_WAY),
            forced: false,
            max_age: None,
        };
        match self.judged(&known, &attempt, response, answer.from).await? {
            Ok(Judged::Vouched(person)) => {
                let (vouched, claims) = *person;
                Ok(self.identity(known.entity_id.clone(), vouched, claims))
            }
            Ok(Judged::No(status, _)) => Err(Failure::protocol(
                self.said(format_args!("nobody asked, and it says {}", printable(status.code()))),
            )),
            Err(why) => Err(Failure::protocol(self.said(why))),
        }
    }

    /// Judges a response, with newer metadata where its key is not known.
    async fn judged(
        &self,
        known: &Arc<Published>,
        attempt: &Attempt,
        response: &str,
        from: Network,
    ) -> Result<Result<Judged, Unbelieved>, Failure> {
        match self.judge(known, attempt, response, from).await? {
            unknown @ Err(Unbelieved::Refused(Refused::Signature { .. })) => {
                match self.newer(known).await.filter(|newer| newer.entity_id == attempt.issuer) {
                    Some(newer) => self.judge(&newer, attempt, response, from).await,
                    None => Ok(unknown),
                }
            }
            judged => Ok(judged),
        }
    }

    /// Newer metadata, for a message that is signed by a key which `known` does not have; none where there is no newer.
    pub(super) async fn newer(&self, known: &Arc<Published>) -> Option<Arc<Published>> {
        // Anybody can sign something, so it is no news of the provider when it cannot be asked.
        self.provider.for_unknown_key(known).await.unwrap_or_else(|why| {
            tracing::warn!(connector = self.name(), %why, "an unknown key cannot be looked up");
            None
        })
    }

    /// The response in an answer that belongs to this attempt.
    fn response<'a>(
        &self,
        pending: &Pending,
        answer: &'a Answer,
        known: &Published,
    ) -> Result<&'a str, Failure> {
        let refuse = |what: &str| Err(Failure::protocol(self.said(what)));
        if answer.path != pending.redirect_url.path() {
            return refuse("the answer came to a path that is not this connector's");
        }
        let response = self.only_response(answer)?;
        let state = answer.param("RelayState").unwrap_or_default();
        if !secret::equal(state.as_bytes(), pending.state.as_bytes()) {
            return refuse("the answer's RelayState is another login's");
        }
        if known.entity_id != pending.issuer {
            return refuse("the provider's entity id is not the one this login began with");
        }
        Ok(response)
    }

    /// The response in an answer that came to this connector's path and says nothing twice.
    fn only_response<'a>(&self, answer: &'a Answer) -> Result<&'a str, Failure> {
        let refuse = |what: &str| Err(Failure::protocol(self.said(what)));
        if answer.path != self.redirect_path() {
            return refuse("the answer came to a path that is not this connector's");
        }
        let mut names = BTreeSet::new();
        if !answer.params.iter().all(|(name, _)| names.insert(name)) {
            return refuse("the answer carries a parameter twice");
        }
        answer.param("SAMLResponse").map_or_else(|| refuse("the answer has no SAMLResponse"), Ok)
    }

    /// Judges a response on a bench, unless another answer to the same request is there.
    async fn judge(
        &self,
        known: &Arc<Published>,
        attempt: &Attempt,
        response: &str,
        from: Network,
    ) -> Result<Result<Judged, Unbelieved>, Failure> {
        let busy = || {
            let log = self.said("another answer to the same request is being looked at");
            Failure { busy: true, ..Failure::unavailable(log) }
        };
        let enter = |request: &String| self.benches.answered.enter(request).ok_or_else(busy);
        let place = attempt.request.as_ref().map(enter).transpose()?;
        let (known, settings) = (Arc::clone(known), Arc::clone(&self.settings));
        let (response, attempt, now) = (response.to_owned(), attempt.clone(), ambient::unix_now());
        let bench = if attempt.request.is_some() { &self.benches.answers } else { &self.benches.anybodys };
        let judged = bench.run_for(from, move || {
            let _place = place;
            judge(&response, &known, &settings, &attempt, now)
        });
        let judged = judged.await;
        judged.map_err(|undone| work::failure(undone, self.name()))
    }

    fn identity(&self, issuer: String, vouched: Vouched, claims: Map<String, Value>) -> Identity {
        let passes = vouched.name_id.is_transient();
        Identity {
            connector: self.settings.name.clone(),
            issuer: Some(issuer),
            claims,
            auth_time: Some(vouched.authenticated),
            acr: vouched.class,
            amr: Vec::new(),
            path: Vec::new(),
            email_trusted: self.settings.trust_email,
            logout_hint: logout::hint(&vouched.name_id),
            upstream_sid: vouched.session,
            subject: vouched.name_id.value,
            subject_passes: passes,
            once: Some(Once { id: vouched.id, until: vouched.until }),
        }
    }

    /// What a status other than success means (SAML Core 3.2.2.2). An unsigned one is what a browser says: it ends or moves
    /// that login, and blames nobody's settings.
    fn no(&self, status: &Status, signed: bool, pending: &Pending) -> Failure {
        let code = status.code();
        let by = if signed { "the provider" } else { "the browser, unsigned," };
        let log = self.said(format_args!("{by} says {}", printable(code)));
        match code {
            "NoPassive" => Failure::rejected("Nobody is signed in.", log).with_oauth_error("login_required"),
            "AuthnFailed" | "UnknownPrincipal" => {
                Failure::rejected("The sign-in service did not recognise you.", log)
                    .with_oauth_error("access_denied")
            }
            "RequestDenied" => Failure::rejected("The sign-in was cancelled or denied.", log)
                .with_oauth_error("access_denied"),
            // An application's wish for a class is voluntary (OpenID Connect Core 3.1.2.1); what it gets is in the token.
            "NoAuthnContext" => Failure {
                again: pending.classes.then_some(Again { forced: pending.forced, any_class: true }),
                ..Failure::rejected(
                    "The sign-in service cannot check who you are as strongly as the application requires.",
                    log,
                )
                .with_oauth_error("unmet_authentication_requirements")
            },
            "Responder" | "NoAvailableIDP" | "NoSupportedIDP" | "PartialLogout" => Failure::unavailable(log),
            _ if signed => Failure::misconfigured(log),
            _ => Failure::rejected("The sign-in service refused.", log),
        }
    }

    fn unbelieved(&self, why: &Unbelieved, pending: &Pending) -> Failure {
        let log = self.said(why);
        match why {
            Unbelieved::Unopened(_) | Unbelieved::Refusal(Refusal::Clock(_)) => Failure::misconfigured(log),
            Unbelieved::Refusal(Refusal::TooOld) if !pending.forced => Failure {
                again: Some(Again { forced: true, any_class: !pending.classes }),
                ..Failure::rejected("Nobody signed in recently enough.", log)
                    .with_oauth_error("login_required")
            },
            _ => Failure::protocol(log),
        }
    }
}

/// Opens, verifies and judges a response; not on an async thread.
fn judge(
    response: &str,
    known: &Published,
    settings: &Settings,
    attempt: &Attempt,
    now: u64,
) -> Result<Judged, Unbelieved> {
    let expected = Expected {
        provider: &attempt.issuer,
        audience: &settings.entity_id,
        consumer: settings.consumer.as_str(),
        request: attempt.request.as_deref(),
        asked: attempt.asked,
        forced: attempt.forced,
        max_age: attempt.max_age,
    };
    let none = mangrove_saml::DecryptionKeys::none();
    let keys = settings.key.as_ref().map_or(&none, |key| &key.decryption);
    let opened = post::decode(response, Root::Response)?;
    let verified = match opened.verify(&known.certificates, keys) {
        Ok(verified) => verified,
        Err(Refused::Unsigned) => {
            return match of_nobody(response::envelope(
                opened.untrusted()?.root_element(),
                false,
                &expected,
                now,
            ))? {
                Status::Success => Err(Refused::Unsigned.into()),
                no => Ok(Judged::No(no, false)),
            };
        }
        Err(why) => return Err(why.into()),
    };
    let status = match verified.message()? {
        Some(message) => response::envelope(message.root_element(), true, &expected, now)?,
        None => of_nobody(response::envelope(opened.untrusted()?.root_element(), false, &expected, now))?,
    };
    let signed = verified.signed() != Signed::Assertion;
    if status != Status::Success {
        return Ok(Judged::No(status, signed));
    }
    if let Some(why) = verified.unopened() {
        return Err(Unbelieved::Unopened(why.clone()));
    }
    let assertion: Option<Document<'_>> = verified.assertion()?;
    let Some(assertion) = assertion else {
        return Err(Refusal::Refused("it says Success and has no assertion".into()).into());
    };
    let vouched = response::assertion(assertion.root_element(), &expected, now)?;
    let claims = claims::of(&vouched);
    Ok(Judged::Vouched(Box::new((vouched, claims))))
}

/// What is wrong with times that nobody signed is not a clock's fault.
fn of_nobody(judged: Result<Status, Refusal>) -> Result<Status, Refusal> {
    judged.map_err(|why| match why {
        Refusal::Clock(what) => Refusal::Refused(format!("the unsigned response: {what}")),
        other => other,
    })
}
