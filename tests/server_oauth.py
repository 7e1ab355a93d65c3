#!/usr/bin/env python3
"""Logins by access token: a real endpoint of RFC 7662 over TLS, curl and msmtp as clients.

server_oauth.py POSTERN
"""
import base64
import contextlib
import http.server
import json
import pathlib
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import sasl  # noqa: E402
from server import PORTS, Failed, Server, certificate_files  # noqa: E402

USER, GOOD = "ann@example.test", "ya29.good-token_7"
ANSWERS = {
    GOOD: {"active": True, "username": USER, "scope": "mail.send openid"},
    "of-bob": {"active": True, "username": "bob@example.test", "scope": "mail.send"},
    "of-nobody": {"active": True, "username": "nobody@example.test", "scope": "mail.send"},
    "no-scope": {"active": True, "username": USER, "scope": "mail.read"},
    "expired": {"active": True, "username": USER, "scope": "mail.send", "exp": 1000000000},
    "of-web": {"active": True, "username": USER, "scope": "mail.send", "aud": "web"},
    "locked": {"active": True, "username": "carl@example.test", "scope": "mail.send"},
    "huge": {"active": True, "username": USER, "scope": "mail.send", "x": "x" * 70000},
}
for answer in ANSWERS.values():
    answer.setdefault("aud", ["web", "mx"])
TIME = 6  # seconds: oauth.time
SLOW = 7  # seconds; more than oauth.time
MESSAGE = "From: ann@example.test\r\nSubject: x\r\n\r\ntext\r\n"


class Endpoint(http.server.BaseHTTPRequestHandler):
    seen = []

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        Endpoint.seen.append((self.path, self.headers["Authorization"], form))
        token = form["token"][0]
        answer = ANSWERS.get(GOOD if token == "slow" else token, {"active": False})
        octets = b"no JSON" if token == "strange" else json.dumps(answer).encode()
        if token == "slow":
            time.sleep(SLOW)
        with contextlib.suppress(OSError):  # who asked may not have waited
            self.send_response({"broken": 500, "moved": 307}.get(token, 200))
            self.send_header("Location", self.path + "?token=" + GOOD)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

    def log_message(self, *args):
        pass


def require(condition, text):
    if not condition:
        raise Failed(text)


def serve(server):
    """On the server's own address, with a certificate for a name that no DNS knows."""
    certificate, key = certificate_files(server.dir, "login.example.test", "login")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    endpoint = http.server.ThreadingHTTPServer((server.host, 0), Endpoint)
    endpoint.socket = context.wrap_socket(endpoint.socket, server_side=True)
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    return endpoint, certificate


def log_in(server, mechanism, user, token, told=None):
    with contextlib.closing(server.connect("submissions")) as client:
        client.reply()
        client.do("EHLO client.example", "250")
        return str(sasl.log_in(client.reply, lambda line: client.send(line.encode() + b"\r\n"),
                               mechanism, user, token, told))


def by_hand(server):
    cases = [(USER, GOOD, "235"), ("ANN@example.test", GOOD, "235"), (USER, "unknown", "535"),
             (USER, "of-bob", "535"), ("bob@example.test", GOOD, "535"),
             ("nobody@example.test", "of-nobody", "535"), (USER, "no-scope", "535"),
             (USER, "expired", "535"), ("carl@example.test", "locked", "534"),
             (USER, "of-web", "535"), (USER, "broken", "454"), (USER, "strange", "454"),
             (USER, "huge", "454"), (USER, "moved", "454")]
    errors = {"OAUTHBEARER": {"status": "invalid_token", "schemes": "bearer"},
              "XOAUTH2": {"status": "401", "schemes": "bearer"}}
    for mechanism, error in errors.items():
        for user, token, code in cases:
            said = []
            got = log_in(server, mechanism, user, token, told=said.append)
            require(got.startswith(code), f"{mechanism} {user} {token}: {got}, not {code}")
            told = [json.loads(octets) for octets in said]
            require(told == ([error] if code == "535" else []), f"{mechanism} {token}: {told}")
    got = log_in(server, "OAUTHBEARER", "", GOOD)  # the token says who it is
    require(got.startswith("235") and USER in got, got)
    path, secret, form = Endpoint.seen[-1]
    require(path == "/introspect" and form["token_type_hint"] == ["access_token"], str(form))
    require(base64.b64decode(secret.split()[1]) == b"postern:between%20us", secret)  # RFC 6749 2.3.1
    require({form["token"][0] for _, _, form in Endpoint.seen} >= {"moved", "huge", GOOD},
            "not asked about all tokens")
    require(all(path == "/introspect" for path, _, _ in Endpoint.seen), "followed a redirect")


def in_clear(server):
    """Not offered, not taken, even where passwords are."""
    with contextlib.closing(server.connect("submission")) as client:
        offered = str(client.hello())
        require("PLAIN" in offered and "OAUTH" not in offered, offered)
        client.do("AUTH XOAUTH2 dXNlcg==", "504")


def slowly(server, password):
    """Tokens that wait for their endpoint keep no password waiting."""
    with contextlib.ExitStack() as stack:
        waiting = []
        for _ in range(12):  # more than the threads that ask
            client = stack.enter_context(contextlib.closing(server.connect("submissions")))
            client.hello()
            text = f"user={USER}\1auth=Bearer slow\1\1"
            client.send(f"AUTH XOAUTH2 {sasl.b64(text.encode())}\r\n".encode())
            waiting.append(client)
        began = time.monotonic()
        got = log_in(server, "PLAIN", USER, password)
        took = time.monotonic() - began
        require(got.startswith("235") and took < TIME, f"{got} after {took:.1f} s")
        for client in waiting:
            client.expect("454", "slow endpoint")
        took = time.monotonic() - began
        require(took < 2 * TIME + 10, f"the last one was told after {took:.1f} s")


def guessing(server):
    """Who names nobody is counted by network alone."""
    for user in ("", "", USER):
        got = log_in(server, "OAUTHBEARER", user, "guess")
        require(got.startswith("535"), got)
    got = log_in(server, "OAUTHBEARER", "", GOOD)
    require(got.startswith("454 4.7.0 Too many"), f"the network's limit: {got}")


def untrusted(server):
    """The certificate is good, but for another name."""
    before = len(Endpoint.seen)
    got = log_in(server, "XOAUTH2", USER, GOOD)
    require(got.startswith("454") and len(Endpoint.seen) == before, got)


def by_clients(server):
    sent = 0
    mail = server.dir / "mail.txt"
    mail.write_text(MESSAGE, newline="")
    if shutil.which("curl"):
        for option in ("XOAUTH2", "OAUTHBEARER"):
            subprocess.run(["curl", "-sS", "-k", "--url",
                            f"smtps://{server.host}:{PORTS['submissions']}/client.example",
                            "--login-options", f"AUTH={option}", "--user", USER,
                            "--oauth2-bearer", GOOD, "--mail-from", USER,
                            "--mail-rcpt", "bob@example.test", "-T", str(mail)],
                           check=True, timeout=60)
            sent += 1
    if shutil.which("msmtp"):
        for option in ("xoauth2", "oauthbearer"):
            subprocess.run(["msmtp", f"--host={server.host}", f"--port={PORTS['submission']}",
                            "--tls=on", "--tls-certcheck=off", f"--auth={option}", f"--user={USER}",
                            f"--passwordeval=echo {GOOD}", f"--from={USER}", "bob@example.test"],
                           input=MESSAGE, text=True, check=True, timeout=60)
            sent += 1
    server.messages("bob@example.test", sent)
    return sent


@contextlib.contextmanager
def serving(*settings):
    """A server with ann, bob and carl, an endpoint, and ann's password."""
    with Server(sys.argv[1], listeners=["submission tls=starttls", "submissions"]) as server:
        endpoint, certificate = serve(server)
        port = endpoint.server_address[1]
        server.settings += [
            'auth.delay = "100 ms"', "auth.allow-clear = yes",
            f'oauth.introspection = "https://login.example.test:{port}/introspect"',
            f'oauth.connect-to = "{server.host}:{port}"', 'oauth.ca = "directory/ca.pem"',
            'oauth.client-id = "postern"', 'oauth.client-secret = "directory/secret"',
            'oauth.scope = "mail.send"', 'oauth.audience = "mx"', f'oauth.time = "{TIME} s"',
            *(setting.replace("PORT", str(port)) for setting in settings)]
        server.excused = ["event=oauth "]
        server.run("domain", "add", "example.test")
        passwords = [server.run("user", "add", f"{name}@example.test", "--generate")
                     for name in ("ann", "bob", "carl")]
        server.run("user", "lock", "carl@example.test")
        shutil.copy(certificate, server.state / "directory" / "ca.pem")
        (server.state / "directory" / "secret").write_text("between us\n")
        for name in ("ca.pem", "secret"):
            shutil.chown(server.state / "directory" / name,
                         (server.state / "directory").stat().st_uid)
        server.start()
        yield server, endpoint, passwords[0].split()[-1]
        endpoint.shutdown()
        endpoint.server_close()


def main():
    with serving("auth.attempts-per-account = 1000",
                 "auth.attempts-per-network = 1000") as (server, endpoint, password):
        by_hand(server)
        in_clear(server)
        slowly(server, password)
        sent = by_clients(server)
        endpoint.shutdown()
        endpoint.server_close()
        got = log_in(server, "XOAUTH2", USER, GOOD)
        require(got.startswith("454"), f"without an endpoint: {got}")
        server.end_process()
        for path in [server.dir / "log", *(server.state / "trace").iterdir()]:
            for secret in (GOOD.encode(), base64.b64encode(GOOD.encode())[:-4], b"between us"):
                require(secret not in path.read_bytes(), f"{path.name} holds {secret!r}")
    with serving("auth.attempts-per-account = 2",
                 "auth.attempts-per-network = 3") as (server, *_):
        guessing(server)
    with serving('oauth.introspection = "https://else.example.test:PORT/"') as (server, *_):
        untrusted(server)
    print(f"{len(Endpoint.seen)} tokens, {sent} messages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
