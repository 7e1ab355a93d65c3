#!/usr/bin/env python3
"""The events of an account: each thing that happens to its messages, once, in order, also live and over restarts.

server_events.py POSTERN
"""
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import nsd  # noqa: E402
import parts  # noqa: E402
from server import SKIPPED, Failed, environment, peer_address, wait_until  # noqa: E402
from server_remote import Peer, check  # noqa: E402
from server_returns import ARF, DSN, Play  # noqa: E402

ACCOUNT = "news@example.test"
# What the documents call each result, and its code.
ROWS = {"broken.test": ("push-dns-error", 423, "attempted"), "nowhere.test": ("push-dns-host-not-found", 524, "bounced"),
        "nodata.test": ("push-dns-no-data", 526, "bounced"), "dead.test": ("push-connect-unreachable", 427, "attempted"),
        "closing.test": ("push-peer-closed", 400, "attempted")}


class Follower:
    """postern events --follow, read by a thread-less poll of the file that it writes."""

    def __init__(self, p, *words):
        self.path = p.server.dir / f"follow{len(words)}"
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(
                [p.server.postern, "events", "--account", ACCOUNT, "--json", "--follow", *words, "-c",
                 str(p.server.config)], stdout=out, env=environment())

    def events(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def events(p, *words):
    out = p.server.run("events", "--account", ACCOUNT, "--json", *words, status=None)
    return [json.loads(line) for line in out.splitlines()]


def of(p, rcpt, get=None):
    return [e for e in (get or (lambda: events(p)))() if e["recipient"] == rcpt]


def wait_for(p, rcpt, *names, get=None):
    """Until the last events of that recipient are these; all of its events."""
    wait_until(lambda: f"{rcpt}: not {names}: {of(p, rcpt, get)}",
               lambda: [e["event"] for e in of(p, rcpt, get)][-len(names):] == list(names))
    return of(p, rcpt, get)


def test_first_attempts(p):
    p.follower = Follower(p)
    p.peer.answers.update({"soft@far.test": "451 4.3.2 busy, try again", "hard@far.test": "550 5.1.1 no such user here"})
    codes, p.id = p.push("good@far.test", "soft@far.test", "hard@far.test", "later@far.test", *(f"a@{d}" for d in ROWS),
                         "alice@example.test")
    check(codes == [250] * len(codes), f"{codes}")
    accepted, delivered = wait_for(p, "good@far.test", "accepted", "delivered")
    check(accepted["message"] == p.id and accepted["account"] == ACCOUNT, f"{accepted}")
    check(delivered["attempt"] == 1 and delivered["code"] == 250 and delivered["server"].startswith("mx.far.test["), f"{delivered}")
    bounced = wait_for(p, "hard@far.test", "accepted", "bounced")[1]
    check(bounced["code"] == 550 and bounced["status"] == "5.1.1" and bounced["action"] == "suppress"
          and bounced["class"] == "invalid-recipient" and "later" not in bounced, f"{bounced}")
    wait_until(lambda: f"{of(p, 'soft@far.test')}", lambda: len(of(p, "soft@far.test")) > 1)
    attempted = of(p, "soft@far.test")[1]  # there may be more by now
    check(attempted["event"] == "attempted", f"{attempted}")
    check(attempted["code"] == 451 and attempted["action"] and attempted["class"] and attempted["next"], f"{attempted}")
    wait_for(p, "alice@example.test", "accepted", "delivered")
    p.peer.answers["soft@far.test"] = "250 ok"
    again = wait_for(p, "soft@far.test", "delivered")[-1]
    check(again["attempt"] > 1, f"{again}")


def test_rows(p):
    for domain, (row, code, name) in ROWS.items():
        wait_until(lambda: f"{domain}: {of(p, f'a@{domain}')}", lambda: len(of(p, f"a@{domain}")) > 1)
        event = of(p, f"a@{domain}")[1]
        check((event.get("row"), event["code"], event["event"]) == (row, code, name), f"{event}")
    check("423" in p.server.run("events", "--account", ACCOUNT), "not in words")


def test_later(p):
    p.back(p.path_of("later@far.test"), DSN, action="failed", status="5.1.1", reply="550 5.1.1 no such user here")
    event = wait_for(p, "later@far.test", "delivered", "bounced")[-1]
    check(event["later"] and event["code"] == 550 and event["action"] == "suppress" and event["message"] == p.id, f"{event}")
    p.back(p.path_of("good@far.test"), ARF, kind="feedback-report")
    event = wait_for(p, "good@far.test", "delivered", "complained")[-1]
    check(event["action"] == "suppress" and event["reply"] == "abuse", f"{event}")
    p.back(p.path_of("soft@far.test"), DSN, action="failed", status="5.2.2", reply="552 5.2.2 mailbox is full")
    event = wait_for(p, "soft@far.test", "delivered", "bounced")[-1]
    check(event["class"] == "mailbox-full" and event["action"] == "give-up", f"{event}")


def same(p):
    """What was followed is what is told now."""
    followed = p.follower.events()
    return bool(followed) and [e["id"] for e in followed] == [e["id"] for e in events(p)][-len(followed):]


def test_follow(p):
    wait_until(lambda: f"{p.follower.events()}", lambda: same(p))
    ids = [e["id"] for e in p.follower.events()]
    check(len(set(ids)) == len(ids), f"told twice: {ids}")
    held = Follower(p, "--since", "2100-01-01")
    p.push("good2@far.test")
    wait_for(p, "good2@far.test", "accepted", "delivered", get=p.follower.events)
    check(held.events() == [], "older than asked for")
    held.stop()


def push_meanwhile(p, rcpt):
    """While old processes end a client may have to come again, perhaps though its message was taken. The id of the last."""
    for _ in range(20):
        try:
            return p.push(rcpt)[1]
        except (Failed, OSError):
            time.sleep(0.2)
    raise Failed("no mail is taken")


def lock_trace(p, seconds):
    """As a trace role does that opens or closes its file on a busy machine."""
    db = sqlite3.connect(p.server.dir / "state/trace/trace.db", isolation_level=None, timeout=20)
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("CREATE TABLE passing(n)")  # so that there is a log
    db.execute("DROP TABLE passing")
    time.sleep(seconds)
    db.close()


def test_restarts(p):
    """The trace role dies, the server restarts: nothing that was told before or after is missing."""
    p.server.excused.append("event=role-ended")
    for i in range(4):  # with what it heard in its last moment, and has not written
        pid = p.server.pid_of("trace")
        codes, _ = p.push(f"good3{i}@far.test")
        check(codes == [250], f"{codes}")
        time.sleep(0.02 * i)
        os.kill(pid, signal.SIGKILL)
        wait_until("no trace", lambda pid=pid: p.server.pid_of("trace") not in (None, pid))
    for i in range(4):
        told = wait_for(p, f"good3{i}@far.test", "accepted", "delivered", get=p.follower.events)
        check(len(told) == 2, f"told twice: {told}")
    p.server.process.send_signal(signal.SIGHUP)
    for message in [push_meanwhile(p, f"reload{i}@far.test") for i in range(5)]:
        def told(message=message):
            return [e["event"] for e in p.follower.events() if e["message"] == message]
        wait_until(lambda: f"{message}: {told()}; follower ended: {p.follower.process.poll()}",
                   lambda: told()[-1:] == ["delivered"], 40)
        check(told() == ["accepted", "delivered"], f"{message}: {told()}")
    p.server.end_process()
    (p.server.dir / "log").rename(p.server.dir / "log.before")
    check(of(p, "good30@far.test"), "a server that is down")
    lock_trace(p, 4)
    check(p.follower.process.poll() is None, "the follower did not wait")
    p.server.start()
    p.push("good4@far.test")
    wait_for(p, "good4@far.test", "accepted", "delivered", get=p.follower.events)
    wait_until(lambda: f"{p.follower.events()}", lambda: same(p))
    p.follower.stop()


def test_words(p):
    run = p.server.run
    check(p.id in run("events", "--account", ACCOUNT.upper()), "capitals")
    run("events", "--account", "nobody@example.test", status=1)
    for words in ([], ["--account"], ["--account", ACCOUNT, "--since", "soon"], ["--account", ACCOUNT, "more"]):
        run("events", *words, status=2)


def main():
    if nsd.program() is None:
        print("NSD is not installed: this test needs its DNS")
        return SKIPPED
    closing = Peer({"greeting": "close"})
    p = Play(sys.argv[1], broken=["broken.test."], settings=["checks.rcpt-domain = off"], zone=[
        "nodata.test. TXT words", f"dead.test. A {peer_address()}", f"closing.test. A {closing.host}"])
    try:
        return parts.play((test_first_attempts, test_rows, test_later, test_follow, test_restarts, test_words), p,
                          lambda: p.server.log()[-3000:])
    finally:
        if p.follower.process.poll() is None:
            p.follower.stop()
        closing.stop()
        p.stop()


if __name__ == "__main__":
    sys.exit(main())
