//! BER as LDAP writes it (RFC 4511 section 5.1: definite lengths), read without recursion and without trust.
//!
//! The driver's own parser descends as deep as a peer nests, which overflows the stack; nothing reaches it that
//! [`is_bounded`] has not walked through.

/// Bytes that are not BER, or beyond what any honest directory sends; in words for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// Largest message, in bytes.
pub(super) const LARGEST: usize = 1024 * 1024;
/// Deepest nesting. A search result entry needs six.
const DEEPEST: usize = 12;
/// Most elements of one message: an entry's values, mostly.
const MOST_ELEMENTS: usize = 20_000;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// The bit of a tag that says that elements are inside.
const CONSTRUCTED: u8 = 0x20;

/// One element: its tag octet and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

/// Elements one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// The next element.
    ///
    /// # Errors
    /// There is none, or it is not whole.
    pub(super) fn next(&mut self) -> Result<Element<'a>, Malformed> {
        let Some(head) = head(self.0)? else { return Err(Malformed("an element is missing or cut off")) };
        let end = head.before.checked_add(head.length).filter(|end| *end <= self.0.len());
        let Some(end) = end else { return Err(Malformed("an element is longer than what holds it")) };
        let element = Element { tag: head.tag, body: &self.0[head.before..end] };
        self.0 = &self.0[end..];
        Ok(element)
    }

    /// The body of the next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        let element = self.next()?;
        if element.tag == tag { Ok(element.body) } else { Err(Malformed("an element of another kind")) }
    }

    /// The body of the next element if it has this tag; else nothing is taken.
    pub(super) fn take_if(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.0.first() == Some(&tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

struct Head {
    tag: u8,
    /// Octets of tag and length.
    before: usize,
    length: usize,
}

/// Tag and length; `None` where more octets have to come.
fn head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let (Some(&tag), Some(&first)) = (bytes.first(), bytes.get(1)) else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Malformed("a tag number that LDAP does not have"));
    }
    if first < 0x80 {
        return Ok(Some(Head { tag, before: 2, length: usize::from(first) }));
    }
    let octets = usize::from(first & 0x7f);
    if octets == 0 || octets > 4 {
        return Err(Malformed("an indefinite or absurd length"));
    }
    let Some(written) = bytes.get(2..2 + octets) else { return Ok(None) };
    let length = written.iter().fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
    Ok(Some(Head { tag, before: 2 + octets, length }))
}

/// Length of the first message in `bytes`, once all of it is there.
///
/// # Errors
/// It is no LDAP message, or larger than [`LARGEST`].
pub(super) fn message(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    if bytes.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(Malformed("not an LDAP message"));
    }
    let Some(head) = head(bytes)? else { return Ok(None) };
    let whole = head.before + head.length;
    if whole > LARGEST {
        return Err(Malformed("a message larger than any that is read"));
    }
    Ok((bytes.len() >= whole).then_some(whole))
}

/// Walks through a message: every element is inside the one that holds it, none is too deep, there are not too many.
///
/// # Errors
/// What is wrong with it.
pub(super) fn is_bounded(message: &[u8]) -> Result<(), Malformed> {
    let mut ends = Vec::with_capacity(DEEPEST);
    let (mut at, mut elements) = (0, 0);
    loop {
        while ends.last() == Some(&at) {
            ends.pop();
        }
        let end = ends.last().copied().unwrap_or(message.len());
        if at == end {
            return if ends.is_empty() { Ok(()) } else { Err(Malformed("an element is cut off")) };
        }
        let head = head(&message[at..end])?.ok_or(Malformed("an element is cut off"))?;
        let body = at + head.before;
        let after = body.checked_add(head.length).filter(|after| *after <= end);
        let after = after.ok_or(Malformed("an element is longer than what holds it"))?;
        elements += 1;
        if elements > MOST_ELEMENTS {
            return Err(Malformed("more elements than any message has"));
        }
        if head.tag & CONSTRUCTED == 0 {
            at = after;
            continue;
        }
        if ends.len() == DEEPEST {
            return Err(Malformed("nested deeper than any message is"));
        }
        ends.push(after);
        at = body;
    }
}

/// An integer of at most four octets that is not negative.
pub(super) fn number(body: &[u8]) -> Result<u32, Malformed> {
    match body {
        [] => Err(Malformed("a number without octets")),
        [first, ..] if *first >= 0x80 || body.len() > 4 => Err(Malformed("a number out of bounds")),
        _ => Ok(body.iter().fold(0, |number, octet| number << 8 | u32::from(*octet))),
    }
}

/// Text in UTF-8.
pub(super) fn text(body: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(body).map_err(|_| Malformed("a text that is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `depth` sequences, one in the other.
    fn nested(depth: usize) -> Vec<u8> {
        let mut message = Vec::new();
        for _ in 0..depth {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            message.splice(0..0, [SEQUENCE, 0x84, length[0], length[1], length[2], length[3]]);
        }
        message
    }

    #[test]
    fn nesting_is_bounded_and_costs_no_stack() {
        assert_eq!(is_bounded(&nested(DEEPEST)), Ok(()));
        assert!(is_bounded(&nested(DEEPEST + 1)).is_err());
        assert!(is_bounded(&nested(10_000)).is_err());
    }

    #[test]
    fn elements_stay_inside_what_holds_them() {
        assert_eq!(is_bounded(&[SEQUENCE, 5, OCTETS, 1, b'a', OCTETS, 0]), Ok(()));
        assert!(is_bounded(&[SEQUENCE, 3, OCTETS, 2, b'a']).is_err());
        assert!(is_bounded(&[SEQUENCE, 1, OCTETS]).is_err());
        assert!(is_bounded(&[SEQUENCE, 0x80, 0, 0]).is_err(), "an indefinite length");
        assert!(is_bounded(&[0x3f, 0x81, 0]).is_err(), "a long tag");
        assert!(is_bounded(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]).is_err());
    }

    #[test]
    fn many_small_elements_are_bounded_too() {
        let count = MOST_ELEMENTS + 1;
        let length = u32::try_from(count * 2).unwrap().to_be_bytes();
        let mut message = vec![SEQUENCE, 0x84, length[0], length[1], length[2], length[3]];
        message.extend([OCTETS, 0].repeat(count));
        assert!(is_bounded(&message).is_err());
    }

    #[test]
    fn a_message_is_waited_for_until_it_is_whole_and_not_when_it_is_too_large() {
        assert_eq!(message(&[SEQUENCE]), Ok(None));
        assert_eq!(message(&[SEQUENCE, 0x82, 1]), Ok(None));
        assert_eq!(message(&[SEQUENCE, 2, 0]), Ok(None));
        assert_eq!(message(&[SEQUENCE, 2, 0, 0, 7]), Ok(Some(4)));
        assert!(message(b"HTTP/1.1 400").is_err());
        assert!(message(&[SEQUENCE, 0x83, 0x20, 0, 0]).is_err());
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(number(&[1, 0]), Ok(256));
        assert!(number(&[]).is_err());
        assert!(number(&[0xff]).is_err());
        assert!(number(&[1, 2, 3, 4, 5]).is_err());
    }
}
