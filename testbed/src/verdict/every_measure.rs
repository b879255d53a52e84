//! Every kind of expectation there is, seen to hold on a good product, to fail on one that is broken on purpose, and to
//! refuse a run that is too thin, each by the exit code. A measure that is new does not compile until it has its trial here.

use std::time::Duration;

use super::judge;
use super::judge::Ruling;
use super::synthetic::{Product, Story};
use crate::history::{MILLISECOND, SECOND};
use crate::language::{Bound, Expectation, Limit, Meanwhile, Measure};

/// How a product is broken: in words, and done.
type Break = (&'static str, fn(&mut Product));

/// What is expected, of which run, and how the product is broken, each way for itself.
struct Trial {
    bound: Bound,
    region: Option<&'static str>,
    good: Story,
    broken: Vec<Break>,
    thin: fn(&mut Story),
}

impl Trial {
    fn or(mut self, other: Break) -> Self {
        self.broken.push(other);
        self
    }
}

fn nobody_comes(story: &mut Story) {
    story.gap = 20 * SECOND;
}

fn one_fault_only(story: &mut Story) {
    story.cuts.truncate(1);
}

#[expect(clippy::too_many_lines, reason = "a table: one row for each measure")]
fn trial(measure: Measure) -> Trial {
    let none = Bound::Exactly(Limit::Count(0.0));
    let within = |seconds| Bound::AtMost(Limit::Time(Duration::from_secs(seconds)));
    let said = |yes| Bound::Exactly(Limit::Yes(yes));
    let usual = |bound, broken: Break| Trial {
        bound,
        region: None,
        good: Story::one_root_cut(),
        broken: vec![broken],
        thin: nobody_comes,
    };
    match measure {
        Measure::LoginsLost => usual(none, ("failover off", |product| product.notices_after = None)),
        Measure::LoginsWrong => Trial {
            thin: |story| story.lasts = 1,
            ..usual(none, ("people mixed up", |product| product.mixes_people_up = true))
        },
        Measure::LoginsTold => Trial {
            good: Story::isolated(),
            region: Some("branch-a"),
            ..usual(
                Bound::AtLeast(Limit::Count(30.0)),
                ("says nothing", |product| product.tells_after = None),
            )
        },
        Measure::LoginsCutOff => {
            usual(none, ("the edge ends with its root", |product| product.falls_over_under_fault = true))
        }
        Measure::LoginsSignedIn => usual(
            Bound::AtLeast(Limit::Share(0.99)),
            ("failover off", |product| product.notices_after = None),
        ),
        Measure::FirstLoginAfterFault => Trial {
            thin: one_fault_only,
            ..usual(
                within(1),
                ("a last look of three seconds", |product| {
                    product.last_look = Some(3 * SECOND);
                }),
            )
        },
        Measure::NextLoginsAfterFault => usual(
            Bound::AtMost(Limit::Time(Duration::from_millis(100))),
            ("everybody looks anew until the probes notice", |product| product.looks_alone = true),
        ),
        Measure::BackAfterHeal => Trial {
            good: Story::isolated(),
            region: Some("branch-a"),
            ..usual(
                within(5),
                ("last look off, and it forgives late", |product| {
                    product.last_look = None;
                    product.forgives_after = 12 * SECOND;
                }),
            )
        },
        Measure::ActsPerLogin => {
            usual(none, ("a password asked twice", |product| product.asks_twice_under_fault = true))
        }
        Measure::ActsAtHome => usual(none, ("last look off", |product| product.last_look = None)),
        Measure::DownNoticed => Trial {
            thin: one_fault_only,
            ..usual(within(3), ("probes off", |product| product.notices_after = None))
        },
        Measure::Slower => Trial {
            good: Story::in_rounds(),
            region: Some("branch-b"),
            ..usual(
                said(false),
                ("everybody slower under a fault anywhere", |product| {
                    product.slower_under_fault = 200 * MILLISECOND;
                }),
            )
        },
        Measure::OneSubject => {
            usual(said(true), ("one subject for all", |product| product.one_sub_for_all = true))
        }
        Measure::SameAttributes => usual(
            said(true),
            ("another address under a fault", |product| product.other_email_under_fault = true),
        )
        .or(("one address for all", |product| product.one_email_for_all = true)),
        Measure::PasswordsRefused => {
            usual(none, ("sends passwords on under a fault", |product| product.sends_passwords_on = true))
        }
        Measure::VouchedBy => Trial {
            region: Some("branch-a"),
            ..usual(
                Bound::Exactly(Limit::Share(1.0)),
                ("last look off, and it forgives late", |product| {
                    product.last_look = None;
                    product.forgives_after = 12 * SECOND;
                }),
            )
        },
        Measure::TokensRenewed => usual(
            Bound::Exactly(Limit::Share(1.0)),
            ("sessions end with a fault", |product| product.forgets_sessions_under_fault = true),
        ),
        Measure::SessionsLost => {
            usual(none, ("sessions end with a fault", |product| product.forgets_sessions_under_fault = true))
        }
        Measure::SignOutsLost => Trial {
            good: Story { sign_outs: true, ..Story::one_root_cut() },
            ..usual(none, ("leads nobody back", |product| product.loses_who_signs_out = true))
        },
        Measure::StillSignedIn => Trial {
            good: Story { sign_outs: true, ..Story::one_root_cut() },
            ..usual(none, ("ends no session", |product| product.keeps_who_signs_out = true))
                .or(("always says that somebody could not be told", |product| product.cries_wolf = true))
        },
        Measure::BrowsersAgree => Trial {
            good: Story { twins: true, ..Story::one_root_cut() },
            ..usual(said(true), ("real browsers asked twice", |product| product.asks_browsers_twice = true))
        },
    }
}

/// The exit code of a run of which nothing else is expected, and what became of the expectation.
fn tried(story: &Story, measure: Measure, trial: &Trial) -> (u8, Ruling, String) {
    let expected = Expectation {
        text: measure.name().to_owned(),
        region: trial.region.map(str::to_owned),
        after_change: None,
        meanwhile: (measure == Measure::VouchedBy)
            .then(|| Meanwhile { server: "root-dc1".to_owned(), in_reach: true }),
        attempts: None,
        about: match measure {
            Measure::SameAttributes => vec!["email".to_owned()],
            Measure::VouchedBy => vec!["root-dc1".to_owned()],
            _ => Vec::new(),
        },
        measure,
        bound: trial.bound,
        line: 1,
    };
    let events = story.tell();
    let verdict = judge(&events, &[expected], 30).unwrap();
    (verdict.code(), verdict.outcomes[0].ruling, verdict.outcomes[0].found.clone())
}

#[test]
fn every_measure_is_kept_by_a_good_product_and_fails_on_a_broken_one_and_is_void_on_a_thin_run() {
    for measure in Measure::all() {
        let trial = trial(measure);
        let name = measure.name();
        let (code, ruling, found) = tried(&trial.good, measure, &trial);
        assert_eq!((code, ruling), (0, Ruling::Holds), "{name}, good product: {found}");

        for &(what, breaks) in &trial.broken {
            let (code, ruling, found) = tried(&trial.good.clone().with(breaks), measure, &trial);
            assert_eq!((code, ruling), (1, Ruling::Fails), "{name}, {what}: {found}");
        }

        let mut thin = trial.good.clone();
        (trial.thin)(&mut thin);
        let (code, ruling, found) = tried(&thin, measure, &trial);
        assert_eq!((code, ruling), (2, Ruling::CannotJudge), "{name}, thin run: {found}");
    }
}
