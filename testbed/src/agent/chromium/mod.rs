//! A real Chromium in the region, without a screen. It has a throw-away home that trusts the lab's CA; each login gets a
//! window with a cookie jar of its own. It is told what to do over a pipe, so that no port of it is open to anybody.

pub mod devtools;
pub mod window;

use std::process::Stdio;
use std::sync::Arc;

use serde_json::json;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use self::devtools::Devtools;
use self::window::Window;
use super::spec::ChromiumSpec;

/// The pipe's ends are file descriptors 3 and 4 of the browser; it says its complaints where the agent says them.
const WITH_PIPE: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >&2"#;

/// A Chromium that runs. Dropping it ends it.
pub struct Chromium {
    devtools: Devtools,
    _tasks: JoinSet<()>,
    _child: Child,
}

impl Chromium {
    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn start(spec: &ChromiumSpec) -> Result<Arc<Self>, String> {
        let mut command = Command::new("sh");
        command
            .args(["-c", WITH_PIPE, "sh"])
            .arg(&spec.program)
            .args(&spec.flags)
            .env("HOME", &spec.home)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("Chromium cannot be started: {error}"))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("Chromium has no pipe".to_owned());
        };
        let mut tasks = JoinSet::new();
        let devtools = Devtools::new(to, from, &mut tasks);
        devtools
            .call(None, "Browser.getVersion", &json!({}))
            .await
            .map_err(|problem| format!("Chromium: {problem}"))?;
        Ok(Arc::new(Self { devtools, _tasks: tasks, _child: child }))
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        self.devtools.closed().await;
    }

    /// A window with an empty cookie jar, and no page in it yet.
    ///
    /// # Errors
    /// What Chromium says against it.
    pub async fn window(&self) -> Result<Window, String> {
        Window::open_new(&self.devtools).await
    }
}

#[cfg(test)]
mod tests;
