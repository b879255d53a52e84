//! `why`: tells a login's whole way, or which logins failed and whose fault it was. Lines of the decision log come from a
//! running node or from log files of any number of nodes; from there on it is one way. Owns the choice of logins and how
//! they are printed; the story itself is [`mangrove_login::story`]'s.

mod logs;
mod summary;

use http::Method;
use mangrove_config::Environment;
use mangrove_keys::ambient;
use mangrove_login::Line;
use mangrove_login::story::{Outcome, Ways};
use serde_json::{Value, json};

use super::args::{Source, Why};
use super::{Exit, complain, operate, say};
use crate::logging::{json_text, plain};

pub(super) fn why(asked: &Why, source: &Source, environment: &Environment) -> Exit {
    if let Some(login) = &asked.login
        && !is_an_id(login)
    {
        complain(&format!("`{}` is not a login's id", plain(login)));
        return Exit::BadInput;
    }
    let since = asked.since.map_or(0, |span| {
        ambient::unix_millis().saturating_sub(u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX))
    });
    let lines = match lines(asked, since, source, environment) {
        Ok(lines) => lines,
        Err(exit) => return exit,
    };
    let ways = Ways::new(&lines);
    let all = || {
        let mut all = ways.all();
        all.retain(|(line, _)| asked.app.as_ref().is_none_or(|app| line.app == *app));
        all.retain(|(_, outcome)| !asked.failed || matches!(outcome, Outcome::Failed(_)));
        all
    };
    match (&asked.login, asked.last) {
        (Some(login), _) => tell(&ways, login, asked),
        (None, true) => match all().last() {
            Some((line, _)) => tell(&ways, &line.login, asked),
            None => nothing("no such login is known"),
        },
        (None, false) if asked.asked.json => {
            say(&json_text(&summary::json(&all())));
            Exit::Clean
        }
        (None, false) => {
            say(&summary::text(&all()));
            Exit::Clean
        }
    }
}

fn is_an_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The lines to look at: of the files that are named, else of the running node.
fn lines(asked: &Why, since: u64, source: &Source, environment: &Environment) -> Result<Vec<Line>, Exit> {
    if !asked.log.is_empty() {
        let read = logs::read(&asked.log, since);
        read.notes.iter().for_each(|note| complain(&plain(note)));
        return if read.files == 0 { Err(Exit::BadInput) } else { Ok(read.lines) };
    }
    let path = asked.login.as_ref().map_or_else(|| "/decisions".to_owned(), |login| format!("/why/{login}"));
    let mut answer = operate::request(&asked.asked, source, environment, Method::GET, &path, None)?;
    let mut lines: Vec<Line> = serde_json::from_value(answer["lines"].take()).map_err(|error| {
        complain(&format!("the node is of another version: {error}"));
        Exit::Failed
    })?;
    lines.retain(|line| line.at >= since);
    Ok(lines)
}

fn tell(ways: &Ways<'_>, login: &str, asked: &Why) -> Exit {
    let Some(way) = ways.way(login) else {
        return nothing(&format!(
            "nothing is known of login {login}: these are not the logs of its nodes, or it is too long ago"
        ));
    };
    if asked.asked.json {
        let story: Vec<Value> = way.story.into_iter().map(Value::from).collect();
        say(&json_text(&json!({ "login": login, "story": story, "lines": way.lines })));
    } else {
        way.story.iter().for_each(|sentence| say(&plain(sentence)));
    }
    Exit::Clean
}

fn nothing(words: &str) -> Exit {
    complain(&words);
    Exit::BadInput
}
