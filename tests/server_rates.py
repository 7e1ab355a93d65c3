#!/usr/bin/env python3
"""How fast mail goes out: the rate of a site, the warm-up of a new address; what is more waits, counts no
attempt, and is not forgotten by a restart.

server_rates.py POSTERN
"""
import datetime
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import parts  # noqa: E402
from server import peer_address, wait_until  # noqa: E402
from server_remote import check  # noqa: E402
from server_sources import play  # noqa: E402


def waiting(p, words):
    return [m for m in p.queued() if words in m["reply"] and m["pending"]]


def settled(p, peer, words, waits, came):
    """So many wait for that, and so many came."""
    wait_until(lambda: f"{len(peer.mails)} came: {p.queued()}",
               lambda: len(waiting(p, words)) == waits and len(peer.mails) >= came)
    check(len(peer.mails) == came, f"{peer.rcpts}")


def test_warm_up(postern):
    """Two recipients a day for a site: the rest goes from the other address; alone it waits, also after a restart."""
    new, old = peer_address(), peer_address()
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    p, peer = play(postern, f"""
source both {new} new.test slow {today}
source both {old} old.test
source alone {peer_address()} alone.test slow {today}
plan slow 2 1000
use both default
""")
    p.start()
    try:
        for i in range(12):
            p.send(f"u{i}@far.test")
        wait_until(lambda: f"{len(peer.mails)} mails", lambda: len(peer.mails) == 12)
        from_new = sum(address == new for address, _ in peer.rcpts)
        check(from_new == 2, f"{from_new} from the new address: {peer.rcpts}")
        p.server.settle()

        text = (p.server.dir / "sources").read_text()
        (p.server.dir / "sources").write_text(text.replace("use both", "use alone"))
        p.server.end_process()
        p.server.start()
        for i in range(4):
            p.send(f"v{i}@far.test")
        settled(p, peer, "(warm-up)", 2, 14)
        target = [json.loads(line) for line in p.server.run("queue", "show", p.queued()[0]["id"], "--json").splitlines()][1]
        check(target["attempts"] == 0, f"{target}")
        p.server.end_process()
        p.server.start()
        p.server.run("queue", "retry", "--all")
        p.send("w@far.test")
        wait_until(lambda: f"{p.queued()}", lambda: len(waiting(p, "(warm-up)")) == 3)
        check(len(peer.mails) == 14, f"{len(peer.mails)} mails: forgotten by a restart")
    finally:
        p.stop()


def test_rates(postern):
    p, peer = play(postern, f"source p {peer_address()} one.test\nuse p default\n")
    p.peer("slow.test")
    slow = p.peers[-1]
    p.server.settings += ['delivery.site-rate = "3/hour"']
    p.server.add_users("bob@here.test")
    p.start()
    try:
        for i in range(4):
            p.send(f"u{i}@far.test")
        settled(p, peer, "delivery.site-rate", 1, 3)
        p.send("u@slow.test")  # another site
        wait_until("slow.test got nothing", lambda: slow.mails)
        p.send("bob@here.test")
        p.server.messages("bob@here.test", 1)  # mailboxes here are no matter of it
    finally:
        p.stop()


def provider(p, peer):
    """Domains whose MX hosts have nothing in common but the provider's name, or those of a domain that is hosted there."""
    p.zone += [f"{name}.test. MX 10 {name}.mx.provider.test." for name in ("one", "two", "three")]
    p.zone += [f"{name}.mx.provider.test. A {peer.host}" for name in ("one", "two", "three")]
    p.zone += ["hosted.test. MX 10 in.elsewhere.test.", "four.test. MX 5 own.four.test.", "four.test. MX 10 in.elsewhere.test.",
               "five.test. MX 10 in.elsewhere.test.", f"in.elsewhere.test. A {peer.host}", f"own.four.test. A {peer.host}"]


def test_named_sites(postern):
    """Domains at one provider share its rate, whichever of our addresses they are sent from; by its hosts' names and by a
    domain that is hosted there."""
    one, two = peer_address(), peer_address()
    p, peer = play(postern, f"source p {one} one.test\nsource p {two} two.test\nuse p default\n")
    provider(p, peer)
    p.server.settings += ['queue.rates = {"site provider.test 3/day burst 3", "site hosted.test 2/day burst 2",'
                          ' "site * 4/day burst 4"}']
    p.start()
    try:
        for i in range(2):
            for domain in ("one", "two", "three"):
                p.send(f"u{i}@{domain}.test")
        settled(p, peer, "queue.rates: site provider.test", 3, 3)
        for domain in ("four", "five", "hosted"):
            p.send(f"u@{domain}.test")
        settled(p, peer, "queue.rates: site hosted.test", 1, 5)
        for i in range(5):  # of no name: by their hosts
            p.send(f"u{i}@{'far' if i % 2 else 'also'}.test")
        settled(p, peer, "queue.rates: site *", 1, 9)
    finally:
        p.stop()


def test_named_warm_up(postern):
    """A warm-up counts a provider with a name as one site, though no rate is set for it."""
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    p, peer = play(postern, f"source p {peer_address()} one.test slow {today}\nplan slow 2 1000\nuse p default\n")
    provider(p, peer)
    p.server.settings += ['queue.rates = {"site *.provider.test off"}']
    p.start()
    try:
        for domain in ("one", "two", "three"):
            p.send(f"u@{domain}.test")
        settled(p, peer, "(warm-up)", 1, 2)
    finally:
        p.stop()


def test_class_waits(postern):
    """A class with waits of its own; others keep to the usual ones."""
    p, peer = play(postern, f"source p {peer_address()} one.test\nuse p default\n",
                   judge=lambda address, verb, line: None if verb != "RCPT" else
                   "452 4.2.2 mailbox is full" if "full@" in line else "451 4.3.0 try again")
    p.server.settings += ['queue.class-retry = {"mailbox-full 7h", "nonsense 1h"}']
    p.server.excused += ["event=class-retry"]
    p.start()
    try:
        p.logged("event=class-retry .*no class of that name: nonsense")
        p.send("full@far.test")
        wait_until(lambda: f"{p.queued()}", lambda: waiting(p, "mailbox is full"))
        line, = p.queued()
        check(abs(line["next_ms"] - line["arrival_ms"] - 7 * 3600 * 1000) < 60000, f"{line}")
        p.send("busy@far.test")
        p.logged(r"event=deferred .*to=busy@far.test .* attempt=3")
    finally:
        p.stop()


if __name__ == "__main__":
    sys.exit(parts.play_on_dns(test_warm_up, test_rates, test_named_sites, test_named_warm_up, test_class_waits))
