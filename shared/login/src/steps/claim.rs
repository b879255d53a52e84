//! Which attempt an answer belongs to. It is found by the answer's `state` and the browser's cookie together, and used up before
//! anything comes of the answer.

use mangrove_cache::CacheError;
use mangrove_connectors::{Answer, Pending};

use super::{Astray, World};
use crate::book::{Flow, How, Ticket};

/// Longest `state` that is looked for.
const LONGEST_STATE: usize = 512;

/// An attempt that an answer belongs to.
pub(super) struct Attempt {
    /// Whose answer it waits for.
    pub(super) member: String,
    /// What the answer has to fit.
    pub(super) pending: Box<Pending>,
    state: String,
    secret: String,
}

/// Finds the attempt that an answer belongs to.
pub(super) async fn find<W: World>(
    world: &W,
    answer: &Answer,
) -> Result<Result<(Flow, Attempt), Astray>, CacheError> {
    let book = world.book();
    let Some(state) = only_state(answer) else { return Ok(Err(Astray::NoState)) };
    let Some(secret) = world.secret(state) else { return Ok(Err(Astray::OtherBrowser)) };
    let Some(ticket) = book.look(state, &secret).await? else { return Ok(Err(Astray::Spent)) };
    let Ticket { flow, member, how } = ticket;
    let How::Redirect(pending) = how else { return Ok(Err(Astray::OtherPath)) };
    let Some(flow) = book.flow(&flow).await? else { return Ok(Err(Astray::Closed)) };
    if !world.owns(&flow, &member, &answer.path) {
        return Ok(Err(Astray::OtherPath));
    }
    Ok(Ok((flow, Attempt { member, pending, state: state.to_owned(), secret })))
}

impl Attempt {
    /// Uses it up; true for the one who did.
    ///
    /// # Errors
    /// The cache fails.
    pub(super) async fn use_up<W: World>(&self, world: &W) -> Result<bool, CacheError> {
        world.book().take(&self.state, &self.secret).await
    }

    /// Keeps it for as long as one that begins now; false if it was used up meanwhile.
    ///
    /// # Errors
    /// The cache fails.
    pub(super) async fn renew<W: World>(self, world: &W, flow: &Flow) -> Result<bool, CacheError> {
        let Self { member, pending, state, secret } = self;
        let ticket = Ticket { flow: flow.id.clone(), member, how: How::Redirect(pending) };
        world.book().renew(&state, &secret, &ticket).await
    }
}

/// The one `state` of an answer, by whichever name its protocol calls it.
fn only_state(answer: &Answer) -> Option<&str> {
    let named = answer.params.iter().filter(|(name, _)| matches!(name.as_str(), "state" | "RelayState"));
    let mut states = named.map(|(_, value)| value.as_str());
    let state = states.next().filter(|state| !state.is_empty() && state.len() <= LONGEST_STATE)?;
    states.next().is_none().then_some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(params: &[(&str, &str)]) -> Option<String> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        only_state(&Answer { path: "/cb".into(), params, ..Answer::default() }).map(str::to_owned)
    }

    #[test]
    fn an_answer_with_two_states_has_none() {
        assert_eq!(state(&[("state", "a"), ("code", "b")]).as_deref(), Some("a"));
        assert_eq!(state(&[("state", "a"), ("state", "a")]), None);
        assert_eq!(state(&[("SAMLResponse", "b"), ("RelayState", "a")]).as_deref(), Some("a"));
        assert_eq!(state(&[("RelayState", "a"), ("state", "b")]), None);
        assert_eq!(state(&[("state", "")]), None);
        assert_eq!(state(&[("code", "b")]), None);
    }
}
