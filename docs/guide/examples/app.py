#!/usr/bin/env python3
"""A very small application to sign in to, for the tour. Needs Python 3.8 and nothing else.

    python3 docs/guide/examples/app.py [ISSUER]        # http://edge.localhost:9444 unless said otherwise

It is the client `sample-app` of what `mangrove-edge init` and `mangrove-root init` write: public, authorization code with
PKCE, and every check of the ID token that OpenID Connect asks for. Sessions live in memory; it listens on loopback only.
"""
import base64, hashlib, html, http.server, json, secrets, socket, sys, time, urllib.error, urllib.parse, urllib.request

ISSUER = (sys.argv[1] if len(sys.argv) > 1 else "http://edge.localhost:9444").rstrip("/")
CLIENT, HERE = "sample-app", "http://app.localhost:8080"
pending, people = {}, {}        # state -> (verifier, nonce); session cookie -> (claims, ID token)

# Browsers know that *.localhost is this machine (RFC 6761); not every C library does.
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: resolve(
    "127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **more)


def get(url, form=None):
    data = urllib.parse.urlencode(form).encode() if form else None
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
        return json.load(answer)


def unpack(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def checked(token, nonce):
    """The claims of an ID token, if all of it is right (OpenID Connect Core 3.1.3.7; signature by RFC 8017 8.2.2)."""
    head, body, signature = token.split(".")
    header, claims = json.loads(unpack(head)), json.loads(unpack(body))
    keys = get(metadata()["jwks_uri"])["keys"]
    key = next(k for k in keys if k["kid"] == header["kid"] and k["kty"] == "RSA" and header["alg"] == "RS256")
    n, e = (int.from_bytes(unpack(key[part]), "big") for part in "ne")
    size = (n.bit_length() + 7) // 8
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(f"{head}.{body}".encode()).digest()
    wanted = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    assert pow(int.from_bytes(unpack(signature), "big"), e, n).to_bytes(size, "big") == wanted, "the signature is wrong"
    assert claims["iss"] == ISSUER and claims["aud"] in (CLIENT, [CLIENT]), "the token is for somebody else"
    assert claims["nonce"] == nonce and claims["exp"] > time.time(), "the token is old, or of another sign-in"
    return claims


def metadata():
    return get(ISSUER + "/.well-known/openid-configuration")


class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        page = {"/": self.home, "/login": self.login, "/callback": self.callback, "/logout": self.logout}.get(path)
        try:
            page(dict(urllib.parse.parse_qsl(query))) if page else self.show("Nothing is here", 404)
        except urllib.error.HTTPError as no:
            self.show(f"{ISSUER} answered {no.code}: {no.read(300).decode(errors='replace')}", 502)
        except (OSError, AssertionError, KeyError, StopIteration, ValueError) as why:
            self.show(f"That did not work: {why!r}", 502)

    def home(self, _):
        claims, _token = people.get(self.cookie(), (None, None))
        if not claims:
            return self.show("Nobody is signed in", links={"/login": "Sign in"})
        self.show("You are signed in", claims=claims, links={"/login": "Sign in again", "/logout": "Sign out"})

    def login(self, _):
        state, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        pending[state] = (verifier, nonce)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        ask = {"response_type": "code", "client_id": CLIENT, "redirect_uri": HERE + "/callback", "state": state,
               "scope": "openid profile email", "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256"}
        self.go(metadata()["authorization_endpoint"] + "?" + urllib.parse.urlencode(ask), f"state={state}")

    def callback(self, got):
        state = got.get("state", "")
        if state not in pending or self.cookie("state") != state:
            return self.show("This is not an answer to a sign-in of this browser", 400, links={"/login": "Sign in"})
        verifier, nonce = pending.pop(state)
        if "error" in got:
            return self.show(f"Nobody was signed in: {got.get('error_description', got['error'])}", links={"/login": "Try again"})
        tokens = get(metadata()["token_endpoint"], {"grant_type": "authorization_code", "client_id": CLIENT,
                     "code": got["code"], "redirect_uri": HERE + "/callback", "code_verifier": verifier})
        session = secrets.token_urlsafe(32)
        people[session] = (checked(tokens["id_token"], nonce), tokens["id_token"])
        self.go("/", f"session={session}")

    def logout(self, _):
        _claims, token = people.pop(self.cookie(), (None, None))
        hint = "?" + urllib.parse.urlencode({"id_token_hint": token}) if token else ""
        self.go(metadata()["end_session_endpoint"] + hint, "session=")

    def cookie(self, name="session"):
        pairs = (pair.strip().partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        return next((value for key, _, value in pairs if key == name), "")

    def go(self, where, cookie):
        self.send_response(303)
        self.send_header("Location", where)
        self.send_header("Set-Cookie", cookie + "; Path=/; HttpOnly; SameSite=Lax")
        self.end_headers()

    def show(self, words, status=200, claims=None, links=None):
        rows = "".join(f"<tr><th>{html.escape(k)}<td>{html.escape(str(v))}" for k, v in (claims or {}).items())
        ways = " &nbsp; ".join(f"<a href='{to}'>{label}</a>" for to, label in (links or {"/": "Start"}).items())
        page = (f"<!doctype html><html lang=en><meta charset=utf-8><meta name=color-scheme content='light dark'><title>Sample app"
                f"</title><style>body{{font:1.1rem sans-serif;margin:3rem}}th{{text-align:left;padding-right:2rem}}</style>"
                f"<h1>{html.escape(words)}</h1><table>{rows}</table><p>{ways}")
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    print(f"sample app at {HERE}, which lets {ISSUER} sign people in (Ctrl-C ends it)", flush=True)
    try:
        http.server.ThreadingHTTPServer(("127.0.0.1", 8080), App).serve_forever()
    except KeyboardInterrupt:
        pass
