//! Under which conditions an assertion is good (SAML Core 2.5): all of them must hold, and one that is not understood does
//! not.

use roxmltree::Node;

use super::{Expected, LONGEST_LIFE, Refusal, SKEW, children, one, optional_instant, refuse, text};
use crate::names::SAML;

/// When the assertion stops being good by its conditions, without skew; none if they do not say.
pub(super) fn good_until(
    assertion: Node<'_, '_>,
    expected: &Expected<'_>,
    now: u64,
) -> Result<Option<u64>, Refusal> {
    let conditions = one(assertion, "Conditions", "the assertion")?;
    let from = optional_instant(conditions, "NotBefore")?;
    let until = optional_instant(conditions, "NotOnOrAfter")?;
    if let Some(until) = until {
        is_ahead(until, now, "the assertion's time is over")?;
    }
    let mut for_us = false;
    for condition in conditions.children().filter(Node::is_element) {
        match condition.tag_name().name() {
            _ if condition.tag_name().namespace() != Some(SAML) => return unknown(),
            "AudienceRestriction" => {
                if !children(condition, "Audience").any(|audience| text(audience).trim() == expected.audience)
                {
                    return refuse("the assertion is for another audience");
                }
                for_us = true;
            }
            // It is used once in any case; and nothing is asserted by SAML on the strength of it.
            "OneTimeUse" | "ProxyRestriction" => {}
            _ => return unknown(),
        }
    }
    if !for_us {
        return refuse("the assertion does not say for whom it is (no AudienceRestriction)");
    }
    if from.is_some_and(|from| from > now.saturating_add(SKEW)) {
        return Err(Refusal::Clock("the assertion is not valid yet"));
    }
    Ok(until)
}

/// Whether a time is still to come, and not absurdly far away.
pub(super) fn is_ahead(until: u64, now: u64, over: &str) -> Result<(), Refusal> {
    if until.saturating_add(SKEW) <= now {
        return refuse(over);
    }
    if until > now.saturating_add(LONGEST_LIFE) {
        return refuse("the assertion claims to be good for more than a day");
    }
    Ok(())
}

fn unknown<T>() -> Result<T, Refusal> {
    refuse("the assertion has a condition that is not known here")
}
