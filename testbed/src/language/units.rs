//! Numbers with units, as an author writes them: `20ms`, `10mbit`, `5%`, `every 2s`. Each reader answers the value, or a
//! hint that says how to write one.

use std::time::Duration;

/// Nothing in a run lasts longer.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// A duration, `250ms` or `1m30s`, of a day at most.
///
/// # Errors
/// A hint.
pub fn duration(text: &str) -> Result<Duration, String> {
    let time = time(text)?;
    if time > LONGEST { Err("nothing in a run lasts longer than `24h`".to_owned()) } else { Ok(time) }
}

/// A duration of any length, such as a clock may be wrong by.
///
/// # Errors
/// A hint.
pub fn time(text: &str) -> Result<Duration, String> {
    text.parse::<mangrove_config::GoDuration>().map(|duration| duration.0)
}

/// How long a person waits for a page.
///
/// # Errors
/// A hint.
pub fn patience(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time < Duration::from_secs(1) {
        return Err("nobody gives up before a second is over; write for example `10s`".to_owned());
    }
    Ok(time)
}

/// `every 2s`.
///
/// # Errors
/// A hint.
pub fn every(text: &str) -> Result<Duration, String> {
    let rest = text.strip_prefix("every ").ok_or_else(|| "write for example `every 10s`".to_owned())?;
    let time = duration(rest.trim())?;
    if time < Duration::from_millis(100) {
        return Err("nobody signs in more often than ten times a second".to_owned());
    }
    Ok(time)
}

/// Bits per second: `20mbit`, `512kbit`, `1gbit`.
///
/// # Errors
/// A hint.
pub fn rate(text: &str) -> Result<u64, String> {
    let refuse = || format!("`{text}` is not a rate; write for example `20mbit`, `512kbit` or `1gbit`");
    let units = [("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9)];
    let (unit, scale) = units.iter().find(|(unit, _)| text.ends_with(unit)).ok_or_else(refuse)?;
    let number: f64 = text[..text.len() - unit.len()].trim().parse().map_err(|_| refuse())?;
    let bits = number * scale;
    if !(1e3..=1e12).contains(&bits) {
        return Err(refuse());
    }
    Ok(bits as u64)
}

/// A share: `5%` or `0.05`.
///
/// # Errors
/// A hint.
pub fn share(text: &str) -> Result<f64, String> {
    let refuse = || format!("`{text}` is not a share; write for example `5%`");
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map_err(|_| refuse())? / 100.0,
        None => text.parse().map_err(|_| refuse())?,
    };
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(refuse()) }
}

/// A whole number.
///
/// # Errors
/// A hint.
pub fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number"))
}

/// A whole number of attempts: nothing passes without any.
///
/// # Errors
/// A hint.
pub fn at_least_one(text: &str) -> Result<u32, String> {
    match count(text)? {
        0 => Err("nothing can be said after no attempt; write `1` or more".to_owned()),
        some => Ok(some),
    }
}

/// `yes` or `no`.
///
/// # Errors
/// A hint.
pub fn yes_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(format!("`{text}` is neither `yes` nor `no`")),
    }
}

/// A duration as an author would write it.
pub fn show(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{}ms", time.as_millis())
    } else {
        format!("{}s", time.as_secs_f64())
    }
}

/// A rate as an author would write it.
pub fn show_rate(bits: u64) -> String {
    match bits {
        1_000_000_000.. => format!("{}gbit", bits as f64 / 1e9),
        1_000_000.. => format!("{}mbit", bits as f64 / 1e6),
        _ => format!("{}kbit", bits as f64 / 1e3),
    }
}
