#!/usr/bin/env python3
"""queue.rates: mail to a domain, and of an account, goes out at its pace; other mail does not wait.

server_pace.py POSTERN
"""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import parts  # noqa: E402
from server import wait_until  # noqa: E402
from server_remote import Peer, Play, check  # noqa: E402


class Timed(Peer):
    """When each MAIL came."""

    def __init__(self):
        self.times = []
        super().__init__()

    def say(self, sock, verb, usual):
        if verb == "MAIL":
            self.times.append(time.monotonic())
        return super().say(sock, verb, usual)


def peer(p, domain):
    timed = Timed()
    p.peers.append(timed)
    p.zone += [f"{domain}. MX 10 mx.{domain}.", f"mx.{domain}. A {timed.host}"]
    return timed


def gaps(times):
    return [b - a for a, b in zip(times, times[1:])]


def test_domain(postern):
    p = Play(postern)
    slow, fast = peer(p, "slow.test"), peer(p, "fast.test")
    p.server.settings += ['queue.rates = {"domain Slow.test 60/minute", "account * 100000/hour burst 50", "account nobody off"}']
    p.start()
    try:
        for n in range(4):
            p.send(f"a{n}@slow.test", f"b{n}@fast.test")
        wait_until("fast.test did not get all", lambda: len(fast.mails) == 4)
        check(len(slow.mails) <= 3, f"{len(slow.mails)} messages to slow.test already")
        line = [line for line in p.queued() if line["next_ms"] > time.time() * 1000 + 100]
        check(line, "the queue does not say when the rest goes")
        wait_until("slow.test did not get all", lambda: len(slow.mails) == 4)
        check(all(gap > 0.7 for gap in gaps(slow.times)), f"gaps to slow.test: {gaps(slow.times)}")
        check(slow.times[-1] - slow.times[0] > 2.9, f"too fast in all: {gaps(slow.times)}")
        p.server.settle()
    finally:
        p.stop()


def test_account(postern):
    p = Play(postern)
    one, two = peer(p, "one.test"), peer(p, "two.test")
    p.server.settings += ['queue.rates = {"account * off", "account acme 60/minute"}']
    p.start()
    try:
        for n in range(2):
            p.send(f"a{n}@one.test", f"b{n}@two.test")
        wait_until("not all is there", lambda: len(one.mails) == len(two.mails) == 2)
        times = sorted(one.times + two.times)
        check(times[-1] - times[0] > 2.9, f"too fast: {gaps(times)}")
        p.server.settle()
    finally:
        p.stop()


if __name__ == "__main__":
    sys.exit(parts.play_on_dns(test_domain, test_account))
