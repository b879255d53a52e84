//! Faults of one thing rather than of a way: a region's DNS, an identity provider, a clock, a disk. What ends them, and how to read them.

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
    /// The clock of this node or IdP.
    Clock(String),
    /// The full disk of this node or IdP.
    Disk(String),
    /// What this endpoint was flipped to.
    Endpoint(String),
}

/// Keys of a `heal` that names one thing.
pub(super) const HEALED: [&str; 5] = ["dns", "idp", "clock", "disk", "endpoint"];

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
        IdpState::KeysAnnounced => "keys announced",
        IdpState::OldKeysGone => "old keys gone",
        IdpState::SecretExpired => "secret expired",
    }
}

/// Reads `break`.
pub(super) fn read_break(reader: &mut Reader<'_>, argument: &Tree) -> Option<(Verb, String)> {
    use IdpState::{Errors, ExpiredCertificate, Garbage, SecretExpired, SlowPages};
    use IdpState::{KeysAnnounced, KeysRolled, OldKeysGone};
    let keys = [KeysRolled, KeysAnnounced, OldKeysGone];
    let all = [Errors, Garbage, ExpiredCertificate, SlowPages].into_iter().chain(keys).chain([SecretExpired]);
    let mut section = reader.section("timeline.break", argument);
    let idp = section.needed("idp", "say which identity provider, `idp: corp`");
    let how = section.parsed("how", |text| {
        let known = all.clone().map(conduct).collect::<Vec<_>>().join(", ");
        all.clone().find(|how| conduct(*how) == text).ok_or_else(|| format!("known: {known}"))
    });
    let how = how.unwrap_or(Errors);
    let by =
        if how == SlowPages { section.parsed("by", units::duration).unwrap_or(SLOW) } else { Duration::ZERO };
    let of = match how {
        SecretExpired => section.needed("of", "say which node's, `of: root-dc1`"),
        _ => None,
    };
    section.finish();
    let idp = idp?;
    let late = if by.is_zero() { String::new() } else { format!(" by {}", units::show(by)) };
    let whose = of.iter().map(|node| format!(" of {node}")).collect::<String>();
    let text = format!("break {idp}: {}{late}{whose}", conduct(how));
    Some((Verb::Break { idp, how, by, of }, text))
}

/// Reads `skew`.
pub(super) fn read_skew(reader: &mut Reader<'_>, argument: &Tree) -> Option<(Verb, String)> {
    let mut section = reader.section("timeline.skew", argument);
    let node = section.needed("node", "say whose clock, `node: root-dc1`");
    let said = section.needed("by", "say by how much, `by: 10m`, or behind, `by: -10m`");
    let ahead = section.parsed("by", |text| {
        let time = units::time(text.strip_prefix('-').unwrap_or(text))?;
        let seconds = i64::try_from(time.as_secs()).map_err(|_| "write for example `10m`".to_owned())?;
        if seconds == 0 { Err("a clock is wrong by a second or more".to_owned()) } else { Ok(seconds) }
    });
    section.finish();
    let (node, said, ahead) = (node?, said?, ahead?);
    let ahead = if said.starts_with('-') { -ahead } else { ahead };
    let text = format!("skew {node} by {said}");
    Some((Verb::Skew { node, ahead }, text))
}

/// Reads a `heal` that names one thing; none if it names ways.
pub(super) fn read_heal(reader: &mut Reader<'_>, argument: &Tree) -> Option<(Verb, String)> {
    let key = HEALED.into_iter().find(|key| argument.at(key).is_some())?;
    let mut section = reader.section("timeline.heal", argument);
    let name = section.text(key);
    section.finish();
    let name = name?;
    let (what, text) = match key {
        "dns" => (Healed::Dns(name.clone()), format!("heal the dns of {name}")),
        "endpoint" => (Healed::Endpoint(name.clone()), format!("flip {name} back")),
        "disk" => (Healed::Disk(name.clone()), format!("heal the disk of {name}")),
        "clock" => (Healed::Clock(name.clone()), format!("heal the clock of {name}")),
        _ => (Healed::Idp(name.clone()), format!("heal {name}")),
    };
    Some((Verb::HealOne { what }, text))
}
