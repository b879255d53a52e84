//! Times and durations as XML Schema writes them: seconds since 1970 here, UTC there. No clock: `now` is always an argument.

use std::time::Duration;

const DAY: i64 = 86_400;

/// `2026-11-27T15:36:00Z`.
pub fn written(unix: u64) -> String {
    let (days, rest) = (unix / 86_400, unix % 86_400);
    let (year, month, day) = date_of(i64::try_from(days).unwrap_or(i64::MAX / 2));
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Reads `xs:dateTime`; fractions of a second are dropped, a time without zone is UTC (SAML Core 1.3.3). `None` for what is
/// no such time, and for times before 1970.
pub fn read(text: &str) -> Option<u64> {
    let text = text.trim();
    let (date, time) = text.split_once('T')?;
    let mut parts = date.splitn(3, '-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = time.splitn(3, ':');
    let (hour, minute, second) =
        (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let real = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    let real = real && hour < 24 && minute < 60 && second <= 60;
    if !real || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let local = days_from(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    u64::try_from(local - offset(zone)?).ok()
}

/// Reads `xs:duration`; a year counts as 365 days and a month as 30. `None` for what is none, and for negative ones.
pub fn duration(text: &str) -> Option<Duration> {
    let rest = text.trim().strip_prefix('P')?;
    let (date, time) = rest.split_once('T').map_or((rest, None), |(date, time)| (date, Some(time)));
    if rest.is_empty() || time == Some("") {
        return None;
    }
    let in_date = amounts(date, &[('Y', 365 * 86_400), ('M', 30 * 86_400), ('D', 86_400)])?;
    let in_time = amounts(time.unwrap_or_default(), &[('H', 3600), ('M', 60), ('S', 1)])?;
    in_date.checked_add(in_time).map(Duration::from_secs)
}

/// The sum of amounts, each with its unit, in the order of `units`.
fn amounts(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut sum: u64 = 0;
    for (unit, seconds) in units {
        let Some((amount, rest)) = text.split_once(*unit) else { continue };
        let whole = match amount.split_once('.') {
            Some((whole, fraction)) if *unit == 'S' && all_digits(fraction) => whole,
            Some(_) => return None,
            None => amount,
        };
        if !all_digits(whole) {
            return None;
        }
        sum = sum.checked_add(whole.parse::<u64>().ok()?.checked_mul(*seconds)?)?;
        text = rest;
    }
    text.is_empty().then_some(sum)
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && all_digits(text)).then(|| text.parse().ok())?
}

/// Seconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next() {
        None => return Some(0),
        Some('Z') => return (zone.len() == 1).then_some(0),
        Some('+') => 1,
        _ => -1,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar; years begin in March, so that a leap day is a year's last.
fn days_from(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_from`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for unix in [0, 951_782_399, 951_782_400, 951_868_800, 1_764_257_760, 4_102_444_799, 16_725_225_600] {
            assert_eq!(read(&written(unix)), Some(unix), "{}", written(unix));
        }
        assert_eq!(written(1_795_793_760), "2026-11-27T15:36:00Z");
    }

    #[test]
    fn a_time_may_have_fractions_a_zone_or_none() {
        let plain = read("2026-11-27T15:36:00Z");
        assert!(plain.is_some());
        for same in [
            "2026-11-27T15:36:00.999Z",
            "2026-11-27T15:36:00",
            "2026-11-27T16:36:00+01:00",
            "2026-11-27T10:06:00-05:30",
        ] {
            assert_eq!(read(same), plain, "{same}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2026-11-27",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-11-27T24:00:00Z",
            "-2026-11-27T00:00:00Z",
            "2026-11-27T15:36Z",
            "2026-11-27T15:36:00.Z",
            "2026-11-27T15:36:00+1:00",
            "+2026-11-27T15:36:00Z",
            "1969-12-31T23:59:59Z",
            "99999-01-01T00:00:00Z",
            "2026-11-27T15:36:0éZ",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read() {
        let seconds = |text| duration(text).map(|d| d.as_secs());
        assert_eq!(seconds("PT1H"), Some(3600));
        assert_eq!(seconds("P1DT2H3M4.5S"), Some(93_784));
        assert_eq!(seconds("P1Y2M"), Some((365 + 60) * 86_400));
        for none in ["", "P", "PT", "-PT1H", "PT1", "P1H", "PT1M1H", "PT1.5H", "P18446744073709551615Y"] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }
}
