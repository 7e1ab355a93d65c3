#!/usr/bin/env python3
"""Return paths of single recipients, and what comes back to them: bounces of every kind, complaints, forged ones.

server_returns.py POSTERN
"""
import json
import pathlib
import re
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import nsd  # noqa: E402
import parts  # noqa: E402
import push  # noqa: E402
from server import PORTS, SKIPPED, Server, wait_until  # noqa: E402
from server_remote import Peer, check  # noqa: E402

DOMAIN = "bounce.example.test"
HEAD = ("From: Mail Delivery Subsystem <mailer-daemon@far.test>\r\nTo: <{to}>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
        "Message-ID: <{n}@far.test>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type={kind}; boundary=x\r\n\r\n--x\r\n\r\nfor people\r\n--x\r\n")
DSN = (HEAD + "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.far.test\r\n\r\n"
       "Final-Recipient: rfc822; {rcpt}\r\nAction: {action}\r\nStatus: {status}\r\n"
       "Diagnostic-Code: smtp; {reply}\r\n\r\n--x--\r\n")
ARF = (HEAD + "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: far/1\r\nVersion: 1\r\n"
       "{more}\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nFrom: news@example.test\r\nSubject: hello\r\n\r\ntext\r\n--x--\r\n")


class Heard(list):
    """What the peer hears, and which MAIL each RCPT came after in its session (a thread of its own)."""

    def __init__(self):
        super().__init__()
        self.session, self.paths = threading.local(), {}

    def append(self, line):
        super().append(line)
        if line.startswith("MAIL"):
            self.session.path = re.match("MAIL FROM:<([^>]*)>", line).group(1)
        elif line.startswith("RCPT"):
            self.paths[re.match("RCPT TO:<([^>]*)>", line).group(1)] = self.session.path


class Play:
    def __init__(self, postern, zone=(), broken=(), settings=(), before=None, listeners=("mx", "push")):
        self.server = Server(postern, listeners=list(listeners), settings=[
            f"delivery.smtp-port = {PORTS['mx']}", 'delivery.connect-time = "2 s"', 'dns.timeout = "2 s"',
            'queue.retry = {"1 s"}', f'push.return-path-domain = "{DOMAIN}"',
            'checks.local-networks = {"192.0.2.0/24"}'])  # so that mx judges the peer as a stranger
        self.server.settings += settings
        self.peer = Peer({"never@far.test": "550 5.1.1 nobody"}, keywords=["PIPELINING"])
        self.peer.heard = Heard()
        self.dns = nsd.Nsd(self.server.dir / "nsd", self.server.host, [
            "far.test. MX 10 mx.far.test.", f"mx.far.test. A {self.peer.host}", *zone], list(broken))
        if before is not None:
            before(self.server)
        push.add_account(self.server)
        self.server.start()
        self.n = 0

    def push(self, *rcpts):
        """The codes of the recipients, and the message's id."""
        return push.send(self.server, *rcpts)

    def path_of(self, rcpt):
        """The return path that the peer was told for that recipient."""
        wait_until(lambda: f"{rcpt} was not sent: {self.peer.heard}", lambda: rcpt in self.peer.heard.paths)
        return self.peer.heard.paths[rcpt]

    def back(self, to, text, sender="", code=250, **more):
        """The peer sends it to our mx; the reply that decided."""
        self.n += 1
        c = self.server.connect("mx", source=self.peer.host)
        c.hello()
        c.do(f"MAIL FROM:<{sender}>", 250)
        c.send(f"RCPT TO:<{to}>\r\n".encode())
        reply = c.reply()
        if reply.code == "250":
            c.do("DATA", 354)
            text = text.format(**{"to": to, "n": self.n, "subject": "Undelivered", "kind": "delivery-status",
                                  "rcpt": "x@far.test", "more": "", **more})
            c.send(text.encode() + b"\r\n.\r\n")
            reply = c.reply()
        check(reply.code.startswith(str(code)), f"{to}: expected {code}, got {reply}")
        c.do("QUIT", 221)
        return str(reply)

    def listed(self, *words):
        out = self.server.run("suppress", "list", "--json", *words, status=None)
        return [json.loads(line) for line in out.splitlines()]

    def why(self, id_):
        return self.server.run("why", id_)

    def told(self, id_, pattern):
        wait_until(lambda: f"not told: {pattern}\n{self.why(id_)}", lambda: re.search(pattern, self.why(id_)))

    def stop(self):
        self.peer.stop()
        try:
            self.server.stop()
        finally:
            self.dns.stop()


def test_return_paths(p):
    codes, p.id = p.push("hard@far.test", "soft@far.test", "angry@far.test", "fbl@far.test", "never@far.test",
                         "alice@example.test")
    check(codes == [250] * 6, f"not taken: {codes}")
    p.paths = {name: p.path_of(f"{name}@far.test") for name in ("hard", "soft", "angry", "fbl", "never")}
    check(len(set(p.paths.values())) == 5, f"not each its own: {p.paths}")
    check(all(re.fullmatch(r"b-[a-z2-7]{28}@" + re.escape(DOMAIN), path) for path in p.paths.values()), f"{p.paths}")
    check(b"Return-Path: <news@example.test>" in p.server.messages("alice@example.test", 1)[0], "a local one too")
    p.server.settle()


def test_hard(p):
    p.back(p.paths["hard"], DSN, action="failed", status="5.1.1", reply="550 5.1.1 no such user here")
    wait_until("the bounce is not on the list", lambda: p.listed("hard@far.test"))
    entry, = p.listed("hard@far.test")
    check(entry["account"] == "news@example.test" and entry["reason"] == "bounce"
          and entry["evidence"] == "550 5.1.1 no such user here", f"{entry}")
    p.told(p.id, r"came back later from hard@far\.test .*550 5\.1\.1 no such user here")
    check(p.push("hard@far.test")[0] == [559], "not refused")
    # again, in capitals, as some servers write it
    p.back(p.paths["hard"].upper(), DSN, action="failed", status="5.1.1", reply="550 5.1.1 no such user here")


def test_soft(p):
    p.back(p.paths["soft"], DSN, action="delayed", status="4.1.1", reply="450 4.1.1 no such user here")
    p.told(p.id, r"not delivered yet")
    p.back(p.paths["soft"], DSN, action="failed", status="5.2.2", reply="552 5.2.2 mailbox is full")
    p.told(p.id, r"came back later from soft@far\.test .*552 5\.2\.2 mailbox is full")
    p.back(p.paths["soft"], "From: soft@far.test\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nSubject: re: hello\r\n"
           "Auto-Submitted: auto-replied\r\n\r\n550 5.1.1 I am away\r\n", sender="soft@far.test")
    p.told(p.id, r"an automatic answer")
    # no From, no Date: who was written to is heard all the same
    p.back(p.paths["soft"], "Subject: hm\r\n\r\n550 5.1.1 <soft@far.test>: no such user\r\n")
    p.told(p.id, r"mail that is no report")
    check(not p.listed("soft@far.test"), "a soft one is on the list")
    check("550 5.7.1" in p.back("alice@example.test", "Subject: hm\r\n\r\nx\r\n", code=550), "others are spared it too")


def test_complaints(p):
    p.back(p.paths["angry"], ARF, sender="fbl@far.test", kind="feedback-report")
    wait_until("the complaint is not on the list", lambda: p.listed("angry@far.test"))
    entry, = p.listed("angry@far.test")
    check(entry["reason"] == "complaint" and not entry.get("until_ms") and entry["evidence"] == "abuse", f"{entry}")
    p.told(p.id, r"angry@far\.test complained at")
    p.back(f"feedback@{DOMAIN}", ARF, sender="fbl@far.test", kind="feedback-report",
           more=f"Original-Mail-From: <{p.paths['fbl']}>\r\n")
    wait_until("nor this one", lambda: p.listed("fbl@far.test"))
    check(p.push("angry@far.test", "fbl@far.test")[0] == [559, 559], "not refused")


def test_forged(p):
    good = p.paths["soft"]
    swap = "a" if good[10] != "a" else "b"
    for bad in (good[:10] + swap + good[11:], "b-" + "a" * 28 + "@" + DOMAIN, "nobody@" + DOMAIN, good[3:],
                p.paths["never"]):  # that one was refused at once: there is nothing to come back
        check("550 5.1.1" in p.back(bad, DSN, code=550), bad)
    check("550 5.1.1" in p.back(good.replace(DOMAIN, "example.test"), DSN, code=550), "at another domain")
    # a report at the common address that names a forged path
    before = p.listed()
    p.back(f"feedback@{DOMAIN}", ARF, sender="fbl@far.test", kind="feedback-report",
           more=f"Original-Mail-From: <{good[:10] + swap + good[11:]}>\r\n")
    wait_until("not said", lambda: "event=not-matched" in p.server.log())
    check(p.listed() == before, "something was listed")


def test_restart(p):
    p.server.end_process()
    (p.server.dir / "log").rename(p.server.dir / "log.before")
    p.server.start()
    p.back(p.paths["soft"], DSN, action="failed", status="5.1.1", reply="550 5.1.1 no such user here")
    wait_until("not known after a restart", lambda: p.listed("soft@far.test"))


def test_silence(p):
    """What comes back is never answered."""
    p.server.settle()
    mails = [line for line in p.peer.heard if line.startswith("MAIL")]
    check(all(DOMAIN in line for line in mails), f"{mails}")


def main():
    if nsd.program() is None:
        print("NSD is not installed: this test needs its DNS")
        return SKIPPED
    p = Play(sys.argv[1])
    try:
        return parts.play((test_return_paths, test_hard, test_soft, test_complaints, test_forged, test_restart, test_silence), p,
                          lambda: p.server.log()[-3000:])
    finally:
        p.stop()


if __name__ == "__main__":
    sys.exit(main())
