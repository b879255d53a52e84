//! The admin socket of a real node, and the commands that use it.

mod lab;

use lab::{Lab, mode, run, text};

#[test]
fn the_admin_socket_is_the_owners_alone_and_the_commands_use_it() {
    let lab = Lab::new("");
    let mut node = lab.start();
    assert_eq!(mode(&lab.socket()), 0o600);
    assert_eq!(mode(&lab.path("state")), 0o700);

    let status = run(&["status", "-config", &lab.config()]);
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stderr));
    let table = text(&status.stdout);
    assert!(
        table.contains("mangrove-root") && table.contains("CONNECTOR") && table.contains("people"),
        "{table}"
    );

    let socket = lab.socket();
    let socket = socket.to_str().unwrap();
    let drained = run(&["drain", "people", "-why", "planned work", "-for", "10m", "-socket", socket]);
    assert_eq!(drained.status.code(), Some(0), "{}", text(&drained.stderr));
    assert!(text(&drained.stdout).contains("drain by"), "{}", text(&drained.stdout));
    let line = node.wait_for("an operator changed this node");
    assert!(line.contains("planned work") && line.contains("uid"), "logged with who: {line}");
    let json = run(&["status", "-json", "-socket", socket]);
    assert!(text(&json.stdout).contains("\"why\":\"planned work\""), "{}", text(&json.stdout));
    assert_eq!(run(&["drain", "people", "-undo", "-socket", socket]).status.code(), Some(0));

    assert_eq!(run(&["drain", "nobody", "-socket", socket]).status.code(), Some(2));
    let unknown = run(&["why", "abc", "-socket", socket]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("nothing is known of login abc"), "{}", text(&unknown.stderr));
    let summary = run(&["why", "-failed", "-since", "10m", "-socket", socket]);
    assert_eq!(summary.status.code(), Some(0), "{}", text(&summary.stderr));
    assert!(text(&summary.stdout).starts_with("no logins: 0 signed in"), "{}", text(&summary.stdout));
    assert_eq!(run(&["why", "-last", "-socket", socket]).status.code(), Some(2));
}

#[test]
fn without_a_node_the_commands_say_so() {
    let lab = Lab::new("");
    let status = run(&["status", "-config", &lab.config()]);
    assert_eq!(status.status.code(), Some(1));
    assert!(text(&status.stderr).contains("no node answers"), "{}", text(&status.stderr));
}
