//! Times as Go lays them out: the name of a layout, or a layout written as the reference time
//! `Mon Jan 2 15:04:05 MST 2006` would look in it.

use std::fmt::Write;

use chrono::{DateTime, Datelike, Offset, TimeZone, Timelike};

/// A layout, taken apart once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A chrono specifier that means the same.
    Chrono(&'static str),
    /// Digits of a second after `.` or `,`; trailing zeros cut where Go writes nines.
    Fraction {
        mark: char,
        digits: usize,
        cut: bool,
    },
    /// An offset, `Z` for UTC where Go writes `Z`.
    Zone {
        z: bool,
        form: &'static str,
    },
}

impl Layout {
    /// Reads a layout's name or a layout. Anything is a layout: what Go does not know stands for itself.
    pub(super) fn parse(written: &str) -> Self {
        let named = NAMED.iter().find(|(name, _)| *name == written);
        let mut rest = named.map_or(written, |(_, layout)| layout);
        let mut pieces: Vec<Piece> = Vec::new();
        while let Some(first) = rest.chars().next() {
            let (piece, length) =
                next(rest).unwrap_or_else(|| (Piece::Text(first.to_string()), first.len_utf8()));
            rest = &rest[length..];
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(more)) => before.push_str(&more),
                (_, piece) => pieces.push(piece),
            }
        }
        Self(pieces)
    }

    pub(super) fn format<Z: TimeZone>(&self, time: &DateTime<Z>) -> String
    where
        Z::Offset: std::fmt::Display,
    {
        let mut out = String::with_capacity(40);
        for piece in &self.0 {
            // Writing to a string does not fail.
            let _ = match piece {
                Piece::Text(text) => out.write_str(text),
                Piece::Chrono("%_3j") => write!(out, "{:3}", time.ordinal()),
                Piece::Chrono(form) => write!(out, "{}", time.format(form)),
                Piece::Fraction { mark, digits, cut } => {
                    fraction(&mut out, time.nanosecond(), *mark, *digits, *cut)
                }
                Piece::Zone { z: true, .. } if time.offset().fix().local_minus_utc() == 0 => {
                    out.write_str("Z")
                }
                Piece::Zone { form: "%H", .. } => {
                    let hours = time.offset().fix().local_minus_utc() / 3600;
                    write!(out, "{hours:+03}")
                }
                Piece::Zone { form, .. } => write!(out, "{}", time.format(form)),
            };
        }
        out
    }
}

fn next(rest: &str) -> Option<(Piece, usize)> {
    if let Some(found) = fraction_piece(rest) {
        return Some(found);
    }
    let (token, piece) = TOKENS.iter().find(|(token, _)| rest.starts_with(token))?;
    // `Jan` in `January` is found as the longer token first; in `Janitor` Go takes it for the month as well.
    Some((piece.clone(), token.len()))
}

fn fraction_piece(rest: &str) -> Option<(Piece, usize)> {
    let mark = rest.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = rest[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = rest[1..].chars().take_while(|c| *c == digit).count();
    let followed_by_digit = rest[1 + digits..].starts_with(|c: char| c.is_ascii_digit());
    (digits <= 9 && !followed_by_digit)
        .then_some((Piece::Fraction { mark, digits, cut: digit == '9' }, 1 + digits))
}

fn fraction(out: &mut String, nanos: u32, mark: char, digits: usize, cut: bool) -> std::fmt::Result {
    // A leap second is written as the second before it.
    let all = format!("{:09}", nanos % 1_000_000_000);
    let shown = &all[..digits];
    let shown = if cut { shown.trim_end_matches('0') } else { shown };
    if shown.is_empty() { Ok(()) } else { write!(out, "{mark}{shown}") }
}

/// Longest first where one begins like another.
const TOKENS: &[(&str, Piece)] = &[
    ("January", Piece::Chrono("%B")),
    ("Jan", Piece::Chrono("%b")),
    ("Monday", Piece::Chrono("%A")),
    ("Mon", Piece::Chrono("%a")),
    ("MST", Piece::Chrono("%Z")),
    ("2006", Piece::Chrono("%Y")),
    ("__2", Piece::Chrono("%_3j")),
    ("_2", Piece::Chrono("%e")),
    ("002", Piece::Chrono("%j")),
    ("01", Piece::Chrono("%m")),
    ("02", Piece::Chrono("%d")),
    ("03", Piece::Chrono("%I")),
    ("04", Piece::Chrono("%M")),
    ("05", Piece::Chrono("%S")),
    ("06", Piece::Chrono("%y")),
    ("15", Piece::Chrono("%H")),
    ("PM", Piece::Chrono("%p")),
    ("pm", Piece::Chrono("%P")),
    ("Z07:00", Piece::Zone { z: true, form: "%:z" }),
    ("Z0700", Piece::Zone { z: true, form: "%z" }),
    ("Z07", Piece::Zone { z: true, form: "%H" }),
    ("-07:00", Piece::Zone { z: false, form: "%:z" }),
    ("-0700", Piece::Zone { z: false, form: "%z" }),
    ("-07", Piece::Zone { z: false, form: "%H" }),
    ("1", Piece::Chrono("%-m")),
    ("2", Piece::Chrono("%-d")),
    ("3", Piece::Chrono("%-I")),
    ("4", Piece::Chrono("%-M")),
    ("5", Piece::Chrono("%-S")),
];

const NAMED: &[(&str, &str)] = &[
    ("Layout", "01/02 03:04:05PM '06 -0700"),
    ("ANSIC", "Mon Jan _2 15:04:05 2006"),
    ("UnixDate", "Mon Jan _2 15:04:05 MST 2006"),
    ("RubyDate", "Mon Jan 02 15:04:05 -0700 2006"),
    ("RFC822", "02 Jan 06 15:04 MST"),
    ("RFC822Z", "02 Jan 06 15:04 -0700"),
    ("RFC850", "Monday, 02-Jan-06 15:04:05 MST"),
    ("RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"),
    ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"),
    ("RFC3339", "2006-01-02T15:04:05Z07:00"),
    ("RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"),
    ("Kitchen", "3:04PM"),
    ("Stamp", "Jan _2 15:04:05"),
    ("StampMilli", "Jan _2 15:04:05.000"),
    ("StampMicro", "Jan _2 15:04:05.000000"),
    ("StampNano", "Jan _2 15:04:05.000000000"),
    ("DateTime", "2006-01-02 15:04:05"),
    ("DateOnly", "2006-01-02"),
    ("TimeOnly", "15:04:05"),
];

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, NaiveDate};

    use super::*;

    fn format(layout: &str, offset_hours: i32) -> String {
        let zone = FixedOffset::east_opt(offset_hours * 3600).unwrap();
        let time =
            NaiveDate::from_ymd_opt(2026, 3, 7).unwrap().and_hms_nano_opt(14, 5, 9, 120_000_000).unwrap();
        Layout::parse(layout).format(&zone.from_local_datetime(&time).unwrap())
    }

    #[test]
    fn the_named_layouts_look_as_in_go() {
        let cases = [
            ("ANSIC", "Sat Mar  7 14:05:09 2026"),
            ("RubyDate", "Sat Mar 07 14:05:09 +0200 2026"),
            ("RFC822Z", "07 Mar 26 14:05 +0200"),
            ("RFC1123Z", "Sat, 07 Mar 2026 14:05:09 +0200"),
            ("RFC3339", "2026-03-07T14:05:09+02:00"),
            ("RFC3339Nano", "2026-03-07T14:05:09.12+02:00"),
            ("Kitchen", "2:05PM"),
            ("Stamp", "Mar  7 14:05:09"),
            ("StampMilli", "Mar  7 14:05:09.120"),
            ("StampNano", "Mar  7 14:05:09.120000000"),
            ("DateTime", "2026-03-07 14:05:09"),
        ];
        for (layout, wanted) in cases {
            assert_eq!(format(layout, 2), wanted, "{layout}");
        }
        assert_eq!(format("RFC3339", 0), "2026-03-07T14:05:09Z");
    }

    #[test]
    fn a_layout_of_ones_own_is_read_like_go_reads_it() {
        assert_eq!(format("2006/1/2 3:4:5,000 pm Z07", -3), "2026/3/7 2:5:9,120 pm -03");
        assert_eq!(format("[02.Jan]", 0), "[07.Mar]");
        assert_eq!(format("day 002", 0), "day 066");
        assert_eq!(format("", 0), "");
    }
}
