//! What a message costs this process: its CPU and memory are bounded, and printed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// CPU time of this thread, so that a busy machine does not fail the test.
fn spent() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// How much memory the process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

/// One bomb at a time: the memory is the whole process's.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs it within its bounds.
pub(crate) fn bounded<T>(name: &str, run: impl FnOnce() -> T) -> T {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (cpu, wall, memory) = (spent(), Instant::now(), peak());
    let result = run();
    let cpu = spent().saturating_sub(cpu);
    let grown = peak().saturating_sub(memory);
    println!(
        "{name}: {:.1} ms of CPU, {:.1} ms, peak +{grown} KiB",
        cpu.as_secs_f64() * 1e3,
        wall.elapsed().as_secs_f64() * 1e3
    );
    assert!(cpu < Duration::from_secs(1), "{name} took {cpu:?}");
    assert!(grown < 32 * 1024, "{name} took {grown} KiB");
    result
}
