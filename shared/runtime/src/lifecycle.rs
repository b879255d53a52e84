//! Tasks with names, and how a process ends.
//!
//! Owns: starting named tasks, noticing the first one that ends while it should run, and waiting for the rest. Does not
//! own what the tasks do, nor signals ([`crate::signals`]). A task is given the token and ends when it is cancelled; one
//! that ends earlier, or panics, is a reason to end the process with a failure.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// The tasks of a node.
pub struct Tasks {
    set: JoinSet<()>,
    names: Vec<(Id, String)>,
    shutdown: CancellationToken,
}

/// A task that ended while it should have run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The task's name.
    pub task: String,
    /// True if it panicked, false if it just returned.
    pub panicked: bool,
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = if self.panicked { "panicked" } else { "ended by itself" };
        write!(f, "task `{}` {how}", self.task)
    }
}

impl Tasks {
    /// No tasks yet; all that will be started stop on `shutdown`.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { set: JoinSet::new(), names: Vec::new(), shutdown }
    }

    /// The token that stops every task.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Starts a task.
    pub fn start(&mut self, name: impl Into<String>, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.set.spawn(task);
        self.names.push((handle.id(), name.into()));
    }

    /// Starts tasks that another room made.
    pub fn start_all<N: Into<String>>(&mut self, tasks: Vec<(N, BoxFuture<'static, ()>)>) {
        for (name, task) in tasks {
            self.start(name, task);
        }
    }

    /// Waits until a task ends before the shutdown was asked for. Tasks that end after that are only counted off.
    pub async fn first_death(&mut self) -> Death {
        loop {
            let Some(ended) = self.set.join_next_with_id().await else {
                // Nothing runs: nothing can die.
                return futures::future::pending().await;
            };
            let (id, panicked) = match ended {
                Ok((id, ())) => (id, false),
                Err(error) => (error.id(), error.is_panic()),
            };
            let task = self.forget(id);
            if panicked || !self.shutdown.is_cancelled() {
                return Death { task, panicked };
            }
        }
    }

    /// Asks every task to end and waits at most `patience`; then drops what is left and says its names.
    pub async fn stop(mut self, patience: Duration) -> Vec<String> {
        self.shutdown.cancel();
        let deadline = tokio::time::sleep(patience);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                ended = self.set.join_next_with_id() => match ended {
                    None => return Vec::new(),
                    Some(Ok((id, ()))) => { self.forget(id); }
                    Some(Err(error)) => { self.forget(error.id()); }
                },
                () = &mut deadline => break,
            }
        }
        self.set.shutdown().now_or_never();
        self.names.into_iter().map(|(_, name)| name).collect()
    }

    fn forget(&mut self, id: Id) -> String {
        let found = self.names.iter().position(|(known, _)| *known == id);
        found.map_or_else(|| "?".to_owned(), |at| self.names.swap_remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_returns_early_is_a_death_with_its_name() {
        let mut tasks = Tasks::new(CancellationToken::new());
        tasks.start("steady", futures::future::pending());
        tasks.start("brief", async {});
        assert_eq!(tasks.first_death().await, Death { task: "brief".into(), panicked: false });
    }

    #[tokio::test]
    async fn a_task_that_panics_is_a_death_and_says_so() {
        let mut tasks = Tasks::new(CancellationToken::new());
        tasks.start("broken", async { panic!("on purpose") });
        assert_eq!(tasks.first_death().await.to_string(), "task `broken` panicked");
    }

    #[tokio::test]
    async fn stopping_waits_for_those_that_listen_and_names_those_that_do_not() {
        let token = CancellationToken::new();
        let mut tasks = Tasks::new(token.clone());
        tasks.start("polite", async move { token.cancelled().await });
        tasks.start("deaf", futures::future::pending());
        assert_eq!(tasks.stop(Duration::from_millis(50)).await, ["deaf"]);
    }
}
