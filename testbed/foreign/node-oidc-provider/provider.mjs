// An OpenID provider on npm's oidc-provider, with a sign-in page of its own. It has everything in memory but its key.
//   MODULES=folder that holds node_modules   node provider.mjs CONFIG.json
// CONFIG: { issuer, host, port, cert, key, keys: file, clients: [{ id, secret or jwks, urls, signedOut }], users: { NAME: { password, claims } } }
import { createServer } from 'node:https';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { createPrivateKey, generateKeyPairSync, randomBytes, timingSafeEqual } from 'node:crypto';

const require = createRequire(`${process.env.MODULES}/package.json`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);
const config = JSON.parse(readFileSync(process.argv[2]));

const provider = new Provider(config.issuer, {
  jwks: keys(config.keys),
  clients: config.clients.map((client) => ({
    client_id: client.id,
    ...proof(client),
    redirect_uris: client.urls,
    post_logout_redirect_uris: client.signedOut,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  })),
  claims: { openid: ['sub', 'lab_person', 'role'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
  findAccount: (_, name) => config.users[name] && { accountId: name, claims: () => config.users[name].claims },
  pkce: { required: () => true },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  interactions: { url: (_, interaction) => `/sign-in/${interaction.uid}` },
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { logoutSource } },
});

/** How a client proves who it is: with a key, with a secret, or not at all. */
function proof({ jwks, secret }) {
  if (jwks) return { token_endpoint_auth_method: 'private_key_jwt', jwks };
  return secret ? { client_secret: secret } : { token_endpoint_auth_method: 'none' };
}

/** The signing key of last time, or a new one where the file is gone. */
function keys(file) {
  if (existsSync(file)) return JSON.parse(readFileSync(file));
  // By way of PEM: to export the very key object that was generated waits for ever now and then, in Node.js 20, where the collector of
  // garbage comes in between.
  const { privateKey: pem } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const jwk = createPrivateKey(pem).export({ format: 'jwk' });
  const set = { keys: [{ ...jwk, use: 'sig', alg: 'RS256', kid: randomBytes(6).toString('hex') }] };
  writeFileSync(file, JSON.stringify(set), { mode: 0o600 });
  return set;
}

function page(response, status, words) {
  show(response, status, `<h1>Sign in</h1><p>${words}</p>
<form method="post"><label>User <input name="login" autofocus></label>
<label>Password <input name="password" type="password"></label><button>Sign in</button></form>`);
}

function show(response, status, content) {
  const body = `<!doctype html><title>Sign in</title>${content}`;
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(body);
}

/** Asks whether to sign out; `form` is the library's, without a button. */
function logoutSource(context, form) {
  const button = '<button name="logout" value="yes">Sign out</button></form>';
  context.type = 'html';
  context.body = `<!doctype html><title>Sign out</title><h1>Sign out?</h1>${form.replace('</form>', button)}`;
}

/** What the library asks of a person: a name and a password. Consent is given to whatever is asked. */
async function interact(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'consent') {
    const grant = (grantId && (await provider.Grant.find(grantId)))
      || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(' '));
    if (prompt.details.missingOIDCClaims) grant.addOIDCClaims(prompt.details.missingOIDCClaims);
    const consent = { grantId: await grant.save() };
    return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
  }
  if (request.method !== 'POST') return page(response, 200, '');
  const { login, password } = await form(request);
  if (!right(config.users[login], password)) return page(response, 401, 'That is not the password.');
  return provider.interactionFinished(request, response, { login: { accountId: login } });
}

async function form(request) {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > 10_000) throw new Error('a form of this length is none');
  }
  return Object.fromEntries(new URLSearchParams(body));
}

function right(user, password) {
  const [wanted, got] = [Buffer.from(user?.password ?? ''), Buffer.from(password ?? '')];
  return wanted.length > 0 && wanted.length === got.length && timingSafeEqual(wanted, got);
}

provider.on('server_error', (_, error) => console.error(JSON.stringify({ error: String(error), stack: error.stack })));
const rest = provider.callback();
const handle = (request, response) =>
  request.url.startsWith('/sign-in/')
    ? interact(request, response).catch((error) => {
        console.error(JSON.stringify({ page: 'sign-in', error: String(error) }));
        // No form: what is typed into one that belongs to no login is typed in vain.
        show(response, 400, '<h1>This sign-in is over</h1><p>Start again at the application.</p>');
      })
    : rest(request, response);
createServer({ cert: readFileSync(config.cert), key: readFileSync(config.key) }, handle).listen(config.port, config.host, () =>
  console.log(JSON.stringify({ message: 'ready', address: `${config.host}:${config.port}` })),
);
