//! The authorization request (OpenID Connect Core 3.1.2.1, RFC 7636).

use mangrove_keys::ambient;
use openidconnect::{PkceCodeChallenge, PkceCodeVerifier};
use url::Url;

use super::Oidc;
use super::metadata::Metadata;
use crate::{Ask, Begin, Failure, Pending};

/// Parameter that tells a Mangrove root through which nodes a login came: opaque ids, separated by spaces, nearest last.
pub const HOPS_PARAMETER: &str = "mangrove_hops";

/// Parameter that tells a Mangrove root that the node which asks could ask another: `1`.
pub const ELSEWHERE_PARAMETER: &str = "mangrove_elsewhere";

impl Oidc {
    pub(crate) async fn begin(&self, ask: &Ask) -> Result<Begin, Failure> {
        let redirect_url = self.redirect_url()?;
        let known = self.provider.published().await.map_err(|why| why.into_failure(&self.settings.name))?;
        let pending = Pending {
            state: ambient::token(),
            nonce: ambient::token(),
            pkce_verifier: self.settings.pkce.then(ambient::token),
            issuer: known.metadata.issuer.clone(),
            redirect_url: redirect_url.clone(),
            began: ambient::unix_now(),
            max_age: ask.max_age,
            forced: false,
            classes: false,
        };
        let url = self.authorization_url(&known.metadata, ask, &pending);
        Ok(Begin::Redirect { url, pending })
    }

    /// What the operator added comes first and gives way to what the application asked.
    fn authorization_url(&self, metadata: &Metadata, ask: &Ask, pending: &Pending) -> Url {
        let challenge = pending.pkce_verifier.as_ref().map(|verifier| {
            PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()))
                .as_str()
                .to_owned()
        });
        let method = challenge.is_some().then(|| "S256".to_owned());
        let hops = (self.settings.root && !ask.hops.is_empty()).then(|| ask.hops.join(" "));
        let elsewhere = (self.settings.root && ask.elsewhere).then(|| "1".to_owned());
        let asked = [
            ("prompt", ask.prompt.map(|prompt| prompt.as_str().to_owned())),
            ("max_age", ask.max_age.map(|seconds| seconds.to_string())),
            ("login_hint", ask.login_hint.clone()),
            ("acr_values", ask.acr_values.clone()),
            ("ui_locales", ask.ui_locales.clone()),
            ("response_type", Some("code".into())),
            ("client_id", Some(self.settings.client_id.clone())),
            ("redirect_uri", Some(pending.redirect_url.to_string())),
            ("scope", Some(self.settings.scopes.join(" "))),
            ("state", Some(pending.state.clone())),
            ("nonce", Some(pending.nonce.clone())),
            ("code_challenge", challenge),
            ("code_challenge_method", method),
            (HOPS_PARAMETER, hops),
            (ELSEWHERE_PARAMETER, elsewhere),
        ];
        let set = |name: &str| asked.iter().any(|(known, value)| *known == name && value.is_some());
        let mut url = metadata.authorization_endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(self.settings.extra.iter().filter(|(name, _)| !set(name)));
            query.extend_pairs(asked.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))));
        }
        url
    }
}
