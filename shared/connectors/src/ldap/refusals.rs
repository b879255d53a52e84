//! Which servers did not let the service account in. Each further try is one more wrong password by that account, and a
//! directory that counts them locks it: so a server that refused it is asked again at most once a minute, all servers of a
//! directory together. Until then its last refusal stands.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mangrove_continuity::Moment;

use super::link::Trouble;

/// Least time between two binds that will likely be refused.
const ONCE_IN: Duration = Duration::from_secs(60);

/// The refusals of one directory's servers, which are named by their place in `url`.
#[derive(Debug)]
pub(super) struct Refusals(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When one was last tried in spite of its refusal, or first refused.
    tried: Option<Moment>,
    servers: Vec<Option<Refusal>>,
}

#[derive(Debug, Clone)]
struct Refusal {
    why: Trouble,
    at: Moment,
}

impl Refusals {
    pub(super) fn of(servers: usize) -> Self {
        Self(Mutex::new(State { tried: None, servers: vec![None; servers] }))
    }

    /// Whether the account may be bound there now; whoever may, does. Of several servers, whose turn is longest ago is next.
    ///
    /// # Errors
    /// Not yet: what the server said when it refused.
    pub(super) fn admit(&self, server: usize, now: Moment) -> Result<(), Trouble> {
        let mut state = self.state();
        let Some(Refusal { why, at }) = state.servers[server].clone() else { return Ok(()) };
        let is_time = state.tried.is_none_or(|tried| now.since(tried) >= ONCE_IN);
        let is_next = state.servers.iter().flatten().all(|other| other.at >= at);
        if !(is_time && is_next) {
            return Err(why);
        }
        state.tried = Some(now);
        state.servers[server] = Some(Refusal { why, at: now });
        Ok(())
    }

    /// The server refused the account.
    pub(super) fn refused(&self, server: usize, why: Trouble, now: Moment) {
        let mut state = self.state();
        state.tried = Some(now);
        state.servers[server] = Some(Refusal { why, at: now });
    }

    /// The server let the account in.
    pub(super) fn let_in(&self, server: usize) {
        self.state().servers[server] = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::{Act, Said, Who};
    use super::*;

    fn wrong() -> Trouble {
        Trouble::Refused { act: Act::Bind(Who::Account), said: Said { code: 49, words: String::new() } }
    }

    fn at(seconds: u64) -> Moment {
        Moment::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_server_that_refused_is_tried_again_once_a_minute_until_it_lets_the_account_in() {
        let refusals = Refusals::of(1);
        assert_eq!(refusals.admit(0, at(0)), Ok(()));
        refusals.refused(0, wrong(), at(0));
        assert_eq!(refusals.admit(0, at(1)), Err(wrong()));
        assert_eq!(refusals.admit(0, at(59)), Err(wrong()));
        assert_eq!(refusals.admit(0, at(60)), Ok(()));
        assert_eq!(refusals.admit(0, at(61)), Err(wrong()), "whoever came first is trying it");
        refusals.let_in(0);
        assert_eq!(refusals.admit(0, at(62)), Ok(()));
        assert_eq!(refusals.admit(0, at(62)), Ok(()));
    }

    #[test]
    fn several_servers_share_the_minute_and_take_turns() {
        let refusals = Refusals::of(3);
        for server in [0, 1] {
            refusals.refused(server, wrong(), at(server as u64));
        }
        assert_eq!(refusals.admit(2, at(2)), Ok(()), "it has refused nobody");
        assert_eq!(refusals.admit(1, at(61)), Err(wrong()), "the other's turn is longer ago");
        assert_eq!(refusals.admit(0, at(61)), Ok(()));
        assert_eq!(refusals.admit(1, at(62)), Err(wrong()));
        assert_eq!(refusals.admit(0, at(121)), Err(wrong()));
        assert_eq!(refusals.admit(1, at(121)), Ok(()));
    }
}
