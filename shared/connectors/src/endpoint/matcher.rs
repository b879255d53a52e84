//! Whether an answer is what the operator wrote. Says what differs, and never repeats what the answer holds.

use http::{HeaderName, Response};
use mangrove_config::health_check::ResponseMatcher;
use mangrove_config::matching::{JsonPath, is_written, pattern};
use regex::bytes::Regex;
use serde_json::Value;

/// What a healthy answer looks like, read once.
#[derive(Debug)]
pub(super) struct Matcher {
    /// Empty: 200 to 299.
    statuses: Vec<u16>,
    contains: Option<String>,
    equals: Option<String>,
    matches: Option<Regex>,
    json: Vec<Wanted>,
    headers: Vec<(HeaderName, String)>,
}

/// A path as it was written, read, and what must stand there.
type Wanted = (String, JsonPath, String);

impl Matcher {
    pub(super) fn read(written: &ResponseMatcher) -> Result<Self, String> {
        let body = &written.body;
        let json = |(path, value): (&String, &String)| {
            let read = JsonPath::parse(path).map_err(|why| format!("{path}: {why}"))?;
            Ok((path.clone(), read, value.clone()))
        };
        let header = |(name, value): (&String, &String)| {
            let read = name.parse().map_err(|_| format!("{name} cannot be the name of a header"))?;
            Ok((read, value.clone()))
        };
        Ok(Self {
            statuses: written.expected_statuses.clone(),
            contains: body.contains.clone(),
            equals: body.equals.as_ref().map(|text| text.trim().to_owned()),
            matches: body.matches.as_deref().map(pattern).transpose()?,
            json: body.json.iter().map(json).collect::<Result<_, String>>()?,
            headers: written.headers.iter().map(header).collect::<Result<_, String>>()?,
        })
    }

    /// The first thing in the answer that is not as written.
    pub(super) fn mismatch(&self, answer: &Response<Vec<u8>>) -> Option<String> {
        let status = answer.status();
        let good = match self.statuses.is_empty() {
            true => status.is_success(),
            false => self.statuses.contains(&status.as_u16()),
        };
        if !good {
            return Some(format!("status {}", status.as_u16()));
        }
        let lacks = |(name, value): &&(HeaderName, String)| {
            !answer.headers().get_all(name).iter().any(|found| found.as_bytes() == value.as_bytes())
        };
        if let Some((name, _)) = self.headers.iter().find(lacks) {
            return Some(format!("header {name} is missing or different"));
        }
        let body = String::from_utf8_lossy(answer.body());
        if self.contains.as_ref().is_some_and(|wanted| !body.contains(wanted.as_str())) {
            return Some("the body does not hold what it must".into());
        }
        if self.equals.as_ref().is_some_and(|wanted| body.trim() != wanted) {
            return Some("the body is not what it must be".into());
        }
        if self.matches.as_ref().is_some_and(|wanted| !wanted.is_match(answer.body())) {
            return Some("the body does not match".into());
        }
        self.mismatch_of_json(answer.body())
    }

    fn mismatch_of_json(&self, body: &[u8]) -> Option<String> {
        if self.json.is_empty() {
            return None;
        }
        let Ok(document) = serde_json::from_slice::<Value>(body) else {
            return Some("the body is not JSON".into());
        };
        self.json.iter().find_map(|(written, path, wanted)| match path.find(&document) {
            None => Some(format!("{written} is missing")),
            Some(found) if is_written(found, wanted) => None,
            Some(_) => Some(format!("{written} is different")),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::LARGEST;
    use super::*;

    fn mismatch(matcher: &str, status: u16, body: &str) -> Option<String> {
        let answer = Response::builder().status(status).header("x-idp", "up").header("x-idp", "2");
        let matcher = Matcher::read(&serde_saphyr::from_str(matcher).unwrap()).unwrap();
        matcher.mismatch(&answer.body(body.as_bytes().to_vec()).unwrap())
    }

    #[track_caller]
    fn differs(matcher: &str, status: u16, body: &str, word: &str) {
        let why = mismatch(matcher, status, body).expect("it matches");
        assert!(why.contains(word), "{why}");
    }

    #[test]
    fn everything_that_is_given_must_hold() {
        let briefs = "{ expectedStatuses: [200], body: { contains: healthy } }";
        assert_eq!(mismatch(briefs, 200, "all healthy"), None);
        differs(briefs, 200, "degraded", "does not hold");
        differs(briefs, 204, "healthy", "204");
        let both = "{ body: { contains: up, matches: ^s }, headers: { X-Idp: up } }";
        assert_eq!(mismatch(both, 200, "still up"), None);
        differs(both, 200, "up", "does not match");
        differs(both, 200, "still", "does not hold");
    }

    #[test]
    fn nothing_given_is_any_success_and_redirects_are_none() {
        assert_eq!(mismatch("{}", 204, ""), None);
        differs("{}", 302, "", "302");
        assert_eq!(mismatch("{ expectedStatuses: [302] }", 302, ""), None);
    }

    #[test]
    fn a_whole_body_may_end_in_a_newline() {
        assert_eq!(mismatch("{ body: { equals: up } }", 200, "up\n"), None);
        differs("{ body: { equals: up } }", 200, "up and down", "must be");
        assert_eq!(mismatch("{ body: { matches: '^(up|degraded)$' } }", 200, "degraded"), None);
        differs("{ body: { matches: '^(up|degraded)$' } }", 200, "up\ndown", "does not match");
    }

    #[test]
    fn values_of_a_json_body_are_found_by_path() {
        let matcher = r#"{ body: { json: { $.status: up, "$.checks[0].ok": "true", $.left: "7" } } }"#;
        assert_eq!(mismatch(matcher, 200, r#"{"status":"up","checks":[{"ok":true}],"left":7.0}"#), None);
        differs(matcher, 200, r#"{"status":"up","checks":[],"left":7}"#, "$.checks[0].ok is missing");
        differs(
            matcher,
            200,
            r#"{"status":"s3cret","checks":[{"ok":true}],"left":7}"#,
            "$.status is different",
        );
        differs(matcher, 200, "up", "not JSON");
        differs(matcher, 200, &"[".repeat(100_000), "not JSON");
        let secret = mismatch(matcher, 200, r#"{"status":"s3cret"}"#).unwrap();
        assert!(!secret.contains("s3cret"), "what it answers may be nobody's business: {secret}");
    }

    #[test]
    fn one_of_several_headers_of_a_name_is_enough() {
        assert_eq!(mismatch("{ headers: { X-Idp: up } }", 200, ""), None);
        assert_eq!(mismatch("{ headers: { x-idp: \"2\" } }", 200, ""), None);
        differs("{ headers: { X-Idp: down } }", 200, "", "x-idp");
        differs("{ headers: { X-Other: up } }", 200, "", "x-other");
    }

    #[test]
    fn the_worst_expression_on_the_largest_body_ends_soon() {
        let mut seed = 1_u32;
        let letters = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if seed >> 31 == 0 { 'a' } else { 'b' }
        });
        let body: String = letters.take(LARGEST).collect();
        let began = Instant::now();
        differs("{ body: { matches: '[ab]*a[ab]{150}c' } }", 200, &body, "does not match");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
