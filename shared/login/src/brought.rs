//! What a browser brought and this node had no time to look at: the page that keeps it and brings it again, by itself, a form
//! only where scripts run.
//!
//! Anybody may bring anything, so a page holds hardly more than was brought: of a form one SAML message, which is plain base64 and so
//! takes no escapes in HTML, and its `RelayState`. Whoever brings something else reads that there is no time, and nothing of it.

use axum::response::Response;
use http::StatusCode;
use mangrove_connectors::Answer;
use maud::{Markup, html};

use crate::layout::{Frame, Page, notice};
use crate::pages::{MANY, retry_after};

/// The fields of a form that are kept, if one of the messages is among them.
const MESSAGES: [&str; 2] = ["SAMLRequest", "SAMLResponse"];
const RELAY_STATE: &str = "RelayState";

/// Longest `RelayState` that is kept, in bytes: the longest that is taken back to a provider.
const LONGEST_RELAY_STATE: usize = 1024;

/// Most signs of an address that HTML escapes: one stands between two parameters.
const MOST_ESCAPES: usize = 8;

/// What a browser keeps.
#[derive(Debug)]
pub(crate) enum Kept<'a> {
    /// What it posted to this path.
    Form(&'a str, Vec<&'a (String, String)>),
    /// An address as it was: a signature may cover its octets.
    Address(String),
}

impl<'a> Kept<'a> {
    /// Of a form what a message needs; none of it unless it is one message.
    pub(crate) fn form(path: &'a str, fields: &'a [(String, String)]) -> Option<Self> {
        let message = |name: &str| MESSAGES.contains(&name);
        let kept: Vec<_> = fields.iter().filter(|(name, _)| message(name) || name == RELAY_STATE).collect();
        let messages = kept.iter().filter(|(name, _)| message(name)).count();
        let fits = |(name, value): &(String, String)| match message(name) {
            true => value.bytes().all(is_base64),
            false => value.len() <= LONGEST_RELAY_STATE,
        };
        let is_one = messages == 1 && kept.len() <= 2 && kept.iter().all(|field| fits(field));
        is_one.then_some(Self::Form(path, kept))
    }

    /// An address, unless it grows in a page.
    pub(crate) fn address(path: &str, query: &str) -> Option<Self> {
        let escaped = |byte: &u8| matches!(byte, b'&' | b'<' | b'>' | b'"');
        let address = format!("{path}?{query}");
        (address.bytes().filter(escaped).count() <= MOST_ESCAPES).then_some(Self::Address(address))
    }
}

/// Base64 as forms carry it, in lines or not.
fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\r' | b'\n' | b'\t' | b' ')
}

/// This node had no time to look at an answer.
pub(crate) fn bring_again(frame: Frame<'_>, app: &str, answer: &Answer) -> Response {
    let words = html! {
        p role="status" {
            "Your sign-in service has answered, and its answer waits to be checked here. Nothing is lost, and you need not sign in again."
        }
        p { "Leave this page open: it tries again within a few seconds, and goes on to " strong { (app) } ". If nothing happens, press the button." }
    };
    later(frame, MANY, &words, Kept::form(&answer.path, &answer.params))
}

/// This node had no time to look at what a sign-in service wishes: a logout of whoever is signed in here.
pub(crate) fn wish_again(frame: Frame<'_>, kept: Option<Kept<'_>>) -> Response {
    let node = frame.node;
    let words = format!(
        "Your sign-in service wants you to be signed out here, and that waits to be checked. You are still signed in at {node}."
    );
    logout_waits(frame, "You are not signed out yet", &words, kept)
}

/// This node had no time to look at what a sign-in service answers to a logout that began here.
pub(crate) fn answer_again(frame: Frame<'_>, kept: Option<Kept<'_>>) -> Response {
    let words = "You are signed out here. Whether you are at your sign-in service, too, waits to be checked.";
    logout_waits(frame, "You are not signed out everywhere yet", words, kept)
}

fn logout_waits(frame: Frame<'_>, heading: &str, words: &str, kept: Option<Kept<'_>>) -> Response {
    let words = html! {
        p role="status" { (words) }
        p { "Leave this page open: it tries again within a few seconds. If nothing happens, press the button." }
    };
    later(frame, heading, &words, kept)
}

/// A page that brings again what the browser keeps; a plain one where it keeps nothing.
fn later(frame: Frame<'_>, heading: &str, words: &Markup, kept: Option<Kept<'_>>) -> Response {
    // Not all at the same moment, and not beside somebody who presses the button; a field may be called `submit`.
    const SOON: &str = "(function(){var f=document.forms[0],t=setTimeout(function(){\
        HTMLFormElement.prototype.submit.call(f)},3e3+4e3*Math.random());\
        addEventListener('submit',function(){clearTimeout(t)})})()";
    const AGAIN: &str = "Try again now";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let (way, refresh, script) = match kept {
        Some(Kept::Form(path, fields)) => {
            let form = html! {
                form method="post" action=(path) {
                    @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                    button type="submit" { (AGAIN) }
                }
            };
            (form, None, Some(SOON))
        }
        Some(Kept::Address(to)) => {
            (html! { p { a class="act" href=(to) { (AGAIN) } } }, Some(format!("5;url={to}")), None)
        }
        None => {
            let words = ["What your browser brought cannot be looked at now, and cannot wait here."];
            let mut response = notice(frame, status, heading, &words, None);
            retry_after(&mut response, 5);
            return response;
        }
    };
    let body = html! { h1 { (heading) } (words) (way) };
    let refresh = refresh.as_deref();
    let mut response = Page { frame, status, title: heading, refresh, script, body: &body }.respond();
    retry_after(&mut response, 5);
    response
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use http::header;

    use super::*;

    const FRAME: Frame<'_> = Frame { node: "edge.example", reference: None };

    fn answer(params: &[(&str, &str)]) -> Answer {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { path: "/corp/acs".into(), params, ..Answer::default() }
    }

    async fn text(response: Response) -> String {
        String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_answer_that_comes_again_is_in_the_page_as_it_came_and_nothing_of_it_is_markup() {
        let params = [("SAMLResponse", "PHg+\r\nPA=="), ("RelayState", "\"><b>"), ("<i>", "</form><script>")];
        let page = bring_again(FRAME, "branch-app", &answer(&params));
        assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page.headers()[header::RETRY_AFTER], "5");
        let page = text(page).await;
        assert!(page.contains("action=\"/corp/acs\"") && page.contains("<button"), "without scripts: {page}");
        assert!(page.contains("name=\"SAMLResponse\" value=\"PHg+\r\nPA==\""), "{page}");
        assert!(page.contains("name=\"RelayState\" value=\"&quot;&gt;&lt;b&gt;\""), "{page}");
        assert_eq!(page.matches("<input").count(), 2, "and nothing else that came with it: {page}");
        assert_eq!(page.matches("<script>").count(), 1, "{page}");
        assert!(page.contains("clearTimeout(t)"), "who presses the button sends it once: {page}");
        assert!(!page.contains(".submit()"), "a field called `submit` would be called instead: {page}");
    }

    #[tokio::test]
    async fn what_would_grow_in_a_page_is_not_in_it() {
        let quotes = "\"".repeat(400_000);
        let message = ("SAMLResponse", "PHg+");
        let brought: [&[(&str, &str)]; 5] = [
            &[("SAMLResponse", &quotes)],
            &[message, ("RelayState", &quotes[..1025])],
            &[message, message],
            &[message, ("RelayState", "a"), ("RelayState", "b")],
            &[("RelayState", "a")],
        ];
        for params in brought {
            let page = bring_again(FRAME, "branch-app", &answer(params));
            assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(page.headers()[header::RETRY_AFTER], "5");
            let page = text(page).await;
            assert!(page.len() < 8_000 && !page.contains("<form"), "{page}");
        }
    }

    #[test]
    fn an_address_is_kept_as_it_is_unless_it_is_full_of_signs_that_a_page_escapes() {
        let signed = "SAMLRequest=a%2Bb&RelayState=c&SigAlg=d&Signature=e";
        assert!(
            matches!(Kept::address("/slo", signed), Some(Kept::Address(to)) if to == format!("/slo?{signed}"))
        );
        assert!(Kept::address("/slo", &"&".repeat(60_000)).is_none());
        assert!(Kept::address("/slo", &"\"".repeat(9)).is_none());
    }
}
