// A relying party on npm's openid-client: the same pages as the lab's own application, in another language and on
// another library. All settings come from the environment; the lab sets them.
//   LISTEN=10.64.1.9:443 ORIGIN=https://app.mesh.test CERT=file KEY=file ISSUER=https://edge.mesh.test CLIENT_ID=... CLIENT_SECRET=...
//   NODE_EXTRA_CA_CERTS=file MODULES=folder that holds node_modules
import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { randomBytes } from 'node:crypto';

const env = process.env;
const require = createRequire(`${env.MODULES}/package.json`);
const oidc = await import(pathToFileURL(require.resolve('openid-client')).href);

const redirectUri = `${env.ORIGIN}/callback`;
const pending = new Map(); // state -> what the login needs when it comes back
const sessions = new Map(); // cookie -> who
let provider; // discovered at the first login, and again after a failure

async function discovered() {
  provider ??= await oidc.discovery(
    new URL(env.ISSUER),
    env.CLIENT_ID,
    undefined,
    env.CLIENT_SECRET ? oidc.ClientSecretBasic(env.CLIENT_SECRET) : oidc.None(),
  );
  return provider;
}

async function start(response) {
  const config = await discovered();
  const verifier = oidc.randomPKCECodeVerifier();
  const login = { verifier, state: oidc.randomState(), nonce: oidc.randomNonce() };
  pending.set(login.state, login);
  if (pending.size > 10_000) pending.delete(pending.keys().next().value);
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid profile email',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: login.state,
    nonce: login.nonce,
  });
  response.writeHead(303, { location: url.href }).end();
}

async function callback(url, response) {
  const login = pending.get(url.searchParams.get('state'));
  if (!login) return refuse(response, 400, 'no login is waiting for this answer');
  pending.delete(login.state);
  const config = await discovered();
  const tokens = await oidc.authorizationCodeGrant(config, url, {
    pkceCodeVerifier: login.verifier,
    expectedState: login.state,
    expectedNonce: login.nonce,
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  const info = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
  const cookie = randomBytes(16).toString('hex');
  const { iss, sub, email, lab_person, mangrove_path } = { ...info, ...claims };
  sessions.set(cookie, { iss, sub, email, lab_person, path: mangrove_path ?? [], can_refresh: false });
  response
    .writeHead(303, { location: '/me', 'set-cookie': `app_session=${cookie}; Path=/; Secure; HttpOnly; SameSite=Lax` })
    .end();
}

function me(request, response) {
  const cookie = /(?:^|; )app_session=([0-9a-f]+)/.exec(request.headers.cookie ?? '')?.[1];
  const who = sessions.get(cookie);
  if (!who) return refuse(response, 401, 'nobody is signed in');
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(who));
}

function refuse(response, status, words) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error: words }));
}

async function handle(request, response) {
  const url = new URL(request.url, env.ORIGIN);
  try {
    if (url.pathname === '/') await start(response);
    else if (url.pathname === '/callback') await callback(url, response);
    else if (url.pathname === '/me') me(request, response);
    else refuse(response, 404, 'no such page');
  } catch (error) {
    console.error(JSON.stringify({ page: url.pathname, error: String(error), cause: String(error.cause ?? '') }));
    if (!response.headersSent) refuse(response, 502, String(error.message));
  }
}

const [host, port] = env.LISTEN.split(':');
createServer({ cert: readFileSync(env.CERT), key: readFileSync(env.KEY) }, handle).listen(Number(port), host, () =>
  console.log(JSON.stringify({ message: 'ready', address: env.LISTEN })),
);
