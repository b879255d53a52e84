//! TLS profiles.

use super::Context;
use crate::{
    Connector,
    finding::{
        Findings,
        Severity::{Problem, RefusedAtStart, Warning},
    },
    http::{ClientAuth, TlsProfile},
    trail::{Trail, at},
};

/// Cipher suites of TLS 1.2 that are spoken here, by their IANA names.
const CIPHERS: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Each profile by itself.
pub(super) fn profiles_are_whole(context: &Context<'_>, findings: &mut Findings) {
    for (name, profile) in &context.config().tls {
        let trail = at!["tls", name];
        for (one, other, there) in [
            ("certFile", "keyFile", (&profile.cert_file, &profile.key_file)),
            ("keyFile", "certFile", (&profile.key_file, &profile.cert_file)),
        ] {
            if there.0.is_some() && there.1.is_none() && context.unwritten(&trail.then(other)) {
                findings
                    .at(Problem, context.tree, &trail.then(one), format!("`{one}` without `{other}`"))
                    .hint(format!("add `{other}:`; a certificate and its key go together"));
            }
        }
        version_is_safe(context, &trail, profile, findings);
        ciphers_are_known(context, &trail, profile, findings);
        let verifies = matches!(
            profile.client_auth,
            ClientAuth::VerifyClientCertIfGiven | ClientAuth::RequireAndVerifyClientCert
        );
        if verifies && profile.client_ca_files.is_empty() && context.unwritten(&trail.then("clientCAFiles")) {
            findings
                .at(
                    Problem,
                    context.tree,
                    &trail.then("clientAuth"),
                    "clients' certificates are verified by nobody",
                )
                .hint("add `clientCAFiles:` with the authorities that sign them");
        }
    }
}

fn version_is_safe(context: &Context<'_>, trail: &Trail, profile: &TlsProfile, findings: &mut Findings) {
    let Some(version) = &profile.min_version else { return };
    let number = version.trim_start_matches("TLS").trim_start_matches(['v', ' ', '_']).trim();
    if !matches!(number, "1.2" | "1.3") {
        let shown = context.tree.nearest(&trail.then("minVersion")).shown();
        findings
            .at(
                Problem,
                context.tree,
                &trail.then("minVersion"),
                format!("{shown}: TLS below 1.2 is refused"),
            )
            .hint("write 1.2 or 1.3");
    }
    if number == "1.3" && !profile.enabled_ciphers.is_empty() {
        findings
            .at(
                Warning,
                context.tree,
                &trail.then("enabledCiphers"),
                "the list is for TLS 1.2, which is switched off",
            )
            .hint("remove it: those of TLS 1.3 are all on");
    }
}

fn ciphers_are_known(context: &Context<'_>, trail: &Trail, profile: &TlsProfile, findings: &mut Findings) {
    for (i, cipher) in profile.enabled_ciphers.iter().enumerate() {
        if cipher.starts_with("TLS13_")
            || cipher.starts_with("TLS_AES_")
            || cipher.starts_with("TLS_CHACHA20_")
        {
            findings
                .at(
                    Warning,
                    context.tree,
                    &trail.then("enabledCiphers").then(i),
                    "those of TLS 1.3 are always on",
                )
                .hint("remove it");
        } else if !CIPHERS.contains(&cipher.as_str()) {
            let at = trail.then("enabledCiphers").then(i);
            let shown = context.tree.nearest(&at).shown();
            findings
                .at(Problem, context.tree, &at, format!("{shown} is not a cipher suite that is spoken here"))
                .hint(format!("known: {}", CIPHERS.join(", ")));
        }
    }
}

/// The listener's profile has a certificate, and is named once.
pub(super) fn the_listener_has_a_certificate(context: &Context<'_>, findings: &mut Findings) {
    let http = &context.config().http;
    let at = at!["http", "hosts"];
    if http.tls.is_some() && !http.hosts.is_empty() {
        findings
            .at(Problem, context.tree, &at, "`http.tls` and `http.hosts` exclude each other")
            .hint("keep `http.tls`");
    }
    if http.hosts.len() > 1 {
        findings
            .at(
                RefusedAtStart,
                context.tree,
                &at,
                "several hosts with certificates of their own are not built yet",
            )
            .hint("use one certificate for all names, and name its profile in `http.tls`");
    }
    let name = http.tls.as_ref().or_else(|| http.hosts.first()?.tls.as_ref());
    let Some((name, profile)) = name.and_then(|name| Some((name, context.config().tls.get(name)?))) else {
        return;
    };
    let trail = at!["tls", name];
    if profile.cert_file.is_none()
        && profile.key_file.is_none()
        && context.unwritten(&trail.then("certFile"))
        && context.unwritten(&trail.then("keyFile"))
    {
        let message = format!("the listener uses profile `{name}`, which has no certificate");
        findings.at(Problem, context.tree, &trail, message).hint(
            "add `certFile:` and `keyFile:`, or take `http.tls` away for plain HTTP behind a load balancer",
        );
    }
}

/// A certificate for SAML goes with its key; a directory's service account with its password.
pub(super) fn pairs_are_whole(context: &Context<'_>, findings: &mut Findings) {
    let mut pairs = Vec::new();
    for (trail, connector) in context.connectors() {
        match connector {
            Connector::Saml(saml) => {
                let (cert, key) = (saml.sp_cert_path.is_some(), saml.sp_key_path.is_some());
                pairs.push((trail, ("samlSPCertPath", cert), ("samlSPKeyPath", key)));
            }
            Connector::Ldap(ldap) | Connector::ActiveDirectory(ldap) => {
                let (name, password) = (ldap.bind_dn.is_some(), ldap.bind_password.is_some());
                pairs.push((trail, ("bindDN", name), ("bindPassword", password)));
            }
            _ => {}
        }
    }
    for (trail, one, other) in pairs {
        let (there, absent) = if one.1 { (one.0, other.0) } else { (other.0, one.0) };
        if one.1 != other.1 && context.unwritten(&trail.then(absent)) {
            findings
                .at(Problem, context.tree, &trail.then(there), format!("`{there}` without `{absent}`"))
                .hint(format!("add `{absent}:`; they go together"));
        }
    }
}
