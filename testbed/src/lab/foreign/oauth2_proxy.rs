//! `oauth2-proxy` in front of a page that knows nothing of logins: one process that waits for the node, starts the proxy, and is the
//! page behind it. The proxy judges the ID token, and passes it on to the page.

use std::path::Path;

use super::{Application, Launch, Software, in_path, node_missing};
use crate::agent::app::sign_out;
use crate::agent::spec::AppSpec;
use crate::language::AppKind;

/// The page behind it.
const SCRIPT: &str = include_str!("../../../foreign/oauth2-proxy/behind.mjs");

/// The kind `oauth2-proxy`.
pub(super) struct Oauth2Proxy;

impl Application for Oauth2Proxy {
    fn software(&self) -> Software {
        Software {
            kind: "oauth2-proxy",
            product: "oauth2-proxy",
            version: include_str!("../../../foreign/oauth2-proxy/version"),
        }
    }

    fn missing(&self) -> Option<String> {
        self.software().missing().or_else(node_missing)
    }

    fn launch(&self, app: &AppSpec, home: &Path, authority: &Path) -> std::io::Result<Launch> {
        let path = |path: &Path| path.display().to_string();
        let (script, config, socket) = (home.join("behind.mjs"), home.join("proxy.cfg"), home.join("socket"));
        std::fs::write(&script, SCRIPT)?;
        super::super::mesh::secret(&config, &settings(app, home, authority, &socket))?;
        let program = self.software().made().unwrap_or_default().join("oauth2-proxy");
        let environment = [
            ("ISSUER", app.issuer.clone()),
            ("NODE_EXTRA_CA_CERTS", path(authority)),
            ("SOCKET", path(&socket)),
        ];
        Ok(Launch {
            command: in_path("node").unwrap_or_default(),
            arguments: vec![path(&script), path(&program), format!("--config={}", config.display())],
            environment: environment.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            ..Launch::default()
        })
    }
}

/// Its configuration: TOML, whose strings are those of JSON.
fn settings(app: &AppSpec, home: &Path, authority: &Path, socket: &Path) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let file = |path: &Path| text(&path.display().to_string());
    // Sessions are in cookies, sealed by a key that dies with the run; 32 bytes of it are what the proxy takes.
    let sealed = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, app.key_pem.as_bytes());
    let seal: String = sealed.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = [
        ("http_address", text("")),
        ("https_address", text(&app.listen.to_string())),
        ("tls_cert_file", file(&home.join("cert.pem"))),
        ("tls_key_file", file(&home.join("key.pem"))),
        ("provider", text("oidc")),
        ("provider_ca_files", format!("[{}]", file(authority))),
        ("oidc_issuer_url", text(&app.issuer)),
        ("client_id", text(&app.client_id)),
        ("client_secret", text(app.client_secret.as_deref().unwrap_or_default())),
        ("scope", text(&app.scope)),
        ("code_challenge_method", text("S256")),
        ("redirect_url", text(&format!("https://{}{}", app.host, AppKind::Oauth2Proxy.callback()))),
        ("skip_provider_button", "true".to_owned()),
        // The page to which a logout leads back, and where a sign-out may lead: to the node.
        ("skip_auth_routes", format!("[{}]", text(&format!("GET=^{}$", sign_out::BACK)))),
        ("whitelist_domains", format!("[{}]", text(app.issuer.trim_start_matches("https://")))),
        ("email_domains", "[\"*\"]".to_owned()),
        ("cookie_secret", text(&seal)),
        ("pass_authorization_header", "true".to_owned()),
        ("upstreams", format!("[{}]", text(&format!("unix://{}", socket.display())))),
    ];
    lines.iter().map(|(name, value)| format!("{name} = {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_the_client_that_the_nodes_configuration_has() {
        let app = AppSpec {
            name: "app-a".into(),
            host: "app-a.mesh.test".into(),
            listen: ([10, 64, 4, 11], 443).into(),
            certificate_pem: String::new(),
            key_pem: "a key".into(),
            issuer: "https://edge-a.mesh.test".into(),
            client_id: "branch-app".into(),
            client_secret: Some("with \"quotes\"".into()),
            has_a_key: false,
            scope: "openid email".into(),
        };
        let text = settings(&app, Path::new("/lab/app-a"), Path::new("/lab/ca.pem"), Path::new("/lab/s"));
        for line in [
            r#"oidc_issuer_url = "https://edge-a.mesh.test""#,
            r#"redirect_url = "https://app-a.mesh.test/oauth2/callback""#,
            r#"client_secret = "with \"quotes\"""#,
            r#"whitelist_domains = ["edge-a.mesh.test"]"#,
            r#"https_address = "10.64.4.11:443""#,
            r#"provider_ca_files = ["/lab/ca.pem"]"#,
            r#"upstreams = ["unix:///lab/s"]"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }
}
