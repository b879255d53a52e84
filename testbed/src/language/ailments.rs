//! Faults of one thing rather than of a way: a region's DNS, an identity provider. What ends them, and how to read them.

use std::time::Duration;

use super::read::Reader;
use super::timeline::Verb;
use super::tree::Tree;
use super::units;
use crate::history::{IdpState, NamesState};

/// How late the answers of an identity provider with slow pages come, if nothing is said.
const SLOW: Duration = Duration::from_secs(3);

/// What a `heal` that names one thing ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healed {
    /// What is wrong with the DNS of this region.
    Dns(String),
    /// What is wrong with this identity provider.
    Idp(String),
}

/// The name of a DNS's state in a file.
fn word(state: NamesState) -> &'static str {
    match state {
        NamesState::Right => "right",
        NamesState::Dead => "dead",
        NamesState::Lying => "lying",
        NamesState::Stale => "stale",
    }
}

/// Reads `dns`.
pub(super) fn read_dns(reader: &mut Reader<'_>, argument: &Tree) -> Option<(Verb, String)> {
    let mut section = reader.section("timeline.dns", argument);
    let region = section.needed("region", "say whose DNS, `region: branch-a`");
    let how = section.parsed("how", |text| {
        let all = [NamesState::Dead, NamesState::Lying, NamesState::Stale];
        all.into_iter().find(|how| word(*how) == text).ok_or_else(|| "known: dead, lying, stale".to_owned())
    });
    let about = section.texts("about");
    section.finish();
    let how = how.unwrap_or(NamesState::Dead);
    let region = region?;
    let names = if about.is_empty() { String::new() } else { format!(" about {}", about.join(", ")) };
    let text = format!("dns of {region} {}{names}", word(how));
    Some((Verb::Dns { region, how, about }, text))
}

/// What an identity provider's state is called in a file.
fn conduct(state: IdpState) -> &'static str {
    match state {
        IdpState::Right => "right",
        IdpState::Errors => "errors",
        IdpState::Garbage => "garbage",
        IdpState::ExpiredCertificate => "expired certificate",
        IdpState::SlowPages => "slow pages",
        IdpState::KeysRolled => "keys rolled",
    }
}

/// Reads `break`.
pub(super) fn read_break(reader: &mut Reader<'_>, argument: &Tree) -> Option<(Verb, String)> {
    use IdpState::{Errors, ExpiredCertificate, Garbage, KeysRolled, SlowPages};
    let all = [Errors, Garbage, ExpiredCertificate, SlowPages, KeysRolled];
    let mut section = reader.section("timeline.break", argument);
    let idp = section.needed("idp", "say which identity provider, `idp: corp`");
    let how = section.parsed("how", |text| {
        let known = all.map(conduct).join(", ");
        all.into_iter().find(|how| conduct(*how) == text).ok_or_else(|| format!("known: {known}"))
    });
    let how = how.unwrap_or(Errors);
    let by =
        if how == SlowPages { section.parsed("by", units::duration).unwrap_or(SLOW) } else { Duration::ZERO };
    section.finish();
    let idp = idp?;
    let late = if by.is_zero() { String::new() } else { format!(" by {}", units::show(by)) };
    let text = format!("break {idp}: {}{late}", conduct(how));
    Some((Verb::Break { idp, how, by }, text))
}

/// Reads a `heal` that names one thing; none if it names ways.
pub(super) fn read_heal(reader: &mut Reader<'_>, argument: &Tree) -> Option<(Verb, String)> {
    let key = ["dns", "idp"].into_iter().find(|key| argument.at(key).is_some())?;
    let mut section = reader.section("timeline.heal", argument);
    let name = section.text(key);
    section.finish();
    let name = name?;
    let (what, text) = match key {
        "dns" => (Healed::Dns(name.clone()), format!("heal the dns of {name}")),
        _ => (Healed::Idp(name.clone()), format!("heal {name}")),
    };
    Some((Verb::HealOne { what }, text))
}
