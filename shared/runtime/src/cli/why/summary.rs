//! Which logins there were, how they ended and whose fault it was: for the operator who has no login id yet.

use std::collections::BTreeMap;

use mangrove_login::Line;
use mangrove_login::story::{Outcome, moment};
use serde_json::{Value, json};

use crate::cli::count;
use crate::logging::plain;

/// Most logins in the list for a person.
const MOST: usize = 20;

/// For a person: sums, whose fault, and the last logins.
pub(super) fn text(all: &[(&Line, Outcome)]) -> String {
    let number =
        |wanted: &dyn Fn(&Outcome) -> bool| all.iter().filter(|(_, outcome)| wanted(outcome)).count();
    let mut out = format!(
        "{}: {} signed in, {} failed, {} not ended.\n",
        count(all.len() as u64, "login"),
        number(&|outcome| *outcome == Outcome::SignedIn),
        number(&|outcome| matches!(outcome, Outcome::Failed(_))),
        number(&|outcome| *outcome == Outcome::Open),
    );
    let faults = faults(all);
    if !faults.is_empty() {
        let head = ["WHOSE FAULT", "AT", "LOGINS"].map(str::to_owned);
        let rows =
            faults.iter().map(|((blame, member), n)| [(*blame).to_owned(), plain(member), n.to_string()]);
        out += &format!("\n{}", table(std::iter::once(head).chain(rows).collect()));
    }
    if !all.is_empty() {
        let head = ["WHEN (UTC)", "LOGIN", "NODE", "APP", "LAST"].map(str::to_owned);
        let last = all.iter().skip(all.len().saturating_sub(MOST));
        let rows = last.map(|(line, _)| {
            let node = if line.node.is_empty() { "-" } else { &line.node };
            [moment(line.at), line.login.clone(), plain(node), plain(&line.app), plain(&line.message)]
        });
        out += &format!("\n{}", table(std::iter::once(head).chain(rows).collect()));
        if all.len() > MOST {
            out += &format!("These are the last {MOST}; `-json` lists all. ");
        }
        out += "`why LOGIN` tells one login's whole way.";
    }
    out.trim_end().to_owned()
}

/// For a machine: all of them.
pub(super) fn json(all: &[(&Line, Outcome)]) -> Value {
    let logins: Vec<Value> = all
        .iter()
        .map(|(line, outcome)| {
            let (outcome, blame) = match outcome {
                Outcome::SignedIn => ("signed_in", None),
                Outcome::Failed(fault) => ("failed", Some(fault.word())),
                Outcome::Open => ("open", None),
            };
            json!({ "login": line.login, "node": line.node, "app": line.app, "at": line.at, "outcome": outcome,
                "blame": blame, "member": line.member, "message": line.message })
        })
        .collect();
    let faults: Vec<Value> = faults(all)
        .into_iter()
        .map(|((blame, member), logins)| json!({ "blame": blame, "member": member, "logins": logins }))
        .collect();
    json!({ "faults": faults, "logins": logins })
}

/// Failed logins by whose fault it was and where.
fn faults<'a>(all: &[(&'a Line, Outcome)]) -> BTreeMap<(&'static str, &'a str), u64> {
    let mut faults = BTreeMap::new();
    for (line, outcome) in all {
        if let Outcome::Failed(fault) = outcome {
            *faults.entry((fault.word(), line.member.as_deref().unwrap_or("-"))).or_default() += 1;
        }
    }
    faults
}

fn table<const N: usize>(rows: Vec<[String; N]>) -> String {
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use mangrove_login::story::Ways;

    use super::*;

    fn line(login: &str, decision: &str, more: &Value) -> Line {
        let mut line = json!({ "node": "edge-a", "at": 11_524_120, "login": login, "app": "mail",
            "decision": decision, "message": format!("{decision}.") });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn logins_are_counted_by_whose_fault_it_was() {
        let lines = [
            line("a", "signed_in", &json!({ "member": "root-dc1" })),
            line("b", "page", &json!({ "member": "root-dc1", "blame": "settings", "status": 403 })),
            line("c", "chosen", &json!({ "blame": "upstream" })),
            line("d", "chosen", &json!({ "member": "root-dc1" })),
            line("d", "sent", &json!({ "member": "root-dc1", "to_ref": "r" })),
        ];
        let ways = Ways::new(&lines);
        let text = text(&ways.all());
        assert!(text.starts_with("4 logins: 1 signed in, 2 failed, 1 not ended.\n"), "{text}");
        assert!(text.contains("\nsettings     root-dc1  1\nupstream     -         1\n"), "{text}");
        assert!(text.contains("1970-01-01 03:12:04.120  b      edge-a  mail  page."), "{text}");
        let json = json(&ways.all());
        assert_eq!(json["faults"][0], json!({ "blame": "settings", "member": "root-dc1", "logins": 1 }));
        assert_eq!(json["logins"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn the_list_for_a_person_ends_and_says_so() {
        let lines: Vec<Line> = (0..30).map(|n| line(&format!("l{n}"), "signed_in", &json!({}))).collect();
        let text = text(&Ways::new(&lines).all());
        assert!(text.contains("These are the last 20; `-json` lists all."), "{text}");
        assert_eq!(text.matches("signed_in.").count(), 20);
    }
}
