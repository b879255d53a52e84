//! Who is healthy and whom to ask next. Pure: time comes in as a [`Moment`]; no sockets, tasks, clocks or HTTP.
//!
//! [`health`] turns samples into a verdict about one connector, [`choose`](choose()) picks among several and says why,
//! [`schema`] makes the attributes of different providers look alike, [`subject`] keeps one person one person.

pub mod blame;
pub mod choose;
pub mod health;
pub mod order;
pub mod sample;
pub mod schema;
pub mod simulated;
pub mod subject;
pub mod time;

pub use blame::Blame;
pub use choose::{Candidate, Choice, Reason, SkipReason, Skipped, choose};
pub use health::Health;
pub use order::{Order, Standing, What};
pub use sample::{HealthPolicy, Sample, State, Transition};
pub use schema::{AttributeRule, Path, PathError, Source};
pub use subject::SubjectRefusal;
pub use time::Moment;
