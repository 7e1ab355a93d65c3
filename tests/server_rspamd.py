#!/usr/bin/env python3
"""Messages on their way through rspamd, or a stand-in with its protocol: what it is shown is what came;
marks and fields; one that is slow, silent, gone, or talks nonsense.

server_rspamd.py POSTERN
"""
import contextlib
import pathlib
import signal
import sys
import socket
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import nsd  # noqa: E402
import rspamd  # noqa: E402
from server import Server, wait_until  # noqa: E402

PASS = {"action": "no action", "score": 0, "required_score": 15, "symbols": {}}
HEAD = (b"From: ann@client.example\r\nMessage-ID: <1@client.example>\r\nX-Old: 1\r\n"
        b"Subject: x\r\n\r\n")


def with_stand_in(postern, answer, work, *settings):
    with Server(postern, listeners=["mx"]) as server:
        server.settings += [f'rspamd.server = "{server.host}:{rspamd.PORT}"', 'rspamd.time = "2 s"',
                            *settings]
        peer = rspamd.StandIn(server.host, answer) if answer != "gone" else None
        try:
            server.run("domain", "add", "example.test")
            server.add_users("alice@example.test")
            server.start()
            work(server, peer)
        finally:
            if peer is not None:
                peer.stop()


def shown(server, peer):
    """Envelope and message, octet for octet, also of a large one; nothing of ours in it."""
    body = b"".join(b"%07d " % i + b"x" * 60 + b"\r\n" for i in range(60000))
    with contextlib.closing(server.connect()) as c:
        c.hello()
        for octets in (HEAD + b"text\r\n", HEAD + body):
            c.message(octets, "alice@example.test")
    fields, first = peer.asked[0]
    assert first == HEAD + b"text\r\n", first
    assert peer.asked[1][1] == HEAD + body
    said = dict(fields)
    assert said["From"] == "ann@client.example" and said["Rcpt"] == "alice@example.test", said
    assert said["IP"].startswith("127.") and said["Helo"] == "client.example", said
    assert said["MTA-Name"] == "mx.example.test" and "User" not in said, said
    assert len(server.messages("alice@example.test", 2)) == 2


def named(server, peer):
    """The client's name, where its address and that agree, and only there."""
    if nsd.program() is None:
        print("NSD is not installed: skipped")
        return
    reverse = ".".join(reversed(server.host.split("."))) + ".in-addr.arpa."
    for name in ("mail.client.example", "other.client.example"):
        dns = nsd.Nsd(server.dir / "nsd", server.host, [f"{reverse} PTR mail.client.example.",
                                                        f"{name}. A {server.host}"])
        try:
            with contextlib.closing(server.connect()) as c:
                c.hello()
                c.envelope("alice@example.test")
                time.sleep(0.5)  # both answers are there by then
                c.do("DATA", 354)
                c.send(HEAD + b"text\r\n.\r\n")
                c.reply()
        finally:
            dns.stop()
        server.process.send_signal(signal.SIGHUP)  # forgets what the DNS said
        wait_until("reloaded", lambda: "event=reloaded" in server.log())
    assert [dict(fields).get("Hostname") for fields, _ in peer.asked] == ["mail.client.example", None], peer.asked


def fields_changed(server, peer):
    peer.answer = {"action": "rewrite subject", "score": 8.25, "required_score": 15, "symbols": {},
                   "subject": "[spam] x", "milter": {
                       "remove_headers": {"X-Old": 0},
                       "add_headers": {"X-New": {"value": "a\nb\nEvil: 1", "order": 1}}}}
    with contextlib.closing(server.connect()) as c:
        c.hello()
        c.message(HEAD + b"text\r\n", "alice@example.test")
    octets, = server.messages("alice@example.test", 1)
    head = octets.partition(b"\n\n")[0].replace(b"\r", b"")
    assert b"\nSubject: [spam] x\n" in head and head.count(b"\nSubject:") == 1, head
    assert b"\nX-New: a\n\tb\n\tEvil: 1\n" in head and b"X-Old" not in head, head
    assert b"\nX-Spam: Yes\n" in head, head


def refused(server, row):
    with contextlib.closing(server.connect()) as c:
        c.hello()
        c.envelope("alice@example.test")
        c.do("DATA", 354)
        c.send(HEAD + b"text\r\n.\r\n")
        start = time.monotonic()
        reply = c.reply()
        assert reply.code == str(row), reply
        assert time.monotonic() - start < 8, "waited too long"
        c.do("NOOP", 250)


def silent(server, peer):
    refused(server, 451)
    wait_until("the log says why", lambda: "no answer in time" in server.log())


def gone(server, peer):
    refused(server, 451)
    wait_until("the log says why", lambda: "gives no verdict: no connection" in server.log())


def accepted(server, peer):
    with contextlib.closing(server.connect()) as c:
        c.hello()
        c.message(HEAD + b"text\r\n", "alice@example.test")
    assert len(server.messages("alice@example.test", 1)) == 1


def stuck(server, peer):
    """A peer that reads nothing of a large message: the client waits, memory does not grow, and the message
    is taken without a verdict in the end."""
    with socket.create_server((server.host, rspamd.PORT)):  # accepts by its backlog, reads nothing
        accept_large(server)


def accept_large(server):
    pid = server.pid_of("smtpd")
    most = [0]
    done = threading.Event()

    def watch():
        while not done.wait(0.05):
            line = next(x for x in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                        if x.startswith("VmRSS"))
            most[0] = max(most[0], int(line.split()[1]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with contextlib.closing(server.connect()) as c:
            c.hello()
            c.message(HEAD + (b"x" * 70 + b"\r\n") * 400000, "alice@example.test")
    finally:
        done.set()
        watcher.join()
    sanitized = b"__asan_init" in pathlib.Path(server.postern).read_bytes()
    assert sanitized or most[0] < 60 * 1024, f"{most[0]} KiB"
    wait_until("the log says why", lambda: "gives no verdict: it takes nothing" in server.log())


def large(server, peer):
    with contextlib.closing(server.connect()) as c:
        c.hello()
        c.message(HEAD + (b"x" * 70 + b"\r\n") * 100, "alice@example.test")
    assert len(server.messages("alice@example.test", 1)) == 1


def main():
    postern = sys.argv[1]
    for answer, work, *settings in (
            (PASS, shown), (PASS, named, "checks.local-networks = {}"), (PASS, fields_changed), (None, silent), ("gone", gone),
            (None, accepted, "rspamd.when-down = accept"),
            (b"220 mx ESMTP\r\n", accepted, "rspamd.when-down = accept"),
            (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", accepted, "rspamd.when-down = accept"),
            ({"action": "reject"}, accepted, "checks.rspamd = observe"),
            ({"action": "reject"}, accepted, "checks.rspamd = off"),
            ({"action": "reject"}, large, 'rspamd.size = "2 KiB"'),
            ("gone", stuck, "rspamd.when-down = accept")):
        with_stand_in(postern, answer, work, *settings)
        print(f"{work.__name__} {' '.join(settings)}: well")


if __name__ == "__main__":
    main()
