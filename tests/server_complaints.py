#!/usr/bin/env python3
"""Feedback reports (ARF) that come as mail to complaints.addresses: about mail that came through here, and about mail that a
push account sent; each counts once, forged ones not at all.

server_complaints.py POSTERN
"""
import base64
import email.message
import email.mime.base
import email.mime.message
import email.mime.multipart
import email.mime.text
import email.parser
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import nsd  # noqa: E402
import parts  # noqa: E402
import push  # noqa: E402
from server import SKIPPED, wait_until  # noqa: E402
from server_remote import check  # noqa: E402
from server_returns import Play  # noqa: E402

USER = "carol@example.test"
FBL, ALICE, BARE = "fbl@example.test", "alice@example.test", "nobody-here@example.test"
SENDER = "127.0.0.7"  # who sends junk
SETTINGS = ["rate.exempt-networks = {}", "checks.ptr = off", "checks.unauthenticated = off", "rate.evidence = 4",
            f'complaints.addresses = {{"{FBL}"}}']


def report(original, kind="abuse", headers=False, sender="feedback@fbl.far.test", **fields):
    """As a provider makes it."""
    mail = email.mime.multipart.MIMEMultipart("report", report_type="feedback-report")
    mail["From"], mail["To"], mail["Subject"] = sender, FBL, "FW: your mail"
    mail["Date"], mail["Message-ID"] = "Sun, 22 Nov 2026 10:00:00 +0000", "<report@fbl.far.test>"
    mail.attach(email.mime.text.MIMEText("This is an abuse report for a message.\n"))
    part = email.mime.base.MIMEBase("message", "feedback-report")
    lines = {"Feedback-Type": kind, "User-Agent": "Far/1.0", "Version": "1", **fields}
    part.set_payload("".join(f"{name.replace('_', '-')}: {value}\n" for name, value in lines.items()))
    mail.attach(part)
    if headers:
        mail.attach(email.mime.text.MIMEText(original.partition(b"\r\n\r\n")[0].decode(), "rfc822-headers"))
    else:
        mail.attach(email.mime.message.MIMEMessage(email.parser.BytesParser().parsebytes(original)))
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class Complaints:
    def __init__(self, play):
        self.play, self.server, self.n = play, play.server, 0

    def come(self, octets, to=FBL, source=None, sender="feedback@fbl.far.test"):
        """A report arrives, and is read."""
        before = self.read()
        c = self.server.connect("mx", source=source or self.play.peer.host)
        c.hello()
        c.message(octets, to, sender=sender)
        c.do("QUIT", 221)
        wait_until(lambda: f"it was not read:\n{self.server.log()[-3000:]}", lambda: self.read() > before)

    def read(self):
        return len(re.findall(r"role=queue.*event=delivered .*transport=report", self.server.log()))

    def junk(self):
        """A message of SENDER's, as alice has it."""
        self.n += 1
        c = self.server.connect("mx", source=SENDER)
        c.hello()
        before = len(self.server.files(ALICE))
        c.message(f"From: ann@client.example\r\nMessage-ID: <{self.n}@client.example>\r\nSubject: {self.n}\r\n\r\nbuy\r\n".encode(),
                  ALICE)
        c.do("QUIT", 221)
        found = self.server.messages(ALICE, before + 1)
        return next(octets for octets in found if f"<{self.n}@client.example>".encode() in octets)

    def signs(self):
        out = self.server.run("reputation", "show", f"ip:{SENDER}", "--json", status=None)
        return [(line["good"], line["bad"]) for line in map(json.loads, out.splitlines())]

    def passed_over(self, count):
        wait_until(lambda: f"not passed over {count} times: {self.server.log()[-3000:]}",
                   lambda: self.server.log().count("event=complaint-passed-over") == count)

    def signs_become(self, good, bad):
        wait_until(lambda: f"{self.signs()}, not {good} good and {bad} bad", lambda: self.signs() == [(good, bad)])


def test_incoming(t):
    t.first, t.second, t.third = t.junk(), t.junk(), t.junk()
    t.signs_become(3, 0)
    t.come(report(t.first))
    t.signs_become(3, 3)
    check(len(t.server.messages(FBL, 1)) == 1, "the report itself is delivered too")
    t.come(report(t.second, headers=True))
    t.signs_become(3, 6)
    t.come(report(t.third, kind="not-spam"))
    t.signs_become(6, 6)
    t.server.messages(FBL, 3)


def test_submitted(t):
    """A user of ours sends one; he is told of its delivery once, and it counts as his."""
    mail = t.junk()
    t.signs_become(7, 6)
    c = t.server.connect("submission")
    c.hello()
    c.do("STARTTLS", 220)
    c.start_tls()
    c.do("EHLO pc.example", 250)
    c.do("AUTH PLAIN " + base64.b64encode(f"\0{USER}\0sesam-open".encode()).decode(), 235)
    c.message(report(mail, sender=USER), FBL, sender=USER)
    c.do("QUIT", 221)
    t.signs_become(7, 9)
    t.server.messages(FBL, 10)
    wait_until("not told whose it was", lambda: f"event=complaint reporter={USER} " in t.server.log())
    id_ = re.findall(rf"event=accepted id=(\S+) .*from={USER}", t.server.log())[-1]
    wait_until(lambda: f"its story is not whole: {t.play.why(id_)}",
               lambda: all(how in t.play.why(id_) for how in ("by report at", "by maildir at")))
    check(len(delivered(t)) == 1, f"{delivered(t)}")


def delivered(t):
    out = t.server.run("events", "--account", USER, "--json", status=None)
    return [event for event in map(json.loads, out.splitlines()) if event["event"] == "delivered"]


def test_once(t):
    t.come(report(t.first))
    t.passed_over(1)
    check(t.signs() == [(6, 6)], f"it counted twice: {t.signs()}")


def test_forged(t):
    """Of messages that never came, or came from elsewhere; other mail to that address."""
    t.come(report(t.third.replace(b"<3@client.example>", b"<99@client.example>")))
    t.passed_over(2)
    t.come(report(t.third.replace(SENDER.encode(), b"127.0.0.9")))
    t.passed_over(3)
    t.come(report(b"Received: from a ([127.0.0.7])\r\n by mx.example.test; Sun, 22 Nov 2026 10:00:00 +0000\r\n"
                  b"Message-ID: <3@client.example>\r\n\r\nx\r\n"))
    t.passed_over(4)
    t.come(report(t.third, kind="auth-failure"))
    t.come(b"From: ann@far.test\r\nMessage-ID: <a@far.test>\r\nSubject: hello\r\n\r\nYour mail " + t.third.replace(b"\n", b"\r\n"))
    check(t.signs() == [(6, 6)], f"a forged one counted: {t.signs()}")


def test_sent(t):
    """Of a push account's mail: the one who complains is written to no more, and its customer hears of it."""
    p = t.play
    codes, id_ = p.push("angry@far.test", "calm@far.test")
    check(codes == [250] * 2, f"{codes}")
    t.path, t.id = p.path_of("angry@far.test"), id_
    swap = t.path[:10] + ("a" if t.path[10] != "a" else "b") + t.path[11:]
    t.server.settle()
    original = "Return-Path: <{}>\r\nFrom: news@example.test\r\nMessage-ID: <news@example.test>\r\n\r\ntext\r\n"
    t.come(report(original.format(swap).encode(), Original_Mail_From=f"<{swap}>"))
    t.passed_over(5)
    check(not p.listed() and not events(t), "a forged return path was believed")
    t.arf = report(original.format(t.path).encode(), Original_Mail_From=f"<{t.path}>")
    t.come(t.arf)
    wait_until("the complaint is not on the list", lambda: p.listed("angry@far.test"))
    entry, = p.listed()
    check((entry["account"], entry["reason"], entry["evidence"]) == ("news@example.test", "complaint", "abuse"), f"{entry}")
    wait_until("no event", lambda: len(events(t)) == 1)
    check(p.push("angry@far.test")[0] == [559], "not refused")
    p.told(t.id, r"angry@far\.test complained at")
    check(rates(t) == [("news@example.test", 2, 1)], f"{rates(t)}")


def events(t):
    out = t.server.run("events", "--account", "news@example.test", "--json", status=None)
    return [event for event in map(json.loads, out.splitlines()) if event["event"] == "complained"]


def rates(t):
    out = t.server.run("complaint", "rates", "--json")
    return [(line["account"], line["sent"], line["complained"]) for line in map(json.loads, out.splitlines())]


def test_restart(t):
    """What was said once stays said; then only one provider is believed, and mail to an address that is no mailbox is read."""
    t.server.end_process()
    t.server.settings += ['complaints.providers = {"far.test"}', "complaints.keep = no"]
    t.server.settings = [line.replace(f'{{"{FBL}"}}', f'{{"{BARE}"}}') for line in t.server.settings]
    t.server.start()
    check(t.signs() == [(7, 9)], f"after the restart: {t.signs()}")
    t.come(t.arf, to=BARE)
    t.passed_over(6)
    check(len(events(t)) == 1 and rates(t) == [("news@example.test", 2, 1)], "told again")
    check(t.play.push("angry@far.test")[0] == [559], "forgotten")
    t.come(report(t.first), to=BARE)
    t.passed_over(7)
    fresh = t.junk()
    t.signs_become(8, 9)
    t.come(report(fresh), to=BARE, source="127.0.0.11", sender="x@stranger.test")
    wait_until("the stranger is not named", lambda: "what=stranger" in t.server.log())
    check(t.signs() == [(8, 9)], f"a stranger was believed: {t.signs()}")
    t.come(report(fresh), to=BARE)
    t.signs_become(8, 12)
    check(not t.server.files(BARE), "and it was delivered")


def main():
    if nsd.program() is None:
        print("NSD is not installed: this test needs its DNS")
        return SKIPPED
    play = Play(sys.argv[1], settings=SETTINGS, zone=['fbl.far.test. TXT "v=spf1 a:mx.far.test -all"'],
                listeners=["mx", "push", "submission"])
    try:
        play.server.run("user", "add", FBL, "--generate")
        play.server.run("user", "add", USER, "--password-hash", push.HASH)
        return parts.play((test_incoming, test_once, test_forged, test_submitted, test_sent, test_restart), Complaints(play),
                          lambda: play.server.log()[-3000:])
    finally:
        play.stop()


if __name__ == "__main__":
    sys.exit(main())
