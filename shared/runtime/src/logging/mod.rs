//! The log: one line an event, for a person on a terminal or as JSON for a machine, always to standard output.
//!
//! Owns the form of a line, its time and the way out. Does not own what is said: events carry fields, and no room puts
//! a secret into one. Other people's crates are heard from `warn` on, whatever the level, because their debug lines show
//! headers and bodies.

mod fields;
mod layout;
mod line;
mod sink;

use std::io::IsTerminal;

use chrono::Local;
use mangrove_config::node::{Level, Logger};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use layout::Layout;
use line::Form;
pub(crate) use line::{json_text, plain};
pub use sink::Flush;

/// Begins logging for the whole process. What is logged before is lost, what is in the queue when [`Flush`] is dropped
/// is written. `node` is the node's name on every line for a machine, so that several nodes' files can be told apart.
pub fn begin(logger: &Logger, node: &str, verbose: bool) -> Flush {
    let level = if verbose { Level::Debug } else { logger.level };
    let terminal = std::io::stdout().is_terminal();
    let form = match (logger.json_output, terminal) {
        (true, _) => Form::Json,
        (false, terminal) => Form::Text { colour: terminal && std::env::var_os("NO_COLOR").is_none() },
    };
    let layout = match logger.time_format.as_deref() {
        Some(written) => Layout::parse(written),
        // A person who looks at a terminal knows which day it is.
        None if terminal && !logger.json_output => Layout::parse("15:04:05.000"),
        None => Layout::parse("RFC3339Nano"),
    };
    let (sink, flush) = sink::start();
    let lines = Lines { form, layout, node: node.to_owned(), sink };
    // An error means that a test has begun logging before; its lines go where it said.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter(level))).try_init();
    std::panic::set_hook(Box::new(panicked));
    flush
}

fn filter(level: Level) -> Targets {
    let level = match level {
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    };
    let ours = ["mangrove", "access", "decision", "admin", "health", "login", "security"];
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(ours.map(|target| (target, level)))
}

/// Says where, not what: a panic's message can quote what was being handled.
fn panicked(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let thread = std::thread::current().name().unwrap_or("?").to_owned();
    tracing::error!(target: "mangrove", place, thread, "panic");
}

struct Lines {
    form: Form,
    layout: Layout,
    node: String,
    sink: sink::Sink,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata: &Metadata<'_> = event.metadata();
        let time = self.layout.format(&Local::now());
        let fields = fields::Fields::of(event);
        self.sink.write(line::render(self.form, &time, &self.node, metadata, &fields));
    }
}
