//! Attributes of many values, which Active Directory sends in parts: `memberOf;range=0-1499`, and the last `memberOf;range=1500-*`
//! (its protocol specification, MS-ADTS, section 3.1.1.3.1.3.3). Owns how a part is named; who asks for the next is in
//! [`sign_in`](super::sign_in).

/// A part of an attribute's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Place of its first value among all.
    pub(super) from: usize,
    /// Place of the first value that it does not hold; `None` behind the last part.
    pub(super) next: Option<usize>,
}

/// The name of an attribute without its range, and which part of the values that is; `None` if it has no range that can be read.
/// Other options stay: they make attributes of their own.
pub(super) fn split(name: &str) -> (String, Option<Part>) {
    let is_range = |option: &&str| option.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("range="));
    let range = name.split(';').find(is_range);
    let others: Vec<&str> = name.split(';').filter(|option| !is_range(option)).collect();
    (others.join(";"), range.and_then(|range| part(&range[6..])))
}

fn part(range: &str) -> Option<Part> {
    let (from, last) = range.split_once('-')?;
    let next = match last {
        "*" => None,
        last => Some(last.parse::<usize>().ok()?.checked_add(1)?),
    };
    Some(Part { from: from.parse().ok()?, next })
}

/// What asks for an attribute's values from one on.
pub(super) fn rest(name: &str, from: usize) -> String {
    format!("{name};range={from}-*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_says_where_it_begins_and_where_the_next_does() {
        let read = |name: &str| {
            let (name, part) = split(name);
            (name, part.map(|part| (part.from, part.next)))
        };
        assert_eq!(read("memberOf;range=0-1499"), ("memberOf".into(), Some((0, Some(1500)))));
        assert_eq!(read("memberOf;Range=1500-*"), ("memberOf".into(), Some((1500, None))));
        assert_eq!(read("cn;lang-de;range=0-*"), ("cn;lang-de".into(), Some((0, None))));
        assert_eq!(read("memberOf"), ("memberOf".into(), None));
        for odd in ["range=", "range=x-*", "range=0-", "range=0", "range=0-18446744073709551615"] {
            assert_eq!(read(&format!("memberOf;{odd}")), ("memberOf".into(), None), "{odd}");
        }
        assert_eq!(split(&rest("memberOf", 1500)).1, Some(Part { from: 1500, next: None }));
    }
}
