#!/usr/bin/env python3
"""Messages on their way through a milter: what it hears, each of its answers, each change, what goes wrong;
and real ones, where they are
installed: OpenDKIM, ClamAV's, and a program on sendmail's libmilter.

server_milter.py POSTERN
"""
import base64
import contextlib
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import milter  # noqa: E402
from milter import frame  # noqa: E402
from server import Server, environment, wait_until  # noqa: E402

BODY = b"".join(b"%07d " % i + b"x" * 60 + b"\r\n" for i in range(4000))
HEAD = (b"From: ann@client.example\r\nMessage-ID: <1@client.example>\r\nX-Old: 1\r\nX-Old:2\r\n"
        b"Subject: x\r\n y\r\n\r\n")


class Several:
    def __init__(self, *peers):
        self.peers = peers

    def stop(self):
        for peer in self.peers:
            peer.stop()


@contextlib.contextmanager
def running(postern, peer, *settings, listeners=("mx",)):
    with Server(postern, listeners=list(listeners)) as server:
        server.settings += [f'milter.server = "{server.host}:{milter.PORT}"', 'milter.time = "2 s"', *settings]
        other = peer(server)
        try:
            server.run("domain", "add", "example.test")
            server.add_users("alice@example.test", "bob@example.test", "carl@example.test")
            server.start()
            yield server, other
        finally:
            if other is not None:
                other.stop()


def with_milter(postern, answers, *settings, **wishes):
    return running(postern, lambda server: milter.Milter(server.host, answers, **wishes), *settings)


def transact(c, octets=HEAD + b"text\r\n", rcpts=("alice@example.test",), sender="ann@client.example"):
    """Which command was refused, or DATA, and the last reply."""
    for command in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{rcpt}>" for rcpt in rcpts)):
        reply = c.do(command, "")
        if reply.code != "250":
            return command[:4], reply
    c.do("DATA", 354)
    start = time.monotonic()
    c.send(octets + b".\r\n")
    reply = c.reply()
    assert time.monotonic() - start < 8, "waited too long"
    return "DATA", reply


def say(server, *arguments, **more):
    with contextlib.closing(server.connect()) as c:
        c.hello()
        at, reply = transact(c, *arguments, **more)
        if reply is not None and reply.code != "421":
            c.do("RSET", 250)
            c.do("QUIT", 221)
        return reply


def hears_all(postern):
    with with_milter(postern, {}) as (server, peer):
        assert say(server, HEAD + BODY).code == "250"
        wait_until("it says goodbye", lambda: peer.heard[0][-1][0] == b"Q")
        steps = [(letter, data) for letter, data in peer.heard[0] if letter not in b"DB"]
        assert b"".join(letter for letter, _ in steps) == b"OCHMRTLLLLLNEQ", steps
        assert struct.unpack(">I", steps[0][1][:4]) == (6,)
        assert steps[1][1].endswith(b"\0") and b"4" in steps[1][1], steps[1]
        assert steps[2:6] == [(b"H", b"client.example\0"), (b"M", b"<ann@client.example>\0"),
                              (b"R", b"<alice@example.test>\0"), (b"T", b"")], steps
        assert steps[9:11] == [(b"L", b"X-Old\0" b"2\0"), (b"L", b"Subject\0x\n y\0")], steps
        assert b"".join(data for letter, data in peer.heard[0] if letter == b"B") == BODY
        macros = b"".join(data for letter, data in peer.heard[0] if letter == b"D")
        for name in (b"j\0mx.example.test\0", b"{mail_addr}\0ann@client.example\0",
                     b"{rcpt_addr}\0alice@example.test\0", b"{client_addr}\x00127."):
            assert name in macros, macros


def hears_what_it_wants(postern):
    # no connect, helo, rcpt, body; no answers to header fields; blanks as they are
    with with_milter(postern, {"L": None}, steps=0x01 | 0x02 | 0x08 | 0x10 | 0x80 | 0x100000) as (server, peer):
        assert say(server).code == "250"
        steps = [(letter, data) for letter, data in peer.heard[0] if letter != b"D"]
        assert b"".join(letter for letter, _ in steps).rstrip(b"Q") == b"OMTLLLLLNE", steps
        assert (b"L", b"X-Old\0 1\0") in steps and (b"L", b"X-Old\0" b"2\0") in steps, steps


def stages(postern):
    """What it says is said to the client at the command that it said it to; one connection a session."""
    own = frame(b"y", b"550 5.7.1 no such thing here\0")
    with with_milter(postern, {}) as (server, peer):
        for at, answer, stage, code, words in (
                ("E", frame(b"r"), "DATA", "550", "5.7.1"),
                ("E", own, "DATA", "550", "550 5.7.1 no such thing here"),
                ("H", own, "MAIL", "550", "no such thing"), ("C", frame(b"t"), "MAIL", "451", ""),
                ("M", own, "MAIL", "550", "no such thing"), ("R", own, "RCPT", "550", "no such thing"),
                ("R", frame(b"y", b"451 4.7.1 greylisted\0"), "RCPT", "451", ""),
                ("R", frame(b"d"), "RCPT", "550", ""), ("T", frame(b"r"), "DATA", "550", ""),
                ("L", own, "DATA", "550", ""),
                ("B", frame(b"d"), "DATA", "550", ""), ("E", frame(b"t"), "DATA", "451", ""),
                ("E", frame(b"y", b"451 4.7.1 later\0"), "DATA", "451", ""), ("H", frame(b"4"), "MAIL", "451", ""),
                ("C", frame(b"a"), "DATA", "250", ""), ("M", frame(b"a"), "DATA", "250", ""),
                ("E", frame(b"p") + frame(b"c"), "DATA", "250", ""), ("B", frame(b"s"), "DATA", "250", "")):
            peer.answers = {at: answer}
            del peer.heard[:]
            with contextlib.closing(server.connect()) as c:
                c.hello()
                got, reply = transact(c, HEAD + BODY)
                assert (got, reply.code) == (stage, code) and words in str(reply), f"{at} {answer}: {got} {reply}"
                c.do("NOOP", 250)
            if at == "B" and code == "250":
                assert peer.letters().count(b"B") < 10
            if at == "C" and code == "250":
                assert b"M" not in peer.letters(), peer.letters()
            if at == "M" and code == "250":
                assert b"R" not in peer.letters(), peer.letters()

        # one recipient is refused, another not; then RSET, and another message in the session
        peer.answers = {"R": lambda data: own if b"alice" in data else frame(b"c")}
        del peer.heard[:]
        with contextlib.closing(server.connect()) as c:
            c.hello()
            c.do("MAIL FROM:<ann@client.example>", 250)
            reply = c.do("RCPT TO:<alice@example.test>", 550)
            assert "no such thing" in str(reply)
            c.do("RCPT TO:<bob@example.test>", 250)
            c.do("RSET", 250)
            for _ in range(2):
                assert transact(c, rcpts=["bob@example.test"])[1].code == "250"
        assert peer.letters().startswith(b"OCHMRRA" + 2 * b"MRTLLLLLNBE"), peer.letters()
        # a verdict in the midst of a message leaves open what it answers: another connection
        peer.answers = {"L": frame(b"r")}
        del peer.heard[:]
        with contextlib.closing(server.connect()) as c:
            c.hello()
            assert transact(c)[1].code == "550"
            peer.answers = {}
            assert transact(c)[1].code == "250"
        assert len(peer.heard) == 2 and peer.letters(1).startswith(b"OCHMRT"), peer.heard
        story = server.run("why", re.search(r"(\w+) postern", str(reply))[1])
        assert "no such thing" in story and "milter-rcpt" in story, story


def changes(postern):
    edits = (frame(b"h", b"X-Added\0last\0") + frame(b"i", struct.pack(">I", 0) + b"X-First\0a\n\tb\nEvil: 1\0") +
             frame(b"m", struct.pack(">I", 2) + b"x-old\0new\0") +
             frame(b"m", struct.pack(">I", 1) + b"Subject\0\0") + frame(b"c"))
    with with_milter(postern, {"E": edits}) as (server, peer):
        assert say(server).code == "250"
        octets, = server.messages("alice@example.test", 1)
        head = octets.replace(b"\r", b"").partition(b"\n\n")[0]
        assert b"\nX-First: a\n\tb\n\tEvil: 1\nFrom:" in head, head
        assert head.endswith(b"X-Added: last"), head
        assert b"X-Old: 1\n" in head and b"x-old: new" in head and b"X-Old:2" not in head, head
        assert b"Subject" not in head, head
        assert "header fields" in server.run("why", "alice@example.test")

        # body (small, and of a size that streams), sender, recipients
        large = b"new line\r\n" * 200000
        bodies = b"".join(frame(b"b", large[i:i + 60000]) for i in range(0, len(large), 60000))
        for i, body in enumerate((frame(b"b", b"another ") + frame(b"b", b"body\r\n"), bodies)):
            peer.answers = {"E": body + frame(b"e", b"<eve@other.example>\0") + frame(b"+", b"<bob@example.test>\0") +
                            frame(b"2", b"<nobody@example.test>\0NOTIFY=NEVER\0") +
                            frame(b"-", b"<Alice@example.test>\0") + frame(b"c")}
            assert say(server, rcpts=["alice@example.test", "carl@example.test"]).code == "250"
            for user in ("bob", "carl"):
                got = [octets.replace(b"\r", b"") for octets in server.messages(f"{user}@example.test", i + 1)]
                wanted = b"another body\n" if i == 0 else large.replace(b"\r", b"")
                assert all(octets.startswith(b"Return-Path: <eve@other.example>\n") for octets in got), got[0][:300]
                assert any(octets.partition(b"\n\n")[2] == wanted for octets in got), got[0][:1000]
        assert len(server.files("alice@example.test")) == 1
        assert "event=milter-recipient" in server.log(), "a recipient that is not here"
        # everybody taken away: no mail vanishes without a word
        peer.answers = {"E": frame(b"-", b"<alice@example.test>\0") + frame(b"c")}
        assert say(server).code == "550"
        # quarantine
        peer.answers = {"E": frame(b"q", b"looks odd\0") + frame(b"c")}
        assert say(server).code == "250"
        held = server.run("queue", "list")
        assert "looks odd" in held or "held" in held, held
        assert len(server.files("alice@example.test")) == 1
        server.run("queue", "release", re.search(r"\b\w{12}\.\d+\b", held)[0])
        server.messages("alice@example.test", 2)
        # and nothing of all this where it is only observed
    with with_milter(postern, {"E": edits}, "checks.milter = observe") as (server, peer):
        assert say(server).code == "250"
        octets, = server.messages("alice@example.test", 1)
        assert b"X-Added" not in octets and b"Subject" in octets
        peer.answers = {"E": frame(b"r")}
        assert say(server).code == "250"


def several(postern):
    """In their order; the second sees what the first made of the message, the third nothing of a refused one."""
    def peers(server):
        edits = frame(b"h", b"X-One\0" b"1\0") + frame(b"b", b"first\r\n") + frame(b"c")
        two = (lambda data: frame(b"y", b"550 5.1.1 two says no\0") if b"carl" in data else frame(b"c"))
        return Several(milter.Milter(server.host, {"E": edits}),
                       milter.Milter(server.dir / "two", {"R": two, "E": frame(b"h", b"X-Two\0" b"2\0") + frame(b"c")}),
                       milter.Milter(server.host, actions=0, port=milter.PORT + 1))

    with Server(postern) as server:
        server.settings += [f'milter.server = {{"{server.host}:{milter.PORT}", "unix:{server.dir}/two time=3s", '
                            f'"{server.host}:{milter.PORT + 1} mail=incoming when-down=accept", '
                            f'"unix:{server.dir}/none mail=outgoing"}}', 'milter.time = "2 s"']
        others = peers(server)
        (server.dir / "two").chmod(0o600)  # the server's user could not come to it
        one, two, three = others.peers
        try:
            server.run("domain", "add", "example.test")
            server.add_users("alice@example.test", "carl@example.test")
            server.start()
            with contextlib.closing(server.connect()) as c:
                c.hello()
                c.do("MAIL FROM:<ann@client.example>", 250)
                assert "two says no" in str(c.do("RCPT TO:<carl@example.test>", 550))
                c.do("RSET", 250)
                assert transact(c, HEAD + BODY)[1].code == "250"
            octets, = server.messages("alice@example.test", 1)
            head, _, body = octets.replace(b"\r", b"").partition(b"\n\n")
            assert head.endswith(b"X-One: 1\nX-Two: 2") and body == b"first\n", octets[:500]
            assert one.letters().startswith(b"OCHMRAMRT"), one.letters()
            assert (b"L", b"X-One\0" b"1\0") in two.heard[0] and (b"B", b"first\r\n") in two.heard[0], two.heard
            assert three.letters().startswith(b"OCHMAMRT"), three.letters()
            assert (b"L", b"X-Two\0" b"2\0") in three.heard[0] and (b"B", b"first\r\n") in three.heard[0]
            # the first is shown the message as it came, all of it, and only the first needs it so
            assert b"".join(data for letter, data in one.heard[0] if letter == b"B") == BODY
            three.stop()
            assert say(server).code == "250"
            two.answers = {"E": None}
            assert say(server).code == "451"
        finally:
            one.stop()
            two.stop()


def faults(postern):
    for answers, wishes in (
            ({"E": None}, {}), ({"O": None}, {}), ({"O": frame(b"c")}, {}), ({"E": b"\xff\xff\xff\xff"}, {}),
            ({"H": frame(b"h", b"X\0y\0")}, {}), ({"E": frame(b"b", b"new body") + frame(b"c")}, {"actions": 1}),
            ({}, {"actions": 0x3ff})):
        with with_milter(postern, answers, **wishes) as (server, _):
            reply = say(server)
            assert reply.code == "451", f"{answers} {wishes}: {reply}"
            wait_until("the log says why", lambda: "event=milter" in server.log())
    with running(postern, lambda server: None) as (server, _):  # nobody there
        assert say(server).code == "451"
    # a connection that fails at once, in front of one that is well
    with Server(postern) as server:
        server.settings += [f'milter.server = {{"255.255.255.255:9 when-down=accept", "{server.host}:{milter.PORT}"}}']
        peer = milter.Milter(server.host)
        try:
            server.run("domain", "add", "example.test")
            server.add_users("alice@example.test")
            server.start()
            assert say(server).code == "250" and peer.letters().startswith(b"OCHMRT"), peer.heard
        finally:
            peer.stop()
    for how, code in (("accept", "250"), ("reject", "550"), ("quarantine", "250")):
        with running(postern, lambda server: None, f"milter.when-down = {how}") as (server, _):
            assert say(server, HEAD + BODY).code == code
            if how == "accept":
                assert len(server.messages("alice@example.test", 1)) == 1
            if how == "quarantine":
                assert "held" in server.run("queue", "list") and not server.files("alice@example.test")
    with with_milter(postern, {"E": frame(b"r")}, "milter.mail = outgoing") as (server, peer):
        assert say(server).code == "250" and not peer.heard


class Program:
    """A real milter: its process, and where it listens."""

    def __init__(self, at, *command, cwd=None):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment(), cwd=cwd)
        family = socket.AF_UNIX if isinstance(at, str) else socket.AF_INET
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.socket(family) as peer:
                peer.settimeout(1)
                peer.connect(at)
                return
            assert time.monotonic() < end and self.process.poll() is None, f"{command[0]} does not start"
            time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def program(name):
    return shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")


def open_dkim(postern):
    """Signs what comes from client.example."""
    if program("opendkim") is None:
        print("OpenDKIM is not installed: skipped")
        return

    def peer(server):
        directory = server.dir / "opendkim"
        directory.mkdir()
        subprocess.run(["openssl", "genrsa", "-out", str(directory / "key"), "1024"], check=True,
                       capture_output=True)
        (directory / "key").chmod(0o600)
        (directory / "conf").write_text(
            f"Socket inet:{milter.PORT}@{server.host}\nDomain client.example\nSelector s\nMode s\n"
            f"KeyFile {directory}/key\nInternalHosts 0.0.0.0/0\nRequireSafeKeys no\nSyslog no\n"
            f"PidFile {directory}/pid\n")
        return Program((server.host, milter.PORT), program("opendkim"), "-f", "-x", str(directory / "conf"))

    with running(postern, peer, 'milter.time = "10 s"') as (server, _):
        with contextlib.closing(server.connect()) as c:  # two messages in a session
            c.hello()
            for _ in range(2):
                assert transact(c, HEAD + BODY)[1].code == "250"
        for octets in server.messages("alice@example.test", 2):
            assert b"\nDKIM-Signature: v=1;" in octets.replace(b"\r", b""), octets[:2000]
            assert b"d=client.example; s=s;" in octets, octets[:2000]


# A signature of our own: EICAR's would wake every scanner that this file meets.
BAD = b"POSTERN-TEST-VIRUS-3f9c1d"


def clamav(postern):
    """ClamAV's milter and scanner, by a signature of our own; over UNIX sockets."""
    if program("clamav-milter") is None or program("clamd") is None:
        print("ClamAV's milter is not installed: skipped")
        return

    def peer(server):
        directory = server.dir / "clamav"
        (directory / "db").mkdir(parents=True)
        (directory / "db" / "own.ndb").write_text(f"Postern.Test:0:*:{BAD.hex()}\n")
        (directory / "clamd.conf").write_text(
            f"LocalSocket {directory}/clamd.sock\nDatabaseDirectory {directory}/db\nForeground yes\nUser root\n"
            if os.getuid() == 0 else
            f"LocalSocket {directory}/clamd.sock\nDatabaseDirectory {directory}/db\nForeground yes\n")
        (directory / "milter.conf").write_text(
            f"MilterSocket unix:{directory}/milter.sock\nClamdSocket unix:{directory}/clamd.sock\n"
            "Foreground yes\nOnInfected Reject\nRejectMsg infected: %v\nAddHeader Replace\n"
            + ("User root\n" if os.getuid() == 0 else ""))
        clamd = Program(f"{directory}/clamd.sock", program("clamd"), "-c", str(directory / "clamd.conf"))
        try:
            return Several(Program(f"{directory}/milter.sock", program("clamav-milter"), "-c",
                                   str(directory / "milter.conf")), clamd)
        except BaseException:
            clamd.stop()
            raise

    with Server(postern) as server:
        server.settings += [f'milter.server = "unix:{server.dir}/clamav/milter.sock time=40s"']
        peers = peer(server)
        try:
            server.run("domain", "add", "example.test")
            server.add_users("alice@example.test")
            server.start()
            assert say(server, HEAD + BODY).code == "250"
            octets, = server.messages("alice@example.test", 1)
            assert b"X-Virus-Status: Clean" in octets, octets[:1000]
            attached = HEAD[:-2] + (b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
                                    b"Content-Transfer-Encoding: base64\r\n\r\n" +
                                    base64.encodebytes(b"x" * 100 + BAD).replace(b"\n", b"\r\n"))
            reply = say(server, attached)
            assert reply.code == "550" and "infected: Postern.Test" in str(reply), str(reply)
        finally:
            peers.stop()


# A program of ours on sendmail's libmilter, through python3-milter.
LIBMILTER = """
import sys, Milter
class Own(Milter.Base):
    def envfrom(self, sender, *params):
        self.body_seen = b''
        return Milter.REJECT if 'spammer' in sender else Milter.CONTINUE
    def envrcpt(self, rcpt, *params):
        if 'carl' in rcpt:
            self.setreply('550', '5.7.1', 'carl takes no mail')
            return Milter.REJECT
        return Milter.CONTINUE
    def header(self, name, value):
        return Milter.CONTINUE
    def body(self, octets):
        self.body_seen += octets
        return Milter.CONTINUE
    def eom(self):
        self.addheader('X-Seen', str(len(self.body_seen)), 0)
        self.chgheader('Subject', 1, 'changed')
        self.replacebody(b'it was ' + self.body_seen)
        self.addrcpt('<bob@example.test>')
        self.delrcpt('<alice@example.test>')
        self.chgfrom('<eve@other.example>')
        if b'hold' in self.body_seen:
            self.quarantine('asked for')
        return Milter.CONTINUE
    @classmethod
    def factory(cls, *args):
        return cls()
Milter.factory = Own
Milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS | Milter.CHGBODY | Milter.ADDRCPT | Milter.DELRCPT |
                 Milter.CHGFROM | Milter.QUARANTINE)
Milter.runmilter('own', sys.argv[1], 30)
"""


def libmilter(postern):
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import Milter"], capture_output=True).returncode != 0:
        print("python3-milter is not installed: skipped")
        return

    def peer(server):
        (server.dir / "own.py").write_text(LIBMILTER)
        return Program((server.host, milter.PORT), python, str(server.dir / "own.py"),
                       f"inet:{milter.PORT}@{server.host}", cwd=server.dir)

    with running(postern, peer, 'milter.time = "10 s"') as (server, _):
        with contextlib.closing(server.connect()) as c:
            c.hello()
            assert transact(c, sender="spammer@x.example")[0] == "MAIL"
            c.do("RSET", 250)
            c.do("MAIL FROM:<ann@client.example>", 250)
            assert "carl takes no mail" in str(c.do("RCPT TO:<carl@example.test>", 550))
            c.do("RSET", 250)
            assert transact(c)[1].code == "250"
            assert transact(c, HEAD + b"hold it\r\n")[1].code == "250"
        octets, = server.messages("bob@example.test", 1)
        head, _, body = octets.replace(b"\r", b"").partition(b"\n\n")
        assert head.startswith(b"Return-Path: <eve@other.example>\n"), head
        assert b"\nX-Seen: 6" in head and b"\nSubject: changed" in head, head
        assert body == b"it was text\n", body
        assert not server.files("alice@example.test")
        assert "asked for" in server.run("queue", "list", "--json")


def main():
    works = (hears_all, hears_what_it_wants, stages, changes, several, faults, open_dkim, clamav, libmilter)
    for work in [w for w in works if w.__name__ in sys.argv[2:] or len(sys.argv) == 2]:
        work(sys.argv[1])
        print(f"{work.__name__}: well", flush=True)


if __name__ == "__main__":
    main()
