// What stands behind oauth2-proxy: a page that knows nothing of logins and says who it was told came. Starts the proxy once the
// provider answers (it would end otherwise), and ends with it.
//   ISSUER=https://edge.mesh.test NODE_EXTRA_CA_CERTS=file SOCKET=file   node behind.mjs PROGRAM ARGUMENTS...
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const { ISSUER: issuer, SOCKET: socket } = process.env;
const [program, ...rest] = process.argv.slice(2);

/** The claims of the ID token that the proxy has verified and passes on. */
function told(request) {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url'));
  const { iss, sub, email, lab_person, mangrove_path } = claims;
  return { iss, sub, email, lab_person, path: mangrove_path ?? [], claims, can_refresh: false };
}

rmSync(socket, { force: true });
createServer((request, response) => {
  const say = (status, body) =>
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body));
  try {
    // The one page that the proxy lets nobody in to: a logout leads back to it.
    if (request.url.startsWith('/signed-out')) say(200, { signed_out: true });
    else say(200, told(request));
  } catch (error) {
    say(401, { error: `the proxy said nobody: ${error.message}` });
  }
}).listen(socket);

for (;;) {
  const answer = await fetch(`${issuer}/.well-known/openid-configuration`).catch(() => undefined);
  if (answer?.ok) break;
  await pause(100);
}
spawn(program, rest, { stdio: 'inherit' }).on('exit', (code) => process.exit(code ?? 1));
