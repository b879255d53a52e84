//! Which ways between regions a verb acts on, and what a sender sees of a cut.

use super::read::Section;

/// One way between two regions; a partition both ways is two of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// Packets sent in this region ...
    pub from: String,
    /// ... towards this one.
    pub to: String,
}

/// What a sender sees of a cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum How {
    /// Nothing: packets vanish.
    #[default]
    BlackHole,
    /// A refusal at once: RST for TCP, "administratively prohibited" for the rest.
    Refused,
    /// As refused, and live connections are reset at both ends.
    Reset,
}

impl How {
    /// The name in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::BlackHole => "black-hole",
            Self::Refused => "refused",
            Self::Reset => "reset",
        }
    }
}

pub(super) fn how(text: &str) -> Result<How, String> {
    let all = [How::BlackHole, How::Refused, How::Reset];
    let found = all.into_iter().find(|how| how.name() == text);
    found.ok_or_else(|| "known: black-hole, refused, reset".to_owned())
}

/// What to write where no way is named.
pub(super) const WAYS: &str = "write `between: [a, b]`, `region: a` (from all), `region: a, from: [b, c]`, one way `from: a, to: b`, `half: [a, b]` (from the rest), or `ring: [a, b, c, d]`";

/// The ways a verb names, and how to say them.
pub(super) fn read_ways(section: &mut Section<'_, '_, '_>, regions: &[String]) -> (Vec<Cut>, String) {
    let between = section.texts("between");
    let region = section.text("region");
    let from = section.texts("from");
    let to = section.texts("to");
    let half = section.texts("half");
    let ring = section.texts("ring");
    let forms = [
        !between.is_empty(),
        region.is_some(),
        !half.is_empty(),
        !ring.is_empty(),
        !to.is_empty() || (!from.is_empty() && region.is_none()),
    ];
    if forms.iter().filter(|form| **form).count() > 1 {
        section.problem("the ways are named in more than one form", WAYS);
    }
    if !half.is_empty() {
        let rest: Vec<String> = regions.iter().filter(|other| !half.contains(other)).cloned().collect();
        return (both_ways(&half, &rest), format!("{} | the rest", half.join(", ")));
    }
    if !ring.is_empty() {
        return (across(&ring), format!("ring {}", ring.join(", ")));
    }
    if let Some(region) = region {
        let others: Vec<String> = if from.is_empty() {
            regions.iter().filter(|other| **other != region).cloned().collect()
        } else {
            from
        };
        let said = if others.len() + 1 == regions.len() { "all".to_owned() } else { others.join(", ") };
        return (both_ways(std::slice::from_ref(&region), &others), format!("{region} | {said}"));
    }
    if !from.is_empty() && !to.is_empty() {
        let said = format!("{} -> {}", from.join(", "), to.join(", "));
        let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (a, b)));
        return (
            pairs.filter(|(a, b)| a != b).map(|(a, b)| Cut { from: a.clone(), to: b.clone() }).collect(),
            said,
        );
    }
    let mut cuts = Vec::new();
    for (i, a) in between.iter().enumerate() {
        cuts.extend(both_ways(std::slice::from_ref(a), &between[i + 1..]));
    }
    (cuts, between.join(" | "))
}

/// All ways between regions of a ring that are no neighbours: each still sees the one before and the one after it.
fn across(ring: &[String]) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for (i, a) in ring.iter().enumerate() {
        for (j, b) in ring.iter().enumerate().skip(i + 1) {
            let neighbours = j == i + 1 || (i == 0 && j == ring.len() - 1);
            if !neighbours {
                cuts.extend(both_ways(std::slice::from_ref(a), std::slice::from_ref(b)));
            }
        }
    }
    cuts
}

fn both_ways(left: &[String], right: &[String]) -> Vec<Cut> {
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a, b))).filter(|(a, b)| a != b);
    pairs
        .flat_map(|(a, b)| [Cut { from: a.clone(), to: b.clone() }, Cut { from: b.clone(), to: a.clone() }])
        .collect()
}
