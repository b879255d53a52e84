//! Who vouched for whom, as the browser saw it: the identity provider whose pages came last, or the directory whose password was
//! last typed at a node, and every server by which it came back from there. Never the product's word.

use super::ends::usual::last_start;
use super::ends::{End, Judged};
use super::judge::{Court, Finding, share};
use super::world::{Span, World};
use crate::history::{Hop, Login, Server, ServerKind};
use crate::language::{Expectation, Meanwhile};

/// Where nodes take a password that they check themselves or at a directory.
pub(super) const PASSWORD_PAGE: &str = "/login/password";

impl Court<'_, '_> {
    /// For how many of those signed in the server vouched. Attempts are logins since the first fault; where nobody knows who vouched it
    /// was not this one.
    pub(super) fn vouched(&self, expected: &Expectation) -> Finding {
        let wanted = expected.about.first().map(String::as_str).unwrap_or_default();
        let (mut by_it, mut other) = (0_usize, None);
        let mut attempts = 0;
        for login in self.signed_in_meanwhile(expected) {
            attempts += 1;
            let by = vouchers(self.world, login.login);
            if by.contains(&wanted) {
                by_it += 1;
            } else {
                other.get_or_insert((login, by));
            }
        }
        let first = other.map(|(login, by)| {
            let by = if by.is_empty() { "nobody who is known".to_owned() } else { by.join(" and ") };
            format!(", the first other: {} by {by}", login.login.person)
        });
        let words = format!("{by_it} of {attempts} logins{}", first.unwrap_or_default());
        let number = (attempts > 0).then(|| share(expected.bound, by_it, attempts));
        Finding { number, words, attempts }
    }

    /// Logins signed in whose own time, from start to end, was what the expectation is about.
    fn signed_in_meanwhile<'l>(
        &'l self,
        expected: &'l Expectation,
    ) -> impl Iterator<Item = &'l Judged<'l>> + 'l {
        let first = self.world.first_fault();
        let from = if first >= self.world.end { 0 } else { first };
        self.ends.logins.iter().filter(move |login| {
            let own = Span { from: login.login.start, until: login.ended };
            login.end == End::SignedIn
                && own.from >= from
                && expected.concerns(&login.login.region)
                && !self.excused(expected.after_change, own)
                && expected.meanwhile.as_ref().is_none_or(|it| {
                    let Login { person, region, app, .. } = login.login;
                    self.was(it, (person, region, app), own)
                })
        })
    }

    /// Whether the server was as said, for a person of a region at an application, all the time.
    pub(super) fn was(&self, meanwhile: &Meanwhile, who: (&str, &str, &str), own: Span) -> bool {
        let reached = |during| {
            let through = Some(meanwhile.server.as_str());
            self.world.live_path_through(through, who.0, who.1, who.2, during).is_some()
        };
        if meanwhile.in_reach {
            return reached(own);
        }
        // Between two changes nothing changes: one moment after each is all there is to see.
        let changes = self.world.changes.iter().map(|change| change.until);
        let moments = changes.filter(|at| (own.from..=own.until).contains(at)).chain([own.from]);
        moments.into_iter().all(|at| !reached(Span { from: at, until: at }))
    }
}

/// Whoever vouched, and the servers behind the edge that the browser passed on its way back; none where nobody can tell.
pub fn vouchers<'a>(world: &World<'a>, login: &Login) -> Vec<&'a str> {
    let hops = last_start(world, login);
    let answered = |hop: &&Hop| hop.status.is_some();
    let at = hops.iter().rposition(|hop| answered(&hop) && voucher(world, hop).is_some());
    let Some((at, Some(first))) = at.and_then(|at| Some((at, voucher(world, &hops[at])?))) else {
        return Vec::new();
    };
    let mut by = vec![first];
    let back = hops[at..].iter().filter(answered).filter_map(|hop| world.server_at(hop.host()));
    for server in back.filter(|server| server.kind == ServerKind::Root) {
        if !by.contains(&server.name.as_str()) {
            by.push(&server.name);
        }
    }
    by
}

/// Who vouches, if this request is one to an identity provider's page or brings a password to a node; of several directories
/// behind one node nobody sees which one it was.
fn voucher<'a>(world: &World<'a>, hop: &Hop) -> Option<Option<&'a str>> {
    let server = world.server_at(hop.host())?;
    if server.kind == ServerKind::Idp {
        return Some(Some(&server.name));
    }
    if hop.method != "POST" || hop.path() != PASSWORD_PAGE {
        return None;
    }
    let directory = |name: &String| world.server(name).filter(|server: &&Server| !server.by_browser);
    let mut asked = server.upstreams.iter().filter_map(directory).chain(server.vouches.then_some(server));
    let only = asked.next().filter(|_| asked.next().is_none());
    Some(only.map(|it| it.name.as_str()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::history::{Acts, Event, Run, SECOND, Seen, What};
    use crate::language::{Bound, Limit, Measure};
    use crate::verdict::judge;
    use crate::verdict::judge::Ruling;
    use crate::verdict::synthetic::{BEGIN, Story, mesh};

    /// Branch A: this root vouched, for everybody who came this long after a change while a root was as said.
    fn of(root: &str, server: &str, in_reach: bool, after: Option<u64>) -> Expectation {
        Expectation {
            text: String::new(),
            region: Some("branch-a".to_owned()),
            after_change: after.map(Duration::from_secs),
            meanwhile: Some(Meanwhile { server: server.to_owned(), in_reach }),
            attempts: None,
            measure: Measure::VouchedBy,
            about: vec![root.to_owned()],
            bound: Bound::Exactly(Limit::Share(1.0)),
            line: 1,
        }
    }

    fn ruling(story: &Story, expected: Expectation) -> (Ruling, String) {
        let events = story.tell();
        let outcome = judge(&events, &[expected], 30).unwrap().outcomes.remove(0);
        (outcome.ruling, outcome.found)
    }

    #[test]
    fn the_second_root_vouches_while_the_first_is_away_and_the_first_when_it_is_back() {
        let good = Story::one_root_cut();
        let (held, found) = ruling(&good, of("root-dc2", "root-dc1", false, None));
        assert_eq!(held, Ruling::Holds, "{found}");
        let (held, found) = ruling(&good, of("root-dc1", "root-dc1", true, Some(3)));
        assert_eq!(held, Ruling::Holds, "{found}");
        let (held, found) = ruling(&good, of("corp", "root-dc1", false, None));
        assert_eq!(held, Ruling::Holds, "whichever root, the provider behind it: {found}");
        let (held, found) = ruling(&good, of("root-dc1", "root-dc1", false, None));
        assert_eq!(held, Ruling::Fails, "{found}");
        assert!(
            found.contains("the first other: branch-a-") && found.ends_with("by corp and root-dc2"),
            "{found}"
        );
    }

    #[test]
    fn who_goes_back_too_late_fails_and_who_never_lost_anything_cannot_be_judged() {
        let late = Story::one_root_cut().with(|product| {
            product.last_look = None;
            product.forgives_after = 12 * SECOND;
        });
        let (held, found) = ruling(&late, of("root-dc1", "root-dc1", true, Some(3)));
        assert_eq!(held, Ruling::Fails, "{found}");
        let mut quiet = Story::one_root_cut();
        quiet.cuts.clear();
        let (held, found) = ruling(&quiet, of("root-dc2", "root-dc1", false, None));
        assert_eq!(held, Ruling::CannotJudge, "it was never away: {found}");
    }

    /// Who vouched in a login with these requests, where each branch's node asks these directories too.
    fn by(directories: &[&str], requests: &[(&str, &str)]) -> Vec<String> {
        let mut run = mesh();
        for name in directories {
            let region = "branch-a".to_owned();
            let hosts = vec![format!("{name}.mesh.test")];
            let kind = ServerKind::Idp;
            let name = (*name).to_owned();
            run.servers
                .iter_mut()
                .filter(|it| it.kind == ServerKind::Edge)
                .for_each(|it| it.upstreams.push(name.clone()));
            run.servers.push(Server {
                name,
                region,
                kind,
                hosts,
                vouches: true,
                by_browser: false,
                ..Server::default()
            });
        }
        let hop = |(method, url): &(&str, &str)| Hop {
            start: BEGIN,
            took: 1,
            method: (*method).to_owned(),
            url: url.replacen('/', ".mesh.test/", 1),
            status: Some(200),
            error: None,
            reference: None,
        };
        let login = Login {
            person: "branch-a-1".into(),
            app: "app-a".into(),
            region: "branch-a".into(),
            start: BEGIN,
            hops: requests.iter().map(hop).collect(),
            acts: Acts::default(),
            seen: Seen::SignedIn,
            who: None,
            login_id: None,
        };
        let events = events(run);
        let world = World::read(&events).unwrap();
        vouchers(&world, &login).into_iter().map(str::to_owned).collect()
    }

    fn events(run: Run) -> Vec<Event> {
        let all = [(0, What::Run(Box::new(run))), (BEGIN, What::Begin), (BEGIN + SECOND, What::End)];
        all.map(|(at, what)| Event { at, what }).to_vec()
    }

    #[test]
    fn whose_pages_came_last_vouched_and_a_directory_where_its_password_was_typed() {
        let over_a_dead_root = [
            ("GET", "app-a/"),
            ("GET", "edge-a/oauth2/auth"),
            ("GET", "root-dc1/oauth2/auth"),
            ("GET", "corp/login"),
            ("GET", "edge-a/oauth2/auth"),
            ("GET", "root-dc2/oauth2/auth"),
            ("POST", "corp/login"),
            ("GET", "root-dc2/oidc/corp"),
            ("GET", "edge-a/oidc/root-dc2"),
            ("GET", "app-a/callback"),
        ];
        assert_eq!(by(&[], &over_a_dead_root), ["corp", "root-dc2"]);
        assert_eq!(by(&[], &over_a_dead_root[..3]), [""; 0], "nobody has vouched yet");
        let typed = [("GET", "app-a/"), ("GET", "corp/login"), ("POST", "edge-a/login/password")];
        assert_eq!(by(&["dir"], &typed), ["dir"]);
        assert_eq!(by(&["dir", "other"], &typed), [""; 0], "either of two: nobody can tell");
        let by_saml = [("GET", "app-a/"), ("POST", "corp/login"), ("POST", "edge-a/saml/callback")];
        assert_eq!(by(&["dir"], &by_saml), ["corp"]);
        let begun_there = [
            ("POST", "corp/login"),
            ("POST", "edge-a/saml/callback"),
            ("GET", "app-a/"),
            ("GET", "app-a/callback"),
        ];
        assert_eq!(by(&["dir"], &begun_there), ["corp"]);
    }
}
