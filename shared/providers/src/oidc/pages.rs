//! Pages that a person sees when an application sent something wrong, and the form that carries an answer by POST.
//!
//! No third party is named in them, nothing can frame them, and no script runs but the one line that posts the form,
//! allowed by its hash; without scripts there is a button.

use std::sync::LazyLock;

use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use mangrove_keys::secret;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::respond::private_headers;

const STYLE: &str = ":root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}\
h1{font-size:1.4rem}\
button{font:inherit;padding:.6rem 1.2rem}";
const SUBMIT: &str = "document.forms[0].submit()";

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy(""));
static FORM_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    policy(&format!("; script-src 'sha256-{}'", STANDARD.encode(secret::sha256(SUBMIT.as_bytes()))))
});

/// An application's request that goes nowhere. Says what is wrong, for whoever looks after the application.
pub(super) fn wrong_request(status: StatusCode, why: &str) -> Response {
    let page = layout(
        "This sign-in cannot go on",
        &html! {
            p { "The application that sent you here asked for something that is not allowed. Nothing happened to your account." }
            p { "Go back to the application and try again. If it happens again, tell its administrators:" }
            p { code { (why) } }
        },
    );
    respond(status, page, &POLICY)
}

/// An answer that the browser carries to the application by POST.
pub(super) fn form_post(action: &str, fields: &[(&str, &str)]) -> Response {
    let page = layout(
        "Back to the application",
        &html! {
            form method="post" action=(action) {
                @for (name, value) in fields {
                    input type="hidden" name=(name) value=(value);
                }
                noscript { button { "Continue" } }
            }
            script { (PreEscaped(SUBMIT)) }
        },
    );
    respond(StatusCode::OK, page, &FORM_POLICY)
}

fn layout(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { h1 { (title) } (body) } }
        }
    }
}

fn respond(status: StatusCode, page: Markup, policy: &HeaderValue) -> Response {
    let mut response = (status, Html(page.into_string())).into_response();
    let headers = response.headers_mut();
    private_headers(headers);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

fn policy(more: &str) -> HeaderValue {
    let style = STANDARD.encode(secret::sha256(STYLE.as_bytes()));
    // No `form-action`: browsers apply it to the redirects after the form as well, and those are the application's.
    let text = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'{more}"
    );
    HeaderValue::from_str(&text).expect("a policy of ASCII constants is a header value")
}
