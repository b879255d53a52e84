//! What samples do to a connector's health, a sentence each.

use std::time::Duration;

use mangrove_continuity::{Health, HealthPolicy, Order, Sample, State, What};

use crate::{after, at, down, failed, healthy, look_failed, policy, refused, unanswered, unprobed};

#[test]
fn a_start_is_unknown_and_usable_until_enough_probes_agree() {
    let mut health = Health::new(policy(), at(0));
    assert_eq!(health.state(), State::Unknown);
    assert!(health.state().usable());
    assert_eq!(health.observe(&Sample::ProbeSucceeded, at(1)), None);
    let news = health.observe(&Sample::ProbeSucceeded, at(2)).unwrap();
    assert_eq!((news.from, news.to, news.at), (State::Unknown, State::Healthy, at(2)));
    assert_eq!(health.last_success(), Some(at(2)));
}

#[test]
fn the_threshold_of_failures_in_a_row_makes_it_down_and_one_success_breaks_the_row() {
    let mut health = healthy();
    assert_eq!(health.observe(&failed(), at(10)).unwrap().to, State::Suspect);
    assert_eq!(health.observe(&failed(), at(20)), None);
    health.observe(&Sample::ProbeSucceeded, at(30));
    health.observe(&failed(), at(40));
    assert_eq!(health.observe(&failed(), at(50)), None);
    let news = health.observe(&failed(), at(60)).unwrap();
    assert_eq!((news.from, news.to), (State::Suspect, State::Down));
    assert!(news.why.contains("connection refused"), "{}", news.why);
}

#[test]
fn who_was_down_is_probed_and_comes_back_after_enough_successes() {
    let mut health = down();
    health.probe_begins(at(10));
    assert_eq!(health.state(), State::Probing);
    assert!(!health.state().usable());
    assert_eq!(health.observe(&Sample::ProbeSucceeded, at(11)), None);
    assert_eq!(health.state(), State::Probing);
    health.probe_begins(at(20));
    let news = health.observe(&Sample::ProbeSucceeded, at(21)).unwrap();
    assert_eq!((news.from, news.to), (State::Probing, State::Healthy));
}

#[test]
fn a_failed_attempt_to_come_back_is_no_news_and_it_is_down_since_it_went_down() {
    let mut health = down();
    for second in [10, 20, 30] {
        health.probe_begins(at(second));
        assert_eq!(health.observe(&failed(), at(second + 1)), None);
        assert_eq!(health.state(), State::Down);
    }
    assert_eq!(health.since(), at(3));
}

#[test]
fn a_failure_on_the_way_back_starts_the_count_again() {
    let mut health = down();
    for (second, sample) in [(10, Sample::ProbeSucceeded), (20, failed()), (30, Sample::ProbeSucceeded)] {
        health.probe_begins(at(second));
        health.observe(&sample, at(second));
        assert!(!health.state().usable());
    }
}

#[test]
fn a_custom_endpoint_that_says_no_acts_on_the_first_answer() {
    let mut health = healthy();
    assert_eq!(health.observe(&refused(), at(10)).unwrap().to, State::Down);
    assert!(health.standing(at(10)).refused);
    health.observe(&Sample::ProbeSucceeded, at(20));
    assert!(!health.standing(at(20)).refused, "it no longer says no");
    assert!(!health.state().usable(), "coming back takes as many successes as ever");
    health.observe(&Sample::ProbeSucceeded, at(30));
    assert_eq!(health.state(), State::Healthy);
}

#[test]
fn a_provider_that_says_no_about_itself_is_down_at_once() {
    let mut health = healthy();
    let no = Sample::ProviderSaysNo { why: "none of its providers can sign people in".into() };
    assert_eq!(health.observe(&no, at(10)).unwrap().to, State::Down);
    assert!(!health.standing(at(10)).refused, "where nobody else is left, it is asked again");
}

#[test]
fn a_verdict_is_as_old_as_the_newest_sample_that_could_change_it() {
    let mut health = healthy();
    health.observe(&failed(), at(10));
    health.observe(&Sample::LoginAnswered, at(12));
    assert_eq!(health.last_sample(), Some(at(12)));

    let custom = HealthPolicy { custom_endpoint: true, ..policy() };
    let mut health = after(custom, &[]);
    assert_eq!(health.last_sample(), None);
    health.observe(&refused(), at(10));
    health.observe(&Sample::LoginAnswered, at(12));
    assert_eq!(health.last_sample(), Some(at(10)), "a login says nothing there");
}

#[test]
fn logins_never_override_a_custom_endpoint() {
    let custom = HealthPolicy { custom_endpoint: true, ..policy() };
    let mut health = after(custom.clone(), &[Sample::ProbeSucceeded, Sample::ProbeSucceeded]);
    for login in 0..100 {
        assert_eq!(health.observe(&unanswered(login), at(10)), None);
    }
    assert_eq!(health.state(), State::Healthy);
    assert!(health.wants_probe_now(), "but they may ask for a probe");

    let mut health = after(custom, &[refused()]);
    health.observe(&Sample::LoginAnswered, at(10));
    assert_eq!(health.state(), State::Down);
    assert_eq!(health.last_success(), None, "and their success does not spare the next look");
}

#[test]
fn as_many_different_logins_without_an_answer_as_the_threshold_make_it_down() {
    let mut health = healthy();
    assert_eq!(health.observe(&unanswered(1), at(10)).unwrap().to, State::Suspect);
    health.observe(&unanswered(1), at(11));
    health.observe(&unanswered(1), at(12));
    health.observe(&unanswered(2), at(13));
    assert_eq!(health.state(), State::Suspect, "one login counts once");
    assert_eq!(health.observe(&unanswered(3), at(14)).unwrap().to, State::Down);
}

#[test]
fn any_success_between_breaks_the_row_of_unanswered_logins() {
    for success in [Sample::ProbeSucceeded, Sample::LookSucceeded, Sample::LoginAnswered] {
        let mut health = healthy();
        for sample in [unanswered(1), unanswered(2), success, unanswered(3), unanswered(4)] {
            health.observe(&sample, at(10));
        }
        assert!(health.state().usable());
    }
}

#[test]
fn a_login_without_an_answer_asks_for_a_probe_at_once_and_a_beginning_probe_answers_that() {
    let mut health = healthy();
    assert!(!health.wants_probe_now());
    health.observe(&unanswered(1), at(10));
    assert!(health.wants_probe_now());
    health.probe_begins(at(10));
    assert!(!health.wants_probe_now());
}

#[test]
fn a_failed_look_casts_doubt_until_something_succeeds_and_never_makes_it_down() {
    let mut health = healthy();
    for second in 10..30 {
        health.observe(&look_failed(), at(second));
    }
    assert_eq!(health.state(), State::Suspect);
    assert!(health.standing(at(1000)).doubted);
    assert!(health.wants_probe_now());
    health.observe(&Sample::ProbeSucceeded, at(31));
    assert!(!health.standing(at(31)).doubted);
}

#[test]
fn looks_and_logins_do_not_count_towards_healthy() {
    let mut health = down();
    for second in 10..100 {
        health.observe(&Sample::LookSucceeded, at(second));
        health.observe(&Sample::LoginAnswered, at(second));
    }
    assert_eq!(health.state(), State::Down);
    assert_eq!(health.last_success(), Some(at(99)));
}

#[test]
fn misconfigured_stays_out_though_probes_succeed_until_it_is_cleared() {
    let mut health = healthy();
    let wrong = Sample::Misconfigured { why: "invalid_client".into() };
    let news = health.observe(&wrong, at(10)).unwrap();
    assert_eq!((news.from, news.to), (State::Healthy, State::Healthy));
    assert_eq!(health.observe(&wrong, at(11)), None, "said once");
    for second in 20..30 {
        health.observe(&Sample::ProbeSucceeded, at(second));
        health.observe(&Sample::LoginAnswered, at(second));
    }
    assert_eq!(health.standing(at(30)).misconfigured.as_deref(), Some("invalid_client"));
    assert!(health.observe(&Sample::ConfigurationWorks, at(31)).is_some());
    assert_eq!(health.standing(at(31)).misconfigured, None);
    assert_eq!(health.observe(&Sample::ConfigurationWorks, at(32)), None);
}

#[test]
fn who_answers_that_it_does_not_know_this_node_breaks_a_row_of_failures() {
    let mut health = healthy();
    let wrong = Sample::Misconfigured { why: "invalid_client".into() };
    for second in [10, 40, 70] {
        health.observe(&failed(), at(second));
        health.observe(&failed(), at(second + 1));
        health.observe(&wrong, at(second + 10));
    }
    assert_eq!(health.state(), State::Suspect, "three restarts, with answers between");
    health.observe(&failed(), at(100));
    health.observe(&failed(), at(101));
    assert_eq!(health.observe(&failed(), at(102)).unwrap().to, State::Down);
}

#[test]
fn an_unprobed_connector_is_held_down_for_an_interval_and_then_a_login_may_find_out() {
    let mut health = after(unprobed(), &[unanswered(1), unanswered(2), unanswered(3)]);
    assert_eq!(health.standing(at(32)).state, State::Down);
    assert_eq!(health.standing(at(33)).state, State::Suspect, "30 s after it went down");
    health.observe(&unanswered(4), at(40));
    assert_eq!(health.standing(at(69)).state, State::Down, "one more is enough for another interval");
    assert_eq!(health.standing(at(70)).state, State::Suspect);
    let news = health.observe(&Sample::LoginAnswered, at(71)).unwrap();
    assert_eq!((news.from, news.to), (State::Down, State::Unknown));
    assert!(!health.wants_probe_now());
}

#[test]
fn an_unprobed_connector_is_doubted_for_an_interval_at_most() {
    let health = after(unprobed(), &[look_failed()]);
    assert!(health.standing(at(30)).doubted);
    assert!(!health.standing(at(31)).doubted);
}

#[test]
fn an_order_ends_when_it_says_and_leaves_health_alone() {
    let mut health = healthy();
    let order = Order { what: What::Drain, who: "ops".into(), why: "upgrade".into(), until: Some(at(60)) };
    health.order(Some(order.clone()));
    assert_eq!(health.standing(at(59)).order, Some(order));
    assert_eq!(health.standing(at(60)).order, None);
    assert_eq!(health.state(), State::Healthy);
}

#[test]
fn the_usual_time_follows_slowly() {
    let mut health = healthy();
    health.took(Duration::from_millis(80));
    assert_eq!(health.usual_time(), Duration::from_millis(80));
    health.took(Duration::from_millis(160));
    assert_eq!(health.usual_time(), Duration::from_millis(90));
}

#[test]
fn a_first_success_is_followed_up_within_a_second() {
    let health = after(policy(), &[Sample::ProbeSucceeded]);
    assert_eq!(health.next_probe(at(1), 0.0), at(2));
    assert_eq!(healthy().next_probe(at(1), 0.0), at(31));
}

#[test]
fn health_can_be_a_state_of_a_model_checker() {
    fn is_a_state<T: Clone + Eq + std::hash::Hash + std::fmt::Debug>() {}
    is_a_state::<Health>();
}
