#!/usr/bin/env python3
"""The push service between restarts. The suppression list: filled by what other servers answer and by hand, cleared by proof of life, kept
across restarts, in and out by `postern suppress`. Quotas.

server_suppress.py POSTERN
"""
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import nsd  # noqa: E402
import parts  # noqa: E402
import push  # noqa: E402
from server import PORTS, SKIPPED, Server, wait_until  # noqa: E402
from server_remote import Peer, check  # noqa: E402

HEAD = "address,account,reason,times,first,last,until,evidence\n"


class Play:
    def __init__(self, postern):
        self.server = Server(postern, listeners=["push", "relay"], settings=[
            f"delivery.smtp-port = {PORTS['mx']}", 'delivery.connect-time = "2 s"',
            'dns.timeout = "2 s"', 'queue.retry = {"1 s"}'])
        self.peer = Peer({"RCPT": "550 5.1.1 <gone@far.test>: no such user here",
                          "full@far.test": "552 5.2.2 mailbox is full",
                          "fine@far.test": "250 ok"})
        zone = ["far.test. MX 10 mx.far.test.", f"mx.far.test. A {self.peer.host}"]
        self.dns = nsd.Nsd(self.server.dir / "nsd", self.server.host, zone, [])
        push.add_account(self.server)
        self.server.run("relay", "add", "acme", "--network", "127.0.0.0/8", "--domain", "acme.test")
        self.server.start()

    def push(self, *rcpts):
        """The codes of the recipients; what is accepted is sent."""
        return push.send(self.server, *rcpts)[0]

    def listed(self, *words):
        out = self.server.run("suppress", "list", "--json", *words, status=None)
        return [json.loads(line) for line in out.splitlines()]

    def stop(self):
        self.peer.stop()
        try:
            self.server.stop()
        finally:
            self.dns.stop()


def test_bounce(p):
    check(p.push("gone@far.test", "full@far.test", "fine@far.test") == [250] * 3, "not taken")
    wait_until("the bounce is not on the list", lambda: p.listed("gone@far.test"))
    entry = p.listed()[0]
    check(len(p.listed()) == 1, f"more than the hard bounce is on the list: {p.listed()}")
    check(entry["account"] == "news@example.test" and entry["reason"] == "bounce" and entry["active"]
          and "no such user here" in entry["evidence"] and entry["times"] == 1, f"not told so: {entry}")
    check(entry["until_ms"] - entry["last_ms"] == 30 * 24 * 3600 * 1000, f"not 30 days: {entry}")
    check(p.push("gone@far.test", "full@far.test") == [559, 250], "gone@far.test is not refused")
    p.server.end_process()
    (p.server.dir / "log").rename(p.server.dir / "log.before")  # start() waits for what the new one says
    p.server.start()
    check(p.push("fine@far.test", "gone@FAR.test") == [250, 559], "forgotten by a restart")


def test_proof_of_life(p):
    p.peer.answers["RCPT"] = "250 ok"
    p.server.run("suppress", "add", "hand@far.test", "--evidence", "asked for it")
    c = p.server.connect("relay")
    c.hello()
    c.message(b"From: ann@acme.test\r\n\r\nx\r\n", "gone@far.test", "hand@far.test", sender="ann@acme.test")
    wait_until("a delivery does not clear the bounce", lambda: not p.listed("gone@far.test"))
    wait_until("not delivered", lambda: "to=hand@far.test" in p.server.log())
    check(p.push("gone@far.test", "hand@far.test") == [250, 559], "not cleared, or too much")


def test_import(p):
    run = p.server.run
    run("suppress", "remove", "hand@far.test")
    rows = [f"u{i:05}@bulk.test,,complaint,2,2026-01-02T03:04:05Z,2026-01-03T03:04:05Z,,\"said \"\"no\"\", twice\""
            for i in range(5000)]
    out = run("suppress", "import", "-", stdin=HEAD + "\n".join(rows) + "\n")
    check("5000 entries" in out, f"not all: {out}")
    check(p.push("u04999@bulk.test", "fine@far.test") == [559, 250], "not on the list")
    exported = run("suppress", "export")
    lines = exported.splitlines()
    check(len(lines) == 5001 and lines[0] + "\n" == HEAD, f"{len(lines)} lines exported")
    check(lines[1] == "u00000@bulk.test,,complaint,2,2026-01-02T03:04:05.000Z,2026-01-03T03:04:05.000Z,,"
          '"said ""no"", twice"', f"changed: {lines[1]}")
    check(len(p.listed("--domain", "BULK.test")) == 5000 and not p.listed("--domain", "far.test"), "domain")
    check(p.listed("--account", "news@example.test") == [], "account")
    # addresses alone; lines that are none are told and the others taken
    out = run("suppress", "import", "-", "--account", "news@example.test", status=1,
              stdin="x@one.test\nno address\n\ny@one.test,,hand,many\nz@one.test\n")
    check("2 entries" in out, out)
    check([e["address"] for e in p.listed("--account", "news@example.test")] == ["x@one.test", "z@one.test"],
          "not those two")
    run("suppress", "remove", "u00000@bulk.test", "z@one.test", "--account", "news@example.test", status=1)
    check(p.listed("u00000@bulk.test") and not p.listed("z@one.test"), "the wrong one went")
    run("suppress", "remove", "u00000@bulk.test")
    run("suppress", "import", "-", stdin=exported)
    check(run("suppress", "export", "--domain", "bulk.test") == exported, "not the same again")
    # wrong words
    for words in (["add"], ["add", "nobody"], ["remove", "nobody"], ["list", "--reason", "hand"],
                  ["import"], ["add", "a@b.test", "--for", "soon"], ["add", "a@b.test", "--reason", "x"]):
        run("suppress", *words, status=1 if words[1:] in (["nobody"], ["a@b.test", "--reason", "x"])
            and words[0] == "add" else 2)


def test_quota(p):
    """What push accounts sent is counted exactly, whoever dies."""
    p.server.run("push", "set", "news@example.test", "--quota-daily", "5")
    for _ in range(2):
        check(p.push("alice@example.test", "fine@far.test") == [250, 250], "below the quota")
    for role in ("directory", "smtpd"):
        pid = p.server.pid_of(role)
        os.kill(pid, signal.SIGKILL)
        wait_until(f"{role} does not come back", lambda: p.server.pid_of(role) != pid)
    p.server.excused.append("event=role-ended")
    wait_until("not served again", lambda: shown(p)["today"] == 4)
    check(p.push("fine@far.test", "alice@example.test") == [250, 552], "the fifth and the sixth")
    check(shown(p)["today"] == 5, "not counted")


def shown(p):
    return json.loads(p.server.run("push", "show", "news@example.test", "--json"))


def main():
    if nsd.program() is None:
        print("NSD is not installed: this test needs its DNS")
        return SKIPPED
    p = Play(sys.argv[1])
    try:
        return parts.play((test_bounce, test_proof_of_life, test_import, test_quota), p,
                          lambda: p.server.log()[-3000:])
    finally:
        p.stop()


if __name__ == "__main__":
    sys.exit(main())
