//! One search on one connection: all at once, or page by page (RFC 2696) where it may find more than directories show at once.
//!
//! Owns the control and the bounds on entries, pages and cookies; bytes are counted by [`guard`](super::guard), and the deadline,
//! one for all pages, is the caller's. What may be a part of the answer never passes for all of it: a page behind the first that
//! does not say whether it is the last is no answer. The control is not critical, so a directory that does not know it answers all
//! at once. One that refuses it all the same is asked again without, and so is one that sends just a page and no control: what
//! stands before it may hand on the control of the question and lose that of the answer. A cookie that stays the same from page to
//! page is no fault: some directories number searches by it and not pages.

use ldap3::controls::{Control, PagedResults, RawControl};
use ldap3::result::LdapError;
use ldap3::{Ldap, Scope, SearchEntry, SearchOptions};

use super::ber::{Elements, INTEGER, Malformed, OCTETS, SEQUENCE, number};
use super::link::Said;

/// Entries of a page. Active Directory shows 1,000 at once and OpenLDAP 500, where nobody has changed that.
const PAGE: u16 = 500;
/// Most pages of one search. They may be smaller than was asked for, and empty.
const MOST_PAGES: usize = 40;
/// Longest cookie, in bytes: it is sent back.
const LONGEST_COOKIE: usize = 16 * 1024;
/// Seconds a server may take for a page.
const SECONDS: i32 = 3;
/// RFC 2696 section 2.
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// Results by which servers refuse the control: administrative limit (OpenLDAP whose `size.prtotal` is `disabled`, or whose `size.pr` is
/// smaller than a page), unavailable critical extension, unwilling.
const REFUSALS: [u32; 3] = [11, 12, 53];

/// What is searched.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) base: String,
    pub(super) scope: Scope,
    pub(super) filter: String,
    pub(super) attributes: Vec<String>,
    /// Entries wanted at most.
    pub(super) most: u16,
}

/// What a search found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entries: Vec<SearchEntry>,
    pub(super) said: Said,
    /// The server pointed at other servers as well.
    pub(super) referred: bool,
    /// As many as were wanted are here, and the server keeps further pages for this connection.
    pub(super) unfinished: bool,
}

/// Searches. Referrals are never followed.
///
/// # Errors
/// The driver's; and inside, that what came is no answer.
pub(super) async fn search(ldap: &mut Ldap, query: &Query) -> Result<Result<Found, Malformed>, LdapError> {
    let mut cookie = (query.most > PAGE).then(Vec::new);
    let said = Said { code: 0, words: String::new() };
    let mut found = Found { entries: Vec::new(), said, referred: false, unfinished: false };
    for _ in 0..MOST_PAGES {
        let controls = ask(ldap, query, cookie.as_deref(), &mut found).await?;
        let is_first = cookie.as_ref().is_some_and(Vec::is_empty);
        if is_first && (is_refusal(&found) || is_untold(&found, &controls)) {
            found.entries.clear();
            cookie = None;
            continue;
        }
        if found.said.code != 0 {
            return Ok(Ok(found));
        }
        cookie = match next(cookie.as_deref(), &controls) {
            Ok(None) => return Ok(Ok(found)),
            Ok(cookie) => cookie,
            Err(why) => return Ok(Err(why)),
        };
        if found.entries.len() >= usize::from(query.most) {
            return Ok(Ok(Found { unfinished: true, ..found }));
        }
    }
    Ok(Err(Malformed("more pages than any search has")))
}

/// Asks for a page, or without a cookie for all at once, and adds what comes to `found`; the answer's controls.
async fn ask(
    ldap: &mut Ldap,
    query: &Query,
    cookie: Option<&[u8]>,
    found: &mut Found,
) -> Result<Vec<Control>, LdapError> {
    if let Some(cookie) = cookie {
        let page = PagedResults { size: PAGE.into(), cookie: cookie.to_vec() };
        ldap.with_controls(vec![RawControl::from(page)]);
    }
    let options = SearchOptions::new().sizelimit(query.most.into()).timelimit(SECONDS);
    let ldap = ldap.with_search_options(options);
    let answer = ldap.search(&query.base, query.scope, &query.filter, &query.attributes).await?;
    found.entries.extend(answer.0.into_iter().map(SearchEntry::construct));
    found.said = Said { code: answer.1.rc, words: answer.1.text };
    found.referred |= !answer.1.refs.is_empty();
    Ok(answer.1.ctrls)
}

fn is_refusal(found: &Found) -> bool {
    REFUSALS.contains(&found.said.code) && found.entries.is_empty()
}

/// Whether as many came as a page has, and nothing says whether it is one.
fn is_untold(found: &Found, controls: &[Control]) -> bool {
    found.said.code == 0 && found.entries.len() == usize::from(PAGE) && pages(controls).next().is_none()
}

fn pages(controls: &[Control]) -> impl Iterator<Item = &RawControl> {
    controls.iter().map(|control| &control.1).filter(|control| control.ctype == PAGED_RESULTS)
}

/// The cookie of the page that follows the one that was asked for with `sent`; none behind the last.
fn next(sent: Option<&[u8]>, controls: &[Control]) -> Result<Option<Vec<u8>>, Malformed> {
    let Some(sent) = sent else { return Ok(None) };
    let mut pages = pages(controls);
    match (pages.next(), pages.next()) {
        (None, _) if sent.is_empty() => Ok(None),
        (None, _) => Err(Malformed("a page that does not say whether it is the last")),
        (Some(page), None) => cookie(page.val.as_deref().unwrap_or_default()),
        (Some(_), Some(_)) => Err(Malformed("a page with two cookies")),
    }
}

/// Reads `SEQUENCE { size INTEGER, cookie OCTET STRING }`; an empty cookie is none.
fn cookie(value: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut outside = Elements(value);
    let mut fields = Elements(outside.expect(SEQUENCE)?);
    number(fields.expect(INTEGER)?)?;
    let cookie = fields.expect(OCTETS)?;
    if !fields.is_empty() || !outside.is_empty() {
        return Err(Malformed("a page's control with fields that are not its own"));
    }
    if cookie.len() > LONGEST_COOKIE {
        return Err(Malformed("a cookie longer than any that is sent back"));
    }
    Ok((!cookie.is_empty()).then(|| cookie.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(value: &[u8]) -> Control {
        let raw = RawControl { ctype: PAGED_RESULTS.into(), crit: false, val: Some(value.to_vec()) };
        Control(None, raw)
    }

    const LAST: &[u8] = &[0x30, 5, 0x02, 1, 0, 0x04, 0];
    const MORE: &[u8] = &[0x30, 6, 0x02, 1, 9, 0x04, 1, 7];

    #[test]
    fn a_page_says_whether_another_follows() {
        assert_eq!(next(Some(b""), &[page(MORE)]), Ok(Some(vec![7])));
        assert_eq!(next(Some(&[7]), &[page(LAST)]), Ok(None));
        assert_eq!(next(Some(&[7]), &[page(MORE)]), Ok(Some(vec![7])), "the same cookie numbers a search");
    }

    #[test]
    fn only_a_first_page_without_the_control_is_all_there_is() {
        assert_eq!(next(Some(b""), &[]), Ok(None), "a directory that does not know it");
        assert!(next(Some(&[7]), &[]).is_err());
        assert_eq!(next(None, &[page(MORE)]), Ok(None), "not asked for");
    }

    #[test]
    fn what_is_no_cookie_ends_the_search() {
        let long = [&[0x30, 0x82, 0x40, 8, 0x02, 1, 0, 0x04, 0x82, 0x40, 1][..], &[7; 0x4001]].concat();
        let longest = [&[0x30, 0x82, 0x40, 7, 0x02, 1, 0, 0x04, 0x82, 0x40, 0][..], &[7; 0x4000]].concat();
        assert!(cookie(&longest).is_ok_and(|cookie| cookie.is_some()));
        let odd: [&[u8]; 8] = [
            b"",
            &[0x30, 0],
            &[0x30, 3, 0x02, 1, 0],
            &[0x30, 2, 0x04, 0],
            &[0x30, 5, 0x02, 1, 0xff, 0x04, 0],
            &[0x30, 7, 0x02, 1, 0, 0x04, 0, 0x04, 0],
            &[0x30, 5, 0x02, 1, 0, 0x04, 0, 0],
            &long,
        ];
        for value in odd {
            assert!(next(Some(b""), &[page(value)]).is_err(), "{:?}", &value[..value.len().min(12)]);
        }
        assert!(next(Some(b""), &[page(LAST), page(MORE)]).is_err(), "two");
    }
}
