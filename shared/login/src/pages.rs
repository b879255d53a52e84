//! Every page this room shows: one layout, plain words, no script.
//!
//! Owns markup, style and the headers that keep a page from being framed, cached or talked into loading anything. Does
//! not own when a page is shown. Pages work on a phone, with a screen reader, without JavaScript and in the dark.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f23;--paper:#f6f7f8;--card:#fff;--line:#c9ced4;--act:#0b5cad;--bad:#a4161a}\
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--paper:#15181b;--card:#1e2226;--line:#4a5159;--act:#7db7f5;--bad:#ff9a9d}}\
*{box-sizing:border-box}\
body{margin:0;padding:1rem;background:var(--paper);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif}\
main{max-width:26rem;margin:8vh auto 0;padding:1.5rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem}\
h1{margin:0 0 .75rem;font-size:1.375rem;line-height:1.25}\
p{margin:.5rem 0}ul{padding-left:1.25rem}\
label{display:block;margin-top:1rem;font-weight:600}\
input{display:block;width:100%;margin-top:.25rem;padding:.625rem;font:inherit;color:inherit;background:var(--paper);\
border:1px solid var(--line);border-radius:.375rem}\
button,a.act{display:inline-block;margin-top:1.25rem;padding:.625rem 1.25rem;font:inherit;font-weight:600;color:var(--card);\
background:var(--act);border:0;border-radius:.375rem;text-decoration:none;cursor:pointer}\
:focus-visible{outline:3px solid var(--act);outline-offset:2px}\
.bad{color:var(--bad);font-weight:600}\
footer{max-width:26rem;margin:.75rem auto;font-size:.875rem;opacity:.8}\
code{font-size:1em}";

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'");
    HeaderValue::try_from(policy).expect("base64 and ASCII make a header value")
});

/// Who shows the page, and for which login.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// The node, as people know it: the host of its public URL.
    pub(crate) node: &'a str,
    /// The login's id in the decision log, for whoever is called for help.
    pub(crate) login_id: Option<&'a str>,
}

/// A way on from a page.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// Where.
    pub(crate) href: String,
    /// In words.
    pub(crate) label: &'static str,
}

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

/// Path the sign-in page posts to.
pub(crate) const PASSWORD_PATH: &str = "/login/password";

/// The page that asks for a user name and a password.
pub(crate) fn sign_in(frame: Frame<'_>, status: StatusCode, form: &SignIn<'_>) -> Response {
    let body = html! {
        h1 { "Sign in" }
        p { "Use your user name and password of " strong { (form.title) } "." }
        p role="alert" aria-live="assertive" class="bad" id="problem" { (form.error.unwrap_or_default()) }
        form method="post" action=(PASSWORD_PATH) {
            input type="hidden" name="state" value=(form.state);
            label for="username" { "User name" }
            input id="username" name="username" type="text" required maxlength="256" value=(form.username)
                autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false"
                aria-describedby="problem" autofocus[form.username.is_empty()];
            label for="password" { "Password" }
            input id="password" name="password" type="password" required maxlength="1024"
                autocomplete="current-password" aria-describedby="problem" autofocus[!form.username.is_empty()];
            button type="submit" { "Sign in" }
        }
    };
    respond(frame, status, &format!("Sign in: {}", form.title), None, &body)
}

/// A page that says what happened, and the way on.
pub(crate) fn notice(
    frame: Frame<'_>,
    status: StatusCode,
    heading: &str,
    words: &[&str],
    way: Option<&Way>,
) -> Response {
    let body = html! {
        h1 { (heading) }
        @for sentence in words { p { (sentence) } }
        @match way {
            Some(way) => p { a class="act" href=(way.href) { (way.label) } },
            None => p { "Go back to the application and sign in again there." },
        }
    };
    respond(frame, status, heading, None, &body)
}

/// Nobody could vouch now: says so, and tries again by itself.
pub(crate) fn nobody_left(frame: Frame<'_>, app: &str, again: &str, seconds: u64) -> Response {
    let heading = "Signing in is not possible right now";
    let body = html! {
        h1 { (heading) }
        p role="status" {
            (frame.node) " reaches none of the services that could sign you in to " strong { (app) } " at the moment. "
            "Nothing is wrong with your account or your device."
        }
        p { "This page tries again by itself every " (seconds) " seconds, and goes on to " (app) " as soon as it can." }
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

/// Says what a logout ended, and who could not be told.
pub(crate) fn signed_out(frame: Frame<'_>, was: bool, untold: &[String], on: Option<&Way>) -> Response {
    let heading = "You are signed out";
    let body = html! {
        h1 { (heading) }
        @if was { p { "Your session at " (frame.node) " has ended." } }
        @else { p { "You had no session at " (frame.node) "." } }
        @if !untold.is_empty() {
            p class="bad" { "These services could not be told. You may still be signed in there:" }
            ul { @for name in untold { li { (name) } } }
            p { "On a shared device, close all windows of the browser." }
        }
        @if let Some(way) = on { p { a class="act" href=(way.href) { (way.label) } } }
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
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(refresh) = refresh { meta http-equiv="refresh" content=(refresh); }
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (body) }
                footer {
                    (frame.node)
                    @if let Some(id) = frame.login_id { " · login " code { (id) } }
                }
            }
        }
    };
    let mut response = Response::new(page.into_string().into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    harden(headers);
    response
}

fn harden(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    const FRAME: Frame<'_> = Frame { node: "edge.example", login_id: Some("abcd2345") };

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
    async fn a_page_cannot_be_framed_cached_or_made_to_load_anything() {
        let page = notice(FRAME, StatusCode::BAD_REQUEST, "Heading", &["Words."], None);
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(page.headers()[header::REFERRER_POLICY], "no-referrer");
        assert!(!text(page).await.contains("<script"));
    }

    #[tokio::test]
    async fn the_sign_in_page_says_whose_password_and_reads_errors_aloud() {
        let form = SignIn { title: "Branch A", state: "s", username: "alice", error: Some("Wrong.") };
        let page = text(sign_in(FRAME, StatusCode::FORBIDDEN, &form)).await;
        for part in [
            "<strong>Branch A</strong>",
            "aria-live=\"assertive\"",
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
        let page = nobody_left(FRAME, "branch-app", "/login/again?state=x", 5);
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
