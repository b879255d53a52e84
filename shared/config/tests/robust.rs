//! No document makes the loader panic, and none makes it say the value of a secret.

mod support;

use proptest::prelude::*;
use support::{EDGE, SECRETS, check};

/// [`EDGE`] with lines dropped, doubled, swapped, indented, and pieces of other YAML put in.
fn mutated() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "",
        ":",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "null",
        "~",
        "\"",
        "'",
        "|",
        ">",
        "&a",
        "*a",
        "<<: *a",
        "? ",
        "!!str",
        "!x",
        "0x1F",
        "1e999",
        ".nan",
        "true",
        "<vault.x>",
        "{{ env.X }}",
        "{{",
        "\t",
        "\u{feff}",
        "\u{0}",
        "---",
        "...",
        "# c",
        "%TAG",
        "é",
    ]);
    let change = (0..EDGE.lines().count(), 0..6u8, pieces, 0..40usize);
    prop::collection::vec(change, 1..6).prop_map(|changes| {
        let mut lines: Vec<String> = EDGE.lines().map(str::to_owned).collect();
        for (line, what, piece, at) in changes {
            let line = line.min(lines.len() - 1);
            match what {
                0 if lines.len() > 1 => drop(lines.remove(line)),
                1 => lines.insert(line, lines[line].clone()),
                2 => lines.swap(line, 0),
                3 => lines[line].insert_str(0, "  "),
                4 => {
                    let key = lines[line].split(':').next().unwrap_or_default().to_owned();
                    lines[line] = format!("{key}: {piece}");
                }
                _ => {
                    let at = at.min(lines[line].len());
                    if lines[line].is_char_boundary(at) {
                        lines[line].insert_str(at, piece);
                    }
                }
            }
        }
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = check(&text).to_string();
    }

    #[test]
    fn arbitrary_keys_and_values_never_panic(text in "([a-z]{1,8}|connectors|apps|http|tls|type|name|- |: |\n|  |\\[|\\]|\\{|\\}|[0-9]{1,3}){0,60}") {
        let _ = check(&text).to_string();
    }

    #[test]
    fn a_mutated_configuration_never_panics_and_never_shows_a_secret(text in mutated()) {
        let report = check(&text);
        let said = report.to_string();
        // "six", "seven" and "five" are what the edge's secrets hold.
        for value in ["`six`", "`seven`", "`five`", "\"six\"", "\"seven\"", "\"five\""] {
            prop_assert!(SECRETS.contains(value.trim_matches(['`', '"'])));
            prop_assert!(!said.contains(value), "{said}");
        }
        prop_assert!(report.start().is_ok() || !said.is_empty());
    }
}
