//! What a person has in front of them, simulated or a real Chromium: both are told the same, and both write down the same.

use std::time::Duration;

use url::Url;

use super::chromium::window::Window;
use super::page::{Form, Link, Page};
use super::simulated::Simulated;
use crate::history::{Hop, Trouble};

/// A browser.
pub enum Browser {
    /// Of this room.
    Simulated(Box<Simulated>),
    /// A window of a real one.
    Chromium(Box<Window>),
}

/// Where a person goes, and how.
#[derive(Debug, Clone)]
pub struct Navigation {
    /// Where to.
    pub url: Url,
    /// Fields of a form that is posted; `None`: a GET.
    pub form: Option<Vec<(String, String)>>,
    /// The page that sent the browser here; `None`: typed into the address bar.
    pub from: Option<Url>,
    /// What the person does for it.
    pub how: How,
}

/// What a person does to go somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Types the address.
    Types,
    /// Nothing: the page goes on by itself.
    ItGoesOn,
    /// Fills in this form of the page and presses a button.
    Fills {
        /// Number of the form on its page.
        form: usize,
        /// Name and value of what is typed.
        typed: Vec<(String, String)>,
        /// Number of the button in the form.
        button: usize,
    },
    /// Presses this link of the page.
    Follows {
        /// Number of the link on its page.
        link: usize,
    },
}

impl Navigation {
    /// The address typed into the address bar.
    pub fn typed(url: &Url) -> Self {
        Self { url: url.clone(), form: None, from: None, how: How::Types }
    }

    /// A page that goes on by itself.
    pub fn refresh(url: Url, from: &Url) -> Self {
        Self { url, form: None, from: Some(from.clone()), how: How::ItGoesOn }
    }

    /// A form that is filled in with a name and a password where it asks for them, and sent by button number `button`
    /// (the last one if there are fewer).
    pub fn filled(form: &Form, username: &str, password: &str, button: usize, from: &Url) -> Self {
        let fields = form.filled(username, password, button);
        let is_typed = |name: &str| form.fields.iter().any(|field| field.name == name && field.is_typed());
        let typed = fields.iter().filter(|(name, _)| is_typed(name)).cloned().collect();
        let button = button.min(form.buttons.len().saturating_sub(1));
        Self::submit(form, fields, from, How::Fills { form: form.number, typed, button })
    }

    /// A form that a script of its page sends as it is.
    pub fn carried_on(form: &Form, from: &Url) -> Self {
        Self::submit(form, form.filled("", "", 0), from, How::ItGoesOn)
    }

    /// A link that is pressed.
    pub fn followed(link: &Link, from: &Url) -> Self {
        let how = How::Follows { link: link.number };
        Self { url: link.to.clone(), form: None, from: Some(from.clone()), how }
    }

    fn submit(form: &Form, fields: Vec<(String, String)>, from: &Url, how: How) -> Self {
        let mut url = form.action.clone();
        let from = Some(from.clone());
        if form.post {
            return Self { url, form: Some(fields), from, how };
        }
        url.query_pairs_mut().clear().extend_pairs(&fields);
        Self { url, form: None, from, how }
    }
}

impl Browser {
    /// Goes there and follows redirects until there is a page, with this much patience for each server on the way.
    /// (A person sees whom the browser waits for. So what a slow machine adds before does not shorten the wait.)
    ///
    /// # Errors
    /// Why no page came.
    pub async fn open(&mut self, to: Navigation, patience: Duration) -> Result<Page, Trouble> {
        match self {
            Self::Simulated(browser) => browser.open(to, patience).await,
            Self::Chromium(window) => window.open(&to, patience).await,
        }
    }

    /// The button for loading once more what stands in the window.
    ///
    /// # Errors
    /// Why again no page came.
    pub async fn reload(&mut self, patience: Duration) -> Result<Page, Trouble> {
        match self {
            Self::Simulated(browser) => browser.reload(patience).await,
            Self::Chromium(window) => window.reload(patience).await,
        }
    }

    /// Every request since this was asked last, in order.
    pub fn take_hops(&mut self) -> Vec<Hop> {
        match self {
            Self::Simulated(browser) => std::mem::take(&mut browser.hops),
            Self::Chromium(window) => std::mem::take(&mut window.hops),
        }
    }
}

/// What nodes write down of the `state` of a request for a login, or of the answer to one.
pub fn reference(url: &Url) -> Option<String> {
    let state = url.query_pairs().find(|(name, _)| name == "state");
    state.map(|(_, state)| mangrove_login::reference(&state))
}

/// Host, with the port where it is not the usual one.
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_has_the_reference_that_nodes_write_down_wherever_its_state_stands() {
        let of = |url: &str| reference(&Url::parse(url).unwrap());
        assert_eq!(
            of("https://edge.mesh.test/oauth2/auth?client_id=a&state=a%20b"),
            of("https://a.test/?state=a+b")
        );
        assert_eq!(of("https://edge.mesh.test/?state=s"), Some(mangrove_login::reference("s")));
        assert_eq!(of("https://edge.mesh.test/login/password?states=s"), None);
    }
}
