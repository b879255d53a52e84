//! The verdict as JUnit XML, which CI systems show by themselves: each expectation is a test case. One that does not hold is
//! a failure, one that could not be judged an error; one more case says whether the run as a whole could be judged.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::terminal::summary;
use crate::verdict::Verdict;
use crate::verdict::judge::{Outcome, Ruling};

type Xml = Writer<Vec<u8>>;

/// The file's text.
///
/// # Errors
/// None that a file in memory would have; the writer's type has them.
pub fn junit(verdict: &Verdict<'_>) -> io::Result<Vec<u8>> {
    let name = legal(&verdict.world.run.topology);
    let cases = cases(verdict);
    let number = |wanted: Ruling| cases.iter().filter(|case| case.ruling == wanted).count().to_string();
    let (all, failures, errors) =
        (cases.len().to_string(), number(Ruling::Fails), number(Ruling::CannotJudge));
    let time = format!("{:.3}", verdict.world.end.saturating_sub(verdict.world.begin) as f64 / 1e6);
    let counts = [
        ("tests", all.as_str()),
        ("failures", failures.as_str()),
        ("errors", errors.as_str()),
        ("time", time.as_str()),
    ];
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = xml.create_element("testsuites").with_attribute(("name", "mangrove-testbed"));
    suites.with_attributes(counts).write_inner_content(|xml| {
        let suite = xml.create_element("testsuite").with_attribute(("name", name.as_str()));
        suite.with_attributes(counts).with_attribute(("skipped", "0")).write_inner_content(|xml| {
            properties(xml, &of_the_run(verdict))?;
            cases.iter().try_for_each(|case| write(xml, &name, case))?;
            text(xml, "system-out", &summary(verdict))
        })?;
        Ok(())
    })?;
    Ok(xml.into_inner())
}

/// Every expectation, and whether the run can be judged at all.
fn cases(verdict: &Verdict<'_>) -> Vec<Outcome> {
    let doubt =
        if verdict.machine.busy() || verdict.probes.doubtful() { Ruling::CannotJudge } else { Ruling::Holds };
    let probes = &verdict.probes;
    let found = format!(
        "{} of {} probes of the network disagree with the faults; {}",
        probes.disagreed,
        probes.compared,
        verdict.machine.words()
    );
    let whole = Outcome {
        expected: "the run can be judged".to_owned(),
        found,
        ruling: doubt,
        attempts: probes.compared,
        needed: 0,
    };
    verdict.outcomes.iter().cloned().chain([whole]).collect()
}

fn of_the_run(verdict: &Verdict<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("sentence", verdict.world.run.sentence.clone()),
        ("verdict", verdict.sentence()),
        ("exit code", verdict.code().to_string()),
        ("seed", verdict.world.run.seed.to_string()),
        ("logins", verdict.ends.logins.len().to_string()),
    ]
}

fn write(xml: &mut Xml, suite: &str, case: &Outcome) -> io::Result<()> {
    let (name, found) = (legal(&case.expected), legal(&case.found));
    let element = xml.create_element("testcase").with_attributes([("classname", suite), ("name", &name)]);
    element.write_inner_content(|xml| {
        let tried = [("attempts", case.attempts.to_string()), ("needed", case.needed.to_string())];
        properties(xml, &tried)?;
        let verdict = match case.ruling {
            Ruling::Holds => None,
            Ruling::Fails => Some(("failure", "does not hold")),
            Ruling::CannotJudge => Some(("error", "cannot judge")),
        };
        if let Some((element, kind)) = verdict {
            xml.create_element(element)
                .with_attributes([("type", kind), ("message", &found)])
                .write_text_content(BytesText::new(&format!("expected: {name}\nfound: {found}")))?;
        }
        text(xml, "system-out", &case.found)
    })?;
    Ok(())
}

fn properties(xml: &mut Xml, all: &[(&str, String)]) -> io::Result<()> {
    xml.create_element("properties").write_inner_content(|xml| {
        for (name, value) in all {
            let value = legal(value);
            xml.create_element("property")
                .with_attributes([("name", *name), ("value", value.as_str())])
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn text(xml: &mut Xml, element: &str, text: &str) -> io::Result<()> {
    xml.create_element(element).write_text_content(BytesText::new(&legal(text)))?;
    Ok(())
}

/// Without what no XML may hold, escaped or not (XML 1.0 section 2.2): words of a page end up here.
fn legal(text: &str) -> String {
    let forbidden =
        |c: &char| (c.is_control() && !"\t\n\r".contains(*c)) || ['\u{fffe}', '\u{ffff}'].contains(c);
    text.chars().filter(|c| !forbidden(c)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quick_xml::Reader;
    use quick_xml::events::Event as Part;

    use super::*;
    use crate::history::{Event as Happened, Seen, What};
    use crate::language::{Bound, Expectation, Limit, Measure};
    use crate::verdict::judge;
    use crate::verdict::synthetic::Story;

    /// An element as read back: its name, its attributes, and the name of the element it is in.
    struct Element {
        name: String,
        within: String,
        attributes: BTreeMap<String, String>,
    }

    fn read_back(xml: &[u8]) -> Vec<Element> {
        let mut reader = Reader::from_str(std::str::from_utf8(xml).unwrap());
        reader.config_mut().check_end_names = true;
        let (mut found, mut open): (Vec<Element>, Vec<String>) = (Vec::new(), Vec::new());
        loop {
            let part = reader.read_event().expect("well-formed");
            let (element, stays) = match &part {
                Part::Start(element) => (element, true),
                Part::Empty(element) => (element, false),
                Part::End(_) => {
                    open.pop();
                    continue;
                }
                Part::Eof => break,
                _ => continue,
            };
            let name = element.name().as_ref().to_owned();
            let attributes = element.attributes().map(|attribute| {
                let attribute = attribute.unwrap();
                let value = quick_xml::escape::unescape(&attribute.value);
                (attribute.key.as_ref().to_owned(), value.unwrap().into_owned())
            });
            let within = open.last().cloned().unwrap_or_default();
            found.push(Element { name: name.clone(), within, attributes: attributes.collect() });
            if stays {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "every element ends");
        found
    }

    fn expect(measure: Measure, region: Option<&str>) -> Expectation {
        let bound = Bound::Exactly(Limit::Count(0.0));
        Expectation {
            text: format!("{} {bound}", measure.name()),
            region: region.map(str::to_owned),
            after_change: None,
            meanwhile: None,
            attempts: None,
            about: Vec::new(),
            measure,
            bound,
            line: 1,
        }
    }

    /// Two expectations, and that nobody is wrong: one does not hold, one was not tried.
    fn told(events: &[Happened]) -> Vec<Element> {
        let expected = [expect(Measure::LoginsLost, None), expect(Measure::SessionsLost, Some("nowhere"))];
        read_back(&junit(&judge(events, &expected, 30).unwrap()).unwrap())
    }

    fn of<'e>(elements: &'e [Element], name: &str) -> Vec<&'e BTreeMap<String, String>> {
        elements.iter().filter(|element| element.name == name).map(|element| &element.attributes).collect()
    }

    #[test]
    fn failures_and_errors_are_told_apart_and_counted() {
        let elements = told(&Story::one_root_cut().with(|product| product.notices_after = None).tell());
        let suite = of(&elements, "testsuite")[0];
        let count = |what: &str| suite[what].as_str();
        assert_eq!((count("tests"), count("failures"), count("errors")), ("4", "1", "1"));
        assert_eq!((count("time"), count("name")), ("100.000", "branch-cut-from-one-root"));
        let names: Vec<_> = of(&elements, "testcase").iter().map(|case| case["name"].clone()).collect();
        assert_eq!(
            names,
            ["logins lost 0", "sessions lost 0", "logins wrong 0 (always)", "the run can be judged"]
        );
        assert!(of(&elements, "failure")[0]["message"].contains(" lost of "));
        assert_eq!(of(&elements, "error")[0]["type"], "cannot judge");
        assert!(elements.iter().all(|it| it.name != "failure" || it.within == "testcase"));
    }

    #[test]
    fn a_void_run_is_an_error_although_every_expectation_holds() {
        let mut busy = Story::one_root_cut();
        busy.late = 50;
        let elements = told(&busy.tell());
        assert_eq!(of(&elements, "failure").len(), 0);
        let errors = of(&elements, "error");
        assert!(errors.last().unwrap()["message"].contains("50.0% of 10000 packets"), "{errors:?}");
    }

    #[test]
    fn words_of_a_page_cannot_break_the_file() {
        let mut events = Story::one_root_cut().with(|product| product.notices_after = None).tell();
        let says = "\u{0}\u{1b}[31m</system-out><failure a=\"&\u{ffff}".to_owned();
        for event in &mut events {
            if let What::Login(login) = &mut event.what
                && login.seen != Seen::SignedIn
            {
                login.seen = Seen::Stuck { status: 200, says: says.clone() };
            }
            if let What::Run(run) = &mut event.what {
                run.sentence.clone_from(&says);
            }
        }
        let elements = told(&events);
        assert_eq!(of(&elements, "failure").len(), 1);
        let sentence = of(&elements, "property")[0]["value"].clone();
        assert_eq!(sentence, "[31m</system-out><failure a=\"&");
    }
}
