//! Questions to a person at a terminal.

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// True if a person sits at both ends.
pub(super) fn is_a_person_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, and reads a line.
pub(super) fn line(question: &str) -> io::Result<String> {
    let mut err = io::stderr();
    write!(err, "{question} ")?;
    err.flush()?;
    read_line()
}

/// Reads a new password: asked for twice without echo at a terminal, else the first line of standard input.
pub(super) fn new_password(name: &str) -> io::Result<String> {
    if !is_a_person_there() {
        return read_line();
    }
    loop {
        let first = hidden(&format!("Password for {name}:"))?;
        if first == hidden("The same again:")? {
            return Ok(first);
        }
        writeln!(io::stderr(), "These were not the same.")?;
    }
}

fn hidden(question: &str) -> io::Result<String> {
    let _quiet = Quiet::begin()?;
    let answer = line(question);
    writeln!(io::stderr())?;
    answer
}

fn read_line() -> io::Result<String> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal without echo, until dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd())?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, &self.0);
    }
}
