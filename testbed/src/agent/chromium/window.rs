//! A window of Chromium with a cookie jar of its own: does what a person does with keyboard and mouse, waits until a page
//! has come, and writes down the requests for pages (not those for what is on them). Times are Chromium's, by the same
//! clock as the history's.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::devtools::Devtools;
use crate::agent::browser::{How, Navigation, authority, reference};
use crate::agent::page::Page;
use crate::history::{self, Hop, Micros, Trouble};

/// Focuses field `name` of form `form`, with all that is in it selected, as somebody does who is about to type.
const FOCUS: &str = "(form, name) => { const field = document.forms[form].elements.namedItem(name); field.focus(); field.select(); }";
/// Where the middle of button `button` of form `form` is, if it can be seen.
const BUTTON: &str = r#"(form, button) => {
    const all = [...document.forms[form].querySelectorAll("button, input[type=submit], input[type=image]")];
    const one = all.filter(it => !["button", "reset"].includes(it.type))[button];
    one.scrollIntoView({ block: "center", behavior: "instant" });
    const at = one.getBoundingClientRect();
    return at.width > 0 && at.height > 0 ? [at.x + at.width / 2, at.y + at.height / 2] : null;
}"#;
/// Where the middle of link `link` is, if it can be seen.
const LINK: &str = r#"(link) => {
    const one = document.querySelectorAll("a[href]")[link];
    one.scrollIntoView({ block: "center", behavior: "instant" });
    const at = one.getBoundingClientRect();
    return at.width > 0 && at.height > 0 ? [at.x + at.width / 2, at.y + at.height / 2] : null;
}"#;
/// What is on the page: its source as it is now, or the words of one that is no HTML.
const SOURCE: &str = r#"() => document.contentType === "text/html" ? document.documentElement.outerHTML : document.body.innerText"#;

/// A window.
pub struct Window {
    devtools: Devtools,
    context: String,
    page: String,
    frame: String,
    events: UnboundedReceiver<Value>,
    /// The page that is coming, or that has come last.
    arrival: Option<Arrival>,
    /// Every request for a page so far, in order.
    pub hops: Vec<Hop>,
}

/// A page on its way.
struct Arrival {
    loader: String,
    start: Micros,
    method: String,
    url: String,
    status: u16,
    kind: String,
    answered: bool,
    /// The answer has been read whole, or has failed.
    read: bool,
    shown: bool,
}

impl Window {
    /// Opens one.
    pub(super) async fn open_new(devtools: &Devtools) -> Result<Self, String> {
        let text = |answer: &Value, field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        let made = devtools.call(None, "Target.createBrowserContext", &json!({})).await?;
        let context = text(&made, "browserContextId");
        let about =
            json!({ "url": "about:blank", "browserContextId": context, "width": 1000, "height": 800 });
        let frame = text(&devtools.call(None, "Target.createTarget", &about).await?, "targetId");
        let how = json!({ "targetId": frame, "flatten": true });
        let page = text(&devtools.call(None, "Target.attachToTarget", &how).await?, "sessionId");
        let events = devtools.hear(&page);
        let (devtools, hops) = (devtools.clone(), Vec::new());
        let window = Self { devtools, context, page, frame, events, arrival: None, hops };
        window.call("Page.enable", &json!({})).await?;
        window.call("Network.enable", &json!({})).await?;
        window.call("Page.setLifecycleEventsEnabled", &json!({ "enabled": true })).await?;
        Ok(window)
    }

    /// Goes there and waits until there is a page, with this much patience for each server on the way.
    ///
    /// # Errors
    /// Why no page came.
    pub async fn open(&mut self, to: &Navigation, patience: Duration) -> Result<Page, Trouble> {
        match &to.how {
            How::Types => {
                let how = json!({ "url": to.url.as_str(), "transitionType": "typed" });
                self.devtools.tell(Some(&self.page), "Page.navigate", &how);
            }
            How::ItGoesOn => {}
            How::Fills { form, typed, button } => {
                self.fill(*form, typed, *button).await.map_err(|_| Trouble::Garbage)?;
            }
            How::Follows { link } => {
                self.press(LINK, &json!([link])).await.map_err(|_| Trouble::Garbage)?;
            }
        }
        self.arrive(patience).await
    }

    /// Loads once more what stands in the window.
    ///
    /// # Errors
    /// Why no page came.
    pub async fn reload(&mut self, patience: Duration) -> Result<Page, Trouble> {
        self.devtools.tell(Some(&self.page), "Page.reload", &json!({}));
        self.arrive(patience).await
    }

    async fn fill(&self, form: usize, typed: &[(String, String)], button: usize) -> Result<(), String> {
        for (name, value) in typed {
            self.run(FOCUS, &json!([form, name])).await?;
            self.call("Input.insertText", &json!({ "text": value })).await?;
        }
        self.press(BUTTON, &json!([form, button])).await
    }

    /// Presses the mouse where `what` says that something is.
    async fn press(&self, what: &str, which: &Value) -> Result<(), String> {
        let at = self.run(what, which).await?;
        let (Some(x), Some(y)) = (at[0].as_f64(), at[1].as_f64()) else {
            return Err("what is to be pressed cannot be seen".to_owned());
        };
        for kind in ["mousePressed", "mouseReleased"] {
            let click = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.devtools.tell(Some(&self.page), "Input.dispatchMouseEvent", &click);
        }
        Ok(())
    }

    /// Waits for a page that is coming.
    async fn arrive(&mut self, patience: Duration) -> Result<Page, Trouble> {
        self.arrival = None;
        let (mut deadline, mut asked) = (Instant::now() + patience, None);
        loop {
            let Ok(event) = timeout_at(deadline, self.events.recv()).await else {
                self.devtools.tell(Some(&self.page), "Page.stopLoading", &json!({}));
                self.note(history::now(), None, Some(Trouble::Timeout));
                return Err(Trouble::Timeout);
            };
            let event = event.ok_or(Trouble::Reset)?;
            self.take(&event)?;
            let asks = self.arrival.as_ref().map(|arrival| arrival.start);
            if asks != asked {
                (deadline, asked) = (Instant::now() + patience, asks);
            }
            if self.arrival.as_ref().is_some_and(|arrival| arrival.read && arrival.shown) {
                return self.look().await;
            }
        }
    }

    /// Takes note of an event; the error is why the page does not come.
    fn take(&mut self, event: &Value) -> Result<(), Trouble> {
        let said = &event["params"];
        let at = (said["timestamp"].as_f64().unwrap_or_default() * 1e6) as Micros;
        let is_coming = |id: &Value| self.arrival.as_ref().is_some_and(|arrival| id == &arrival.loader);
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" if said["type"] == "Document" && said["frameId"] == self.frame => {
                let redirected = said["redirectResponse"]["status"].as_u64();
                self.note(at, redirected.and_then(|status| u16::try_from(status).ok()), None);
                self.arrival = Some(Arrival::new(said, at));
            }
            "Network.responseReceived" if is_coming(&said["requestId"]) => {
                if let Some(arrival) = &mut self.arrival {
                    let response = &said["response"];
                    arrival.status =
                        response["status"].as_u64().and_then(|it| u16::try_from(it).ok()).unwrap_or_default();
                    arrival.kind = response["mimeType"].as_str().unwrap_or_default().to_owned();
                    arrival.answered = true;
                }
            }
            "Network.loadingFinished" if is_coming(&said["requestId"]) => self.note(at, None, None),
            "Network.loadingFailed" if is_coming(&said["requestId"]) => {
                let trouble = trouble(said["errorText"].as_str().unwrap_or_default());
                self.note(at, None, trouble.or(Some(Trouble::Reset)));
                self.arrival = None;
                // One that was given up for another one is no trouble: the other one comes.
                if let Some(trouble) = trouble {
                    return Err(trouble);
                }
            }
            "Page.lifecycleEvent" if said["name"] == "DOMContentLoaded" && is_coming(&said["loaderId"]) => {
                if let Some(arrival) = &mut self.arrival {
                    arrival.shown = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes down how the request that is open went, if one is.
    fn note(&mut self, at: Micros, redirected: Option<u16>, error: Option<Trouble>) {
        let Some(arrival) = self.arrival.as_mut().filter(|arrival| !arrival.read) else { return };
        arrival.read = true;
        let status = redirected.or(arrival.answered.then_some(arrival.status)).filter(|_| error.is_none());
        let url = Url::parse(&arrival.url);
        self.hops.push(Hop {
            start: arrival.start,
            took: at.saturating_sub(arrival.start),
            method: arrival.method.clone(),
            url: url
                .as_ref()
                .map_or_else(|_| arrival.url.clone(), |url| format!("{}{}", authority(url), url.path())),
            status,
            error: error.or(status.is_none().then_some(Trouble::Reset)),
            reference: url.as_ref().ok().and_then(reference),
        });
    }

    async fn look(&mut self) -> Result<Page, Trouble> {
        let body = self.run(SOURCE, &json!([])).await.map_err(|_| Trouble::Garbage)?;
        let arrival = self.arrival.as_ref().ok_or(Trouble::Garbage)?;
        Ok(Page {
            url: Url::parse(&arrival.url).map_err(|_| Trouble::Garbage)?,
            status: arrival.status,
            kind: arrival.kind.to_ascii_lowercase(),
            body: body.as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Runs a function on the page.
    async fn run(&self, function: &str, arguments: &Value) -> Result<Value, String> {
        let expression = format!("({function})(...{arguments})");
        let how = json!({ "expression": expression, "returnByValue": true, "userGesture": true });
        let mut answer = self.call("Runtime.evaluate", &how).await?;
        match answer.get("exceptionDetails") {
            Some(problem) => Err(problem["exception"]["description"].as_str().unwrap_or_default().to_owned()),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    async fn call(&self, method: &str, params: &Value) -> Result<Value, String> {
        self.devtools.call(Some(&self.page), method, params).await
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.devtools.forget(&self.page);
        let context = json!({ "browserContextId": self.context });
        self.devtools.tell(None, "Target.disposeBrowserContext", &context);
    }
}

impl Arrival {
    fn new(said: &Value, start: Micros) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            loader: text(&said["requestId"]),
            start,
            method: text(&said["request"]["method"]),
            url: text(&said["request"]["url"]),
            status: 0,
            kind: String::new(),
            answered: false,
            read: false,
            shown: false,
        }
    }
}

/// What Chromium calls an error, as the history calls it; none where the browser itself gave the page up for another.
fn trouble(error: &str) -> Option<Trouble> {
    let name = error.strip_prefix("net::ERR_").unwrap_or(error);
    Some(match name {
        "ABORTED" => return None,
        "NAME_NOT_RESOLVED" | "NAME_RESOLUTION_FAILED" => Trouble::Dns,
        "CONNECTION_REFUSED" | "CONNECTION_FAILED" | "ADDRESS_UNREACHABLE" | "INTERNET_DISCONNECTED" => {
            Trouble::Refused
        }
        "CONNECTION_TIMED_OUT" | "TIMED_OUT" => Trouble::Timeout,
        "CONNECTION_RESET"
        | "CONNECTION_CLOSED"
        | "CONNECTION_ABORTED"
        | "EMPTY_RESPONSE"
        | "NETWORK_CHANGED"
        | "SOCKET_NOT_CONNECTED" => Trouble::Reset,
        "TOO_MANY_REDIRECTS" => Trouble::Redirects,
        _ if name.starts_with("CERT_") || name.starts_with("SSL_") => Trouble::Tls,
        _ => Trouble::Garbage,
    })
}
