//! Values that this node gives away and recognises.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use mangrove_keys::KeyError;
use mangrove_keys::seal::Sealer;
use proptest::prelude::*;

#[test]
fn what_was_sealed_opens_after_a_restart_and_its_key_is_for_the_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let sealed = Sealer::from_state(dir.path()).unwrap().seal("device", b"alice");
    assert_eq!(fs::metadata(dir.path().join("seal.key")).unwrap().mode() & 0o777, 0o600);
    let again = Sealer::from_state(dir.path()).unwrap();
    assert_eq!(again.open("device", &sealed).as_deref(), Some(b"alice".as_slice()));
}

#[test]
fn another_purpose_another_node_or_another_value_does_not_open() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ours = Sealer::from_state(here.path()).unwrap();
    let theirs = Sealer::from_state(there.path()).unwrap();
    let sealed = ours.seal("device", b"alice");
    assert_eq!(ours.open("session", &sealed), None);
    assert_eq!(theirs.open("device", &sealed), None);
    let mallory = ours.seal("device", b"mallory");
    let spliced = format!("{}.{}", mallory.split_once('.').unwrap().0, sealed.split_once('.').unwrap().1);
    assert_eq!(ours.open("device", &spliced), None);
    let long = "a".repeat(5000);
    for text in ["", ".", "a", "a.b", "..", long.as_str(), sealed.split_once('.').unwrap().0] {
        assert_eq!(ours.open("device", text), None);
    }
    assert_ne!(ours.seal("ab", b"c"), ours.seal("a", b"bc"));
    assert_eq!(ours.open("a", &ours.seal("ab", b"c").replacen("Yw", "YmM", 1)), None);
}

#[test]
fn a_damaged_key_is_refused_and_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    Sealer::from_state(dir.path()).unwrap();
    fs::write(dir.path().join("seal.key"), b"short").unwrap();
    assert!(matches!(Sealer::from_state(dir.path()), Err(KeyError::Unusable { .. })));
    assert_eq!(fs::read(dir.path().join("seal.key")).unwrap(), b"short");
}

fn one_sealer() -> &'static Sealer {
    static SEALER: OnceLock<Sealer> = OnceLock::new();
    SEALER.get_or_init(|| Sealer::from_state(tempfile::tempdir().unwrap().path()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_value_comes_back_and_no_changed_text_does(
        value in prop::collection::vec(any::<u8>(), 0..200),
        at: prop::sample::Index,
    ) {
        let sealer = one_sealer();
        let sealed = sealer.seal("p", &value);
        prop_assert_eq!(sealer.open("p", &sealed), Some(value));
        let at = at.index(sealed.len());
        let mut changed = sealed.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        prop_assert_eq!(sealer.open("p", &changed), None);
    }
}
