//! Tokens as others read them: an OpenID Connect library as the application, a JOSE library as the verifier.

use axum::body::Body;
use http::{Request, StatusCode, header};
use josekit::jwk::JwkSet;
use josekit::jws::{ES256, HS256, JwsHeader, RS256};
use josekit::jwt::{self, JwtPayload};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreGenderClaim, CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EmptyAdditionalClaims,
    HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, RedirectUrl, Scope,
    TokenResponse, UserInfoClaims,
};
use serde_json::{Value, json};

use crate::support::*;

/// The HTTP client of a library: it reaches the node in this process.
async fn http(node: &Node, request: openidconnect::HttpRequest) -> Result<HttpResponse, std::io::Error> {
    let (parts, body) = request.into_parts();
    let mut local = Request::builder().method(parts.method).uri(parts.uri.path());
    *local.headers_mut().unwrap() = parts.headers;
    let reply = node.send(local.body(Body::from(body)).unwrap()).await;
    let mut response = http::Response::builder().status(reply.status);
    *response.headers_mut().unwrap() = reply.headers;
    Ok(response.body(reply.text.into_bytes()).unwrap())
}

#[tokio::test]
async fn a_relying_party_of_another_hand_signs_a_person_in() {
    let node = Node::new();
    let client = |request| http(&node, request);
    let issuer = IssuerUrl::new(ISSUER.into()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &client).await.unwrap();
    let secret = ClientSecret::new(APP.1.into());
    let party = CoreClient::from_provider_metadata(metadata, ClientId::new(APP.0.into()), Some(secret))
        .set_redirect_uri(RedirectUrl::new(CALLBACK.into()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = party
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["email", "profile", "groups"].map(|scope| Scope::new(scope.into())))
        .set_pkce_challenge(challenge)
        .url();

    let mut person = Person::default();
    let path = format!("{}?{}", url.path(), url.query().unwrap());
    let told = person.sign_in_at(&node, &path, "alice").await.told();
    assert_eq!((&told["state"], told["iss"].as_str()), (state.secret(), ISSUER));

    let code = AuthorizationCode::new(told["code"].clone());
    let tokens =
        party.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&client).await.unwrap();
    let checker = party.id_token_verifier();
    let id_token = tokens.id_token().unwrap();
    let claims = id_token.claims(&checker, &nonce).unwrap();
    let (alg, key) = (id_token.signing_alg().unwrap(), id_token.signing_key(&checker).unwrap());
    let hash = AccessTokenHash::from_token(tokens.access_token(), alg, key).unwrap();
    assert_eq!(claims.access_token_hash(), Some(&hash));
    assert_eq!(claims.email().unwrap().as_str(), "alice@example.com");
    assert_eq!(claims.email_verified(), Some(true));

    let userinfo: UserInfoClaims<EmptyAdditionalClaims, CoreGenderClaim> = party
        .user_info(tokens.access_token().clone(), Some(claims.subject().clone()))
        .unwrap()
        .request_async(&client)
        .await
        .unwrap();
    let _: &CoreUserInfoClaims = &userinfo;
    assert_eq!(userinfo.email().unwrap().as_str(), "alice@example.com");
}

/// The claims of a token as `josekit` verifies them, by the published key that its header names.
async fn verified(node: &Node, token: &str) -> Value {
    let set = JwkSet::from_bytes(node.get("/oauth2/jwks").await.text).unwrap();
    let header = part(token, 0);
    let kid = header["kid"].as_str().unwrap();
    let key = set.get(kid)[0];
    let (payload, _) = match key.algorithm().unwrap() {
        "RS256" => jwt::decode_with_verifier(token, &RS256.verifier_from_jwk(key).unwrap()).unwrap(),
        _ => jwt::decode_with_verifier(token, &ES256.verifier_from_jwk(key).unwrap()).unwrap(),
    };
    Value::Object(payload.claims_set().clone())
}

#[tokio::test]
async fn an_id_token_says_who_when_and_for_whom() {
    let node = Node::new();
    let tokens = node.tokens(&mut Person::default(), "openid email groups").await;
    let claims = verified(&node, tokens.id()).await;
    assert_eq!(part(tokens.id(), 0)["typ"], "JWT");
    assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some(ISSUER), Some(APP.0)));
    assert_eq!(claims["nonce"], "the-nonce");
    assert_eq!(claims["email"], "alice@example.com");
    assert_eq!(claims["groups"], json!(["engineering", "oncall"]));
    assert_eq!(claims["team"], "engineering", "by claimsMapping");
    let (iat, exp) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert!(exp > iat && exp - iat <= 600 && claims["auth_time"].as_u64().unwrap() <= iat);
    for absent in ["name", "phone_number", "mangrove_path", "passwordHash"] {
        assert!(claims.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn an_access_token_is_that_of_rfc_9068_and_says_nothing_personal() {
    let node = Node::new();
    let tokens = node.tokens(&mut Person::default(), "openid email profile orders:read").await;
    let claims = verified(&node, tokens.access()).await;
    assert_eq!(part(tokens.access(), 0)["typ"], "at+jwt");
    assert_eq!(
        (claims["client_id"].as_str(), claims["scope"].as_str()),
        (Some(APP.0), Some("openid email profile orders:read"))
    );
    assert_eq!(claims["aud"], json!([ISSUER]));
    assert!(claims["jti"].is_string() && claims["sub"] == verified(&node, tokens.id()).await["sub"]);
    for absent in ["email", "name", "groups", "team", "nonce"] {
        assert!(claims.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn an_application_gets_the_algorithm_it_is_configured_for() {
    let node = Node::new();
    let code = Person::default().code(&node, &[("client_id", OTHER.0)]).await;
    let tokens = Tokens(node.form("/oauth2/token", Some(OTHER), &code_form(&code)).await.json());
    assert_eq!(part(tokens.id(), 0)["alg"], "ES256");
    assert_eq!(verified(&node, tokens.id()).await["aud"], OTHER.0);
}

#[tokio::test]
async fn the_path_of_a_login_is_told_to_those_who_are_configured_to_know() {
    let node = Node::new();
    let code = Person::default().code(&node, &[("client_id", "edge")]).await;
    let reply = node.form("/oauth2/token", Some(("edge", "edge-secret")), &code_form(&code)).await;
    let tokens = Tokens(reply.json());
    assert_eq!(part(tokens.id(), 1)["mangrove_path"], json!(["node.example"]));
    assert!(part(tokens.access(), 1).get("mangrove_path").is_none());
}

#[tokio::test]
async fn an_audience_is_granted_where_it_is_allowed_and_narrowed_at_the_token_endpoint() {
    let node = Node::new();
    let mut person = Person::default();
    let api = "https://api.example";
    let both = [("scope", "orders:read"), ("resource", api), ("resource", "https://other-api.example")];
    let code = person.code(&node, &both).await;
    let form: Vec<_> = code_form(&code).into_iter().chain([("resource", api)]).collect();
    let tokens = Tokens(node.form("/oauth2/token", Some(APP), &form).await.json());
    assert_eq!(part(tokens.access(), 1)["aud"], json!([api]));
    assert_eq!(node.userinfo(tokens.access()).await.error(), (403, "insufficient_scope".into()));
    let code = person.code(&node, &[("scope", "orders:read"), ("resource", api)]).await;
    let form: Vec<_> =
        code_form(&code).into_iter().chain([("resource", "https://other-api.example")]).collect();
    assert_eq!(node.form("/oauth2/token", Some(APP), &form).await.error(), (400, "invalid_target".into()));
}

#[tokio::test]
async fn userinfo_takes_a_token_from_the_header_or_a_form_and_never_both() {
    let node = Node::new();
    let tokens = node.tokens(&mut Person::default(), "openid profile").await;
    let said = node.userinfo(tokens.access()).await;
    assert_eq!(said.json()["name"], "Some Body");
    assert_eq!(said.header("cache-control"), "no-store");
    let form = [("access_token", tokens.access())];
    assert_eq!(node.form("/oauth2/userinfo", None, &form).await.json(), said.json());
    let both = Request::post("/oauth2/userinfo")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, format!("Bearer {}", tokens.access()));
    let reply = node.send(both.body(Body::from(encode(&form))).unwrap()).await;
    assert_eq!(reply.error(), (400, "invalid_request".into()));
    let query = node.get(&format!("/oauth2/userinfo?{}", encode(&form))).await;
    assert_eq!((query.status, query.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"));
}

#[tokio::test]
async fn only_an_access_token_of_ours_for_openid_opens_userinfo() {
    let node = Node::new();
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, "openid").await;
    assert_eq!(
        node.userinfo(tokens.id()).await.error(),
        (401, "invalid_token".into()),
        "an ID token is another type"
    );
    let plain = node.tokens(&mut person, "orders:read").await;
    assert!(plain.0.get("id_token").is_none());
    assert_eq!(node.userinfo(plain.access()).await.error(), (403, "insufficient_scope".into()));
    let elsewhere = Node::new().tokens(&mut Person::default(), "openid").await;
    assert_eq!(node.userinfo(elsewhere.access()).await.error(), (401, "invalid_token".into()));
}

#[tokio::test]
async fn forged_tokens_are_refused_whatever_their_algorithm_says() {
    let node = Node::new();
    let tokens = node.tokens(&mut Person::default(), "openid").await;
    let payload = JwtPayload::from_map(part(tokens.access(), 1).as_object().unwrap().clone()).unwrap();
    let kid = part(tokens.access(), 0)["kid"].as_str().unwrap().to_owned();
    let mut header = JwsHeader::new();
    header.set_token_type("at+jwt");
    header.set_key_id(&kid);

    let unsigned = jwt::encode_unsecured(&payload, &header).unwrap();
    let set = JwkSet::from_bytes(node.get("/oauth2/jwks").await.text).unwrap();
    let modulus = set.get(&kid)[0].parameter("n").unwrap().as_str().unwrap().to_owned();
    let confused =
        jwt::encode_with_signer(&payload, &header, &HS256.signer_from_bytes(modulus).unwrap()).unwrap();
    let own = josekit::jwk::alg::rsa::RsaKeyPair::generate(2048).unwrap().to_pem_private_key();
    let foreign = jwt::encode_with_signer(&payload, &header, &RS256.signer_from_pem(own).unwrap()).unwrap();
    let [head, _, signature] = tokens.access().split('.').collect::<Vec<_>>()[..] else { panic!() };
    let other = tokens.id().split('.').nth(1).unwrap();
    let spliced = format!("{head}.{other}.{signature}");
    let stripped = format!("{}.", tokens.access().rsplit_once('.').unwrap().0);
    for forged in [unsigned, confused, foreign, spliced, stripped] {
        assert_eq!(node.userinfo(&forged).await.error(), (401, "invalid_token".into()), "{forged}");
        assert_eq!(node.introspect(APP, &forged).await.json(), json!({ "active": false }));
    }
}

#[tokio::test]
async fn after_a_restart_tokens_of_sessions_that_are_gone_are_not_active() {
    let node = Node::new();
    let tokens = node.tokens(&mut Person::default(), "openid").await;
    let router = node.restarted();
    let request =
        Request::get("/oauth2/userinfo").header(header::AUTHORIZATION, format!("Bearer {}", tokens.access()));
    let reply = send(&router, request.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
}
