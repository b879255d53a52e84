//! What a matcher's texts mean: regular expressions with a bound, and paths into JSON. Read when a configuration is
//! checked and again where answers are judged, by the same functions.

use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

/// Longest regular expression, in bytes, and largest program that it may become. Together with the bound on bodies this
/// bounds the time of a match to tenths of a second, whoever writes the body.
const LONGEST: usize = 1_024;
const LARGEST: usize = 16 * 1_024;

/// Reads a regular expression of a matcher. It reads bytes: `.` is one, and classes such as `\w` are ASCII.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn pattern(text: &str) -> Result<Regex, String> {
    if text.len() > LONGEST {
        return Err(format!("longer than {LONGEST} bytes"));
    }
    RegexBuilder::new(text).unicode(false).size_limit(LARGEST).build().map_err(|why| match why {
        regex::Error::CompiledTooBig(_) => "too large: its repetitions multiply".to_owned(),
        regex::Error::Syntax(said) => last_line(&said),
        other => other.to_string(),
    })
}

/// The library draws a picture and says what is wrong below it.
fn last_line(picture: &str) -> String {
    let last = picture.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// A path to at most one value of a JSON document: a singular query of RFC 9535 section 2.3.5.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    /// From the beginning, or from the end where negative.
    Index(i64),
}

impl JsonPath {
    /// Reads a path such as `$.checks[0]['any name']`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.strip_prefix('$').ok_or("a path begins with `$`, the whole document")?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = step(rest)?;
            steps.push(step);
            rest = after;
        }
        Ok(Self(steps))
    }

    /// The value there, if there is one.
    pub fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(document, |value, step| match step {
            Step::Name(name) => value.as_object()?.get(name),
            Step::Index(index) => {
                let list = value.as_array()?;
                let from_end = usize::try_from(index.unsigned_abs()).ok()?;
                let at = if *index < 0 { list.len().checked_sub(from_end)? } else { from_end };
                list.get(at)
            }
        })
    }
}

fn step(rest: &str) -> Result<(Step, &str), String> {
    if let Some(after) = rest.strip_prefix('.') {
        let end = after.find(|c: char| !is_of_a_name(c)).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        return match name.chars().next() {
            Some(first) if !first.is_ascii_digit() => Ok((Step::Name(name.to_owned()), after)),
            _ => {
                Err("after a dot comes a name of letters, digits and `_`; write others as ['any name']"
                    .into())
            }
        };
    }
    let after = rest.strip_prefix('[').ok_or("after a step comes `.name`, `['any name']` or `[0]`")?;
    if let Some(quote @ ('\'' | '"')) = after.chars().next() {
        let (name, after) = quoted(&after[1..], quote)?;
        let after = after.strip_prefix(']').ok_or("`]` is missing")?;
        return Ok((Step::Name(name), after));
    }
    let (index, after) = after.split_once(']').ok_or("`]` is missing")?;
    let digits = index.strip_prefix('-').unwrap_or(index);
    let plain = digits == "0" && digits == index || digits.starts_with(|c: char| ('1'..='9').contains(&c));
    match index.parse().ok().filter(|_| plain) {
        Some(index) => Ok((Step::Index(index), after)),
        None => Err(format!(
            "`[{index}]` is no index: a path leads to one value, so there are no wildcards, ranges and filters"
        )),
    }
}

/// A quoted name up to its end: `\` goes before a quote or another `\`.
fn quoted(rest: &str, quote: char) -> Result<(String, &str), String> {
    let mut name = String::new();
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some((_, escaped)) if escaped == quote || escaped == '\\' => name.push(escaped),
                _ => return Err("`\\` goes before a quote or another `\\`".into()),
            },
            letter if letter == quote => return Ok((name, &rest[at + letter.len_utf8()..])),
            letter => name.push(letter),
        }
    }
    Err("the quote is not closed".into())
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || !letter.is_ascii()
}

/// Whether a JSON value is what an operator wrote: a text without its quotes, numbers as numbers, `true`, `false`, `null`.
pub fn is_written(value: &Value, written: &str) -> bool {
    match value {
        Value::String(text) => text == written,
        Value::Number(number) => match (number.as_f64(), written.parse::<f64>()) {
            (Some(number), Ok(written)) => number == written,
            _ => false,
        },
        Value::Bool(yes) => written == if *yes { "true" } else { "false" },
        Value::Null => written == "null",
        Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(path: &str) -> Option<Value> {
        let document = json!({ "a": { "b c": [1, 2, { "d": null }] }, "é": true, "it's": "\\" });
        JsonPath::parse(path).unwrap_or_else(|why| panic!("{path}: {why}")).find(&document).cloned()
    }

    #[test]
    fn a_path_leads_to_one_value_or_nowhere() {
        assert_eq!(at("$.a['b c'][0]"), Some(json!(1)));
        assert_eq!(at("$.a[\"b c\"][-1].d"), Some(Value::Null));
        assert_eq!(at("$.é"), Some(json!(true)));
        assert_eq!(at(r"$['it\'s']"), Some(json!("\\")));
        assert_eq!(at("$").unwrap()["é"], json!(true));
        for nowhere in ["$.a.x", "$.a[0]", "$.a['b c'][3]", "$.a['b c'][-4]", "$.a['b c'].d"] {
            assert_eq!(at(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn what_could_lead_to_several_values_or_is_no_path_is_refused() {
        let no = [
            "",
            "a",
            "$a",
            "$.",
            "$..a",
            "$.*",
            "$[*]",
            "$[0:1]",
            "$[?@.a]",
            "$[0,1]",
            "$[",
            "$['a]",
            "$['a'",
            "$[01]",
            "$[-0]",
            "$[+1]",
            "$.1a",
            "$.a-b",
            r"$['\n']",
            "$[99999999999999999999]",
        ];
        for path in no {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn values_are_compared_as_written() {
        assert!(is_written(&json!("up"), "up") && !is_written(&json!("up"), "\"up\""));
        assert!(
            is_written(&json!(1), "1.0") && is_written(&json!(1.5), "1.5") && !is_written(&json!(1), "one")
        );
        assert!(is_written(&json!(true), "true") && !is_written(&json!(true), "1"));
        assert!(!is_written(&json!({}), "{}") && is_written(&Value::Null, "null"));
    }

    #[test]
    fn expressions_are_bounded() {
        assert!(pattern("^ok(ay)?$").is_ok());
        assert!(pattern("(").unwrap_err().contains("unclosed group"), "{:?}", pattern("("));
        assert!(pattern("((a{100}){100}){100}").unwrap_err().contains("too large"));
        assert!(pattern(&"a".repeat(LONGEST + 1)).is_err());
    }
}
