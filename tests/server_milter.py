#!/usr/bin/env python3
"""Messages on their way through a milter: what it hears, each of its answers, each change, what goes wrong;
and a real one, OpenDKIM, where it is installed.

server_milter.py POSTERN
"""
import contextlib
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import child  # noqa: E402
import milter  # noqa: E402
from milter import frame  # noqa: E402
from server import Server, environment, wait_until  # noqa: E402

BODY = b"".join(b"%07d " % i + b"x" * 60 + b"\r\n" for i in range(4000))
HEAD = (b"From: ann@client.example\r\nMessage-ID: <1@client.example>\r\nX-Old: 1\r\nX-Old:2\r\n"
        b"Subject: x\r\n y\r\n\r\n")
ACCEPT = 'milter.when-down = accept'


@contextlib.contextmanager
def running(postern, peer, *settings):
    with Server(postern, listeners=["mx"]) as server:
        server.settings += [f'milter.server = "{server.host}:{milter.PORT}"', 'milter.time = "2 s"', *settings]
        other = peer(server)
        try:
            server.run("domain", "add", "example.test")
            server.add_users("alice@example.test")
            server.start()
            yield server, other
        finally:
            if other is not None:
                other.stop()


def with_milter(postern, answers, *settings, **wishes):
    return running(postern, lambda server: milter.Milter(server.host, answers, **wishes), *settings)


def say(server, octets=HEAD + b"text\r\n"):
    with contextlib.closing(server.connect()) as c:
        c.hello()
        c.envelope("alice@example.test")
        c.do("DATA", 354)
        start = time.monotonic()
        c.send(octets + b".\r\n")
        reply = c.reply()
        assert time.monotonic() - start < 8, "waited too long"
        if reply is not None and reply.code != "421":
            c.do("NOOP", 250)
        return reply


def hears_all(postern):
    with with_milter(postern, {}) as (server, peer):
        assert say(server, HEAD + BODY).code == "250"
        heard = peer.heard[0]
        steps = [(letter, data) for letter, data in heard if letter not in b"DB"]
        assert b"".join(letter for letter, _ in steps) == b"OCHMRTLLLLLNE", steps
        assert struct.unpack(">I", steps[0][1][:4]) == (6,)
        assert steps[1][1].endswith(b"\0") and b"4" in steps[1][1], steps[1]
        assert steps[2:6] == [(b"H", b"client.example\0"), (b"M", b"<ann@client.example>\0"),
                              (b"R", b"<alice@example.test>\0"), (b"T", b"")], steps
        assert steps[9:11] == [(b"L", b"X-Old\0" b"2\0"), (b"L", b"Subject\0x\n y\0")], steps
        assert b"".join(data for letter, data in heard if letter == b"B") == BODY
        macros = b"".join(data for letter, data in heard if letter == b"D")
        for name in (b"j\0mx.example.test\0", b"{mail_addr}\0ann@client.example\0",
                     b"{rcpt_addr}\0alice@example.test\0", b"{client_addr}\x00127."):
            assert name in macros, macros


def hears_what_it_wants(postern):
    # no connect, helo, rcpt, body; no answers to header fields; blanks as they are
    with with_milter(postern, {"L": None}, steps=0x01 | 0x02 | 0x08 | 0x10 | 0x80 | 0x100000) as (server, peer):
        assert say(server).code == "250"
        steps = [(letter, data) for letter, data in peer.heard[0] if letter != b"D"]
        assert b"".join(letter for letter, _ in steps) == b"OMTLLLLLNE", steps
        assert (b"L", b"X-Old\0 1\0") in steps and (b"L", b"X-Old\0" b"2\0") in steps, steps


def answers(postern):
    own = frame(b"y", b"550 5.7.1 no such thing here\0")
    for at, answer, code, words in (
            ("E", frame(b"r"), "550", "5.7.1"), ("E", own, "550", "550 5.7.1 no such thing here"),
            ("M", own, "550", "no such thing"), ("R", frame(b"r"), "550", ""), ("L", own, "550", ""),
            ("B", frame(b"d"), "550", ""), ("E", frame(b"t"), "451", ""),
            ("E", frame(b"y", b"451 4.7.1 later\0"), "451", ""), ("H", frame(b"4"), "451", ""),
            ("C", frame(b"a"), "250", ""), ("E", frame(b"p") + frame(b"c"), "250", ""),
            ("B", frame(b"s"), "250", "")):
        with with_milter(postern, {at: answer}) as (server, peer):
            reply = say(server, HEAD + BODY)
            assert reply.code == code and words in str(reply), f"{at} {answer}: {reply}"
            if at == "B" and code == "250":
                assert sum(letter == b"B" for letter, _ in peer.heard[0]) < 10


def changes(postern):
    edits = (frame(b"h", b"X-Added\0last\0") + frame(b"i", struct.pack(">I", 0) + b"X-First\0a\n\tb\nEvil: 1\0") +
             frame(b"m", struct.pack(">I", 2) + b"x-old\0new\0") +
             frame(b"m", struct.pack(">I", 1) + b"Subject\0\0") + frame(b"c"))
    with with_milter(postern, {"E": edits}) as (server, _):
        assert say(server).code == "250"
        octets, = server.messages("alice@example.test", 1)
        head = octets.replace(b"\r", b"").partition(b"\n\n")[0]
        assert b"\nX-First: a\n\tb\n\tEvil: 1\nFrom:" in head, head
        assert head.endswith(b"X-Added: last"), head
        assert b"X-Old: 1\n" in head and b"x-old: new" in head and b"X-Old:2" not in head, head
        assert b"Subject" not in head, head


def faults(postern):
    for answers, wishes in (
            ({"E": None}, {}), ({"O": None}, {}), ({"O": frame(b"c")}, {}), ({"E": b"\xff\xff\xff\xff"}, {}),
            ({"H": frame(b"h", b"X\0y\0")}, {}), ({"E": frame(b"b", b"new body") + frame(b"c")}, {}),
            ({}, {"actions": 0x3f})):
        with with_milter(postern, answers, **wishes) as (server, _):
            reply = say(server)
            assert reply.code == "451", f"{answers} {wishes}: {reply}"
            wait_until("the log says why", lambda: "event=milter" in server.log())
    with running(postern, lambda server: None) as (server, _):  # nobody there
        assert say(server).code == "451"
    with running(postern, lambda server: None, ACCEPT) as (server, _):
        assert say(server, HEAD + BODY).code == "250"
        assert len(server.messages("alice@example.test", 1)) == 1
    with with_milter(postern, {"E": frame(b"r")}, "checks.milter = observe") as (server, _):
        assert say(server).code == "250"
    with with_milter(postern, {"E": frame(b"r")}, "milter.mail = outgoing") as (server, peer):
        assert say(server).code == "250" and not peer.heard


class OpenDkim:
    """Signs what comes from client.example."""

    def __init__(self, server):
        directory = server.dir / "opendkim"
        directory.mkdir()
        subprocess.run(["openssl", "genrsa", "-out", str(directory / "key"), "1024"], check=True,
                       capture_output=True)
        (directory / "key").chmod(0o600)
        (directory / "conf").write_text(
            f"Socket inet:{milter.PORT}@{server.host}\nDomain client.example\nSelector s\nMode s\n"
            f"KeyFile {directory}/key\nInternalHosts 0.0.0.0/0\nRequireSafeKeys no\nSyslog no\n"
            f"PidFile {directory}/pid\n")
        self.process = subprocess.Popen(
            [shutil.which("opendkim", path="/usr/sbin:/usr/bin"), "-f", "-x", str(directory / "conf")],
            stdin=subprocess.DEVNULL, env=environment())
        end = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection((server.host, milter.PORT), 1):
                return
            assert time.monotonic() < end and self.process.poll() is None, "OpenDKIM does not start"
            time.sleep(0.1)

    def stop(self):
        child.end(self.process)


def open_dkim(postern):
    if shutil.which("opendkim", path="/usr/sbin:/usr/bin") is None:
        print("OpenDKIM is not installed: skipped")
        return
    with running(postern, OpenDkim, 'milter.time = "10 s"') as (server, _):
        assert say(server, HEAD + BODY).code == "250"
        octets, = server.messages("alice@example.test", 1)
        assert b"\nDKIM-Signature: v=1;" in octets.replace(b"\r", b""), octets[:2000]
        assert b"d=client.example; s=s;" in octets, octets[:2000]


def main():
    for work in (hears_all, hears_what_it_wants, answers, changes, faults, open_dkim):
        work(sys.argv[1])
        print(f"{work.__name__}: well", flush=True)


if __name__ == "__main__":
    main()
