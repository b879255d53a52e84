//! As much DER as certificates and ECDSA signatures need: reading one value after the other.

/// Reads values of a DER text in order.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(der: &'a [u8]) -> Self {
        Self(der)
    }

    /// The next value: its tag, its content, and all its octets.
    pub(crate) fn next(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let octets = usize::from(first & 0x7f);
            if !(1..=3).contains(&octets) {
                return None;
            }
            let (length, rest) = rest.split_at_checked(octets)?;
            (length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest)
        };
        let (content, after) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - after.len()];
        self.0 = after;
        Some((tag, content, whole))
    }

    /// The content of the next value, which has to have that tag.
    pub(crate) fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, ..)| *tag == wanted).map(|(_, content, _)| content)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes one value.
pub(crate) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) => {
            let octets = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
            out.extend([0x82, octets[0], octets[1]]);
        }
    }
    out.extend_from_slice(content);
    out
}

/// An ECDSA signature of two halves of equal size, as XML signatures and JWS have it, in ASN.1.
pub(crate) fn ecdsa_from_halves(halves: &[u8]) -> Vec<u8> {
    let (r, s) = halves.split_at(halves.len() / 2);
    value(SEQUENCE, &[integer(r), integer(s)].concat())
}

fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    let number = &number[zeros.min(number.len().saturating_sub(1))..];
    let sign = number.first().is_none_or(|first| *first >= 0x80);
    value(INTEGER, &[if sign { &[0][..] } else { &[] }, number].concat())
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_become_two_integers_without_leading_zeros_and_with_their_sign() {
        assert_eq!(ecdsa_from_halves(&[0, 1, 0x80, 2]), [0x30, 8, 2, 1, 1, 2, 3, 0, 0x80, 2]);
        assert_eq!(ecdsa_from_halves(&[0, 0]), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    }

    #[test]
    fn a_length_beyond_the_end_is_no_value() {
        assert!(Reader::new(&[0x30, 5, 1]).next().is_none());
        assert!(Reader::new(&[0x30, 0x84, 0, 0, 0, 1, 1]).next().is_none());
        assert!(Reader::new(&[0x30]).next().is_none());
    }
}
