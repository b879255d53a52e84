//! Which messages of a directory are answers (RFC 4511 section 4.1.1 and on), field by field.
//!
//! The driver panics where a field is missing and takes any reply for any request's; what is not exactly the answer to what
//! was asked ends here.

use super::ber::{
    BOOLEAN, ENUMERATED, Element, Elements, INTEGER, Malformed, OCTETS, SEQUENCE, SET, is_bounded, number,
    text,
};

/// What was asked under a message id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Bind,
    Search,
    StartTls,
}

/// A well-formed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// Part of the answer to what was asked under its id; more will come.
    Part,
    /// The end of the answer to what was asked under this id, with its result code.
    End { id: u32, code: u32 },
    /// The directory says that it ends the connection (RFC 4511 section 4.4.1).
    Goodbye,
}

const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const SEARCH_REQUEST: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_RESPONSE: u8 = 0x78;
const CONTROLS: u8 = 0xa0;
const REFERRAL: u8 = 0xa3;
const SASL_CREDENTIALS: u8 = 0x87;
const RESPONSE_NAME: u8 = 0x8a;
const RESPONSE_VALUE: u8 = 0x8b;

/// Id and kind of a request of ours; `None` for one that is not answered.
pub(super) fn request(message: &[u8]) -> Result<Option<(u32, Asked)>, Malformed> {
    let mut fields = Elements(Elements(message).expect(SEQUENCE)?);
    let id = number(fields.expect(INTEGER)?)?;
    Ok(match fields.next()?.tag {
        BIND_REQUEST => Some((id, Asked::Bind)),
        SEARCH_REQUEST => Some((id, Asked::Search)),
        _ => None,
    })
}

/// Checks one whole message against what was asked under its id.
///
/// # Errors
/// It is malformed, or no answer to that.
pub(super) fn answer(message: &[u8], asked: impl Fn(u32) -> Option<Asked>) -> Result<Message, Malformed> {
    is_bounded(message)?;
    let mut fields = Elements(Elements(message).expect(SEQUENCE)?);
    let id = number(fields.expect(INTEGER)?)?;
    let Element { tag, body } = fields.next()?;
    if id == 0 && tag == EXTENDED_RESPONSE {
        return Ok(Message::Goodbye);
    }
    let asked = asked(id).ok_or(Malformed("an answer to nothing that was asked"))?;
    if let Some(body) = fields.take_if(CONTROLS)? {
        controls(body)?;
    }
    if !fields.is_empty() {
        return Err(Malformed("a message with fields behind its end"));
    }
    match (asked, tag) {
        (Asked::Bind, BIND_RESPONSE) => {
            result(body, &[SASL_CREDENTIALS]).map(|code| Message::End { id, code })
        }
        (Asked::Search, SEARCH_DONE) => result(body, &[]).map(|code| Message::End { id, code }),
        (Asked::StartTls, EXTENDED_RESPONSE) => {
            result(body, &[RESPONSE_NAME, RESPONSE_VALUE]).map(|code| Message::End { id, code })
        }
        (Asked::Search, SEARCH_ENTRY) => entry(body).map(|()| Message::Part),
        (Asked::Search, SEARCH_REFERENCE) => uris(body).map(|()| Message::Part),
        _ => Err(Malformed("an answer to another kind of question")),
    }
}

/// LDAPResult (section 4.1.9), and at its end fields that only this answer has.
fn result(body: &[u8], more: &[u8]) -> Result<u32, Malformed> {
    let mut fields = Elements(body);
    let code = number(fields.expect(ENUMERATED)?)?;
    text(fields.expect(OCTETS)?)?;
    text(fields.expect(OCTETS)?)?;
    if let Some(body) = fields.take_if(REFERRAL)? {
        uris(body)?;
    }
    for tag in more {
        match fields.take_if(*tag)? {
            Some(name) if *tag == RESPONSE_NAME => {
                text(name)?;
            }
            _ => {}
        }
    }
    if fields.is_empty() { Ok(code) } else { Err(Malformed("a result with fields that are not its own")) }
}

/// SearchResultEntry (section 4.5.2).
fn entry(body: &[u8]) -> Result<(), Malformed> {
    let mut fields = Elements(body);
    text(fields.expect(OCTETS)?)?;
    let mut attributes = Elements(fields.expect(SEQUENCE)?);
    while !attributes.is_empty() {
        let mut attribute = Elements(attributes.expect(SEQUENCE)?);
        text(attribute.expect(OCTETS)?)?;
        let mut values = Elements(attribute.expect(SET)?);
        while !values.is_empty() {
            values.expect(OCTETS)?;
        }
        if !attribute.is_empty() {
            return Err(Malformed("an attribute with fields that are not its own"));
        }
    }
    if fields.is_empty() { Ok(()) } else { Err(Malformed("an entry with fields that are not its own")) }
}

fn uris(body: &[u8]) -> Result<(), Malformed> {
    let mut uris = Elements(body);
    while !uris.is_empty() {
        text(uris.expect(OCTETS)?)?;
    }
    Ok(())
}

/// Controls (section 4.1.11).
fn controls(body: &[u8]) -> Result<(), Malformed> {
    let mut controls = Elements(body);
    while !controls.is_empty() {
        let mut control = Elements(controls.expect(SEQUENCE)?);
        text(control.expect(OCTETS)?)?;
        if control.take_if(BOOLEAN)?.is_some_and(|value| value.len() != 1) {
            return Err(Malformed("a truth value that is not one octet"));
        }
        control.take_if(OCTETS)?;
        if !control.is_empty() {
            return Err(Malformed("a control with fields that are not its own"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], body].concat()
    }

    fn message(id: u8, rest: &[Vec<u8>]) -> Vec<u8> {
        element(SEQUENCE, &[element(INTEGER, &[id]), rest.concat()].concat())
    }

    fn good_result() -> Vec<u8> {
        [element(ENUMERATED, &[0]), element(OCTETS, b""), element(OCTETS, b"fine")].concat()
    }

    fn judge(asked: Asked, rest: &[Vec<u8>]) -> Result<Message, Malformed> {
        answer(&message(7, rest), |id| (id == 7).then_some(asked))
    }

    #[test]
    fn an_answer_is_one_to_what_was_asked() {
        let bound = || vec![element(BIND_RESPONSE, &good_result())];
        assert_eq!(judge(Asked::Bind, &bound()), Ok(Message::End { id: 7, code: 0 }));
        assert!(judge(Asked::Search, &bound()).is_err());
        assert!(
            judge(Asked::Bind, &[element(SEARCH_DONE, &good_result())]).is_err(),
            "a search result is no bind"
        );
        assert!(answer(&message(8, &bound()), |id| (id == 7).then_some(Asked::Bind)).is_err());
    }

    #[test]
    fn what_would_panic_in_the_driver_does_not_reach_it() {
        assert!(judge(Asked::Bind, &[]).is_err(), "no operation");
        assert!(answer(&element(SEQUENCE, b""), |_| Some(Asked::Bind)).is_err());
        assert!(judge(Asked::Bind, &[element(BIND_RESPONSE, b"")]).is_err(), "no fields");
        let not_utf8 = [element(ENUMERATED, &[0]), element(OCTETS, &[0xff]), element(OCTETS, b"")].concat();
        assert!(judge(Asked::Bind, &[element(BIND_RESPONSE, &not_utf8)]).is_err());
        assert!(judge(Asked::Search, &[element(0x79, &good_result())]).is_err(), "an intermediate response");
        assert!(judge(Asked::Search, &[element(SEARCH_ENTRY, &element(OCTETS, b"cn=a"))]).is_err());
        assert!(judge(Asked::Search, &[element(0x44, b"primitive")]).is_err());
        let bad = element(CONTROLS, &element(SEQUENCE, b""));
        assert!(judge(Asked::Bind, &[element(BIND_RESPONSE, &good_result()), bad]).is_err());
    }

    #[test]
    fn entries_references_and_controls_pass() {
        let values = element(SET, &element(OCTETS, &[0xff, 0]));
        let attribute = element(SEQUENCE, &[element(OCTETS, b"objectGUID"), values].concat());
        let entry = [element(OCTETS, b"cn=a"), element(SEQUENCE, &attribute)].concat();
        assert_eq!(judge(Asked::Search, &[element(SEARCH_ENTRY, &entry)]), Ok(Message::Part));
        let uri = element(SEARCH_REFERENCE, &element(OCTETS, b"ldap://other"));
        assert_eq!(judge(Asked::Search, &[uri]), Ok(Message::Part));
        let control = element(SEQUENCE, &[element(OCTETS, b"1.2.3"), element(OCTETS, &[0xff])].concat());
        let controls = element(CONTROLS, &control);
        assert!(judge(Asked::Bind, &[element(BIND_RESPONSE, &good_result()), controls]).is_ok());
    }

    #[test]
    fn a_goodbye_is_told_from_an_answer() {
        let goodbye = element(EXTENDED_RESPONSE, &good_result());
        assert_eq!(answer(&message(0, &[goodbye]), |_| None), Ok(Message::Goodbye));
    }
}
