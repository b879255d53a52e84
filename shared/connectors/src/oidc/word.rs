//! The provider's own word (deep health): whether it can sign this node's people in now.
//!
//! Reachable is not able. A provider that announces `mangrove_health_endpoint` is asked there as a part of each probe, with
//! this client's own authentication. Its `no` is believed because it can only take the provider itself out; everything
//! else that comes from there, hostile or not, changes nothing: the plain probe decides. Only an endpoint on the issuer's
//! own origin is asked, so that the secret goes where the metadata came from.

use std::time::Duration;

use http::StatusCode;
use mangrove_keys::ambient;
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use super::Oidc;
use super::metadata::Metadata;
use super::proof::Proof;
use crate::http::Limits;

/// Longest answer that is read; an honest one has less than a hundred bytes.
const LARGEST: usize = 4 * 1024;
/// How long the word is waited for after everything else has come, at least. A root that has to look first answers within
/// 200 ms, and its way back takes some.
const GRACE: Duration = Duration::from_millis(300);
/// Classes of blame that are repeated in words; any other is left out.
const CLASSES: [&str; 3] = ["unavailable", "misconfigured", "drained"];

/// What a provider says.
#[derive(Debug, Deserialize)]
struct Word {
    can_sign_in: bool,
    #[serde(default)]
    blame: Option<String>,
    #[serde(default)]
    age: Option<u64>,
    #[serde(default)]
    in_doubt: bool,
}

/// What of a word is no plain yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// It cannot sign people in.
    No(String),
    /// It may be able to and would rather not be asked: whoever vouches there did not answer in time.
    InDoubt(String),
}

impl Oidc {
    /// Asks beside `looking`, which sees whether the provider answers at all. An endpoint that is known already is asked at the
    /// same time, so that the word costs no round trip of its own. The result of `looking`, and a word that is no plain yes.
    pub(super) async fn with_its_word<T, E>(
        &self,
        limits: &Limits,
        looking: impl Future<Output = Result<T, E>>,
    ) -> (Result<T, E>, Option<Said>) {
        let known = self.provider.last_good();
        let known = known.as_ref().and_then(|good| Some((good, self.word_endpoint(&good.metadata)?)));
        let began = ambient::now();
        let guess = async {
            match &known {
                Some((good, url)) => self.its_word(&good.metadata, url, limits).await,
                None => None,
            }
        };
        let mut guess = std::pin::pin!(guess);
        let (looked, early) = beside(looking, guess.as_mut()).await;
        let fresh = self.provider.last_good().filter(|_| looked.is_ok());
        let Some(fresh) = fresh else { return (looked, None) };
        let Some(now) = self.word_endpoint(&fresh.metadata) else { return (looked, None) };
        let took = ambient::now().since(began);
        let left = limits.total.saturating_sub(took) / 4 * 3;
        let patience = took.max(GRACE).min(left);
        let said = match (early, &known) {
            (Some(said), Some((_, url))) if *url == now => said,
            (None, Some((_, url))) if *url == now => timeout(patience, guess).await.ok().flatten(),
            _ => timeout(patience, self.its_word(&fresh.metadata, &now, limits)).await.ok().flatten(),
        };
        (looked, said)
    }

    /// Where to ask: announced, on the issuer's own origin, and this node can prove who asks.
    fn word_endpoint(&self, metadata: &Metadata) -> Option<Url> {
        if matches!(self.settings.proof, Proof::Nothing) {
            return None;
        }
        let announced = metadata.health_endpoint()?;
        if announced.origin() != self.settings.well_known.origin() {
            let connector = self.settings.name.as_str();
            tracing::debug!(
                connector,
                "the announced health endpoint is not on the issuer's origin; not asked"
            );
            return None;
        }
        Some(announced)
    }

    /// What it says of itself. A plain yes, and whatever is not an answer, is nothing.
    async fn its_word(&self, metadata: &Metadata, endpoint: &Url, limits: &Limits) -> Option<Said> {
        let request = self.client_request(endpoint, metadata, Vec::new()).ok()?;
        let answer = self.http.send(request, &Limits { body: LARGEST, ..*limits }).await;
        let connector = self.settings.name.as_str();
        let word = match answer {
            Err(why) => Err(why.to_string()),
            Ok(answer) if answer.status() != StatusCode::OK => {
                Err(format!("status {}", answer.status().as_u16()))
            }
            Ok(answer) => read(answer.body()).ok_or_else(|| "it is not an answer".to_owned()),
        };
        match word {
            Ok(word) => said(connector, &word),
            Err(why) => {
                tracing::debug!(
                    connector,
                    why,
                    "the provider says nothing about itself; the plain probe decides"
                );
                None
            }
        }
    }
}

/// An object of the right shape; an array of the right values would do for the library, and does not here.
fn read(body: &[u8]) -> Option<Word> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(body).ok()).flatten()
}

fn said(connector: &str, word: &Word) -> Option<Said> {
    if word.can_sign_in {
        let words = || format!("{connector} says that whoever vouches there did not answer it in time");
        return word.in_doubt.then(words).map(Said::InDoubt);
    }
    let blame = CLASSES.iter().find(|class| word.blame.as_deref() == Some(class)).map(|c| (*c).to_owned());
    let age = word.age.map(|seconds| format!("{seconds} s old"));
    let more: Vec<String> = blame.into_iter().chain(age).collect();
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
    Some(Said::No(format!("{connector} says that it cannot sign people in{more}")))
}

/// Drives both until the first has ended; what the second came to by then.
async fn beside<A, B>(
    first: impl Future<Output = A>,
    mut second: std::pin::Pin<&mut impl Future<Output = B>>,
) -> (A, Option<B>) {
    let mut first = std::pin::pin!(first);
    let mut early = None;
    loop {
        tokio::select! {
            ended = &mut first => return (ended, early),
            ended = &mut second, if early.is_none() => early = Some(ended),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(answer: &str) -> Option<Said> {
        said("root-dc1", &read(answer.as_bytes()).unwrap())
    }

    fn no(words: &str) -> Option<Said> {
        Some(Said::No(words.to_owned()))
    }

    #[test]
    fn a_no_is_told_with_its_class_and_its_age_and_nothing_else_of_it() {
        assert_eq!(words(r#"{"can_sign_in": true, "blame": "unavailable"}"#), None);
        let full = words(r#"{"can_sign_in": false, "blame": "unavailable", "age": 2, "more": [1]}"#);
        assert_eq!(full, no("root-dc1 says that it cannot sign people in (unavailable, 2 s old)"));
        let bare = words(r#"{"can_sign_in": false, "blame": "\nlevel=error pwned"}"#);
        assert_eq!(bare, no("root-dc1 says that it cannot sign people in"));
    }

    #[test]
    fn doubt_is_a_yes_with_a_warning() {
        let doubt = words(r#"{"can_sign_in": true, "in_doubt": true}"#);
        assert!(matches!(doubt, Some(Said::InDoubt(_))));
        assert!(matches!(words(r#"{"can_sign_in": false, "in_doubt": true}"#), Some(Said::No(_))));
    }
}
