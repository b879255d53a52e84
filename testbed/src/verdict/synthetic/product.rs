//! How a product on paper behaves: a good one, and every way in which one is broken on purpose.

use crate::history::{MILLISECOND, Micros, SECOND};

/// How the product behaves.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    /// Looks before it sends a browser away; then a dead root costs this much, once, and nothing is lost.
    pub(crate) last_look: Option<Micros>,
    /// Everybody looks, not the first one only.
    pub(crate) looks_alone: bool,
    /// Probes notice after this time; `None`: no failover at all.
    pub(crate) notices_after: Option<Micros>,
    /// How long it thinks before it says that nobody is left; `None`: it never says so.
    pub(crate) tells_after: Option<Micros>,
    /// How long it goes on believing that a member is dead.
    pub(crate) forgives_after: Micros,
    pub(crate) one_sub_for_all: bool,
    pub(crate) a_sub_for_each_root: bool,
    pub(crate) mixes_people_up: bool,
    pub(crate) asks_twice_under_fault: bool,
    pub(crate) forgets_sessions_under_fault: bool,
    /// Leaves its session with a browser as it is when somebody signs out.
    pub(crate) keeps_who_signs_out: bool,
    /// Sends who signs out to a page that never comes.
    pub(crate) loses_who_signs_out: bool,
    /// Says to all who sign out that somebody could not be told.
    pub(crate) cries_wolf: bool,
    /// Maps the e-mail address of who comes under a fault to something else.
    pub(crate) other_email_under_fault: bool,
    /// Maps everybody's e-mail address to one.
    pub(crate) one_email_for_all: bool,
    /// Tries a password at the next provider as well when a fault takes the first.
    pub(crate) sends_passwords_on: bool,
    /// Everybody is slower under a fault by so much.
    pub(crate) slower_under_fault: Micros,
    pub(crate) hides_the_attribute: bool,
    /// The edge ends with the path to its root, and lives again with it.
    pub(crate) falls_over_under_fault: bool,
    /// Whoever comes with a real browser is asked twice.
    pub(crate) asks_browsers_twice: bool,
    /// How much longer the machine makes a login in this second of the run.
    pub(crate) machine: fn(u64) -> Micros,
}

impl Product {
    pub(crate) fn good() -> Self {
        Self {
            last_look: Some(200 * MILLISECOND),
            looks_alone: false,
            notices_after: Some(3 * SECOND),
            tells_after: Some(300 * MILLISECOND),
            forgives_after: 2 * SECOND,
            one_sub_for_all: false,
            a_sub_for_each_root: false,
            mixes_people_up: false,
            asks_twice_under_fault: false,
            forgets_sessions_under_fault: false,
            keeps_who_signs_out: false,
            loses_who_signs_out: false,
            cries_wolf: false,
            other_email_under_fault: false,
            one_email_for_all: false,
            sends_passwords_on: false,
            slower_under_fault: 0,
            hides_the_attribute: false,
            falls_over_under_fault: false,
            asks_browsers_twice: false,
            machine: |_| 0,
        }
    }
}
