//! Distinguished names (RFC 4514) as far as they are read here: whether two are one, a group's own name, the domain of a base.

/// Whether two names are one entry's: whatever the letter case, the blanks, and the way in which octets are escaped, as directories
/// compare most values. What is no name is nobody's.
pub(super) fn same(one: &str, other: &str) -> bool {
    let parts = |dn| {
        let comparable = |Part { key, value, joined }| {
            let words = value.split_whitespace().collect::<Vec<_>>().join(" ");
            (key.to_lowercase(), words.to_lowercase(), joined)
        };
        read(dn).map(|parts| parts.into_iter().map(comparable).collect::<Vec<_>>())
    };
    parts(one).is_some_and(|one| Some(one) == parts(other))
}

/// The DNS name of the domain that a name is in: `ou=people,dc=corp,dc=example` is in `corp.example`.
pub(super) fn domain(dn: &str) -> String {
    let parts = read(dn).unwrap_or_default().into_iter().filter(|part| part.key.eq_ignore_ascii_case("dc"));
    parts.map(|part| part.value.trim().to_owned()).collect::<Vec<_>>().join(".")
}

/// The value of a name's first part: of `cn=R\26D,ou=groups` it is `R&D`.
pub(super) fn first_value(dn: &str) -> Option<String> {
    next(&mut dn.as_bytes()).map(|part| part.value).filter(|value| !value.is_empty())
}

/// `key=value`, unescaped.
struct Part {
    key: String,
    value: String,
    /// By `+` to the one behind it.
    joined: bool,
}

fn read(dn: &str) -> Option<Vec<Part>> {
    let mut rest = dn.as_bytes();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        parts.push(next(&mut rest)?);
    }
    Some(parts).filter(|parts| !parts.is_empty())
}

/// Takes one part and what separates it from the next.
fn next(rest: &mut &[u8]) -> Option<Part> {
    let key_ends = rest.iter().position(|octet| *octet == b'=')?;
    let key = std::str::from_utf8(&rest[..key_ends]).ok()?.trim().to_owned();
    let mut octets = rest[key_ends + 1..].iter();
    let (mut value, mut joined) = (Vec::new(), false);
    while let Some(octet) = octets.next() {
        match octet {
            b',' | b';' => break,
            b'+' => {
                joined = true;
                break;
            }
            b'\\' => {
                let first = octets.next()?;
                match char::from(*first).to_digit(16) {
                    Some(high) => {
                        let low = char::from(*octets.next()?).to_digit(16)?;
                        value.push(u8::try_from(high << 4 | low).ok()?);
                    }
                    None => value.push(*first),
                }
            }
            _ => value.push(*octet),
        }
    }
    *rest = octets.as_slice();
    Some(Part { key, value: String::from_utf8(value).ok()?, joined })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_however_it_is_written() {
        let written = "cn=Smith\\, J\\C3\\BCrgen,ou=Service accounts,dc=x";
        for same_name in [
            "CN=Smith\\, Jürgen,OU=service  Accounts,DC=x",
            "cn = smith\\2c J\\c3\\bcrgen , ou=Service\\20accounts , dc=\\78",
        ] {
            assert!(same(written, same_name) && same(same_name, written), "{same_name}");
        }
        for other in [
            "cn=Smith,cn=Jürgen,ou=Service accounts,dc=x",
            "cn=Smith\\, Jürgen,ou=Service accounts",
            "cn=Smith\\, Jürgen+ou=Service accounts,dc=x",
            "m@corp.example",
            "CORP\\M",
            "cn=broken\\",
            "",
        ] {
            assert!(!same(written, other) && !same(other, written), "{other}");
        }
        assert!(!same("", "") && !same("m", "m"), "no names");
    }

    #[test]
    fn a_domain_is_read_from_a_name() {
        assert_eq!(domain("OU=people, DC=corp,dc = example "), "corp.example");
        assert_eq!(domain("ou=people,o=Example"), "");
        assert_eq!(domain("cn=a\\,dc=evil,dc=corp,dc=example"), "corp.example");
    }

    #[test]
    fn a_first_value_is_read_unescaped() {
        assert_eq!(first_value("CN=R\\26D\\, North,OU=groups").as_deref(), Some("R&D, North"));
        assert_eq!(first_value("cn=staff").as_deref(), Some("staff"));
        assert_eq!(first_value("CN=broken\\"), None);
        assert_eq!(first_value("nonsense"), None);
    }
}
