//! What a session keeps of a person, and what that weighs.
//!
//! Upstreams say what they like about a person, a directory all it has. A session keeps what an application may be told, up to
//! [`MOST`], and weighs by what it keeps: so many people with photographs or a thousand groups fill a table sooner, and nobody
//! fills a node's memory by what stands in their own entry.

use mangrove_connectors::Identity;
use serde_json::{Map, Value};

use super::{Session, Vouched};

/// Most that one identity's attributes may take, in bytes of memory.
pub(crate) const MOST: usize = 256 * 1024;
/// Longest hint for a logout upstream: it has to fit into a URL.
const LONGEST_HINT: usize = 16 * 1024;
/// What counts as one session; a larger one counts as several.
const ONE: usize = 16 * 1024;
/// What a value takes beside its text.
const VALUE: usize = 64;

/// Keeps of `attributes` those that an application may be told, and of these not more than [`MOST`]: the largest are left out
/// first. The names of those that were left out for their size, in order.
pub(crate) fn keep(attributes: &mut Map<String, Value>, is_told: impl Fn(&str) -> bool) -> Vec<String> {
    attributes.retain(|name, _| is_told(name));
    let mut sizes: Vec<(usize, String)> =
        attributes.iter().map(|(name, value)| (name.len() + size(value), name.clone())).collect();
    let mut all: usize = sizes.iter().map(|(size, _)| size).sum();
    sizes.sort_unstable();
    let mut left_out = Vec::new();
    while all > MOST
        && let Some((size, name)) = sizes.pop()
    {
        all -= size;
        attributes.remove(&name);
        left_out.push(name);
    }
    left_out.sort_unstable();
    left_out
}

/// Takes out of an identity what a session does not need: its claims, which the attributes were made of, and a hint for a
/// logout that no URL can carry. Whether there was such a hint.
pub(crate) fn trim(identity: &mut Identity) -> bool {
    identity.claims = Map::new();
    identity.logout_hint.take_if(|hint| hint.len() > LONGEST_HINT).is_some()
}

impl Session {
    /// As how many sessions it counts: one for each [`ONE`] begun, of what it keeps of all its identities together.
    pub(super) fn weight(&self) -> usize {
        weight(self.identities.values().map(|vouched| vouched.size()).sum())
    }
}

impl Vouched {
    /// As how many sessions it counts for the person that it speaks of.
    pub(super) fn weight(&self) -> usize {
        weight(self.size())
    }

    /// About how many bytes of memory it takes.
    fn size(&self) -> usize {
        let Identity { subject, amr, acr, path, logout_hint, upstream_sid, .. } = &self.identity;
        let texts = [acr, logout_hint, upstream_sid].into_iter().flatten().chain(amr).chain(path);
        let attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + size(value)).sum();
        attributes + subject.len() + texts.map(|text| VALUE + text.len()).sum::<usize>()
    }
}

fn weight(size: usize) -> usize {
    size.div_ceil(ONE).max(1)
}

/// About how many bytes of memory a value takes.
fn size(value: &Value) -> usize {
    VALUE
        + match value {
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(size).sum(),
            Value::Object(object) => object.iter().map(|(name, value)| name.len() + size(value)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(said: Value, is_told: impl Fn(&str) -> bool) -> (Vec<String>, Vec<String>) {
        let Value::Object(mut attributes) = said else { unreachable!("an object is given") };
        let left_out = keep(&mut attributes, is_told);
        (attributes.keys().cloned().collect(), left_out)
    }

    #[test]
    fn what_no_application_is_told_is_not_kept() {
        let said = json!({ "email": "a@b.example", "jpegPhoto": "x".repeat(2 * MOST), "groups": ["staff"] });
        let (kept, left_out) = kept(said, |name| name != "jpegPhoto");
        assert_eq!((kept, left_out), (vec!["email".to_owned(), "groups".to_owned()], Vec::new()));
    }

    #[test]
    fn the_largest_are_left_out_first_and_named() {
        let large = "x".repeat(MOST / 2);
        let said = json!({ "email": "a@b.example", "picture": large, "profile": format!("{large}x"), "groups": ["staff"] });
        let (kept, left_out) = kept(said, |_| true);
        assert_eq!(kept, ["email", "picture", "groups"]);
        assert_eq!(left_out, ["profile"]);
    }

    #[test]
    fn many_small_values_weigh_what_they_take_in_memory() {
        let said = json!({ "email": "a@b.example", "groups": vec!["g"; MOST / VALUE] });
        assert_eq!(kept(said, |_| true).1, ["groups"]);
    }
}
