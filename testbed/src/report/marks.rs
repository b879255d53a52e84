//! Shapes and colours: a login's shape says who answered or how it ended, so that the picture reads without colour.

use maud::{Markup, PreEscaped, html};

use crate::verdict::Verdict;
use crate::verdict::ends::{End, Judged};

/// Outlines around 0, 0 for whoever answers, in the order of their first appearance.
const ANSWERED: [&str; 6] = [
    "M-3.4 0A3.4 3.4 0 1 1 3.4 0A3.4 3.4 0 1 1-3.4 0Z",
    "M-3 -3H3V3H-3Z",
    "M0 -4.4L4.4 0L0 4.4L-4.4 0Z",
    "M0 -4L4 3.2H-4Z",
    "M0 4L4 -3.2H-4Z",
    "M-1.4 -4.2H1.4V-1.4H4.2V1.4H1.4V4.2H-1.4V1.4H-4.2V-1.4H-1.4Z",
];

/// How each end that is not "signed in" looks.
const ENDS: [(End, &str, &str); 5] = [
    (End::Told, "told", "M-4.5 -3.5H4.5V2H0.5L-2.5 5V2H-4.5Z"),
    (End::CutOff, "cut", "M-4.5 0H4.5M-2.5 -3.5V3.5M2.5 -3.5V3.5"),
    (End::Lost, "lost", "M-5 -5L5 5M5 -5L-5 5"),
    (End::Wrong, "wrong", "M0 -8L2.2 -2.6L8 -2.4L3.5 1.2L5 7L0 3.8L-5 7L-3.5 1.2L-8 -2.4L-2.2 -2.6Z"),
    (End::Apart, "apart", "M-1.5 0A1.5 1.5 0 1 1 1.5 0A1.5 1.5 0 1 1-1.5 0Z"),
];

/// The marks of one run.
pub struct Marks {
    answered: Vec<String>,
}

impl Marks {
    /// One shape for each way that logins were answered, the most common ones first.
    pub fn of(verdict: &Verdict<'_>) -> Self {
        let mut answered: Vec<(String, usize)> = Vec::new();
        for login in verdict.ends.logins.iter().filter(|login| login.end == End::SignedIn) {
            let by = login.answered_by();
            match answered.iter_mut().find(|(known, _)| *known == by) {
                Some((_, count)) => *count += 1,
                None => answered.push((by, 1)),
            }
        }
        answered.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self { answered: answered.into_iter().map(|(by, _)| by).collect() }
    }

    /// Class and outline of a login.
    pub fn of_login(&self, login: &Judged<'_>) -> (String, &'static str) {
        if let Some((_, class, outline)) = ENDS.iter().find(|(end, ..)| *end == login.end) {
            return ((*class).to_owned(), outline);
        }
        let by = login.answered_by();
        self.answer(self.answered.iter().position(|known| *known == by).unwrap_or(0))
    }

    /// After the last shape the first one again, hollow.
    fn answer(&self, index: usize) -> (String, &'static str) {
        let shown = index % ANSWERED.len();
        let hollow = if (index / ANSWERED.len()).is_multiple_of(2) { "" } else { " hollow" };
        (format!("by by{shown}{hollow}"), ANSWERED[shown])
    }

    /// What the shapes mean; only those that occur.
    pub fn legend(&self, verdict: &Verdict<'_>) -> Markup {
        let ends = ENDS.iter().filter(|(end, ..)| verdict.ends.logins.iter().any(|login| login.end == *end));
        html! {
            ul.legend {
                @for (index, by) in self.answered.iter().enumerate() {
                    @let (class, outline) = self.answer(index);
                    li { (sample(&class, outline)) "signed in by " b { (by) } }
                }
                @for (end, class, outline) in ends {
                    li { (sample(class, outline)) b { (end.words()) } ": " (meaning(*end)) }
                }
            }
        }
    }
}

fn sample(class: &str, outline: &str) -> Markup {
    html! { svg viewBox="-9 -9 18 18" width="18" height="18" aria-hidden="true" { path class={ "mark " (class) } d=(outline) {} } }
}

/// What an end means, for a stranger.
pub fn meaning(end: End) -> &'static str {
    match end {
        End::SignedIn => "the application greets the right person",
        End::Told => "a clear “not now” at once, and there really was no way",
        End::CutOff => "there was no way, and nobody could have said so",
        End::Lost => "there was a way and it was not found, or nobody said that there was none",
        End::Wrong => "somebody else, or somebody who must not be let in: never allowed",
        End::Apart => "too close to a change to say on which side of it, or the run ended first",
    }
}

/// Patterns that tell bands and strips apart without colour.
pub fn patterns() -> Markup {
    PreEscaped(
        "<defs>\
         <pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path class=\"hatch\" d=\"M0 0V7\"/></pattern>\
         <pattern id=\"dense\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path class=\"dense\" d=\"M0 0V4\"/></pattern>\
         </defs>"
            .to_owned(),
    )
}
