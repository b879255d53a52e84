//! What a directory's answer to a person's bind means.

use super::ber::{ENUMERATED, Elements, SEQUENCE, number};
use super::link::{Act, Bound, PASSWORD_POLICY, Said, Who};
use crate::Failure;
use crate::failure::WRONG_PASSWORD;

/// The password is right and has expired (of directories that descend from Netscape's).
const NETSCAPE_EXPIRED: &str = "2.16.840.1.113730.3.4.4";

/// Why a bind did not vouch for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    /// Name and password do not belong together.
    Wrong,
    /// The password is too old.
    Expired,
    /// The password must be changed first.
    MustChange,
    /// The account is locked for now.
    Locked,
    /// The account is switched off.
    Disabled,
    /// The account's time is over.
    AccountExpired,
    /// Not at this time, or not from here.
    NotNow,
    /// The directory cannot answer now, or not in this way: no word about the person.
    Trouble,
}

/// Reads the answer to a person's bind.
///
/// # Errors
/// It does not vouch.
pub(super) fn judge(bound: &Bound) -> Result<(), No> {
    if let Some(no) = unwilling(&bound.said) {
        return Err(no);
    }
    if let Some(no) = bound.controls.iter().find_map(policy) {
        return Err(no);
    }
    match bound.said.code {
        0 if bound.has(NETSCAPE_EXPIRED) => Err(No::MustChange),
        0 => Ok(()),
        INVALID_CREDENTIALS if bound.has(NETSCAPE_EXPIRED) => Err(No::Expired),
        INVALID_CREDENTIALS => Err(active_directory(&bound.said.words)),
        // No such entry, a name that cannot be one, an entry without a password, or one that may not be used so.
        32 | 34 | 48 | 50 => Err(No::Wrong),
        19 => Err(No::Locked),
        _ => Err(No::Trouble),
    }
}

const INVALID_CREDENTIALS: u32 = 49;

impl Bound {
    fn has(&self, oid: &str) -> bool {
        self.controls.iter().any(|(control, _)| control == oid)
    }
}

/// Active Directory's reason, in hexadecimal in its words: `AcceptSecurityContext error, data 775, v3839`.
fn active_directory(words: &str) -> No {
    let code = words.split("data ").nth(1).and_then(|rest| rest.split([',', ' ', '\0']).next());
    match code {
        Some("530" | "531") => No::NotNow,
        Some("532") => No::Expired,
        Some("533") => No::Disabled,
        Some("701") => No::AccountExpired,
        Some("773") => No::MustChange,
        Some("775") => No::Locked,
        _ => No::Wrong,
    }
}

/// What a server's words mean where it is unwilling (result 53). Servers use that result for accounts and for much else, such as
/// a connection that they want encrypted: only their words tell, and those before a control that knows but `locked`.
fn unwilling(said: &Said) -> Option<No> {
    const UNWILLING: u32 = 53;
    const ABOUT_ACCOUNTS: &[(&str, No)] = &[
        // 389 Directory Server and its kin; FreeIPA.
        ("account inactivated", No::Disabled),
        ("too many failed logins", No::Locked),
        ("entry permanently locked", No::Locked),
        ("(kerberos principal) is expired", No::AccountExpired),
        // IBM's directory; eDirectory.
        ("account is locked", No::Locked),
        ("account expired", No::AccountExpired),
        ("bad login time", No::NotNow),
    ];
    if said.code != UNWILLING {
        return None;
    }
    let words = said.words.to_ascii_lowercase();
    ABOUT_ACCOUNTS.iter().find(|(about, _)| words.contains(about)).map(|(_, no)| *no)
}

/// The password policy's error, if the control holds one: `SEQUENCE { warning [0] .. OPTIONAL, error [1] ENUMERATED }`.
fn policy((oid, value): &(String, Vec<u8>)) -> Option<No> {
    const WARNING: u8 = 0xa0;
    const ERROR: u8 = 0x81;
    if oid != PASSWORD_POLICY {
        return None;
    }
    let mut fields = Elements(Elements(value).expect(SEQUENCE).ok()?);
    fields.take_if(WARNING).ok()?;
    let error = fields.take_if(ERROR).ok()?.or(fields.take_if(ENUMERATED).ok()?)?;
    match number(error).ok()? {
        0 => Some(No::Expired),
        1 => Some(No::Locked),
        2 => Some(No::MustChange),
        _ => None,
    }
}

impl No {
    /// The failure of a login.
    pub(super) fn failure(self, connector: &str, said: &Said) -> Failure {
        let (outside, what) = match self {
            Self::Wrong => (WRONG_PASSWORD, "a wrong password"),
            Self::Expired => (
                "Your password has expired. Change it where you usually do, then sign in with the new one.",
                "an expired password",
            ),
            Self::MustChange => (
                "Your password must be changed before you can sign in. Change it where you usually do.",
                "a password that must be changed first",
            ),
            Self::Locked => (
                "This account is locked, as happens after many wrong passwords. Wait, or ask whoever runs it.",
                "a locked account",
            ),
            Self::Disabled => ("This account is switched off.", "an account that is switched off"),
            Self::AccountExpired => ("This account has expired.", "an expired account"),
            Self::NotNow => (
                "This account may not sign in at this time, or not from here.",
                "an account that may not sign in now or from here",
            ),
            Self::Trouble => return super::refused(connector, &Act::Bind(Who::Person), said),
        };
        Failure::rejected(outside, format!("{connector}: {what}: {said}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(code: u32, words: &str, controls: &[(&str, &[u8])]) -> Bound {
        let controls = controls.iter().map(|(oid, value)| ((*oid).to_owned(), value.to_vec())).collect();
        Bound { said: Said { code, words: words.into() }, controls }
    }

    fn ad(data: &str) -> No {
        let words = format!(
            "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {data}, v3839\0"
        );
        judge(&bound(49, &words, &[])).unwrap_err()
    }

    #[test]
    fn active_directory_tells_why_in_its_words() {
        assert_eq!(ad("52e"), No::Wrong);
        assert_eq!(ad("525"), No::Wrong);
        assert_eq!(ad("532"), No::Expired);
        assert_eq!(ad("773"), No::MustChange);
        assert_eq!(ad("775"), No::Locked);
        assert_eq!(ad("533"), No::Disabled);
        assert_eq!(ad("701"), No::AccountExpired);
        assert_eq!(ad("530"), No::NotNow);
    }

    #[test]
    fn the_password_policy_tells_why_in_a_control() {
        let with = |code, value: &[u8]| judge(&bound(code, "", &[(PASSWORD_POLICY, value)]));
        assert_eq!(with(49, &[0x30, 3, 0x81, 1, 0]), Err(No::Expired));
        assert_eq!(with(49, &[0x30, 3, 0x81, 1, 1]), Err(No::Locked));
        assert_eq!(with(0, &[0x30, 3, 0x81, 1, 2]), Err(No::MustChange), "although the bind succeeded");
        assert_eq!(with(0, &[0x30, 4, 0xa0, 2, 0x80, 0]), Ok(()), "a warning alone");
        assert_eq!(with(49, &[0x30, 7, 0xa0, 2, 0x80, 0, 0x81, 1, 0]), Err(No::Expired));
        assert_eq!(with(49, &[0x30, 0xff, 1]), Err(No::Wrong), "an unreadable control tells nothing");
        assert_eq!(with(0, &[]), Ok(()));
    }

    #[test]
    fn netscapes_heirs_tell_by_another_control() {
        assert_eq!(judge(&bound(49, "", &[(NETSCAPE_EXPIRED, b"0")])), Err(No::Expired));
        assert_eq!(judge(&bound(0, "", &[(NETSCAPE_EXPIRED, b"0")])), Err(No::MustChange));
        assert_eq!(judge(&bound(19, "Exceed password retry limit.", &[])), Err(No::Locked));
    }

    #[test]
    fn an_unwilling_server_says_why_in_its_words_or_nothing_about_the_account() {
        let unwilling = |words| judge(&bound(53, words, &[]));
        assert_eq!(unwilling("Account inactivated. Contact system administrator."), Err(No::Disabled));
        assert_eq!(unwilling("Entry permanently locked.\n"), Err(No::Locked));
        assert_eq!(unwilling("NDS error: log account expired (-220)"), Err(No::AccountExpired));
        for other in ["", "Server is in read-only mode", "TLS is required", "unauthenticated bind disallowed"]
        {
            assert_eq!(unwilling(other), Err(No::Trouble), "{other}");
        }
        let locked: &[u8] = &[0x30, 3, 0x81, 1, 1];
        assert_eq!(judge(&bound(53, "", &[(PASSWORD_POLICY, locked)])), Err(No::Locked));
        let inactivated = bound(53, "Account inactivated.", &[(PASSWORD_POLICY, locked)]);
        assert_eq!(judge(&inactivated), Err(No::Disabled), "as 389 Directory Server says it");
    }

    #[test]
    fn only_success_vouches() {
        assert_eq!(judge(&bound(0, "", &[])), Ok(()));
        for code in (1..130).filter(|code| *code != 0) {
            assert!(judge(&bound(code, "", &[])).is_err(), "{code}");
        }
    }
}
