//! `grant_type=authorization_code` (RFC 6749 section 4.1.3): a code, once, by the application it was made for.

use mangrove_keys::ambient;

use super::{Redeeming, TokenError, narrow_audiences};
use crate::oidc::OidcProvider;
use crate::oidc::client::Client;
use crate::oidc::mint::Tokens;
use crate::oidc::params::Params;
use crate::oidc::pkce;
use crate::oidc::scope::OFFLINE_ACCESS;
use crate::oidc::store::{Code, Redeemed};

pub(super) fn redeem<'a>(
    provider: &'a OidcProvider,
    client: &'a Client,
    params: &'a Params,
) -> Redeeming<'a> {
    Box::pin(tokens_for_code(provider, client, params))
}

async fn tokens_for_code(
    provider: &OidcProvider,
    client: &Client,
    params: &Params,
) -> Result<Tokens, TokenError> {
    let code = params.one("code")?.ok_or(TokenError::Invalid("code is missing"))?;
    let redirect_uri = params.one("redirect_uri")?.ok_or(TokenError::Invalid("redirect_uri is missing"))?;
    let verifier = params.one("code_verifier")?;
    // Taken before it is judged: a code that somebody presents wrongly has leaked and is worth nothing any more.
    let code = match provider.store.redeem(code).await? {
        Redeemed::First(code) => *code,
        Redeemed::Again(grant) => {
            provider.store.revoke_grant(&grant).await?;
            tracing::warn!(target: "security",
                app = client.app,
                grant,
                "a code was used twice; what it gave is revoked"
            );
            return Err(TokenError::BadGrant("the code was used before"));
        }
        Redeemed::Unknown => return Err(TokenError::BadGrant("unknown code, or over")),
    };
    judge(&code, client, redirect_uri, verifier)?;
    if !provider.lives(&code.grant).await {
        return Err(TokenError::BadGrant("the session has ended"));
    }
    let audiences = narrow_audiences(&code.grant.audiences, params)?;
    issue(provider, client, code, &audiences).await
}

/// The code was made for this application, this redirect URI, and whoever knows the verifier.
fn judge(code: &Code, client: &Client, redirect_uri: &str, verifier: Option<&str>) -> Result<(), TokenError> {
    if code.grant.client_id != client.id {
        return Err(TokenError::BadGrant("the code was made for another application"));
    }
    if code.redirect_uri != redirect_uri {
        return Err(TokenError::BadGrant("the redirect_uri is not that of the authorization request"));
    }
    if !pkce::matches(code.challenge.as_deref(), verifier) {
        return Err(TokenError::BadGrant("the code_verifier does not match, or one side sent none"));
    }
    Ok(())
}

/// The access token is for `audiences`; a refresh may ask for others of the grant.
async fn issue(
    provider: &OidcProvider,
    client: &Client,
    code: Code,
    audiences: &[String],
) -> Result<Tokens, TokenError> {
    let now = ambient::unix_now();
    let Code { grant, nonce, .. } = code;
    let scopes = grant.scopes.clone();
    let mut tokens = provider.mint(client, &grant, scopes, audiences, nonce.as_deref(), now).await?;
    if grant.scopes.has(OFFLINE_ACCESS) && client.grant(super::REFRESH_TOKEN).is_some() {
        let ends = now + provider.session_lifetime.as_secs();
        let first = provider.store.begin_family(grant, ends, provider.refresh_lifetime).await?;
        tokens.refresh_token = Some(first);
    }
    Ok(tokens)
}
