//! The testbed: a topology goes in, a verdict and a picture come out.
//!
//! [`language`] is what an author writes; [`lab`] makes it real (namespaces, a switch, DNS, certificates, processes);
//! [`run`] drives a run and owns all of it; [`agent`] is the people and applications inside a region; [`history`] is what
//! they write down; [`verdict`] judges it and [`report`] draws it.

pub mod agent;
pub mod cli;
pub mod history;
pub mod lab;
pub mod language;
pub mod report;
pub mod run;
pub mod verdict;
