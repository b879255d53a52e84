//! Pages that a person sees when an application sent something wrong. Their look is the login's.
//!
//! No third party is named in them, nothing can frame them, and no script runs.

use axum::response::Response;
use http::StatusCode;
use mangrove_login::layout::{Frame, Page};
use maud::{Markup, html};

/// An application's request that goes nowhere.
pub(super) fn wrong_request(frame: Frame<'_>, status: StatusCode, why: &str) -> Response {
    let heading = "This sign-in cannot go on";
    stopped(frame, status, heading, why, &html! { "so nobody was signed in. Your account is not affected." })
}

/// An application's wish to sign somebody out that ends nothing.
pub(super) fn wrong_logout(frame: Frame<'_>, why: &str) -> Response {
    let heading = "You were not signed out";
    stopped(frame, StatusCode::BAD_REQUEST, heading, why, &html! { "so you may still be signed in." })
}

/// Says whose mistake it was, and what is wrong, for whoever looks after the application.
fn stopped(frame: Frame<'_>, status: StatusCode, heading: &str, why: &str, so: &Markup) -> Response {
    let body = html! {
        h1 { (heading) }
        p { "The application that sent you here made a mistake, " (so) " You did nothing wrong." }
        p { "Go back to the application and try again. If it happens again, show this page to the people who look after the \
             application. What they need to know:" }
        p { code { (why) } }
    };
    Page { frame, status, title: heading, refresh: None, script: None, body: &body }.respond()
}
