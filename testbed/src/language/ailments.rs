//! Faults of one thing rather than of a way: a region's DNS. What ends them, and how to read them.

use super::read::Reader;
use super::timeline::Verb;
use super::tree::Tree;
use crate::history::NamesState;

/// What a `heal` that names one thing ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healed {
    /// What is wrong with the DNS of this region.
    Dns(String),
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

/// Reads a `heal` that names one thing; none if it names ways.
pub(super) fn read_heal(reader: &mut Reader<'_>, argument: &Tree) -> Option<(Verb, String)> {
    argument.at("dns")?;
    let mut section = reader.section("timeline.heal", argument);
    let region = section.text("dns");
    section.finish();
    let region = region?;
    Some((Verb::HealOne { what: Healed::Dns(region.clone()) }, format!("heal the dns of {region}")))
}
