//! Starting, and refusing to: the real binary.

mod lab;

use std::time::{Duration, Instant};

use lab::{Lab, run, text};

#[test]
fn a_configuration_that_is_wrong_ends_with_2_and_says_file_and_line() {
    let lab = Lab::new("  adress: 127.0.0.1:0\n");
    let ended = run(&["-config", &lab.config()]);
    assert_eq!(ended.status.code(), Some(2));
    let said = text(&ended.stderr);
    assert!(said.contains(&format!("{}:4:", lab.config())), "file and line: {said}");
    assert!(said.contains("adress"), "{said}");
    let checked = run(&["check", "-config", &lab.config()]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(
        text(&checked.stdout).lines().last().unwrap().starts_with("not ok: 1 problem"),
        "{}",
        text(&checked.stdout)
    );
}

#[test]
fn a_port_in_use_is_said_and_ends_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let lab = Lab::new("");
    let config = std::fs::read_to_string(lab.config()).unwrap().replace("127.0.0.1:0", &address.to_string());
    std::fs::write(lab.config(), config).unwrap();
    let ended = run(&["-config", &lab.config()]);
    assert_eq!(ended.status.code(), Some(1));
    let said = text(&ended.stderr);
    assert!(said.contains(&format!("cannot listen on {address}: the port is in use")), "{said}");
}

#[test]
fn two_nodes_do_not_share_a_state_directory() {
    let lab = Lab::new("");
    let _first = lab.start();
    let ended = run(&["-config", &lab.config()]);
    assert_eq!(ended.status.code(), Some(1));
    let said = text(&ended.stderr);
    assert!(said.contains("another node") && said.contains("state.directory"), "{said}");
}

#[test]
fn a_crash_leaves_nothing_that_stops_the_next_start() {
    let lab = Lab::new("");
    drop(lab.start());
    assert!(lab.socket().exists(), "killed, it could not clean up");
    let node = lab.start();
    assert_eq!(node.get("/status").unwrap().0, 200);
}

#[test]
fn a_start_with_an_identity_provider_out_of_reach_starts() {
    let connector = "  - name: gone\n    type: oidc\n    oidcWellKnownURL: http://127.0.0.1:9/.well-known/openid-configuration\n    \
                     oauthClientID: x\n    oauthClientSecret: y\n    oauthRedirectURL: http://root.localhost:9443/oidc/callback\n    \
                     healthCheck: { enabled: true, interval: 1s, timeout: 1s }\n";
    let node = Lab::with("", connector).start();
    assert_eq!(node.get("/status").unwrap().0, 200);
}

#[test]
fn what_init_writes_passes_check_and_runs_at_once() {
    let lab = Lab::new("");
    let dir = lab.path("fresh");
    let wrote = run(&["init", dir.to_str().unwrap()]);
    assert_eq!(wrote.status.code(), Some(0), "{}", text(&wrote.stderr));
    assert!(text(&wrote.stdout).contains("shown once"), "{}", text(&wrote.stdout));
    let config = dir.join("mangrove.yaml");
    assert_eq!(lab::mode(&config), 0o600);
    let checked = run(&["check", "-config", config.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
    assert!(text(&checked.stdout).lines().last().unwrap().starts_with("ok: 1 connector, 1 app, "));
    let again = run(&["init", dir.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(2), "nothing is overwritten");

    let text =
        std::fs::read_to_string(&config).unwrap().replace("address: 127.0.0.1:9443", "address: 127.0.0.1:0");
    std::fs::write(
        lab.config(),
        format!("{text}\nlogger: {{ jsonOutput: true }}\n").replace("users.yaml", "fresh/users.yaml"),
    )
    .unwrap();
    let began = Instant::now();
    let node = lab.start();
    let (status, answer) = node.get("/.well-known/openid-configuration").unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("\"issuer\":\"http://root.localhost:9443\""), "{answer}");
}

#[test]
fn usage_errors_end_with_2_and_questions_about_the_program_with_0() {
    assert_eq!(run(&["-no-such-flag"]).status.code(), Some(2));
    assert_eq!(run(&["dance"]).status.code(), Some(2));
    assert_eq!(run(&["-config", "/does/not/exist.yaml"]).status.code(), Some(2));
    let version = run(&["-version"]);
    assert_eq!(version.status.code(), Some(0));
    assert!(text(&version.stdout).starts_with("mangrove-root "));
    assert_eq!(run(&["-help"]).status.code(), Some(0));
}

#[test]
fn a_user_is_added_by_a_password_on_standard_input() {
    use std::io::Write;
    let lab = Lab::new("");
    let users = lab.path("users.yaml");
    let mut adding = lab::command(&["user", "add", users.to_str().unwrap(), "alice"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    adding.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
    assert!(adding.wait().unwrap().success());
    assert!(std::fs::read_to_string(&users).unwrap().contains("$argon2id$"));
    let random = run(&["user", "add", users.to_str().unwrap(), "bob", "-random"]);
    assert!(text(&random.stdout).contains("password: "), "{}", text(&random.stdout));
    assert_eq!(run(&["user", "add", users.to_str().unwrap(), "bob", "-random"]).status.code(), Some(2));
}
