#!/usr/bin/env python3
"""Mail to other servers: found in the DNS (NSD), sent by SMTP to a second server of ours and to one that
misbehaves as the test says.

server_remote.py POSTERN
"""
import email
import email.header
import json
import pathlib
import re
import ssl
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import dkim  # noqa: E402
import nsd  # noqa: E402
import parts  # noqa: E402
from listener import Gone, Listener  # noqa: E402
from server import PORTS, Failed, Server, peer_address, server_tls, wait_until  # noqa: E402

MESSAGE = (b"From: ann@acme.test\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@acme.test>\r\n"
           b"Subject: hello\r\n\r\n.dot\r\n\r\ntext\r\n")


class Peer(Listener):
    """An SMTP server that answers as told: verb -> reply ("." is the end of the message; None: says
    nothing; "close": hangs up). Keeps what it heard."""
    patience = 20

    def __init__(self, answers=None, keywords=(), context=None):
        self.host = peer_address()
        super().__init__(self.host, PORTS["mx"])
        self.answers = answers or {}
        self.keywords = keywords
        self.context = context
        self.heard, self.mails = [], []
        self.now = threading.local()  # line: the last one of this thread's session
        self.serve()

    def say(self, sock, verb, usual):
        answer = self.answers.get(verb, usual)
        if answer == "close":
            raise Gone
        if answer is not None:
            sock.sendall(answer.encode() + b"\r\n")
        return answer

    def talk(self, sock):
        file = sock.makefile("rb")
        self.say(sock, "greeting", "220 peer.test ESMTP")
        while line := file.readline():
            self.now.line = line.decode().strip()
            self.heard.append(self.now.line)
            verb = line.split(b" ")[0].split(b":")[0].strip().upper().decode()
            if verb == "EHLO":
                lines = ["peer.test", *self.keywords, *(["STARTTLS"] if self.context else [])]
                self.say(sock, verb, "\r\n".join(f"250{'-' if i + 1 < len(lines) else ' '}{text}"
                                                 for i, text in enumerate(lines)))
            elif verb == "STARTTLS":
                self.say(sock, verb, "220 go")
                sock = self.context.wrap_socket(sock, server_side=True)
                file = sock.makefile("rb")
            elif verb == "DATA":
                if (self.say(sock, verb, "354 go") or "").startswith("354"):
                    self.mails.append(self.body(file))
                    self.say(sock, ".", "250 taken")
            elif verb == "BDAT":
                self.mails.append(file.read(int(line.split()[1])))
                self.say(sock, ".", "250 taken")
            elif verb == "RCPT":
                address = re.search(rb"<(.*)>", line).group(1).decode()
                self.say(sock, address if address in self.answers else verb, "250 ok")
            elif verb == "QUIT":
                self.say(sock, verb, "221 bye")
                return
            else:
                self.say(sock, verb, "250 ok")

    @staticmethod
    def body(file):
        lines = []
        while (line := file.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


class Play:
    def __init__(self, postern):
        self.postern = postern
        self.server = Server(postern, listeners=["relay"], settings=[
            f"delivery.smtp-port = {PORTS['mx']}", 'delivery.connect-time = "2 s"',
            "checks.rcpt-domain = off",  # as where the DNS changes after RCPT
            'dns.timeout = "2 s"', 'queue.retry = {"1 s"}'])
        self.zone, self.peers = [], []

    def peer(self, domain, *args, **kwargs):
        peer = Peer(*args, **kwargs)
        self.peers.append(peer)
        self.zone += [f"{domain}. MX 10 mx.{domain}.", f"mx.{domain}. A {peer.host}"]
        return peer

    def start(self):
        self.dns = nsd.Nsd(self.server.dir / "nsd", self.server.host, self.zone, ["broken.test."])
        self.server.run("relay", "add", "acme", "--network", "127.0.0.0/8", "--domain", "acme.test")
        self.server.start()

    def send(self, *rcpts, message=MESSAGE, parameters=""):
        c = self.server.connect("relay")
        c.hello()
        reply = c.message(message, *rcpts, sender="ann@acme.test", parameters=parameters)
        c.do("QUIT", 221)
        return str(reply)

    def queued(self):
        out = self.server.run("queue", "list", "--json").strip()
        return [json.loads(line) for line in out.splitlines() if line.strip() not in ("", "[]")]

    def logged(self, pattern):
        wait_until(lambda: f"not in the log: {pattern}\n" + self.server.log()[-3000:],
                   lambda: re.search(pattern, self.server.log()))
        return re.search(pattern, self.server.log())

    def stop(self):
        for peer in self.peers:
            peer.stop()
        try:
            self.server.stop()
        finally:
            self.dns.stop()


def check(true, what):
    if not true:
        raise Failed(what)


def test_replies(postern):
    """What peers answer, and what is made of it."""
    p = Play(postern)
    plain = p.peer("plain.test")
    chunking = p.peer("chunking.test", keywords=["CHUNKING", "PIPELINING", "SIZE 100000"])
    some = p.peer("some.test", {"no@some.test": "550 5.1.1 nobody of that name"}, keywords=["PIPELINING"])
    later = p.peer("later.test", {"RCPT": "450 4.2.0 greylisted"})
    closing = p.peer("closing.test", {".": "close"})
    grumpy = p.peer("grumpy.test", {"greeting": "554 5.7.1 no mail from you"})
    p.peer("hangs.test", {"DATA": "close"})
    home = p.peer("acme.test")
    second = Peer()
    p.peers.append(second)
    nobody = peer_address()
    p.zone += ["two.test. MX 10 mx1.two.test.", "two.test. MX 20 mx2.two.test.",
               f"mx1.two.test. A {nobody}", f"mx2.two.test. A {second.host}",
               "null.test. MX 0 .", "self.test. MX 10 mx.example.test.",
               f"dead.test. A {nobody}", "inner.test. MX 10 mx.inner.test.",
               "mx.inner.test. A 169.254.169.254", "mx.inner.test. AAAA ::1"]
    p.start()
    try:
        p.send("a@plain.test")
        wait_until("plain.test got nothing", lambda: plain.mails)
        check(plain.mails[0].endswith(MESSAGE), f"changed on its way: {plain.mails[0]}")
        check(plain.mails[0].startswith(b"Received: from client.example"), "no Received field")
        p.send("a@chunking.test")
        wait_until("chunking.test got nothing", lambda: chunking.mails)
        check(chunking.mails[0].endswith(MESSAGE), f"changed on its way: {chunking.mails[0]}")
        p.send("yes@some.test", "no@some.test", "too@some.test")
        wait_until("some.test got nothing", lambda: some.mails)
        p.logged(r"event=failed .*to=no@some.test .*550 5\.1\.1 nobody of that name")
        p.logged(r"event=delivered .*to=too@some.test .*where=mx.some.test\[")
        p.send("a@two.test")
        wait_until("two.test: the second host got nothing", lambda: second.mails)
        for domain, words in (("later.test", "450 4.2.0 greylisted"), ("closing.test", "451 4.4.2"),
                              ("hangs.test", "451 4.4.2"), ("null.test", "556 5.1.10"), ("self.test", "554 5.4.6"),
                              ("nowhere.test", "550 5.1.2"), ("broken.test", "451 4.4.3"),
                              ("dead.test", "451 4.4.1"), ("grumpy.test", "554 5.7.1"),
                              ("inner.test", "451 4.4.4"), ("[10.0.0.1]", "550 5.1.2")):
            p.send(f"a@{domain}")
            p.logged(rf"event=(deferred|failed) .*to=a@{re.escape(domain)} .*{re.escape(words)}")
        check(later.accepted >= 1 and closing.accepted >= 1 and grumpy.accepted >= 1, "not asked")
        # What a host did not say is not put in its mouth: by the report, too, it is we who say it.
        p.send("j\u00f6rg@plain.test", parameters=" SMTPUTF8")
        p.logged(r"event=failed .*550 5\.6\.7 the message needs SMTPUTF8, .* \(mx\.plain\.test\[")
        wait_until("nobody was told", lambda: [m for m in home.mails if b"5.6.7" in m])
        report = next(m for m in home.mails if b"5.6.7" in m)
        check(b"Diagnostic-Code: x-postern; 550 5.6.7" in report and b"Remote-MTA" not in report, report)
        told = email.message_from_bytes(report).get_payload(0).get_payload(decode=True).decode()
        check("mx.example.test said: 550 5.6.7 the message needs SMTPUTF8" in told, told)
        wait_until("nobody was told", lambda: [m for m in home.mails if b"no@some.test" in m])
        report = next(m for m in home.mails if b"no@some.test" in m)
        check(b"Diagnostic-Code: smtp; 550 5.1.1" in report and b"Remote-MTA: dns; mx.some.test" in report, report)
        p.logged(r"event=deferred .*to=a@hangs.test .*451 4\.4\.2 the server closed the connection, waiting for the answer to DATA \(mx\.hangs")
        # A dead site rests: what follows is deferred without a connection.
        p.logged(r"event=site-rests .*dead.test")
        p.send("b@dead.test")
        p.logged(r"event=deferred .*to=b@dead.test .*451 4\.4\.1")
    finally:
        p.stop()


def test_ourselves(postern):
    """An MX that is us under another name: where a listener is, and where the settings say that we are behind NAT."""
    p = Play(postern)
    nat, better = Peer(), Peer()
    p.peers += [nat, better]
    p.server.listeners.append("mx")
    p.server.settings += [f'delivery.public-addresses = {{"{nat.host}"}}']
    p.zone += ["here.test. MX 10 other.here.test.", f"other.here.test. A {p.server.host}",
               "nat.test. MX 10 mx.nat.test.", f"mx.nat.test. A {nat.host}", f"bare.test. A {nat.host}",
               "some.test. MX 10 mx1.some.test.", f"mx1.some.test. A {better.host}",
               "some.test. MX 20 mx2.some.test.", f"mx2.some.test. A {nat.host}"]
    p.start()
    try:
        for domain, host, address in (("here.test", "other.here.test", p.server.host), ("nat.test", "mx.nat.test", nat.host),
                                      ("bare.test", "bare.test", nat.host)):
            p.send(f"a@{domain}")
            p.logged(rf"event=failed .*to=a@{domain} .*554 5\.4\.6 this server is the best MX of {domain} "
                     rf"\({host}\[{re.escape(address)}\]\), but does not host it")
        p.send(f"a@[{nat.host}]")
        p.logged(r"event=failed .*554 5\.4\.6 .*but does not host it")
        p.send("a@some.test")
        wait_until("the better host got nothing", lambda: better.mails)
        check(nat.accepted == 0, "mail for ourselves was sent to ourselves")
    finally:
        p.stop()


def test_notifications(postern):
    """Senders here and elsewhere are told, in their language; nobody is told of a notification."""
    p = Play(postern)
    peer = p.peer("far.test", {"no@far.test": "550 5.1.1 nobody of that name",
                               "full@far.test": "452 4.2.2 mailbox is full",
                               "gone@far.test": "552 5.2.2 mailbox is full"}, keywords=["PIPELINING"])
    home = p.peer("acme.test")
    p.server.settings += ['queue.later = "1 s"', "queue.later-attempts = 2"]
    p.server.run("domain", "add", "here.test")
    p.server.run("user", "add", "bob@here.test", "--generate")
    p.start()
    try:
        p.send("yes@far.test", "no@far.test", message=MESSAGE.replace(b"Subject: hello", b"Content-Language: sv\r\nSubject: ett brev"))
        wait_until("the sender elsewhere was not told", lambda: home.mails)
        report = email.message_from_bytes(home.mails[0])
        check(report.get_content_type() == "multipart/report", report.get_content_type())
        check("MAIL FROM:<>" in home.heard, f"{home.heard}")
        check(report["Auto-Submitted"] == "auto-replied" and report["To"] == "<ann@acme.test>", str(report))
        text, status, original = report.get_payload()
        text = text.get_payload(decode=True).decode()
        check("kunde inte levereras" in str(email.header.make_header(email.header.decode_header(report["Subject"]))), report["Subject"])
        check("mx.far.test svarade: 550 5.1.1 nobody of that name" in text, text)
        check("mx.far.test said: 550 5.1.1 nobody of that name" in text, text)
        fields = status.as_string()
        check("Final-Recipient: rfc822; no@far.test" in fields and "Status: 5.1.1" in fields, fields)
        check("yes@far.test" not in fields, fields)
        check("Subject: ett brev" in original.as_string(), original.as_string())
        p.server.settle()

        # A sender here; a code of 5yz that passes is tried again, then told of.
        c = p.server.connect("relay")
        c.expect(220)
        c.do("EHLO mail.acme.test", 250)  # a name of the customer's: any sender may be used
        c.message(MESSAGE, "gone@far.test", sender="bob@here.test")
        octets = p.server.messages("bob@here.test", 1)[0]
        check(b"Status: 5.2.2" in octets and b"Diagnostic-Code: smtp; 552 5.2.2" in octets, f"{octets}")
        tries = [line for line in peer.heard if line == "RCPT TO:<gone@far.test>"]
        check(len(tries) == 2, f"{len(tries)} attempts for a full mailbox")

        # NOTIFY: not at all; of success.
        c.do("MAIL FROM:<bob@here.test> ENVID=QQ9", 250)
        c.do("RCPT TO:<no@far.test> NOTIFY=NEVER", 250)
        c.do("RCPT TO:<yes@far.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;you@list.test", 250)
        c.do("DATA", 354)
        c.send(MESSAGE.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        c.expect(250)
        octets = b"".join(o for o in p.server.messages("bob@here.test", 2) if b"QQ9" in o)
        check(b"Action: relayed" in octets and b"Original-Envelope-Id: QQ9" in octets
              and b"Original-Recipient: rfc822; you@list.test" in octets, f"{octets}")
        check(b"no@far.test" not in octets, f"{octets}")
        c.do("MAIL FROM:<bob@here.test>", 250)
        c.do("RCPT TO:<no@far.test> NOTIFY=SUCCESS", 250)
        c.do("DATA", 354)
        c.send(MESSAGE.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        c.expect(250)
        p.logged(r"event=not-notified .*asked not to be told")
        p.logged(r"event=dropped to=no@far.test .*nobody to tell")

        # The null reverse-path is told nothing.
        c.message(MESSAGE, "no@far.test", sender="")
        p.logged(r"event=not-notified .*the sender is empty")
        p.server.settle()
        check(len(home.mails) == 1, f"{len(home.mails)} notifications elsewhere")
    finally:
        p.stop()


def test_told_that_it_is_late(postern):
    """While attempts go on nobody is advised to remove an address; of a full mailbox all is said."""
    p = Play(postern)
    p.peer("far.test", {"gone@far.test": "450 5.1.1 user unknown", "full@far.test": "452 4.2.2 mailbox is full"})
    home = p.peer("acme.test")
    p.server.settings += ['queue.notify-delay = "1 ms"', 'queue.notify-language = "zh-TW"']
    p.start()
    try:
        p.send("gone@far.test", "full@far.test")
        wait_until("nobody was told of both", lambda: sum(b"Action: delayed" in m for m in home.mails) and sum(
            m.count(b"Action: delayed") for m in home.mails) == 2)
        text = "".join(email.message_from_bytes(m).get_payload()[0].get_payload(decode=True).decode()
                       for m in home.mails)
        words = "".join(text.split())
        check("郵件尚未投遞到下列地址" in words and "mx.far.test的回應：4505.1.1userunknown" in words, text)
        check("地址不存在" in words and "從所有名單中移除" not in words, text)
        check("收件者必須騰出或加大空間" in words, text)
        check(not any(line.strip().startswith(("。", "，")) for line in text.splitlines()), text)
    finally:
        p.stop()


def test_notified_after_a_crash(postern):
    """Held as failed when the machine stops: its sender is told at the next start."""
    p = Play(postern)
    p.peer("far.test", {"RCPT": "550 5.1.1 nobody of that name"})
    home = p.peer("acme.test")
    p.server.settings += ["queue.notify = no"]
    p.start()
    try:
        p.send("no@far.test")
        p.logged(r"event=failed .*to=no@far.test")
        wait_until("it is not held", lambda: [m for m in p.queued() if "held" in json.dumps(m)])
        p.server.end_process()
        p.server.settings = [s for s in p.server.settings if s != "queue.notify = no"]
        p.server.start()
        wait_until("its sender was not told", lambda: home.mails)
        p.server.settle()
    finally:
        p.stop()


def test_reuse(postern):
    """Many mails, few connections; targets that a server does not take at once go with the next mail."""
    p = Play(postern)
    peer = p.peer("many.test", keywords=["PIPELINING", "LIMITS RCPTMAX=3"])
    p.start()
    try:
        p.send(*(f"u{i}@many.test" for i in range(10)))
        for i in range(20):
            p.send(f"v{i}@many.test")
        wait_until(lambda: f"{len(peer.mails)} mails", lambda: len(peer.mails) >= 24)
        p.server.settle()
        rcpts = sorted(re.search("<(.*)>", line).group(1) for line in peer.heard if line.startswith("RCPT"))
        check(rcpts == sorted([f"u{i}@many.test" for i in range(10)] + [f"v{i}@many.test" for i in range(20)]),
              f"recipients: {rcpts}")
        check(len(peer.mails) == 24, f"{len(peer.mails)} mails")
        check(peer.accepted <= 12, f"{peer.accepted} connections for 24 mails")
    finally:
        p.stop()


def test_stale(postern):
    """A server that hangs up when a second mail begins on a connection: it goes over another one, at once."""
    p = Play(postern)

    class Impatient(Peer):
        def say(self, sock, verb, usual):
            if verb == "MAIL" and threading.current_thread() in self.served:
                raise OSError
            self.served |= {threading.current_thread()} if verb == "." else set()
            return super().say(sock, verb, usual)
    Impatient.served = set()
    peer = Impatient(keywords=["PIPELINING"])
    p.peers.append(peer)
    p.zone += ["stale.test. MX 10 mx.stale.test.", f"mx.stale.test. A {peer.host}"]
    p.start()
    try:
        for i in range(4):
            p.send(f"v{i}@stale.test")
            wait_until(lambda: f"{len(peer.mails)} mails", lambda: len(peer.mails) == i + 1)
        p.server.settle()
        check(peer.accepted == 4, f"{peer.accepted} connections")
        check("event=deferred" not in p.server.log(), "a mail was deferred")
    finally:
        p.stop()


def test_asked_for_less(postern):
    """A site that asks for less is left alone, though its connection stands and its answers are polite."""
    p = Play(postern)
    peer = p.peer("slow.test", {"MAIL": "451 4.7.0 rate limit exceeded, slow down"})
    p.start()
    try:
        p.send("a@slow.test")
        p.logged(r"event=deferred .*to=a@slow.test")
        p.send("b@slow.test")
        p.logged(r"event=deferred .*to=b@slow.test .*451 4\.7\.0 rate limit")
        asked = sum(line.startswith("MAIL") for line in peer.heard)
        check(asked == 1, f"asked {asked} times")
    finally:
        p.stop()


def test_answer_before_the_end(postern):
    """A server that refuses in the middle of a message, and reads no more: its answer is what counts."""
    p = Play(postern)

    class Early(Peer):
        @staticmethod
        def body(file):
            file.raw._sock.sendall(b"552 5.3.4 that is too much\r\n")
            threading.Event().wait(300)
            return b""

    early = Early()
    p.peers.append(early)
    p.zone += ["early.test. MX 10 mx.early.test.", f"mx.early.test. A {early.host}"]
    p.start()
    try:
        p.send("a@early.test", message=MESSAGE + b"a line of a message that is large\r\n" * 300000)
        p.logged(r"event=failed .*to=a@early.test .*552 5\.3\.4 that is too much")
    finally:
        p.stop()


def old_tls(directory):
    """Of a server that speaks nothing that we would."""
    context = server_tls(directory)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("NULL-SHA256:@SECLEVEL=0")
    return context


def test_tls(postern):
    """TLS where it is offered; in clear when its handshake fails; DSN parameters go on."""
    p = Play(postern)
    context, old = server_tls(p.server.dir), old_tls(p.server.dir)
    good = p.peer("good.test", keywords=["DSN", "PIPELINING"], context=context)
    bad = p.peer("bad.test", context=old)
    p.start()
    try:
        c = p.server.connect("relay")
        c.hello()
        c.do("MAIL FROM:<ann@acme.test> RET=HDRS ENVID=QQ7", 250)
        c.do("RCPT TO:<a@good.test> NOTIFY=FAILURE ORCPT=rfc822;x@y.test", 250)
        c.do("DATA", 354)
        c.send(MESSAGE.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        c.expect(250)
        wait_until("good.test got nothing", lambda: good.mails)
        check("STARTTLS" in good.heard and good.heard.count("EHLO mx.example.test") == 2, f"{good.heard}")
        check("MAIL FROM:<ann@acme.test> RET=HDRS ENVID=QQ7" in good.heard, f"{good.heard}")
        check("RCPT TO:<a@good.test> NOTIFY=FAILURE ORCPT=rfc822;x@y.test" in good.heard, f"{good.heard}")
        p.send("a@bad.test")
        wait_until("bad.test got nothing", lambda: bad.mails)
        check("STARTTLS" in bad.heard and bad.accepted == 2, f"{bad.accepted}: {bad.heard}")
    finally:
        p.stop()


def test_rule_tls(postern):
    """A rule that demands TLS: never in the clear, whatever the other server does."""
    p = Play(postern)
    context, old = server_tls(p.server.dir), old_tls(p.server.dir)
    good = p.peer("good.test", context=context)
    bad = p.peer("bad.test", context=old)
    plain = p.peer("plain.test")
    p.server.run("domain", "add", "acme.test")
    rule = ("rule", "add", "--domain", "acme.test", "--direction", "out", "--name")
    p.server.run(*rule, "tls", "recipient starts secret@", "require-tls")
    p.server.run(*rule, "proof", "recipient starts proven@", "require-tls", "verified")
    p.start()
    try:
        p.send("secret@good.test")
        wait_until("good.test got nothing", lambda: good.mails)
        check("STARTTLS" in good.heard, f"{good.heard}")
        p.send("proven@good.test")
        p.logged(r"event=deferred .*to=proven@good.test .*450 4\.7\.10")
        p.send("secret@bad.test")
        p.logged(r"event=deferred .*to=secret@bad.test .*450 4\.7\.10")
        p.send("secret@plain.test")
        p.logged(r"event=failed .*to=secret@plain.test .*550 5\.7\.10")
        p.send("open@plain.test")
        wait_until("plain.test got nothing", lambda: plain.mails)
        check(len(good.mails) == 1 and len(plain.mails) == 1 and not bad.mails, "in the clear")
        check(not any("secret" in line or "proven" in line for line in plain.heard + bad.heard), "told in the clear")
    finally:
        p.stop()


def test_large_is_signed(postern):
    """What a thread reads for its signatures has good ones, at both of its destinations; small mail goes by meanwhile."""
    p = Play(postern)
    one, two = p.peer("one.test"), p.peer("two.test")
    p.server.run("domain", "add", "acme.test")
    p.server.run("domain", "key", "generate", "acme.test", "--selector", "s1")
    p.start()
    try:
        body = b"".join(b"line %d of many  \r\n" % n for n in range(200000))
        large = MESSAGE.split(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
        p.send("a@one.test", "a@two.test", message=large)
        p.send("b@one.test")
        wait_until(lambda: p.server.log()[-3000:], lambda: len(one.mails) == 2 and len(two.mails) == 1)
        mails = [mail for mail in one.mails + two.mails if len(mail) > len(body)]
        check(len(mails) == 2, f"{[len(mail) for mail in one.mails + two.mails]}")
        for mail in mails:
            head, _, got = mail.partition(b"\r\n\r\n")
            check(got == body, "not what was sent")
            field = re.search(rb"DKIM-Signature: (?:[^\r\n]|\r\n[ \t])*", head).group().decode()
            bh = re.sub(r"\s", "", re.search(r"bh=([^;]*)", field).group(1))
            check(bh == dkim.body_hash(body.decode()), f"{field}")
        check(all(b"DKIM-Signature" in mail for mail in one.mails), "the small one is not signed")
    finally:
        p.stop()


def test_two_of_ours(postern):
    """From one server of ours to another, with a message that is large, and signed."""
    p = Play(postern)
    records = [p.server.run("domain", "key", "generate", "acme.test", "--selector", selector, "--type", kind)
               for selector, kind in (("s1", "rsa"), ("s2", "ed25519"))]
    p.zone += [record.replace(" IN TXT ", " TXT ") for record in records]
    shown = [json.loads(line) for line in p.server.run("domain", "key", "show", "acme.test", "--json").splitlines()]
    check(sorted(key["selector"] for key in shown) == ["s1", "s2"], f"{shown}")
    p.server.run("domain", "key", "generate", "acme.test", "--selector", "s1", status=4)
    p.server.run("domain", "key", "generate", "acme.test", "--selector", "../s1", status=2)
    p.server.run("domain", "key", "show", "other.test", status=1)
    other = Server(postern)
    p.zone += ["example.test. MX 10 mx.there.test.", f"mx.there.test. A {other.host}"]
    other.add_users("bob@example.test")
    other.start()
    p.start()
    try:
        large = MESSAGE + b"".join(b"%d line of a large message\r\n.\r\n" % i for i in range(100000))
        p.send("bob@example.test", message=large)
        stored = other.messages("bob@example.test", 1)[0].replace(b"\n", b"\r\n")
        check(stored.endswith(large), "not what was sent")
        check(b"with ESMTPS" in stored, "not over TLS")
        check(stored.count(b"DKIM-Signature: v=1;") == 2 and b"s=s1" in stored and b"s=s2" in stored, "not signed")
        p.send("nobody@example.test")
        p.logged(r"event=failed .*to=nobody@example.test .*550 5\.1\.1")
    finally:
        p.stop()
        other.stop()


if __name__ == "__main__":
    sys.exit(parts.play_on_dns(test_replies, test_ourselves, test_notifications, test_told_that_it_is_late, test_notified_after_a_crash, test_reuse, test_stale, test_asked_for_less,
                               test_answer_before_the_end, test_tls, test_rule_tls, test_large_is_signed, test_two_of_ours))
