//! An application on npm's `openid-client`, which judges signatures with its own library.

use std::path::Path;

use super::{Application, Launch, Software, in_path, node_missing};
use crate::agent::spec::AppSpec;

/// The application.
const SCRIPT: &str = include_str!("../../../foreign/openid-client/app.mjs");

/// The kind `openid-client`.
pub(super) struct OpenidClient;

impl Application for OpenidClient {
    fn software(&self) -> Software {
        Software {
            kind: "openid-client",
            product: "openid-client",
            version: include_str!("../../../foreign/openid-client/version"),
        }
    }

    fn missing(&self) -> Option<String> {
        self.software().missing().or_else(node_missing)
    }

    fn launch(&self, app: &AppSpec, home: &Path, authority: &Path) -> std::io::Result<Launch> {
        let script = home.join("app.mjs");
        std::fs::write(&script, SCRIPT)?;
        let path = |path: &Path| path.display().to_string();
        let key = if app.has_a_key { path(&home.join("key.pem")) } else { String::new() };
        let environment = [
            ("LISTEN", app.listen.to_string()),
            ("ORIGIN", format!("https://{}", app.host)),
            ("CERT", path(&home.join("cert.pem"))),
            ("KEY", path(&home.join("key.pem"))),
            ("ISSUER", app.issuer.clone()),
            ("CLIENT_ID", app.client_id.clone()),
            ("CLIENT_SECRET", app.client_secret.clone().unwrap_or_default()),
            ("CLIENT_KEY", key),
            ("SCOPE", app.scope.clone()),
            ("NODE_EXTRA_CA_CERTS", path(authority)),
            ("MODULES", path(&self.software().made().unwrap_or_default())),
        ];
        Ok(Launch {
            command: in_path("node").unwrap_or_default(),
            arguments: vec![path(&script)],
            environment: environment.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            ..Launch::default()
        })
    }
}
