//! Passwords that are right and do not count: expired, to be changed, locked.

use std::time::{Duration, Instant};

use mangrove_connectors::{Blame, Network};

use crate::slapd::Slapd;
use crate::{as_written, connector};

fn person(name: &str, policy: &str, more: &str) -> String {
    format!(
        "dn: uid={name},ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: {name}
cn: {name}
sn: {name}
userPassword: right
pwdPolicySubentry: cn={policy},dc=example,dc=com
{more}
"
    )
}

fn policy(name: &str, rule: &str) -> String {
    format!(
        "dn: cn={name},dc=example,dc=com
objectClass: organizationalRole
objectClass: pwdPolicy
cn: {name}
pwdAttribute: userPassword
{rule}

"
    )
}

#[tokio::test]
async fn a_directory_tells_locked_expired_and_to_be_changed_apart() {
    let slapd = Slapd::start();
    slapd.loads(&policy("lock", "pwdLockout: TRUE\npwdMaxFailure: 2"));
    slapd.loads(&policy("change", "pwdMustChange: TRUE"));
    slapd.loads(&policy("age", "pwdMaxAge: 1"));
    slapd.loads(&person("dave", "lock", ""));
    slapd.loads(&person("erin", "change", "pwdReset: TRUE\n"));
    slapd.loads(&person("frank", "age", ""));
    let directory = connector(&slapd, as_written());
    let outside = async |name: &str, password: &str| {
        let failure = directory.verify_password(name, password, Network::default()).await.unwrap_err();
        assert_eq!(failure.blame, Blame::Rejected, "{failure}");
        failure.outside
    };

    for _ in 0..2 {
        assert!(outside("dave", "wrong").await.contains("do not belong together"));
    }
    assert!(outside("dave", "right").await.contains("locked"));

    assert!(outside("erin", "wrong").await.contains("do not belong together"));
    assert!(outside("erin", "right").await.contains("must be changed"), "the bind itself succeeds");

    let until = Instant::now() + Duration::from_secs(60);
    while directory.verify_password("frank", "right", Network::default()).await.is_ok() {
        assert!(Instant::now() < until, "the password never expires");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(outside("frank", "right").await.contains("expired"));
}
