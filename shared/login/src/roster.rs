//! Which roots that DNS named are members now, and in which order a group's members stand: pure, time comes in.
//!
//! An answer adds, orders, and takes nobody away. A root that it no longer names stays for `keep` if it had proved itself, so that
//! name servers that lie, or forget, cost no root; one that never proved itself goes with the answer that named it, so that
//! invented names use up no room. Both are bounded: `most` that an answer names, and as many that only older ones did.

use std::time::Duration;

use mangrove_config::continuity::RootOrder;
use mangrove_connectors::Host;
use mangrove_continuity::Moment;

/// What an operator allows.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// The group's listed members, with the host of each.
    pub(crate) listed: Vec<(String, Option<Host>)>,
    pub(crate) order: RootOrder,
    pub(crate) most: usize,
    pub(crate) keep: Duration,
}

/// A member's place in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// One that is listed, by its name.
    Listed(String),
    /// One that was found.
    Found(Host),
}

/// The roots that were found for one group.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// Those that the last answer named first, in its order; then the others, the last named first.
    found: Vec<Known>,
    /// The last answer, listed hosts included, and when it came.
    answer: Option<(Vec<Host>, Moment)>,
}

#[derive(Debug, Clone)]
struct Known {
    host: Host,
    named: Moment,
}

impl Roster {
    /// Takes in an answer: whom it names, the preferred first.
    pub(crate) fn answered(
        &mut self,
        rules: &Rules,
        hosts: &[Host],
        proven: impl Fn(&Host) -> bool,
        now: Moment,
    ) {
        let is_listed = |host: &Host| rules.listed.iter().any(|(_, listed)| listed.as_ref() == Some(host));
        let new = hosts.iter().filter(|host| !is_listed(host)).take(rules.most);
        let named: Vec<Known> = new.map(|host| Known { host: host.clone(), named: now }).collect();
        let mut kept = std::mem::take(&mut self.found);
        kept.retain(|known| !named.iter().any(|other| other.host == known.host) && proven(&known.host));
        kept.sort_by_key(|known| std::cmp::Reverse(known.named));
        kept.truncate(rules.most);
        self.found = named;
        self.found.extend(kept);
        self.answer = Some((hosts.to_vec(), now));
        self.ages(rules, now);
    }

    /// Time passes: whoever was named too long ago goes.
    pub(crate) fn ages(&mut self, rules: &Rules, now: Moment) {
        self.found.retain(|known| now.since(known.named) < rules.keep);
        if self.answer.as_ref().is_some_and(|(_, at)| now.since(*at) >= rules.keep) {
            self.answer = None;
        }
    }

    /// Those that were found.
    pub(crate) fn found(&self) -> impl Iterator<Item = &Host> {
        self.found.iter().map(|known| &known.host)
    }

    /// The group's members in order: every listed one, and every found one, each once.
    pub(crate) fn places(&self, rules: &Rules) -> Vec<Place> {
        let listed = rules.listed.iter().map(|(name, _)| Place::Listed(name.clone()));
        let found = self.found().cloned().map(Place::Found);
        let all: Vec<Place> = listed.chain(found).collect();
        let Some((answer, _)) = self.answer.as_ref().filter(|_| rules.order == RootOrder::Records) else {
            return all;
        };
        let place_of = |host: &Host| {
            let listed = rules.listed.iter().find(|(_, at)| at.as_ref() == Some(host));
            listed.map_or_else(|| Place::Found(host.clone()), |(name, _)| Place::Listed(name.clone()))
        };
        let mut places: Vec<Place> =
            answer.iter().map(place_of).filter(|place| all.contains(place)).collect();
        places.extend(all.into_iter().filter(|place| !places.contains(place)).collect::<Vec<_>>());
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Host {
        Host { name: format!("{name}.mesh.example"), port: 443 }
    }

    fn hosts(names: &[&str]) -> Vec<Host> {
        names.iter().map(|name| host(name)).collect()
    }

    fn rules(order: RootOrder) -> Rules {
        let listed = [("dc1", Some(host("dc1"))), ("dc2", Some(host("dc2"))), ("people", None)];
        let listed = listed.map(|(name, host)| (name.to_owned(), host)).to_vec();
        Rules { listed, order, most: 2, keep: Duration::from_secs(100) }
    }

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000)
    }

    /// The members' short names, after answers in which everybody had proved itself who is in `proven`.
    fn after(order: RootOrder, answers: &[(u64, &[&str])], proven: &[&str]) -> String {
        let (rules, mut roster) = (rules(order), Roster::default());
        for (seconds, names) in answers {
            let is_proven = |host: &Host| proven.iter().any(|name| host.name.starts_with(name));
            roster.answered(&rules, &hosts(names), is_proven, at(*seconds));
        }
        said(&roster, &rules)
    }

    fn said(roster: &Roster, rules: &Rules) -> String {
        let short = |place: &Place| match place {
            Place::Listed(name) => name.clone(),
            Place::Found(host) => format!("+{}", host.name.split('.').next().unwrap()),
        };
        roster.places(rules).iter().map(short).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn listed_members_stay_whatever_an_answer_says() {
        for order in [RootOrder::Listed, RootOrder::Records] {
            assert_eq!(after(order, &[], &[]), "dc1 dc2 people");
            assert_eq!(after(order, &[(1, &[])], &[]), "dc1 dc2 people");
        }
        assert_eq!(after(RootOrder::Listed, &[(1, &["dc9", "dc2"])], &[]), "dc1 dc2 people +dc9");
        assert_eq!(after(RootOrder::Records, &[(1, &["dc9", "dc2"])], &[]), "+dc9 dc2 dc1 people");
    }

    #[test]
    fn an_answer_adds_so_many_and_no_more() {
        let all = after(RootOrder::Listed, &[(1, &["a", "dc1", "b", "c", "d"])], &[]);
        assert_eq!(all, "dc1 dc2 people +a +b");
        let flood = after(
            RootOrder::Listed,
            &[(1, &["a", "b"]), (2, &["c", "d"]), (3, &["e", "f"])],
            &["a", "b", "c", "d"],
        );
        assert_eq!(flood, "dc1 dc2 people +e +f +c +d");
    }

    #[test]
    fn invented_names_go_with_the_answer_and_push_nobody_out_who_proved_itself() {
        let lies: &[(u64, &[&str])] = &[(1, &["a"]), (2, &["x", "y"]), (3, &["z"]), (4, &[])];
        assert_eq!(after(RootOrder::Listed, lies, &["a"]), "dc1 dc2 people +a");
        assert_eq!(after(RootOrder::Records, lies, &["a"]), "dc1 dc2 people +a");
    }

    #[test]
    fn who_is_named_no_more_stays_for_a_while_and_not_for_ever() {
        let rules = rules(RootOrder::Records);
        let mut roster = Roster::default();
        roster.answered(&rules, &hosts(&["a", "dc2"]), |_| true, at(1));
        assert_eq!(said(&roster, &rules), "+a dc2 dc1 people");
        roster.ages(&rules, at(100));
        assert_eq!(said(&roster, &rules), "+a dc2 dc1 people", "name servers are silent");
        roster.ages(&rules, at(101));
        assert_eq!(said(&roster, &rules), "dc1 dc2 people", "and the order that they said is old, too");
    }
}
