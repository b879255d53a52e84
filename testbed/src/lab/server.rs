//! A server of the lab's own: a thread with its reactor whose listener and connections are inside a region, until it is dropped.
//! Knows nothing of what is served.

use std::io;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::region::Region;

/// A server at work; dropping it closes its listener and every connection, and waits for that.
#[derive(Debug)]
pub(super) struct Server {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves in `region`, in a thread of this name; `listen` makes the listener there.
    ///
    /// # Errors
    /// When there is no listener, no thread, or no reactor.
    pub(super) fn open<Serving: Future<Output = ()>>(
        name: &str,
        region: &Region,
        listen: impl Future<Output = io::Result<TcpListener>> + Send + 'static,
        serve: impl FnOnce(TcpListener) -> Serving + Send + 'static,
    ) -> io::Result<Self> {
        let (name, stop) = (name.to_owned(), CancellationToken::new());
        let stopped = stop.clone();
        let work = move || -> io::Result<JoinHandle<()>> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let listener = runtime.block_on(listen)?;
            std::thread::Builder::new().name(name).spawn(move || {
                runtime.block_on(stopped.run_until_cancelled(serve(listener)));
                runtime.shutdown_background();
            })
        };
        Ok(Self { stop, thread: Some(region.inside(work)?) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
