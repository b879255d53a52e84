//! References in a document: `<vault.name>` stands for a secret, `{{ env.NAME }}` for an environment variable. Both
//! are replaced in the tree before anything judges it; what was replaced is remembered and never shown.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::{
    Environment,
    finding::{Findings, Severity},
    secrets::SecretProvider,
    trail::Trail,
    tree::{Node, Origin, Value},
};

/// Replaces references in a whole document.
pub(crate) struct References<'a> {
    pub(crate) provider: Option<&'a dyn SecretProvider>,
    pub(crate) env: &'a Environment,
    /// A provider was named and could not be opened: said once, not for each reference.
    pub(crate) provider_failed: bool,
}

impl References<'_> {
    /// Replaces what stands in this node and below it; says each reference that leads nowhere.
    pub(crate) fn resolve(&self, node: &mut Node, trail: &Trail, findings: &mut Findings) {
        let origin = node.origin.clone();
        match &mut node.value {
            Value::List(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    self.resolve(item, &trail.then(i), findings);
                }
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    self.resolve(value, &trail.then(&key.text), findings);
                }
            }
            Value::Text(text) if origin == Origin::Written => {
                let written = text.clone();
                if let Some(name) = secret_name(&written) {
                    self.secret(name, node, trail, findings);
                } else if written.contains("{{") {
                    self.template(&written, node, trail, findings);
                }
            }
            _ => {}
        }
    }

    fn secret(&self, name: &str, node: &mut Node, trail: &Trail, findings: &mut Findings) {
        let written = format!("<{name}>");
        let Some(provider) = self.provider else {
            if !self.provider_failed {
                findings
                    .about(Severity::Problem, node, trail, format!("`{written}` needs a secret provider; none is named"))
                    .hint(
                        "start with -secretProvider secretfile:///path.yaml or env://, or set MAVERICS_SECRET_PROVIDER",
                    );
            }
            node.origin = Origin::Unresolved(written);
            return;
        };
        match provider.secret(name) {
            Ok(secret) => {
                findings.veil(secret.clone(), &written);
                node.value = Value::Text(Zeroizing::new(secret.expose().to_owned()));
                node.origin = Origin::Resolved(written);
            }
            Err(missing) => {
                findings
                    .about(Severity::Problem, node, trail, format!("`{written}`: {}", missing.why))
                    .hint(missing.hint);
                node.origin = Origin::Unresolved(written);
            }
        }
    }

    fn template(&self, written: &str, node: &mut Node, trail: &Trail, findings: &mut Findings) {
        match fill(written, self.env) {
            Ok(value) => {
                node.value = Value::Text(value);
                node.origin = Origin::Resolved(written.to_owned());
            }
            Err((message, hint)) => {
                findings.about(Severity::Problem, node, trail, message).hint(hint);
                node.origin = Origin::Unresolved(written.to_owned());
            }
        }
    }
}

/// The name in `<name>`, if the whole text is a reference to a secret.
fn secret_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix('<')?.strip_suffix('>')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

/// The text with each `{{ env.NAME }}` replaced, or what is wrong and what to write.
fn fill(text: &str, env: &Environment) -> Result<Zeroizing<String>, (String, Cow<'static, str>)> {
    let mut filled = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, behind) = after
            .split_once("}}")
            .ok_or(("`{{` without `}}`".to_owned(), Cow::from("write for example `{{ env.NAME }}`")))?;
        let name = inside.trim();
        let Some(variable) = name.strip_prefix("env.") else {
            let hint = format!("write `{{{{ env.{name} }}}}` for the environment variable {name}");
            return Err((format!("`{{{{ {name} }}}}` is not a reference"), hint.into()));
        };
        let Some(value) = env.get(variable) else {
            let near = nearest(variable, env.names());
            let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            let message =
                format!("`{{{{ env.{variable} }}}}`: the environment variable {variable} is not set{near}");
            return Err((message, format!("set {variable} before the start").into()));
        };
        filled.push_str(before);
        filled.push_str(value);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The name most like this one, if one is like it.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let like = |known: &str| strsim::jaro_winkler(&name.to_ascii_lowercase(), &known.to_ascii_lowercase());
    let best = known.into_iter().map(|known| (like(known), known)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}
