//! An intermittent link, from a file of times: each line says how the ways are from then on. Reads such files, and
//! spreads a `trace` over the time line. Pure but for reading the file.

use std::path::Path;
use std::time::Duration;

use super::read::{Reader, nearest};
use super::timeline::{Step, Verb};
use super::tree::Place;
use super::units;
use super::ways::Cut;

/// A `trace` that repeats faster than this is a way that is worse, and is written so.
const SHORTEST: Duration = Duration::from_millis(10);
const LINE: &str =
    "write `1.5s down`, `2s up`, `2s up delay 80ms jitter 5ms loss 10% rate 512kbit`, or `4s again` last";

/// How ways are at each time after the verb.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// From which time on, and how; in order.
    pub lines: Vec<(Duration, Condition)>,
    /// When it begins anew; none: the last line holds until the ways are healed.
    pub again: Option<Duration>,
}

/// How a way is, compared with its link.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Condition {
    /// Packets vanish.
    pub down: bool,
    /// Added one way.
    pub delay: Duration,
    /// Up to this much more or less.
    pub jitter: Duration,
    /// Share lost, instead of the link's own.
    pub loss: Option<f64>,
    /// Bits per second, at most.
    pub rate: Option<u64>,
}

impl Condition {
    /// In words.
    pub fn words(&self) -> String {
        if self.down {
            return "down".to_owned();
        }
        let slow = (!self.delay.is_zero()).then(|| format!("{} slower", units::show(self.delay)));
        let loss = self.loss.map(|loss| format!("{}% lost", loss * 100.0));
        let rate = self.rate.map(|rate| format!("at {}", units::show_rate(rate)));
        let worse: Vec<_> = slow.into_iter().chain(loss).chain(rate).collect();
        if worse.is_empty() { "up".to_owned() } else { format!("up, {}", worse.join(", ")) }
    }
}

/// Reads a file of times beside the topology; its problems are told with its own lines, at `place`.
pub(crate) fn load(reader: &mut Reader<'_>, place: Place, name: &str, topology: &Path) -> Trace {
    let file = topology.parent().unwrap_or(Path::new("")).join(name);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            let what = format!("{} cannot be read: {error}", file.display());
            reader.problem(place, "timeline.trace.file", &what, "put the file beside the topology");
            return Trace::default();
        }
    };
    let (trace, problems) = read(&text);
    for (line, what, hint) in problems {
        reader.problem(place, "timeline.trace.file", &format!("{name}:{line}: {what}"), &hint);
    }
    trace
}

type Wrong = (usize, String, String);

/// Reads the text of a trace; answers all that is wrong, with lines.
fn read(text: &str) -> (Trace, Vec<Wrong>) {
    let mut trace = Trace::default();
    let mut wrong = Vec::new();
    let mut last = None;
    for (index, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let Some((time, rest)) = words.split_first() else { continue };
        match read_line(time, rest, &mut trace, last) {
            Ok(at) => last = Some(at),
            Err((what, hint)) => wrong.push((index + 1, what, hint)),
        }
    }
    if trace.lines.is_empty() && wrong.is_empty() {
        wrong.push((1, "the trace has no line".to_owned(), LINE.to_owned()));
    }
    (trace, wrong)
}

fn read_line(
    time: &str,
    rest: &[&str],
    trace: &mut Trace,
    last: Option<Duration>,
) -> Result<Duration, (String, String)> {
    let at = units::duration(time).map_err(|hint| (format!("`{time}` is no time"), hint))?;
    if trace.again.is_some() {
        return Err(("nothing comes after `again`".to_owned(), "delete the line".to_owned()));
    }
    if last.is_some_and(|last| at <= last) {
        let hint = "each line is later than the one before".to_owned();
        return Err((format!("`{time}` is not later than the line before"), hint));
    }
    if rest == ["again"] {
        if trace.lines.is_empty() || at < SHORTEST {
            return Err(("there is nothing to repeat".to_owned(), LINE.to_owned()));
        }
        trace.again = Some(at);
    } else {
        trace.lines.push((at, condition(rest)?));
    }
    Ok(at)
}

fn condition(words: &[&str]) -> Result<Condition, (String, String)> {
    let mut made = Condition::default();
    let [state, rest @ ..] = words else { return Err(("the line ends here".to_owned(), LINE.to_owned())) };
    match *state {
        "up" => {}
        "down" if rest.is_empty() => made.down = true,
        "down" => return Err(("what is down has no other properties".to_owned(), LINE.to_owned())),
        other => {
            let hint = nearest(other, ["up", "down", "again"].into_iter());
            return Err((format!("`{other}` is neither `up` nor `down`"), hint));
        }
    }
    for pair in rest.chunks(2) {
        let [key, value] = pair else {
            return Err((format!("`{}` has no value", pair[0]), LINE.to_owned()));
        };
        let refused = |hint| (format!("`{value}` cannot be read"), hint);
        match *key {
            "delay" => made.delay = units::duration(value).map_err(refused)?,
            "jitter" => made.jitter = units::duration(value).map_err(refused)?,
            "loss" => made.loss = Some(units::share(value).map_err(refused)?),
            "rate" => made.rate = Some(units::rate(value).map_err(refused)?),
            other => {
                let hint = nearest(other, ["delay", "jitter", "loss", "rate"].into_iter());
                return Err((format!("`{other}` is not known here"), hint));
            }
        }
    }
    Ok(made)
}

/// Puts a step for each line of each trace into the time line, as long as the ways are neither healed nor under another
/// trace, and no longer than the run.
pub(crate) fn spread(timeline: &mut Vec<Step>, duration: Duration) {
    let mut made = Vec::new();
    for (number, step) in timeline.iter().enumerate() {
        let Verb::Trace { cuts, trace } = &step.verb else { continue };
        for (at, condition) in times(trace, step.after, duration) {
            let cuts: Vec<Cut> =
                cuts.iter().filter(|cut| !ended(timeline, number, cut, at)).cloned().collect();
            if cuts.is_empty() {
                break;
            }
            let text = format!("{}: {}", step.text, condition.words());
            made.push(Step { after: at, verb: Verb::Condition { cuts, condition }, text, line: step.line });
        }
    }
    timeline.extend(made);
}

fn times(
    trace: &Trace,
    begin: Duration,
    duration: Duration,
) -> impl Iterator<Item = (Duration, Condition)> + '_ {
    let rounds = if trace.again.is_some() { u32::MAX } else { 1 };
    let every = trace.again.unwrap_or_default();
    (0..rounds)
        .map(move |round| begin + every * round)
        .take_while(move |start| *start <= duration)
        .flat_map(|start| trace.lines.iter().map(move |(at, condition)| (start + *at, condition.clone())))
        .filter(move |(at, _)| *at <= duration)
}

/// Whether a way is healed, or under another trace, after this step of the time line and until `at`.
fn ended(timeline: &[Step], number: usize, cut: &Cut, at: Duration) -> bool {
    let begin = (timeline[number].after, number);
    timeline.iter().enumerate().any(|(index, step)| {
        let later = (step.after, index) > begin && step.after <= at;
        later
            && match &step.verb {
                Verb::Heal { cuts } => cuts.is_empty() || cuts.contains(cut),
                Verb::Trace { cuts, .. } => cuts.contains(cut),
                _ => false,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SATELLITE: &str = "# time, then how the link is
0s    up delay 250ms
1.5s  down            # behind the hill
2s    up delay 300ms jitter 20ms loss 5% rate 512kbit
4s    again
";

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn cut(from: &str, to: &str) -> Cut {
        Cut { from: from.into(), to: to.into() }
    }

    fn step(after: Duration, verb: Verb) -> Step {
        Step { after, verb, text: "trace".to_owned(), line: 1 }
    }

    fn conditions(timeline: &[Step]) -> Vec<(Duration, String, usize)> {
        let each = timeline.iter().filter_map(|step| match &step.verb {
            Verb::Condition { cuts, condition } => Some((step.after, condition.words(), cuts.len())),
            _ => None,
        });
        each.collect()
    }

    #[test]
    fn a_file_of_times_says_how_the_link_is_from_each_on() {
        let (trace, wrong) = read(SATELLITE);
        assert_eq!(wrong, []);
        assert_eq!(trace.again, Some(seconds(4)));
        let words: Vec<_> = trace.lines.iter().map(|(at, how)| (at.as_millis(), how.words())).collect();
        let wanted = [
            (0, "up, 250ms slower".to_owned()),
            (1500, "down".to_owned()),
            (2000, "up, 300ms slower, 5% lost, at 512kbit".to_owned()),
        ];
        assert_eq!(words, wanted);
    }

    #[test]
    fn each_mistake_of_a_trace_is_told_with_its_line() {
        for (text, line, what) in [
            ("0s up\nsoon down", 2, "`soon` is no time"),
            ("2s up\n\n1s down", 3, "not later"),
            ("1s", 1, "ends here"),
            ("1s dwon", 1, "neither `up` nor `down`"),
            ("1s up dleay 2ms", 1, "`dleay` is not known"),
            ("1s up delay", 1, "`delay` has no value"),
            ("1s up loss 200%", 1, "`200%` cannot be read"),
            ("1s down loss 2%", 1, "no other properties"),
            ("1s again", 1, "nothing to repeat"),
            ("0s up\n1s again\n2s up", 3, "nothing comes after"),
            ("# nothing", 1, "no line"),
        ] {
            let (_, wrong) = read(text);
            assert!(wrong.iter().any(|it| it.0 == line && it.1.contains(what)), "{text:?}: {wrong:?}");
        }
    }

    #[test]
    fn a_trace_repeats_until_its_ways_are_healed_and_each_way_for_itself() {
        let (trace, _) = read("0s down\n1s up\n2s again");
        let cuts = vec![cut("a", "b"), cut("b", "a")];
        let mut timeline = vec![
            step(seconds(1), Verb::Trace { cuts, trace }),
            step(seconds(4), Verb::Heal { cuts: vec![cut("a", "b")] }),
            step(seconds(6), Verb::Heal { cuts: Vec::new() }),
        ];
        spread(&mut timeline, seconds(60));
        let (down, up) = ("down".to_owned(), "up".to_owned());
        let wanted = [
            (seconds(1), down.clone(), 2),
            (seconds(2), up.clone(), 2),
            (seconds(3), down.clone(), 2),
            (seconds(4), up, 1),
            (seconds(5), down, 1),
        ];
        assert_eq!(conditions(&timeline), wanted);
    }

    #[test]
    fn a_trace_that_nobody_heals_ends_with_the_run() {
        let (trace, _) = read("0s down\n1s up\n2s again");
        let mut timeline = vec![step(seconds(0), Verb::Trace { cuts: vec![cut("a", "b")], trace })];
        spread(&mut timeline, seconds(5));
        assert_eq!(conditions(&timeline).len(), 6);
    }
}
