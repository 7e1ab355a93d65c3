#!/usr/bin/env python3
"""From which of our addresses mail goes out: by account and pool, each with its own name in EHLO; a site that wants less of
one address is left alone by that one only; what was greylisted comes back from where it came.

server_sources.py POSTERN
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import parts  # noqa: E402
from server import peer_address, wait_until  # noqa: E402
from server_remote import Peer, Play, check  # noqa: E402

SLOW = "421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address"
BUSY = "450 4.7.1 sender sends too many messages, try later"


class Seer(Peer):
    """Knows from which address each command came; `judge(address, verb, line)` may answer in its place."""

    def __init__(self, judge=None, **kwargs):
        self.judge = judge
        self.names = {}  # address -> names in EHLO
        self.rcpts = []  # (address, recipient)
        super().__init__(**kwargs)

    def say(self, sock, verb, usual):
        address = sock.getpeername()[0]
        line = getattr(self.now, "line", "")
        if verb == "EHLO":
            self.names.setdefault(address, set()).add(line.split()[1])
        if line.startswith("RCPT") and usual == "250 ok":
            self.rcpts.append((address, re.search("<(.*)>", line).group(1)))
        answer = self.judge(address, verb, line) if self.judge else None
        if answer is None:
            return super().say(sock, verb, usual)
        sock.sendall(answer.encode() + b"\r\n")
        return answer


def play(postern, lines, **kwargs):
    p = Play(postern)
    peer = Seer(**kwargs)
    p.peers.append(peer)
    p.zone += ["far.test. MX 10 mx.far.test.", f"mx.far.test. A {peer.host}",
               "also.test. MX 10 mx.far.test."]
    (p.server.dir / "sources").write_text(lines)
    (p.server.dir / "sources").chmod(0o644)
    p.server.settings += [f'delivery.sources = "{p.server.dir}/sources"']
    return p, peer


def test_pools(postern):
    one, two, other = peer_address(), peer_address(), peer_address()
    p, peer = play(postern, f"""
source news {one} one.news.test
source news {two} two.news.test   # the second
source rest {other} rest.test
use news account acme
use rest default
""")
    p.start()
    try:
        for i in range(8):
            p.send(f"u{i}@far.test")
        wait_until(lambda: f"{len(peer.mails)} mails", lambda: len(peer.mails) == 8)
        check(peer.names == {one: {"one.news.test"}, two: {"two.news.test"}}, f"{peer.names}")
        # Another file counts after a reload; one that is wrong changes nothing.
        (p.server.dir / "sources").write_text(f"source rest {other} rest.test\nuse none default\n")
        p.server.process.send_signal(1)
        p.logged(r"event=reload-refused .*'none' has no source")
        (p.server.dir / "sources").write_text(f"source rest {other} rest.test\nuse rest default\n")
        p.server.process.send_signal(1)
        p.logged("event=reloaded")
        p.send("v@far.test")
        wait_until("nothing more came", lambda: len(peer.mails) == 9)
        check(peer.names.get(other) == {"rest.test"}, f"{peer.names}")
        p.server.run("check-config")
        (p.server.dir / "sources").write_text("source rest 1.2.3 rest.test\n")
        p.server.run("check-config", status=3)
    finally:
        p.stop()


def test_slower(postern):
    """One address is asked for less: mail goes on from the other, and none from that one."""
    one, two = peer_address(), peer_address()
    p, peer = play(postern, f"source p {one} one.test\nsource p {two} two.test\nuse p default\n",
                   judge=lambda address, verb, line: SLOW if address == one and verb == "MAIL" else None)
    p.start()
    try:
        for i in range(8):
            p.send(f"u{i}@far.test")
        p.logged(rf"event=site-rests .*{re.escape(one)}\|mx.far.test .*4\.7\.28")
        # Those that were there at once were told to wait themselves; the others have gone.
        wait_until(lambda: f"{len(peer.mails)} mails, {p.queued()}",
                   lambda: sum("4.7.28" in m["reply"] for m in p.queued()) + len(peer.mails) == 8)
        check(peer.mails, "none went from the other")
        p.server.run("queue", "retry", "--all")
        wait_until(lambda: f"{len(peer.mails)} mails, {p.queued()}", lambda: len(peer.mails) == 8)
        check({address for address, _ in peer.rcpts} == {two}, f"{peer.rcpts}")
        check(not re.search(rf"event=site-rests .*{re.escape(two)}", p.server.log()), "the other rests too")
        p.server.settle()
    finally:
        p.stop()


def test_greylisted(postern):
    seen = {}

    def judge(address, verb, line):
        if verb != "RCPT":
            return None
        first = seen.setdefault(line, address)
        times[line] = times.get(line, 0) + 1
        return None if times[line] > 1 and address == first else "450 4.2.0 greylisted"

    times = {}
    addresses = [peer_address() for _ in range(4)]
    p, peer = play(postern, "".join(f"source p {a} h{i}.test\n" for i, a in enumerate(addresses))
                   + "use p default\n", judge=judge)
    p.start()
    try:
        for i in range(6):
            p.send(f"u{i}@far.test")
        wait_until(lambda: f"{p.queued()}", lambda: sum("greylisted" in m["reply"] for m in p.queued()) == 6)
        p.server.run("queue", "retry", "--all")  # a minute is long
        wait_until(lambda: f"{len(peer.mails)} mails", lambda: len(peer.mails) == 6)
        check(set(times.values()) == {2}, f"{times}")
        check(len(peer.names) > 1, "all from one address")
        p.server.settle()
    finally:
        p.stop()


def test_account_waits(postern):
    """A site that asks a sender to wait is left alone by it, with all its domains."""
    p, peer = play(postern, f"source p {peer_address()} one.test\nuse p default\n",
                   judge=lambda address, verb, line: BUSY if line.startswith("MAIL FROM:<ann@") and verb == "MAIL"
                   else None)
    p.start()
    try:
        p.send("a@far.test")
        p.logged(r"event=account-waits .*acme\|mx.far.test")
        p.send("a@also.test")
        p.logged(r"event=deferred .*to=a@also.test .*not tried, .*too many messages")
        check(sum(line.startswith("MAIL FROM:<ann@") for line in peer.heard) == 1, f"{peer.heard}")
    finally:
        p.stop()


def test_no_such_address(postern):
    """An address that is not this machine's: deferred, and said."""
    p, peer = play(postern, "source p 192.0.2.1 one.test\nuse p default\n")
    p.start()
    try:
        p.send("a@far.test")
        p.logged(r"event=deferred .*to=a@far.test .*Cannot assign requested address")
        check(peer.accepted == 0, "connected from elsewhere")
    finally:
        p.stop()


if __name__ == "__main__":
    sys.exit(parts.play_on_dns(test_pools, test_slower, test_greylisted,
                               test_account_waits, test_no_such_address))
