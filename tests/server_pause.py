#!/usr/bin/env python3
"""Pauses of an account, a domain, a site: mail waits, at once and over a restart, and goes out afterwards; other
mail and mailboxes here are not touched.

server_pause.py POSTERN
"""
import json
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import parts  # noqa: E402
from server import wait_until  # noqa: E402
from server_remote import Peer, Play, check  # noqa: E402


class Gated(Peer):
    """Answers MAIL when it is let: until then others wait for its connection."""

    def __init__(self):
        self.gate = threading.Event()
        super().__init__()

    def say(self, sock, verb, usual):
        if verb == "MAIL":
            self.gate.wait(20)
        return super().say(sock, verb, usual)


def paused(p):
    return {(line["kind"], line["name"]): line
            for line in map(json.loads, p.server.run("queue", "pause", "list", "--json").splitlines())}


def test_domain_and_account(postern):
    p = Play(postern)
    one, two = p.peer("one.test"), p.peer("two.test")
    p.server.settings += ["queue.expire = \"1 d\""]
    p.server.add_users("bob@here.test")
    p.server.run("relay", "add", "other", "--network", "10.0.0.0/8", "--domain", "other.test")
    p.start()
    try:
        p.server.run("queue", "pause", "--domain", "One.Test", "--reason", "they asked for it")
        p.send("a@one.test", "a@two.test", "bob@here.test")
        wait_until("two.test got nothing", lambda: two.mails)
        p.server.messages("bob@here.test", 1)
        line, = p.queued()
        check(line["paused"] == "domain one.test: they asked for it", f"{line}")
        check("paused" in p.server.run("queue", "list"), "not in the list")
        p.server.run("queue", "retry", "--all")
        check(paused(p)[("domain", "one.test")]["reason"] == "they asked for it", f"{paused(p)}")
        check("they asked for it" in p.server.run("queue", "pause", "list"), "the list does not say why")
        time.sleep(0.3)
        check(not one.mails and one.accepted == 0, "it was asked though paused")

        # After a restart, and after the whole machine; without a server it is known too.
        p.server.end_process()
        check(("domain", "one.test") in paused(p), f"{paused(p)}")
        p.server.run("queue", "resume", "--domain", "one.test", status=4)
        p.server.start()
        time.sleep(0.3)
        check(one.accepted == 0 and ("domain", "one.test") in paused(p), "forgotten by a restart")
        p.server.run("queue", "resume", "--domain", "one.test")
        wait_until("one.test got nothing", lambda: one.mails)
        check(paused(p) == {}, f"{paused(p)}")
        p.server.run("queue", "resume", "--domain", "one.test", status=1)
        p.server.settle()

        # An account: that of the relay customer, not of another; for a time.
        p.server.run("queue", "pause", "--account", "other")
        p.send("b@one.test")
        wait_until("one.test got no second", lambda: len(one.mails) == 2)
        p.server.run("queue", "pause", "--account", "acme", "--for", "1h")
        p.send("c@one.test", "bob@here.test")
        p.server.messages("bob@here.test", 2)
        check(len(one.mails) == 2, "sent for a paused account")
        p.server.run("queue", "pause", "--account", "acme", "--for", "1s")
        wait_until("one.test got no third", lambda: len(one.mails) == 3)
        wait_until("the pause is not over", lambda: ("account", "acme") not in paused(p))
        for wrong in (["pause"], ["pause", "--domain"], ["pause", "--domain", "a", "--site", "b"],
                      ["pause", "--domain", "a", "--for", "soon"], ["pause", "--domain", "a", "--until", "2020-01-01T00:00:00Z"],
                      ["resume", "--domain", "a", "--reason", "b"], ["pause", "--planet", "a"], ["pause", "--domain", ""]):
            p.server.run("queue", *wrong, status=2)
    finally:
        p.stop()


def test_site(postern):
    """A host that is MX of two domains; a message that waits for a connection there comes back at once."""
    p = Play(postern)
    peer = Gated()
    p.peers.append(peer)
    p.zone += ["one.test. MX 10 mx.one.test.", f"mx.one.test. A {peer.host}",
               "also.test. MX 10 mx.one.test.", "both.test. MX 10 mx.one.test.",
               "both.test. MX 20 mx.two.test.", f"mx.two.test. A {peer.host}"]
    apart = p.peer("apart.test")
    p.server.settings += ["delivery.connections = 1"]
    p.start()
    try:
        p.send("a@one.test")
        wait_until("one.test was not asked", lambda: "MAIL" in " ".join(peer.heard))
        p.send("b@one.test")
        p.send("b@also.test")
        wait_until("they do not wait", lambda: sum(line["running"] for line in p.queued()) == 3)
        p.server.run("queue", "pause", "--site", "mx.ONE.test", "--reason", "maintenance")
        p.send("c@both.test")
        wait_until(lambda: f"not paused: {p.queued()}",
                   lambda: sum("site mx.one.test: maintenance" in line.get("paused", "") for line in p.queued()) == 3)
        peer.gate.set()
        wait_until("what was being sent is not finished", lambda: len(peer.mails) == 1)
        time.sleep(0.3)
        check(len(peer.mails) == 1, "sent though paused")
        p.logged(r"event=deferred .*to=b@also.test .*451 4\.3\.2 not tried: paused, site mx.one.test: maintenance")
        p.server.run("queue", "resume", "--site", "mx.one.test")
        wait_until(lambda: f"{len(peer.mails)} mails after the pause", lambda: len(peer.mails) >= 4)
        p.send("d@apart.test")
        wait_until("apart.test got nothing", lambda: apart.mails)
        p.server.settle()
    finally:
        p.stop()


if __name__ == "__main__":
    sys.exit(parts.play_on_dns(test_domain_and_account, test_site))
