//! What can be wrong with a process that lives: its front misbehaves, its keys are rolled, its clock, its disk, its secrets.

use std::io;

use super::Processes;
use crate::history::{IdpChange, IdpState, Micros, now};
use crate::lab::front::Manner;
use crate::lab::{clock, disk};

impl Processes {
    /// Lets the front of a process do its work like this; answers when it did. None if it did already, or there is none.
    pub fn behave(&mut self, name: &str, manner: Manner) -> Option<Micros> {
        let process = self.servers.get_mut(name)?;
        process.program.front.as_ref()?;
        if std::mem::replace(&mut process.manner, manner) == manner {
            return None;
        }
        process.front.as_ref().map_or_else(|| Some(now()), |front| front.behave(manner))
    }

    /// Does a step of exchanging the keys of a process: while it goes on, where they were announced; else they are taken away, as
    /// by an operator who rolls them at once, and it is restarted.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn roll_keys(&mut self, name: &str, step: IdpState) -> io::Result<()> {
        let Some(process) = self.servers.get(name) else { return Ok(()) };
        if let Some((exchange, home)) = &process.program.exchange
            && exchange(home, step)?
        {
            return Ok(());
        }
        for key in &process.program.keys {
            match std::fs::remove_file(key) {
                // Rolled a moment ago: the next start makes others, and has not come so far.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
        self.restart(name);
        Ok(())
    }

    /// Lets the clock of a process go so many seconds ahead of the right time; answers when it does. None if it did already.
    ///
    /// # Errors
    /// When the disk refuses, or libfaketime is not installed.
    pub fn skew(&mut self, name: &str, ahead: i64) -> io::Result<Option<Micros>> {
        let Some(process) = self.servers.get_mut(name).filter(|process| process.ahead != ahead) else {
            return Ok(None);
        };
        let file = process.program.clock.as_ref();
        let file =
            file.ok_or_else(|| io::Error::other("libfaketime is not here: run `scripts/tools clock` once"))?;
        clock::set(file, ahead)?;
        process.ahead = ahead;
        Ok(Some(now()))
    }

    /// Fills the disk of a process, or takes away what filled it.
    ///
    /// # Errors
    /// When the disk refuses otherwise.
    pub fn fill(&mut self, name: &str, full: bool) -> io::Result<()> {
        match self.servers.get(name).and_then(|process| process.program.disk.as_ref()) {
            Some(directory) if full => disk::fill(directory),
            Some(directory) => disk::empty(directory),
            None => Ok(()),
        }
    }

    /// Lets the client secrets of a node expire at an IdP, which is restarted for it.
    ///
    /// # Errors
    /// When the disk refuses, or the node is no client there.
    pub fn expire(&mut self, name: &str, node: &str) -> io::Result<()> {
        let Some(process) = self.servers.get_mut(name) else { return Ok(()) };
        let Some(expiry) = &process.program.expiry else { return Ok(()) };
        let about = expiry.expire(node)?;
        let about =
            about.ok_or_else(|| io::Error::other(format!("{node} has no connector that asks {name}")))?;
        process.expired = true;
        self.edited(name, IdpState::SecretExpired, about);
        Ok(())
    }

    /// Gives a node that lost it its secret back at this IdP, which is restarted for it; false if none has expired.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn renew(&mut self, name: &str) -> io::Result<bool> {
        let Some(process) = self.servers.get_mut(name).filter(|process| process.expired) else {
            return Ok(false);
        };
        if let Some(expiry) = &process.program.expiry {
            expiry.renew()?;
        }
        process.expired = false;
        self.edited(name, IdpState::Right, Vec::new());
        Ok(true)
    }

    fn edited(&mut self, name: &str, state: IdpState, about: Vec<String>) {
        if let Some(process) = self.servers.get_mut(name) {
            process.edited = Some(IdpChange { server: name.to_owned(), state, about, began: now() });
        }
        self.restart(name);
    }
}
