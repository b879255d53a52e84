//! `grant_type=refresh_token` (RFC 6749 section 6): each is good once and has one successor; an old one that turns up
//! again ends the whole family (RFC 9700 section 4.14.2).
//!
//! Nothing here asks an upstream: as long as the session lives, refresh works, whoever is dead.

use mangrove_keys::ambient;

use super::{Redeeming, TokenError, narrow_audiences};
use crate::oidc::OidcProvider;
use crate::oidc::client::Client;
use crate::oidc::mint::Tokens;
use crate::oidc::params::Params;
use crate::oidc::scope::Scopes;
use crate::oidc::store::{Family, Turn, Turned};

pub(super) fn redeem<'a>(
    provider: &'a OidcProvider,
    client: &'a Client,
    params: &'a Params,
) -> Redeeming<'a> {
    Box::pin(tokens_for_refresh(provider, client, params))
}

async fn tokens_for_refresh(
    provider: &OidcProvider,
    client: &Client,
    params: &Params,
) -> Result<Tokens, TokenError> {
    let token = params.one("refresh_token")?.ok_or(TokenError::Invalid("refresh_token is missing"))?;
    let Some((family, turn)) = provider.store.family(token).await? else {
        return Err(TokenError::BadGrant("unknown refresh token, or over"));
    };
    // Before it is taken: another application can neither use it nor use it up.
    if family.grant.client_id != client.id {
        return Err(TokenError::BadGrant("the refresh token was made for another application"));
    }
    let scopes = match params.one("scope")? {
        Some(asked) => family.grant.scopes.narrowed(asked).ok_or(TokenError::Scope)?,
        None => family.grant.scopes.clone(),
    };
    let audiences = narrow_audiences(&family.grant.audiences, params)?;
    alive(provider, &family).await?;
    take(provider, client, &family, &turn).await?;
    let tokens = successor(provider, client, &family, &turn, (scopes, &audiences)).await;
    if tokens.is_err() {
        provider.store.restore(&family, &turn, provider.refresh_lifetime).await;
    }
    tokens
}

async fn alive(provider: &OidcProvider, family: &Family) -> Result<(), TokenError> {
    if provider.store.is_grant_revoked(&family.grant.id).await? {
        return Err(TokenError::BadGrant("what it grew from was revoked"));
    }
    if !provider.lives(&family.grant).await {
        return Err(TokenError::BadGrant("the session has ended"));
    }
    Ok(())
}

async fn take(
    provider: &OidcProvider,
    client: &Client,
    family: &Family,
    turn: &Turn,
) -> Result<(), TokenError> {
    match provider.store.take_turn(turn).await? {
        Turned::Good => Ok(()),
        Turned::Twice => Err(TokenError::BadGrant("the refresh token was used a moment ago")),
        Turned::Again => {
            provider.store.revoke_grant(&family.grant.id).await?;
            let grant = &family.grant.id;
            tracing::warn!(target: "security",
                app = client.app,
                grant,
                "an old refresh token came back; its family ends"
            );
            Err(TokenError::BadGrant("the refresh token was used before"))
        }
    }
}

async fn successor(
    provider: &OidcProvider,
    client: &Client,
    family: &Family,
    turn: &Turn,
    (scopes, audiences): (Scopes, &[String]),
) -> Result<Tokens, TokenError> {
    let now = ambient::unix_now();
    let mut tokens = provider.mint(client, &family.grant, scopes, audiences, None, now).await?;
    tokens.refresh_token = Some(provider.store.succeed(family, turn, provider.refresh_lifetime).await?);
    Ok(tokens)
}
