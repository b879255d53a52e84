//! Who is healthy and whom to ask next. Pure: time comes in as a [`Moment`]; no sockets, tasks, clocks or HTTP.

pub mod blame;
pub mod time;

pub use blame::Blame;
pub use time::Moment;
