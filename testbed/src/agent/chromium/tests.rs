//! A window, and in place of Chromium somebody at the other end of the pipe who says what Chromium was heard to say.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::task::JoinSet;
use url::Url;

use super::devtools::Devtools;
use super::window::Window;
use crate::agent::browser::{How, Navigation};
use crate::history::Trouble;

/// What happens in the page, and when: method, parameters.
type Story = fn(&str) -> Vec<(&'static str, Value)>;

fn asks(id: &str, second: f64, url: &str, redirected: Option<u16>) -> (&'static str, Value) {
    let mut said = json!({ "requestId": id, "frameId": "frame", "type": "Document", "timestamp": second,
        "request": { "method": "GET", "url": url } });
    if let Some(status) = redirected {
        said["redirectResponse"] = json!({ "status": status });
    }
    ("Network.requestWillBeSent", said)
}

fn comes(id: &str, second: f64, status: u16) -> Vec<(&'static str, Value)> {
    let response = json!({ "status": status, "mimeType": "text/html" });
    vec![
        ("Network.responseReceived", json!({ "requestId": id, "response": response, "timestamp": second })),
        ("Page.lifecycleEvent", json!({ "loaderId": id, "frameId": "frame", "name": "DOMContentLoaded" })),
        ("Network.loadingFinished", json!({ "requestId": id, "timestamp": second })),
    ]
}

/// Answers every call, and tells the story of each thing that a person does.
async fn chromium(pipe: DuplexStream, story: Story) {
    let (from, mut to) = tokio::io::split(pipe);
    let mut from = BufReader::new(from);
    let mut message = Vec::new();
    while from.read_until(0, &mut message).await.is_ok_and(|length| length > 0) {
        let call: Value = serde_json::from_slice(&message[..message.len() - 1]).unwrap();
        message.clear();
        let value = json!(if call["params"]["expression"].to_string().contains("getBoundingClientRect") {
            json!([10.0, 20.0])
        } else {
            json!("<h1>A page</h1>")
        });
        let result = json!({ "browserContextId": "context", "targetId": "frame", "sessionId": "page",
            "result": { "value": value } });
        let mut said = vec![json!({ "id": call["id"], "result": result })];
        let done = match call["method"].as_str().unwrap() {
            "Input.dispatchMouseEvent" if call["params"]["type"] == "mouseReleased" => "clicked",
            method => method,
        };
        said.extend(
            story(done)
                .into_iter()
                .map(|(method, params)| json!({ "method": method, "params": params, "sessionId": "page" })),
        );
        for said in said {
            to.write_all(format!("{said}\0").as_bytes()).await.unwrap();
        }
    }
}

async fn window(story: Story, tasks: &mut JoinSet<()>) -> Window {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tasks.spawn(chromium(theirs, story));
    let (from, to) = tokio::io::split(ours);
    Window::open_new(&Devtools::new(to, from, tasks)).await.unwrap()
}

fn typed() -> Navigation {
    Navigation::typed(&Url::parse("https://app.mesh.test/").unwrap())
}

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn redirects_are_requests_of_their_own_and_what_is_on_a_page_is_none() {
    let mut tasks = JoinSet::new();
    let story: Story = |done| match done {
        "Page.navigate" => {
            let mut said = vec![
                asks("1", 10.0, "https://app.mesh.test/", None),
                asks("1", 10.25, "https://edge.mesh.test:8443/auth?secret=x", Some(302)),
            ];
            said.push((
                "Network.requestWillBeSent",
                json!({ "requestId": "2", "frameId": "frame", "type": "Stylesheet" }),
            ));
            said.extend(comes("1", 10.5, 200));
            said
        }
        _ => vec![],
    };
    let mut window = window(story, &mut tasks).await;
    let page = window.open(&typed(), PATIENCE).await.unwrap();
    assert_eq!((page.status, page.kind.as_str(), page.body.as_str()), (200, "text/html", "<h1>A page</h1>"));
    assert_eq!(page.url.as_str(), "https://edge.mesh.test:8443/auth?secret=x");
    let seen: Vec<_> =
        window.hops.iter().map(|hop| (hop.start, hop.took, hop.url.as_str(), hop.status)).collect();
    assert_eq!(
        seen,
        [
            (10_000_000, 250_000, "app.mesh.test/", Some(302)),
            (10_250_000, 250_000, "edge.mesh.test:8443/auth", Some(200))
        ]
    );
}

#[tokio::test]
async fn a_page_that_fails_is_told_and_what_it_leaves_behind_is_not_taken_for_the_next_one() {
    let mut tasks = JoinSet::new();
    let story: Story = |done| match done {
        "Page.navigate" => vec![
            asks("1", 10.0, "https://app.mesh.test/", None),
            (
                "Network.loadingFailed",
                json!({ "requestId": "1", "timestamp": 10.5, "errorText": "net::ERR_CONNECTION_REFUSED" }),
            ),
            ("Page.lifecycleEvent", json!({ "loaderId": "1", "name": "DOMContentLoaded" })),
        ],
        "Page.reload" => {
            let mut said = vec![asks("2", 11.0, "https://app.mesh.test/", None)];
            said.extend(comes("2", 11.5, 503));
            said
        }
        _ => vec![],
    };
    let mut window = window(story, &mut tasks).await;
    assert_eq!(window.open(&typed(), PATIENCE).await.unwrap_err(), Trouble::Refused);
    assert_eq!(window.reload(PATIENCE).await.unwrap().status, 503);
    let seen: Vec<_> = window.hops.iter().map(|hop| (hop.status, hop.error)).collect();
    assert_eq!(seen, [(None, Some(Trouble::Refused)), (Some(503), None)]);
}

#[tokio::test]
async fn a_page_that_does_not_come_is_waited_for_as_long_as_patience_lasts() {
    let mut tasks = JoinSet::new();
    let story: Story = |done| match done {
        "Page.navigate" => vec![asks("1", 10.0, "https://app.mesh.test/", None)],
        _ => vec![],
    };
    let mut window = window(story, &mut tasks).await;
    let trouble = window.open(&typed(), Duration::from_millis(50)).await.unwrap_err();
    assert_eq!((trouble, window.hops[0].error), (Trouble::Timeout, Some(Trouble::Timeout)));
}

#[tokio::test]
async fn a_form_is_sent_by_its_button_and_a_page_given_up_for_another_is_no_trouble() {
    let mut tasks = JoinSet::new();
    let story: Story = |done| match done {
        "clicked" => {
            let given_up = json!({ "requestId": "1", "timestamp": 10.1, "errorText": "net::ERR_ABORTED" });
            let mut said =
                vec![asks("1", 10.0, "https://idp.mesh.test/a", None), ("Network.loadingFailed", given_up)];
            said.push(asks("2", 10.2, "https://idp.mesh.test/b", None));
            said.extend(comes("2", 10.3, 200));
            said
        }
        _ => vec![],
    };
    let mut window = window(story, &mut tasks).await;
    let how = How::Fills { form: 0, typed: vec![("user".into(), "alice".into())], button: 0 };
    let page = window.open(&Navigation { how, ..typed() }, PATIENCE).await.unwrap();
    assert_eq!(page.url.path(), "/b");
    assert_eq!(window.hops.len(), 2);
}

#[tokio::test]
async fn a_chromium_that_is_gone_is_noticed_and_answers_nobody() {
    let mut tasks = JoinSet::new();
    let (ours, theirs) = tokio::io::duplex(64);
    let (from, to) = tokio::io::split(ours);
    let devtools = Devtools::new(to, from, &mut tasks);
    drop(theirs);
    devtools.closed().await;
    let problem = devtools.call(None, "Browser.getVersion", &json!({})).await.unwrap_err();
    assert!(problem.contains("the browser is gone"), "{problem}");
}
