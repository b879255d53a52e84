//! The admin interface over a real socket and a real address, with a node of one local connector behind it.

use std::path::Path;

use http::Method;
use mangrove_cache::Cache;
use mangrove_config::{Config, Environment, Loader};
use mangrove_connectors::{Connector, HttpClient, Parts};
use mangrove_keys::{ambient, seal::Sealer};
use mangrove_login::{DecisionLog, Login, LoginParts};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::front::Status;

fn config(folder: &Path) -> Config {
    let text = "connectors:\n  - name: people\n    type: local\n    usersFile: users.yaml\n";
    std::fs::write(folder.join("users.yaml"), "users: []\n").unwrap();
    let environment = Environment::default();
    let report = Loader::new(&environment).load_text(&folder.join("a.yaml"), text);
    report.start().map_err(|report| report.to_string()).unwrap()
}

fn api(folder: &Path) -> Arc<Api> {
    crate::tls::install_provider();
    let config = Arc::new(config(folder));
    let parts = Parts { http: HttpClient::new().unwrap(), state_dir: folder.to_owned() };
    let login = Login::new(LoginParts {
        connectors: Connector::build(&config, &parts).unwrap(),
        config,
        cache: Cache::in_memory(1000),
        decisions: DecisionLog::default(),
        sealer: Sealer::from_state(folder).unwrap(),
        public_url: "http://root.localhost:9443/".parse().unwrap(),
        node_id: "testnode".into(),
    });
    Arc::new(Api {
        role: "mangrove-root",
        node_id: "testnode".into(),
        public_url: "http://root.localhost:9443/".into(),
        configuration: "a.yaml".into(),
        started: ambient::now(),
        login,
        status: Arc::new(Status::default()),
        listeners: Vec::new(),
    })
}

#[tokio::test]
async fn an_operator_sees_drains_and_undoes_through_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(serve_socket(bind_socket(&path).unwrap(), api(folder.path()), stop.clone()));

    let status = client::ask(&path, Method::GET, "/status", None).await.unwrap();
    assert_eq!(status["node"]["id"], "testnode");
    assert_eq!(status["connectors"][0]["name"], "people");
    assert_eq!(status["connectors"][0]["order"], Value::Null);

    let order = json!({ "connector": "people", "why": "planned work", "seconds": 600 });
    let answer = client::ask(&path, Method::POST, "/drain", Some(&order)).await.unwrap();
    let set = &answer["connector"]["order"];
    assert_eq!((&set["what"], &set["why"]), (&json!("drain"), &json!("planned work")));
    assert!(set["who"].as_str().unwrap().contains("uid"), "who did it: {set}");

    let undo = json!({ "connector": "people" });
    let answer = client::ask(&path, Method::POST, "/undrain", Some(&undo)).await.unwrap();
    assert_eq!(answer["connector"]["order"], Value::Null);

    let ask = json!({ "connector": "people", "why": "its keys leaked" });
    let answer = client::ask(&path, Method::POST, "/end-sessions", Some(&ask)).await.unwrap();
    assert_eq!(answer["ended"], 0);
    for (wrong, words) in [
        (json!({}), "either `connector` or `subject`"),
        (json!({ "connector": "people", "subject": "alice" }), "either"),
        (json!({ "connector": "nobody" }), "no connector named nobody"),
        (json!({ "subject": "" }), "either"),
    ] {
        let error = client::ask(&path, Method::POST, "/end-sessions", Some(&wrong)).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }

    let unknown = json!({ "connector": "nobody" });
    let error = client::ask(&path, Method::POST, "/drain", Some(&unknown)).await.unwrap_err();
    assert!(error.to_string().contains("nobody"), "{error}");
    let error = client::ask(&path, Method::GET, "/why/unknown", None).await.unwrap_err();
    assert!(error.to_string().contains("nothing is known of login unknown"), "{error}");

    stop.cancel();
    while tasks.join_next().await.is_some() {}
    assert!(!path.exists(), "the socket goes with the node");
    let error = client::ask(&path, Method::GET, "/status", None).await.unwrap_err();
    assert!(matches!(error, client::ClientError::NobodyThere(_)), "{error}");
}

#[tokio::test]
async fn the_address_answers_the_tokens_holder_and_no_page_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(serve_tcp(socket, Secret::new("a-long-admin-token"), api(folder.path()), stop));
    let good = format!("Host: {address}\r\nAuthorization: Bearer a-long-admin-token\r\n");
    let cases = [
        (good.clone(), "200"),
        (format!("Host: {address}\r\n"), "401"),
        (format!("{good}Origin: http://evil.example\r\n"), "403"),
        (good.replace(&address.to_string(), "rebound.example"), "403"),
    ];
    for (headers, status) in cases {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET /status HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{headers}: {answer}");
    }
}
