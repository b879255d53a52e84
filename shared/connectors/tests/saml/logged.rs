//! What an operator reads in the log.

use std::io;
use std::sync::{Arc, Mutex, Once};

use tracing_subscriber::fmt;

/// What this test's thread has logged.
pub(crate) struct Logged {
    written: Written,
    _listens: tracing::subscriber::DefaultGuard,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Logged {
    pub(crate) fn listens() -> Self {
        // A line that nobody listened to when it was first said may be heard by nobody later: somebody always listens.
        static LISTENS: Once = Once::new();
        LISTENS.call_once(|| _ = tracing::subscriber::set_global_default(tracing_subscriber::registry()));
        let written = Written::default();
        let writer = written.clone();
        let subscriber = fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        Self { written, _listens: tracing::subscriber::set_default(subscriber) }
    }

    /// The warnings that have these words.
    pub(crate) fn warns_of(&self, words: &str) -> Vec<String> {
        let text = String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains("WARN") && line.contains(words)).map(str::to_owned).collect()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
