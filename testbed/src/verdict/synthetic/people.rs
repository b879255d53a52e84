//! What people of a story do at its product, hop by hop: logins, visits, and the twins of real browsers.

use super::mesh::{ROOTS, app, dead_hop, edge, hop, host};
use super::{BASE, BEGIN, Story};
use crate::agent::chance::Chance;
use crate::history::{
    Acts, Event, Login, MILLISECOND, Micros, PasswordRefused, SECOND, Seen, SignOut, SignOutOutcome, Trouble,
    Visit, VisitKind, VisitOutcome, What, Who,
};

impl Story {
    /// Everybody of a branch, from one time on.
    pub(super) fn people(&self, branch: &str, from: Micros, chance: &mut Chance, events: &mut Vec<Event>) {
        let (mut start, mut number) = (from + 100 * MILLISECOND, 0);
        while start < from + self.stretch() * SECOND - 3 * SECOND.min(self.stretch() * SECOND / 2) {
            let late = chance.below(40 * MILLISECOND);
            let person = format!("{branch}-{}", number % 20);
            let login = self.login(branch, person, number, start + late, chance);
            if self.twins && branch == "branch-b" {
                events.push(twin(&login));
            }
            if self.product.sends_passwords_on && self.under_fault(start) {
                let refused = PasswordRefused { server: "corp".into(), person: None };
                events.push(Event { at: login.at, what: What::PasswordRefused(refused) });
            }
            events.push(login);
            if number.is_multiple_of(2) {
                events.push(self.visit(branch, number, start));
            } else if self.sign_outs {
                events.extend(self.sign_out(branch, number, start, chance));
            }
            number += 1;
            start += self.gap;
        }
    }

    /// Whether the edge still takes a member for dead that is not.
    fn resents(&self, branch: &str, region: &str, at: Micros) -> bool {
        let product = &self.product;
        product.notices_after.is_some()
            && self.cuts.iter().any(|cut| {
                let healed = BEGIN + cut.healed * SECOND;
                cut.branch == branch
                    && cut.from_regions.contains(&region)
                    && (healed..healed + product.forgives_after).contains(&at)
            })
    }

    /// Whom the edge sends a browser to, and what the choice cost. `Err`: nobody is left.
    fn choice(&self, branch: &str, at: Micros) -> Result<((&'static str, &'static str), Micros), ()> {
        let mut looks = 0;
        for (root, region) in ROOTS {
            match (self.cut_since(branch, region, at), self.product.notices_after) {
                (None, _) if self.resents(branch, region, at) && self.product.last_look.is_none() => {}
                (Some(since), Some(after)) if at >= since + after => {}
                (Some(since), Some(_)) if self.product.last_look.is_some() => {
                    if self.product.looks_alone || at < since + self.gap {
                        looks += self.product.last_look.unwrap_or_default();
                    }
                }
                _ => return Ok(((root, region), looks)),
            }
        }
        Err(())
    }

    fn login(&self, branch: &str, person: String, number: u64, start: Micros, chance: &mut Chance) -> Event {
        let mut login = Login {
            person,
            app: app(branch),
            region: branch.into(),
            start,
            hops: Vec::new(),
            acts: Acts { passwords: 1, ..Acts::default() },
            seen: Seen::GaveUp { trouble: Trouble::Timeout },
            who: None,
            login_id: Some(format!("{number:06x}")),
        };
        let mut at = start;
        for _ in 0..3 {
            let begun = at;
            at = hop(&mut login.hops, at, "GET", format!("{}/", host(&app(branch))), 20);
            let url = format!("{}/oauth2/auth", host(&edge(branch)));
            if self.product.falls_over_under_fault && self.cut_since(branch, "dc1", at).is_some() {
                at = dead_hop(&mut login.hops, at, url, 10 * SECOND);
                login.acts.restarts += 1;
                continue;
            }
            at = hop(&mut login.hops, at, "GET", url, 30);
            let Ok(((root, region), looks)) = self.choice(branch, begun) else {
                return self.nobody_left(login, at);
            };
            if self.linked(branch, region, at) {
                at = self.through(&mut login, at + looks, root, begun, chance);
                return Event { at, what: What::Login(Box::new(login)) };
            }
            for _ in 0..2 {
                at = dead_hop(&mut login.hops, at, format!("{}/oauth2/auth", host(root)), 10 * SECOND);
            }
            login.acts.reloads += 1;
            login.acts.restarts += 1;
        }
        login.acts.restarts = login.acts.restarts.saturating_sub(1);
        Event { at, what: What::Login(Box::new(login)) }
    }

    fn nobody_left(&self, mut login: Login, at: Micros) -> Event {
        let Some(after) = self.product.tells_after else {
            let at = dead_hop(&mut login.hops, at, format!("{}/oauth2/auth", host("root-dc2")), 10 * SECOND);
            return Event { at, what: What::Login(Box::new(login)) };
        };
        let says = "Nobody can sign you in now".to_owned();
        login.seen = Seen::Refused { status: 503, says, waited: after };
        if let Some(hop) = login.hops.last_mut() {
            hop.status = Some(503);
            hop.took = after;
        }
        Event { at: at + after, what: What::Login(Box::new(login)) }
    }

    fn through(
        &self,
        login: &mut Login,
        at: Micros,
        root: &str,
        begun: Micros,
        chance: &mut Chance,
    ) -> Micros {
        let product = &self.product;
        let fault = self.under_fault(begun);
        let slower = if fault { product.slower_under_fault } else { 0 };
        let slower = slower + (product.machine)((begun - BEGIN) / SECOND);
        let mut at = at + slower;
        let steps = [
            ("GET", root, "oauth2/auth"),
            ("GET", "corp", "oauth2/auth"),
            ("POST", "corp", "sign-in"),
            ("GET", root, "oidc/callback"),
        ];
        for (method, server, path) in steps {
            at = hop(&mut login.hops, at, method, format!("{}/{path}", host(server)), 40 + chance.below(8));
        }
        for (server, path) in [
            (edge(&login.region), "oidc/callback"),
            (login.app.clone(), "callback"),
            (login.app.clone(), "me"),
        ] {
            at = hop(&mut login.hops, at, "GET", format!("{}/{path}", host(&server)), 20);
        }
        login.seen = Seen::SignedIn;
        login.acts.passwords += u32::from(fault && product.asks_twice_under_fault);
        login.acts.passwords += u32::from(self.twins && product.asks_browsers_twice);
        login.who = Some(self.who(&login.person, root, fault, &login.region));
        at.max(login.start + BASE)
    }

    fn who(&self, person: &str, root: &str, fault: bool, branch: &str) -> Who {
        let product = &self.product;
        let really = if product.mixes_people_up && fault { format!("{branch}-0") } else { person.to_owned() };
        let sub = if product.one_sub_for_all {
            "corp|everybody".to_owned()
        } else if product.a_sub_for_each_root {
            format!("{root}|{person}")
        } else {
            format!("corp|{really}")
        };
        let lab_person = (!product.hides_the_attribute).then_some(really);
        let other = if product.other_email_under_fault && fault { "other-" } else { "" };
        let email = format!("{other}{}", self.email(person));
        Who {
            iss: format!("https://{}", host(&edge(branch))),
            sub,
            lab_person,
            claims: [("email".to_owned(), email.into())].into(),
            ..Who::default()
        }
    }

    /// What applications hear is somebody's address.
    fn email(&self, person: &str) -> String {
        let whose = if self.product.one_email_for_all { "everybody" } else { person };
        format!("{whose}@{}", host("mail"))
    }

    /// Somebody signs out, and signs in again with the same browser.
    fn sign_out(&self, branch: &str, number: u64, start: Micros, chance: &mut Chance) -> [Event; 2] {
        let person = format!("{branch}-{}", 20 + number % 3);
        let mut hops = Vec::new();
        let mut at = start;
        for (server, path) in
            [(app(branch), "sign-out"), (edge(branch), "oauth2/logout"), (app(branch), "signed-out")]
        {
            at = hop(&mut hops, at, "GET", format!("{}/{path}", host(&server)), 20);
        }
        let lost = self.product.loses_who_signs_out;
        let outcome =
            if lost { SignOutOutcome::NoAnswer { trouble: Trouble::Timeout } } else { SignOutOutcome::Back };
        let notice = self.product.cries_wolf.then(|| "corp could not be told".to_owned());
        let left = SignOut {
            person: person.clone(),
            app: app(branch),
            region: branch.into(),
            began_at: None,
            start,
            outcome,
            notices: notice.into_iter().collect(),
            still: Vec::new(),
            hops,
        };
        let mut again = self.login(branch, person, number, at + 10 * MILLISECOND, chance);
        if let What::Login(login) = &mut again.what {
            login.acts.passwords -= u32::from(self.product.keeps_who_signs_out);
        }
        [Event { at, what: What::SignOut(Box::new(left)) }, again]
    }

    fn visit(&self, branch: &str, number: u64, start: Micros) -> Event {
        let person = format!("{branch}-{}", 20 + number % 3);
        let lost = self.product.forgets_sessions_under_fault && self.under_fault(start);
        let outcome = if lost {
            VisitOutcome::Lost { says: "200 from corp.mesh.test: Sign in".into() }
        } else {
            VisitOutcome::Kept
        };
        let mut hops = Vec::new();
        let at = hop(&mut hops, start, "GET", format!("{}/me", host(&app(branch))), 15);
        let who = (!lost).then(|| Who {
            lab_person: Some(person.clone()),
            sub: format!("corp|{person}"),
            iss: format!("https://{}", host(&edge(branch))),
            claims: [("email".to_owned(), self.email(&person).into())].into(),
            ..Who::default()
        });
        let kind = match number % 8 {
            0 => VisitKind::SingleSignOn,
            2 => VisitKind::Refresh,
            _ => VisitKind::Page,
        };
        let visit =
            Visit { person, app: app(branch), region: branch.into(), start, kind, outcome, hops, who };
        Event { at, what: What::Visit(Box::new(visit)) }
    }
}

pub(super) fn twin_of(person: &str) -> String {
    format!("{person}-twin")
}

/// The same login by the person's simulated twin, who is asked what everybody is asked.
fn twin(real: &Event) -> Event {
    let mut event = real.clone();
    if let What::Login(login) = &mut event.what {
        login.person = twin_of(&login.person);
        login.acts.passwords = 1;
        if let Some(who) = &mut login.who {
            who.lab_person = who.lab_person.as_deref().map(twin_of);
            who.sub = twin_of(&who.sub);
        }
    }
    event
}
