//! What this room's pages say. Their look, and what protects them, is [`crate::layout`]; when they are shown is the
//! business of the login's steps.

use std::collections::BTreeSet;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};

pub(crate) use crate::layout::{Frame, Way, notice};
use crate::layout::{Page, harden};
use crate::steps::Lack;

/// What the sign-in page shows.
#[derive(Debug)]
pub(crate) struct SignIn<'a> {
    /// Whose password is asked for.
    pub(crate) title: &'a str,
    /// The one-time value that binds the form to the browser's login cookie.
    pub(crate) state: &'a str,
    /// The user name to begin with.
    pub(crate) username: &'a str,
    /// What was wrong with the last attempt.
    pub(crate) error: Option<&'a str>,
}

/// Heading where this node has too much to do.
pub(crate) const MANY: &str = "Many people are signing in right now";

/// Path the sign-in page posts to.
pub(crate) const PASSWORD_PATH: &str = "/login/password";

/// The page that asks for a user name and a password.
pub(crate) fn sign_in(frame: Frame<'_>, status: StatusCode, form: &SignIn<'_>) -> Response {
    let invalid = form.error.map(|_| "true");
    let body = html! {
        h1 { "Sign in" }
        p { "Use your user name and password of " strong { (form.title) } "." }
        p role="alert" aria-live="assertive" class="bad" id="problem" { (form.error.unwrap_or_default()) }
        form method="post" action=(PASSWORD_PATH) {
            input type="hidden" name="state" value=(form.state);
            label for="username" { "User name" }
            input id="username" name="username" type="text" required maxlength="256" value=(form.username)
                autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false"
                aria-describedby="problem" aria-invalid=[invalid] autofocus[form.username.is_empty()];
            label for="password" { "Password" }
            input id="password" name="password" type="password" required maxlength="1024"
                autocomplete="current-password" aria-describedby="problem" aria-invalid=[invalid] autofocus[!form.username.is_empty()];
            button type="submit" { "Sign in" }
        }
    };
    let title = match form.error {
        // The first thing a screen reader says about the page.
        Some(_) => format!("Not signed in yet: {}", form.title),
        None => format!("Sign in: {}", form.title),
    };
    respond(frame, status, &title, None, &body)
}

/// Nobody could vouch now, or this node has no time: says so, and tries again by itself.
pub(crate) fn wait(frame: Frame<'_>, app: &str, again: &str, seconds: u64, lack: Lack) -> Response {
    let heading = match lack {
        Lack::Members => "Signing in is not possible right now",
        Lack::Time => MANY,
    };
    let body = html! {
        h1 { (heading) }
        p role="status" {
            @match lack {
                Lack::Members => { "None of the services that could sign you in to " strong { (app) } " can be reached from here at the moment. " }
                Lack::Time => { "More people come here at the moment than can be sent on to sign in to " strong { (app) } ". " }
            }
            "Nothing is wrong with your account, your password or your device."
        }
        p { "You can leave this page open: it tries again in " (seconds) " seconds, and goes on to " (app) " as soon as it can." }
        p { a class="act" href=(again) { "Try again now" } }
    };
    let refresh = format!("{seconds};url={again}");
    let mut response = respond(frame, StatusCode::SERVICE_UNAVAILABLE, heading, Some(&refresh), &body);
    retry_after(&mut response, seconds);
    response
}

/// Asks before a session ends that another site wants to end.
pub(crate) fn confirm_logout(frame: Frame<'_>, action: &str, token: &str, back: Option<&str>) -> Response {
    let body = html! {
        h1 { "Sign out?" }
        p { "You are about to be signed out of all applications that " (frame.node) " signed you in to." }
        form method="post" action=(action) {
            input type="hidden" name="token" value=(token);
            @if let Some(back) = back { input type="hidden" name="back" value=(back); }
            button type="submit" { "Sign out" }
        }
    };
    respond(frame, StatusCode::OK, "Sign out?", None, &body)
}

/// How it is in a browser at the end of a logout, or without one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Here<'a> {
    /// Its session has ended.
    Ended,
    /// It has none.
    NoSession,
    /// It has one; where that ends, if this node has a place for it.
    SignedIn(Option<&'a str>),
}

/// Says how it is, and who could not be told of a logout.
pub(crate) fn signed_out(
    frame: Frame<'_>,
    here: Here<'_>,
    untold: &BTreeSet<&str>,
    on: Option<&Way>,
) -> Response {
    let heading = match here {
        Here::Ended | Here::NoSession => "You are signed out",
        Here::SignedIn(_) => "You are signed in",
    };
    let body = html! {
        h1 { (heading) }
        @match here {
            Here::Ended => { p { "Your session at " (frame.node) " has ended." } },
            Here::NoSession => { p { "You have no session at " (frame.node) "." } },
            Here::SignedIn(exit) => {
                p { "You have a session at " (frame.node) "." }
                @match exit {
                    Some(path) => { p { a class="act" href=(path) { "Sign out" } } },
                    None => { p { "To sign out, go to an application that you are signed in to." } },
                }
            },
        }
        @if !untold.is_empty() {
            p class="bad" { "These services could not be told. You may still be signed in there:" }
            ul { @for name in untold { li { (name) } } }
            p { "On a shared device, close all windows of the browser." }
        }
        @if let Some(way) = on { p { a class="act" href=(way.href) { (way.label) } } }
    };
    respond(frame, StatusCode::OK, heading, None, &body)
}

/// The browser came back unanswered from a service: there again, or another way.
pub(crate) fn came_back(frame: Frame<'_>, app: &str, member: &str, action: &str, login: &str) -> Response {
    let heading = "Did the sign-in page not come up?";
    let body = html! {
        h1 { (heading) }
        p { "You were on your way to " strong { (member) } " to sign in to " (app) ", and came back without an answer." }
        p { "If its page did not load, another service can sign you in." }
        form method="get" action=(action) {
            input type="hidden" name="login" value=(login);
            p { button type="submit" name="way" value="same" { "Continue with " (member) } }
            p { button type="submit" name="way" value="other" { "Sign in another way" } }
        }
    };
    respond(frame, StatusCode::OK, heading, None, &body)
}

/// Says when to come back.
pub(crate) fn retry_after(response: &mut Response, seconds: u64) {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
}

/// Sends the browser on by GET, also after a form (RFC 9700 section 4.12: never 307).
pub(crate) fn redirect(to: &str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    match HeaderValue::try_from(to) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    harden(response.headers_mut());
    response
}

fn respond(
    frame: Frame<'_>,
    status: StatusCode,
    title: &str,
    refresh: Option<&str>,
    body: &Markup,
) -> Response {
    Page { frame, status, title, refresh, script: None, body }.respond()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;
    use crate::layout::Reference;

    const FRAME: Frame<'_> = Frame { node: "edge.example", reference: Some(Reference::Login("abcd2345")) };

    async fn text(response: Response) -> String {
        String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn what_others_wrote_is_escaped() {
        let form =
            SignIn { title: "<script>x", state: "\"><b>", username: "\"onfocus=\"", error: Some("<i>") };
        let page = text(sign_in(FRAME, StatusCode::OK, &form)).await;
        assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains("<i>"), "{page}");
        assert!(!page.contains("\"onfocus"), "{page}");
    }

    #[tokio::test]
    async fn the_sign_in_page_says_whose_password_and_reads_errors_aloud() {
        let form = SignIn { title: "Branch A", state: "s", username: "alice", error: Some("Wrong.") };
        let page = text(sign_in(FRAME, StatusCode::FORBIDDEN, &form)).await;
        for part in [
            "<strong>Branch A</strong>",
            "aria-live=\"assertive\"",
            "aria-invalid=\"true\"",
            "<title>Not signed in yet: Branch A</title>",
            "<label for=\"username\">",
            "<label for=\"password\">",
            "autocomplete=\"username\"",
            "autocomplete=\"current-password\"",
            "name=\"viewport\"",
            "prefers-color-scheme:dark",
            "abcd2345",
        ] {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
    }

    #[tokio::test]
    async fn nobody_left_says_when_to_come_back_and_comes_back_by_itself() {
        let page = wait(FRAME, "branch-app", "/login/again?state=x", 5, Lack::Members);
        assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page.headers()[header::RETRY_AFTER], "5");
        let page = text(page).await;
        assert!(page.contains("http-equiv=\"refresh\" content=\"5;url=/login/again?state=x\""), "{page}");
        assert!(page.contains("edge.example"));
    }

    #[test]
    fn a_redirect_is_303_and_never_carries_a_line_break() {
        assert_eq!(redirect("https://app.example/cb?code=1").status(), StatusCode::SEE_OTHER);
        assert_eq!(redirect("https://x\r\nSet-Cookie: a=b").status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
