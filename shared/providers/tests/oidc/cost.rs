//! What a single-sign-on login costs beside its signatures, in CPU time of this thread, so that a busy machine does not
//! decide.

use std::sync::Arc;

use mangrove_keys::{Algorithm, KeyRing};
use serde_json::json;

use crate::support::*;

const ROUNDS: u32 = 200;

/// CPU time of this thread so far, in microseconds.
fn cpu() -> f64 {
    // The kernel brings its count up to date when a thread gives way.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e3
}

/// Microseconds of one signature over claims like those of a token.
fn signature(keys: &KeyRing, algorithm: Algorithm) -> f64 {
    let claims = json!({ "iss": ISSUER, "sub": "people|a-1", "aud": APP.0, "exp": 1, "iat": 1, "nonce": "n".repeat(40) });
    let before = cpu();
    for _ in 0..ROUNDS {
        keys.sign(Some(algorithm), "JWT", &claims).unwrap();
    }
    (cpu() - before) / f64::from(ROUNDS)
}

/// Microseconds of authorization and token request for somebody who has a session.
async fn login(node: &Node, person: &mut Person) -> f64 {
    person.code(node, &[]).await;
    let before = cpu();
    for _ in 0..ROUNDS {
        let code = person.authorize(node, &[]).await.told().remove("code").unwrap();
        assert_eq!(node.redeem(&code).await.status, 200);
    }
    (cpu() - before) / f64::from(ROUNDS)
}

async fn share(name: &str, algorithm: Algorithm) -> f64 {
    let mut config = default_config();
    config["apps"][0]["idTokenSignedResponseAlg"] = json!(name);
    let node = Node::with(config);
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyRing::generate_kept(dir.path(), algorithm).unwrap();
    let (one, whole) = (signature(&keys, algorithm), login(&node, &mut Person::default()).await);
    println!("{name}: a signature {one:.0} us, a login {whole:.0} us, share {:.2}", 2.0 * one / whole);
    2.0 * one / whole
}

#[tokio::test]
async fn an_sso_login_costs_little_more_than_its_two_signatures() {
    share("ES256", Algorithm::Es256).await;
    let share = share("RS256", Algorithm::Rs256).await;
    assert!(share >= 0.5, "signatures are only {share:.2} of a login");
}

/// Prints what handing a signature to another thread costs; the decision is in `docs/design/signing.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a test"]
async fn the_price_of_signing_on_another_thread() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Arc::new(KeyRing::generate_kept(dir.path(), Algorithm::Rs256).unwrap());
    let everywhere = || -> f64 {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let texts = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
        texts.map(|text| text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6).sum()
    };
    for off in [false, true] {
        let (before, began) = (everywhere(), std::time::Instant::now());
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let keys = Arc::clone(&keys);
            tries.spawn(async move {
                for _ in 0..500 {
                    let keys = Arc::clone(&keys);
                    let sign = move || keys.sign(None, "JWT", &json!({ "sub": "x" })).unwrap();
                    if off {
                        tokio::task::spawn_blocking(sign).await.unwrap()
                    } else {
                        sign()
                    };
                    tokio::task::yield_now().await;
                }
            });
        }
        tries.join_all().await;
        let (spent, took) = (everywhere() - before, began.elapsed());
        println!("other thread {off}: {spent:.0} ms of CPU, {took:?} for 4000 signatures");
    }
}
