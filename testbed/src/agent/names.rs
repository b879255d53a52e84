//! Names as programs in a region know them: asked of the region's DNS, and kept. A person's browser keeps a name for a
//! minute, as real ones do, and says when it had to ask; an application keeps the last good answer, as the product does.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use crate::history::{self, BROWSERS_KEEP_NAMES, Event, Micros, Named, What};

/// What one program knows.
pub struct Names {
    /// For how long; none: until it ends.
    keeps: Option<Micros>,
    /// Whose browser it is, and where to say so.
    person: Option<(String, UnboundedSender<Event>)>,
    known: Mutex<HashMap<String, (Micros, Vec<SocketAddr>)>>,
}

impl Names {
    /// Those of a person's browser.
    pub fn of_person(name: &str, events: &UnboundedSender<Event>) -> Self {
        let person = Some((name.to_owned(), events.clone()));
        Self { keeps: Some(BROWSERS_KEEP_NAMES), person, known: Mutex::default() }
    }

    /// Those of an application.
    pub fn of_program() -> Self {
        Self { keeps: None, person: None, known: Mutex::default() }
    }

    /// The addresses of a host: as known, or as the region's DNS says.
    pub async fn find(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let began = history::now();
        if let Some(known) = self.recall(host, began) {
            return Ok(known.into_iter().map(|it| SocketAddr::new(it.ip(), port)).collect());
        }
        let found: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
        let at = history::now();
        self.known().insert(host.to_owned(), (at, found.clone()));
        if let Some((person, events)) = &self.person {
            let named = Named { person: person.clone(), host: host.to_owned(), began };
            let _ = events.send(Event { at, what: What::Named(named) });
        }
        Ok(found)
    }

    fn recall(&self, host: &str, now: Micros) -> Option<Vec<SocketAddr>> {
        let known = self.known();
        let (since, addresses) = known.get(host)?;
        self.keeps.is_none_or(|keeps| now < since + keeps).then(|| addresses.clone())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Micros, Vec<SocketAddr>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::SECOND;

    #[tokio::test]
    async fn a_browser_keeps_a_name_for_a_minute_and_says_when_it_asked() {
        let (events, mut said) = tokio::sync::mpsc::unbounded_channel();
        let names = Names::of_person("a-01", &events);
        let found = names.find("localhost", 443).await.unwrap();
        assert!(found.iter().all(|it| it.ip().is_loopback() && it.port() == 443));
        let at = said.try_recv().unwrap().at;
        let again = names.find("localhost", 80).await.unwrap();
        assert!(said.try_recv().is_err() && again.iter().all(|it| it.port() == 80));
        assert!(names.recall("localhost", at + 59 * SECOND).is_some());
        assert!(names.recall("localhost", at + 60 * SECOND).is_none());
        assert!(names.find("nowhere.invalid", 443).await.is_err());
    }

    #[tokio::test]
    async fn an_application_keeps_its_last_good_answer() {
        let names = Names::of_program();
        names.find("localhost", 443).await.unwrap();
        assert!(names.recall("localhost", Micros::MAX).is_some());
    }
}
