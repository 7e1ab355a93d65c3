#!/usr/bin/env python3
"""Webhooks: events are posted to a real HTTP server, signed and in order; again when it fails, over restarts, and
none is lost.

server_webhook.py POSTERN
"""
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import signal
import ssl
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import nsd  # noqa: E402
import parts  # noqa: E402
from server import SKIPPED, certificate_files, peer_address, wait_until  # noqa: E402
from server_events import ACCOUNT, events, push_meanwhile, wait_for  # noqa: E402
from server_remote import check  # noqa: E402
from server_returns import DSN, Play  # noqa: E402

PORT, TLS_PORT = 18080, 18443
HOST = peer_address()


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what it was sent; answers with the codes in `plan`, then 200. A code of 0: it hangs up. What it answered
    with 2yz it has taken."""

    def __init__(self, port, context=None):
        self.plan, self.requests, self.taken, self.lock = [], [], [], threading.Lock()
        super().__init__((HOST, port), Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            code = self.server.plan.pop(0) if self.server.plan else 200
            self.server.requests.append((time.monotonic(), code, dict(self.headers), body, self.path))
            if code == 200:
                self.server.taken += json.loads(body)["events"]
        if code == 0:
            self.connection.close()
            return
        self.send_response(code)
        self.send_header("Location", "http://127.0.0.1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def ids(receiver):
    return [event["id"] for event in receiver.taken]


def all_told(p, receiver, since=0):
    """Everything that the trace tells, in its order."""
    wait_until(lambda: f"{ids(receiver)} instead of {[e['id'] for e in events(p)]}\n{p.server.run('webhook', 'list')}",
               lambda: ids(receiver)[since:] == [e["id"] for e in events(p)][since:])


def signed(secret, request):
    _, _, headers, body, _ = request
    parts = dict(part.split("=", 1) for part in headers["Postern-Signature"].split(","))
    right = hmac.new(secret.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(parts["v1"], right) and abs(time.time() - int(parts["t"])) < 120


def test_posted(p):
    p.secret = p.server.run("webhook", "add", ACCOUNT, f"http://{HOST}:{PORT}/hook?x=1").strip()
    check(len(p.secret) == 64, p.secret)
    time.sleep(1)  # it is noticed
    p.peer.answers["hard@far.test"] = "550 5.1.1 no such user here"
    p.push("good@far.test", "hard@far.test", "later@far.test")
    wait_until("nothing was posted", lambda: len(p.receiver.taken) >= 6)
    all_told(p, p.receiver)
    p.back(p.path_of("later@far.test"), DSN, action="failed", status="5.1.1", reply="550 5.1.1 no such user here")
    wait_until("the late bounce was not posted", lambda: [e for e in p.receiver.taken if e.get("later")])
    all_told(p, p.receiver)
    request = p.receiver.requests[0]
    check(signed(p.secret, request) and not signed(p.secret + "x", request), f"{request}")
    check(request[4] == "/hook?x=1" and request[2]["Content-Type"] == "application/json"
          and json.loads(request[3])["account"] == ACCOUNT, f"{request}")


def test_failures(p):
    """A receiver that fails, redirects, hangs up: the same comes again, later each time, and what follows waits."""
    before = len(p.receiver.requests)
    p.receiver.plan = [500, 0, 302]
    p.push("again@far.test")
    wait_until("not given up", lambda: len(p.receiver.requests) >= before + 1)
    p.push("behind@far.test")
    all_told(p, p.receiver)
    tried = p.receiver.requests[before:before + 4]
    first = [json.loads(request[3])["events"][0]["id"] for request in tried]
    check([request[1] for request in tried] == [500, 0, 302, 200] and len(set(first)) == 1, f"{first}")
    waits = [b[0] - a[0] for a, b in zip(tried, tried[1:])]
    check(waits[0] >= 0.9 and waits[1] >= 1.8 and waits[2] >= 3.6, f"{waits}")
    check("event=webhook-failed" in p.server.log() and "HTTP 500" in p.server.log(), "not in the log")
    check(not json.loads(p.server.run("webhook", "list", ACCOUNT, "--json"))["error"], "still called failing")


def test_restarts(p):
    """While it is down, and while we are: nothing is lost, and nothing comes twice that was taken."""
    p.receiver.plan = [503] * 3
    p.push("down1@far.test")
    wait_until("not tried", lambda: len(p.receiver.plan) < 3)
    p.server.end_process()
    (p.server.dir / "log").rename(p.server.dir / "log.before")
    p.server.start()
    p.push("down2@far.test")
    all_told(p, p.receiver)
    p.server.process.send_signal(signal.SIGHUP)
    for i in range(5):
        push_meanwhile(p, f"reload{i}@far.test")
    for i in range(5):
        wait_for(p, f"reload{i}@far.test", "accepted", "delivered")
    all_told(p, p.receiver)
    pid = p.server.pid_of("trace")
    p.server.excused.append("event=role-ended")
    p.server.settle()
    all_told(p, p.receiver)
    os.kill(pid, signal.SIGKILL)
    # What it heard in its last moment is lost with it (docs/architecture.md); what comes after is not.
    wait_until("not noticed", lambda: f"process=trace index=0 pid={pid} signal=KILL" in p.server.log())
    for i in range(5):
        push_meanwhile(p, f"killed{i}@far.test")
    for i in range(5):
        wait_for(p, f"killed{i}@far.test", "accepted", "delivered")  # the trace role is back
    all_told(p, p.receiver)
    check(len(set(ids(p.receiver))) == len(ids(p.receiver)), "something was posted twice")
    for message in {event["message"] for event in p.receiver.taken}:
        names = [e["event"] for e in p.receiver.taken if e["message"] == message and e["recipient"].startswith("reload")]
        check(names in ([], ["accepted", "delivered"]), f"{names}")


def test_tls(p):
    """By name, over TLS, to a certificate that webhook.ca vouches for."""
    p.server.run("webhook", "add", ACCOUNT, f"https://hooks.far.test:{TLS_PORT}/", "--secret-stdin", stdin="a secret of ours\n")
    time.sleep(1)
    known = len(events(p))
    p.push("tls@far.test")
    wait_until(lambda: p.server.run("webhook", "list"), lambda: len(p.tls.taken) >= 2)
    check([e["id"] for e in p.tls.taken] == [e["id"] for e in events(p)][known:], f"{p.tls.taken}")
    check(signed("a secret of ours", p.tls.requests[0]), "not signed")
    p.server.run("webhook", "add", ACCOUNT, f"https://other.far.test:{TLS_PORT}/")  # not in the certificate
    time.sleep(1)
    before = len(p.tls.requests)
    p.push("tls2@far.test")
    wait_until(lambda: p.server.run("webhook", "list"),
               lambda: "SSL" in p.server.run("webhook", "list") and len(p.tls.taken) >= 4)
    check(len(p.tls.requests) > before, "nothing to the good one")


def test_words(p):
    run = p.server.run
    url = f"http://{HOST}:{PORT}/hook?x=1"
    check(len(run("webhook", "list").splitlines()) == 3 and p.secret not in run("webhook", "list", "--json"), "listed")
    run("webhook", "add", ACCOUNT, url, status=1)
    run("webhook", "list", "nobody", status=1)
    run("webhook", "remove", ACCOUNT, "https://nowhere.test/", status=1)
    for words in ([], ["add"], ["add", ACCOUNT], ["add", ACCOUNT, "http://192.0.2.1/"], ["add", ACCOUNT, "ftp://x.test/"],
                  ["add", ACCOUNT, "https://user@x.test/"], ["remove"], ["list", "--secret-stdin"]):
        run("webhook", *words, status=2)
    run("webhook", "add", ACCOUNT, "https://x.test/", "--secret-stdin", stdin="short\n", status=2)
    run("webhook", "remove", ACCOUNT, url)
    time.sleep(1)
    before = len(p.receiver.requests)
    p.push("gone@far.test")
    p.server.settle()
    time.sleep(1)
    check(len(p.receiver.requests) == before, "posted to what was removed")


def main():
    if nsd.program() is None:
        print("NSD is not installed: this test needs its DNS")
        return SKIPPED
    p = Play(sys.argv[1], settings=[f'webhook.ports = {{"{PORT}", "{TLS_PORT}"}}', "webhook.events = 3",
                                    'webhook.ca = "hooks-cert.pem"'],
             zone=[f"hooks.far.test. A {HOST}", f"other.far.test. A {HOST}"], before=lambda server: certificates(server))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates(p.server))
    p.receiver, p.tls = Receiver(PORT), Receiver(TLS_PORT, context)
    try:
        return parts.play((test_posted, test_failures, test_restarts, test_tls, test_words), p,
                          lambda: p.server.log()[-3000:])
    finally:
        for receiver in (p.receiver, p.tls):
            receiver.shutdown()
            receiver.server_close()
        p.stop()


def certificates(server):
    server.state.mkdir(mode=0o755, exist_ok=True)
    return certificate_files(server.state, "hooks.far.test", stem="hooks-")


if __name__ == "__main__":
    sys.exit(main())
