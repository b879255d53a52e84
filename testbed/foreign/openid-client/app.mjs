// A relying party on npm's openid-client: the same pages as the lab's own application, in another language and on
// another library. All settings come from the environment; the lab sets them.
//   LISTEN=10.64.1.9:443 ORIGIN=https://app.mesh.test CERT=file KEY=file ISSUER=https://edge.mesh.test CLIENT_ID=... CLIENT_SECRET=... or CLIENT_KEY=file SCOPE="openid ..."
//   NODE_EXTRA_CA_CERTS=file MODULES=folder that holds node_modules
import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { createPrivateKey, randomBytes } from 'node:crypto';

const env = process.env;
const require = createRequire(`${env.MODULES}/package.json`);
const oidc = await import(pathToFileURL(require.resolve('openid-client')).href);

const redirectUri = `${env.ORIGIN}/callback`;
const pending = new Map(); // state -> what the login needs when it comes back
const sessions = new Map(); // cookie -> who, and the ID token for the way out
const statusOf = { temporarily_unavailable: 503, access_denied: 403 }; // what the provider says, as a page's status
let provider; // discovered at the first login, and again after a failure

async function discovered() {
  provider ??= await oidc.discovery(
    new URL(env.ISSUER),
    env.CLIENT_ID,
    undefined,
    await proof(),
    // The library would trust TLS alone; here it is to judge the signatures too. Seconds.
    { execute: [oidc.enableNonRepudiationChecks], timeout: 5 },
  );
  return provider;
}

/** How it proves who it is: with a secret, with the P-256 key of its certificate, or not at all. */
async function proof() {
  if (env.CLIENT_SECRET) return oidc.ClientSecretBasic(env.CLIENT_SECRET);
  if (!env.CLIENT_KEY) return oidc.None();
  const der = createPrivateKey(readFileSync(env.CLIENT_KEY)).export({ type: 'pkcs8', format: 'der' });
  return oidc.PrivateKeyJwt(await crypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']));
}

async function start(response) {
  const config = await discovered();
  const verifier = oidc.randomPKCECodeVerifier();
  const login = { verifier, state: oidc.randomState(), nonce: oidc.randomNonce() };
  pending.set(login.state, login);
  if (pending.size > 10_000) pending.delete(pending.keys().next().value);
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: env.SCOPE,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: login.state,
    nonce: login.nonce,
  });
  response.writeHead(303, { location: url.href, 'set-cookie': setCookie('app_login', login.state) }).end();
}

async function callback(url, request, response) {
  const login = pending.get(url.searchParams.get('state'));
  if (!login || login.state !== cookie(request, 'app_login')) return refuse(response, 400, 'no login of this browser is waiting for this answer');
  pending.delete(login.state);
  const config = await discovered();
  const tokens = await oidc.authorizationCodeGrant(config, url, {
    pkceCodeVerifier: login.verifier,
    expectedState: login.state,
    expectedNonce: login.nonce,
    idTokenExpected: true,
  });
  const session = randomBytes(16).toString('hex');
  const who = await told(config, tokens);
  sessions.set(session, { who, access: tokens.access_token, refresh: tokens.refresh_token, idToken: tokens.id_token });
  response.writeHead(303, { location: '/me', 'set-cookie': setCookie('app_session', session) }).end();
}

/** Whom the tokens are about, by the ID token and by userinfo. */
async function told(config, tokens) {
  const claims = tokens.claims();
  const info = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
  const all = { ...info, ...claims };
  const { iss, sub, email, lab_person, mangrove_path } = all;
  return { iss, sub, email, lab_person, path: mangrove_path ?? [], claims: all, can_refresh: Boolean(tokens.refresh_token) };
}

function me(request, response) {
  const session = sessions.get(cookie(request, 'app_session'));
  if (!session) return refuse(response, 401, 'nobody is signed in');
  say(response, session.who);
}

/** Renews the tokens first: the person must stay the same, and the tokens must not. */
async function refresh(request, response) {
  const session = sessions.get(cookie(request, 'app_session'));
  if (!session?.refresh) return refuse(response, session ? 400 : 401, 'there is nothing to renew');
  const config = await discovered();
  const tokens = await oidc.refreshTokenGrant(config, session.refresh);
  const who = await told(config, tokens);
  if (who.sub !== session.who.sub) return refuse(response, 500, "the renewed tokens are somebody else's");
  if (tokens.access_token === session.access) return refuse(response, 502, 'the renewed access token is the old one');
  Object.assign(session, { who, access: tokens.access_token, refresh: tokens.refresh_token ?? session.refresh, idToken: tokens.id_token ?? session.idToken });
  me(request, response);
}

/** The session ends here first, then at the provider, which leads back to `/signed-out`. */
async function signOut(request, response) {
  const key = cookie(request, 'app_session');
  const session = sessions.get(key);
  if (!session) return refuse(response, 401, 'nobody is signed in');
  sessions.delete(key);
  const state = oidc.randomState();
  const url = oidc.buildEndSessionUrl(await discovered(), {
    id_token_hint: session.idToken,
    post_logout_redirect_uri: `${env.ORIGIN}/signed-out`,
    state,
  });
  response.writeHead(303, { location: url.href, 'set-cookie': setCookie('app_leaving', state) }).end();
}

function signedOut(url, request, response) {
  const state = url.searchParams.get('state');
  if (!state || state !== cookie(request, 'app_leaving')) return refuse(response, 400, 'no sign-out of this browser is waiting for this answer');
  say(response, { signed_out: true });
}

function say(response, body) {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body));
}

function setCookie(name, value) {
  return `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Lax`;
}

function cookie(request, name) {
  const pairs = (request.headers.cookie ?? '').split('; ').map((pair) => pair.split('='));
  return pairs.find(([key]) => key === name)?.[1];
}

function refuse(response, status, words) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error: words }));
}

async function handle(request, response) {
  const url = new URL(request.url, env.ORIGIN);
  try {
    if (url.pathname === '/') await start(response);
    else if (url.pathname === '/callback') await callback(url, request, response);
    else if (url.pathname === '/me') me(request, response);
    else if (url.pathname === '/refresh') await refresh(request, response);
    else if (url.pathname === '/sign-out') await signOut(request, response);
    else if (url.pathname === '/signed-out') signedOut(url, request, response);
    else refuse(response, 404, 'no such page');
  } catch (error) {
    console.error(JSON.stringify({ page: url.pathname, error: String(error), cause: String(error.cause ?? '') }));
    if (!response.headersSent) refuse(response, statusOf[error.error] ?? 502, String(error.message));
  }
}

const [host, port] = env.LISTEN.split(':');
createServer({ cert: readFileSync(env.CERT), key: readFileSync(env.KEY) }, handle).listen(Number(port), host, () =>
  console.log(JSON.stringify({ message: 'ready', address: env.LISTEN })),
);
