//! The DevTools protocol over a pipe: JSON messages, each ended by a zero byte. Calls are answered by their number; what
//! happens in a page goes to whoever attached to it. Knows nothing of what the messages mean.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A browser that has not answered a call by then does not answer.
const ANSWERS: Duration = Duration::from_secs(20);

/// The pipe to one browser.
#[derive(Clone)]
pub struct Devtools {
    shared: Arc<Shared>,
    out: UnboundedSender<String>,
}

#[derive(Default)]
struct Shared {
    calls: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    pages: Mutex<HashMap<String, UnboundedSender<Value>>>,
    closed: CancellationToken,
}

impl Devtools {
    /// Speaks over these ends of the pipe; its tasks live in `tasks`.
    pub fn new(
        to: impl AsyncWrite + Send + Unpin + 'static,
        from: impl AsyncRead + Send + Unpin + 'static,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (out, queue) = unbounded_channel();
        let shared = Arc::new(Shared::default());
        tasks.spawn(write(queue, to));
        tasks.spawn(read(from, shared.clone()));
        Self { shared, out }
    }

    /// Waits until the browser has closed its end.
    pub async fn closed(&self) {
        self.shared.closed.cancelled().await;
    }

    /// Calls a method of the browser, or of a page that was attached to.
    ///
    /// # Errors
    /// What the browser says against it, or that it does not answer.
    pub async fn call(&self, page: Option<&str>, method: &str, params: &Value) -> Result<Value, String> {
        let (tell, answer) = oneshot::channel();
        let number = self.send(page, method, params, Some(tell));
        let answer = tokio::select! {
            answer = timeout(ANSWERS, answer) => answer,
            () = self.closed() => return Err(format!("{method}: the browser is gone")),
        };
        lock(&self.shared.waiting).remove(&number);
        let Ok(Ok(mut answer)) = answer else { return Err(format!("{method}: the browser does not answer")) };
        match answer.get("error") {
            Some(error) => Err(format!("{method}: {}", error["message"].as_str().unwrap_or_default())),
            None => Ok(answer["result"].take()),
        }
    }

    /// The same for somebody who does not need the answer.
    pub fn tell(&self, page: Option<&str>, method: &str, params: &Value) {
        self.send(page, method, params, None);
    }

    fn send(
        &self,
        page: Option<&str>,
        method: &str,
        params: &Value,
        tell: Option<oneshot::Sender<Value>>,
    ) -> u64 {
        let number = self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({ "id": number, "method": method, "params": params });
        if let Some(page) = page {
            message["sessionId"] = json!(page);
        }
        if let Some(tell) = tell {
            lock(&self.shared.waiting).insert(number, tell);
        }
        let _ = self.out.send(message.to_string());
        number
    }

    /// Hears what happens in a page from now on.
    pub fn hear(&self, page: &str) -> UnboundedReceiver<Value> {
        let (events, hears) = unbounded_channel();
        lock(&self.shared.pages).insert(page.to_owned(), events);
        hears
    }

    /// Hears no more of it.
    pub fn forget(&self, page: &str) {
        lock(&self.shared.pages).remove(page);
    }
}

async fn write(mut queue: UnboundedReceiver<String>, mut to: impl AsyncWrite + Unpin) {
    while let Some(message) = queue.recv().await {
        let whole = async {
            to.write_all(message.as_bytes()).await?;
            to.write_all(b"\0").await?;
            to.flush().await
        };
        if whole.await.is_err() {
            return;
        }
    }
}

async fn read(from: impl AsyncRead + Unpin, shared: Arc<Shared>) {
    let mut from = BufReader::new(from);
    let mut message = Vec::new();
    while from.read_until(0, &mut message).await.is_ok_and(|length| length > 0) {
        message.pop();
        if let Ok(message) = serde_json::from_slice::<Value>(&message) {
            shared.take(message);
        }
        message.clear();
    }
    shared.closed.cancel();
}

impl Shared {
    fn take(&self, message: Value) {
        if let Some(number) = message["id"].as_u64() {
            if let Some(tell) = lock(&self.waiting).remove(&number) {
                let _ = tell.send(message);
            }
        } else if let Some(page) = message["sessionId"].as_str().map(str::to_owned)
            && let Some(events) = lock(&self.pages).get(&page)
        {
            let _ = events.send(message);
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
