//! The look of every page that a person meets, whichever room shows it: one layout, plain words, no script but the one line
//! that posts a form on, allowed by its hash.
//!
//! Owns the frame around a page's body, its style, and the headers that keep a page from being framed, cached or talked
//! into loading anything. Does not own what a page says. Pages work on a phone, with a screen reader, by keyboard, without
//! JavaScript and in the dark; text has a contrast of at least 4.5 to 1 and borders of fields 3 to 1, in both schemes.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f23;--soft:#4c545c;--paper:#f3f5f7;--card:#fff;--line:#d5dae0;--edge:#767f89;\
--act:#0b5cad;--bad:#a4161a;--warn:#fdeeee}\
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#b3bac2;--paper:#15181b;--card:#1e2226;--line:#3a4047;\
--edge:#8a939c;--act:#7db7f5;--bad:#ff9a9d;--warn:#3a2023}}\
*{box-sizing:border-box}\
body{margin:0;padding:1rem;background:var(--paper);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif;\
overflow-wrap:anywhere}\
main,footer{max-width:27rem;margin:0 auto}\
main{margin-top:8vh;padding:1.75rem;background:var(--card);border:1px solid var(--line);border-radius:.625rem}\
h1{margin:0 0 .75rem;font-size:1.375rem;line-height:1.25}\
p{margin:.625rem 0}ul{padding-left:1.25rem}\
label{display:block;margin-top:1.125rem;font-weight:600}\
input{display:block;width:100%;margin-top:.25rem;padding:.6875rem;font:inherit;color:inherit;background:var(--card);\
border:1px solid var(--edge);border-radius:.375rem}\
input[aria-invalid]{border-color:var(--bad)}\
button,a.act{display:inline-block;margin-top:1.25rem;padding:.6875rem 1.375rem;font:inherit;font-weight:600;\
color:var(--card);background:var(--act);border:1px solid var(--act);border-radius:.375rem;text-decoration:none;\
cursor:pointer}\
:focus-visible{outline:3px solid var(--act);outline-offset:2px}\
.bad{padding:.625rem .875rem;color:var(--bad);background:var(--warn);border-left:4px solid var(--bad);font-weight:600}\
.bad:empty{display:none}\
footer{padding:.875rem 1.75rem;font-size:.875rem;color:var(--soft)}\
footer span{white-space:nowrap}code{font-size:1em}";

static STYLE_HASH: LazyLock<String> = LazyLock::new(|| hash(STYLE));
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy(None));

/// Who shows the page, and how whoever is called for help finds out what happened.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The node, as people know it: the host of its public URL.
    pub node: &'a str,
    /// What to look for in the node's logs.
    pub reference: Option<Reference<'a>>,
}

/// What to look for in the node's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference<'a> {
    /// A login's id; `why` tells its way.
    Login(&'a str),
    /// A request's id, in the access log.
    Request(&'a str),
}

/// A way on from a page.
#[derive(Debug, Clone)]
pub struct Way {
    /// Where.
    pub href: String,
    /// In words.
    pub label: &'static str,
}

/// A page: its title, and what goes into the frame.
#[derive(Debug)]
pub struct Page<'a> {
    /// Who shows it.
    pub frame: Frame<'a>,
    /// HTTP status.
    pub status: StatusCode,
    /// Title of the window.
    pub title: &'a str,
    /// `content` of a refresh.
    pub refresh: Option<&'a str>,
    /// The one script that may run.
    pub script: Option<&'static str>,
    /// What is in the frame.
    pub body: &'a Markup,
}

/// A page that says what happened, and the way on; without one, it sends people back to their application.
pub fn notice(
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
            None => p { "Go back to the application and start again there." },
        }
    };
    Page { frame, status, title: heading, refresh: None, script: None, body: &body }.respond()
}

/// A page that carries fields on by POST: by itself where scripts run, else by its button.
pub fn form_post(frame: Frame<'_>, heading: &str, action: &str, fields: &[(&str, &str)]) -> Response {
    const SUBMIT: &str = "document.forms[0].submit()";
    let body = html! {
        h1 { (heading) }
        form method="post" action=(action) {
            @for (name, value) in fields {
                input type="hidden" name=(name) value=(value);
            }
            noscript { p { "One more step: your browser runs no scripts, so press this button." } button { "Continue" } }
        }
    };
    Page { frame, status: StatusCode::OK, title: heading, refresh: None, script: Some(SUBMIT), body: &body }
        .respond()
}

impl Page<'_> {
    /// The page as a response, with the headers that protect it.
    pub fn respond(&self) -> Response {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    @if let Some(refresh) = self.refresh { meta http-equiv="refresh" content=(refresh); }
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main { (self.body) }
                    footer { (self.frame.footer()) }
                    @if let Some(script) = self.script { script { (PreEscaped(script)) } }
                }
            }
        };
        let mut response = Response::new(page.into_string().into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        let policy = self.script.map_or_else(|| POLICY.clone(), |script| policy(Some(script)));
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        harden(headers);
        response
    }
}

impl Frame<'_> {
    fn footer(&self) -> Markup {
        html! {
            @match self.reference {
                Some(Reference::Login(id)) => {
                    "If you ask for help, give this code: " span { "login " code { (id) } } " at " (self.node)
                },
                Some(Reference::Request(id)) => {
                    "If you ask for help, give this code: " span { "request " code { (id) } } " at " (self.node)
                },
                None => (self.node),
            }
        }
    }
}

/// Headers of everything that is one person's business: kept by nobody, told to nobody.
pub(crate) fn harden(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// No `form-action`: browsers apply it to the redirects after a form as well, and those are the application's.
fn policy(script: Option<&str>) -> HeaderValue {
    let style = STYLE_HASH.as_str();
    let script = script.map(|script| format!("; script-src 'sha256-{}'", hash(script))).unwrap_or_default();
    let text = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'{script}"
    );
    HeaderValue::try_from(text).expect("base64 and ASCII make a header value")
}

fn hash(text: &str) -> String {
    STANDARD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    const FRAME: Frame<'_> = Frame { node: "edge.example", reference: Some(Reference::Request("abcd2345")) };

    #[tokio::test]
    async fn a_page_cannot_be_framed_cached_or_made_to_load_anything() {
        let page = notice(FRAME, StatusCode::BAD_REQUEST, "Heading", &["Words."], None);
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("script-src"), "{policy}");
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(page.headers()[header::REFERRER_POLICY], "no-referrer");
        let text = to_bytes(page.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(!text.contains("<script"), "{text}");
        assert!(text.contains("request <code>abcd2345</code></span> at edge.example"), "{text}");
    }

    #[test]
    fn every_pair_of_colours_that_meet_can_be_read_in_both_schemes() {
        let schemes = STYLE.split("@media(prefers-color-scheme:dark)");
        let (schemes, least): (Vec<&str>, _) = (schemes.collect(), 4.5);
        assert_eq!(schemes.len(), 2);
        for scheme in schemes {
            let colour = |name: &str| luminance(scheme, name);
            for (ink, paper) in
                [("ink", "card"), ("ink", "paper"), ("soft", "paper"), ("bad", "warn"), ("card", "act")]
            {
                let ratio = contrast(colour(ink), colour(paper));
                assert!(ratio >= least, "{ink} on {paper}: {ratio:.1} to 1");
            }
            for (line, paper) in [("edge", "card"), ("bad", "card"), ("act", "card")] {
                let ratio = contrast(colour(line), colour(paper));
                assert!(ratio >= 3.0, "{line} around {paper}: {ratio:.1} to 1");
            }
        }
    }

    /// WCAG 2.2, relative luminance.
    fn luminance(scheme: &str, name: &str) -> f64 {
        let at = scheme.find(&format!("--{name}:#")).expect("the colour is there") + name.len() + 4;
        let hex: String = scheme[at..].chars().take_while(char::is_ascii_hexdigit).collect();
        let wide: String = if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex };
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&wide[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    }

    fn contrast(one: f64, other: f64) -> f64 {
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }
}
