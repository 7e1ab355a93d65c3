#!/usr/bin/env python3
"""Counts over the death of processes and over restarts, and the commands that look at them.

server_limits.py POSTERN
"""
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import Failed, Server, wait_until  # noqa: E402

BODY = b"From: ann@client.example\r\nMessage-ID: <%d@client.example>\r\nSubject: x\r\n\r\nx\r\n"
ALICE, BOB = "alice@example.test", "bob@example.test"
SETTINGS = ["rate.exempt-networks = {}", 'rate.ip = "60/hour"', "smtpd-processes = 2", "rate.evidence = 4",
            "checks.ladder-slow = 0",
            'rate.exceptions = {"ip 127.0.3.0/24 5/hour", "ip 127.0.3.9 80/hour", "ip 127.0.3.10 20/hour burst 3", "rcpt-pace example.test off"}']
FLOOD, QUIET = "127.0.0.5", "127.0.1.6"


def send(server, source, count, rcpt=ALICE):
    """How many of so many messages were taken; each connection takes ten."""
    taken = 0
    for n in range(count):
        if n % 10 == 0:
            connection = server.connect(source=source)
            connection.hello()
        connection.envelope(rcpt)
        connection.do("DATA", 354)
        connection.send(BODY % n + b".\r\n")
        reply = connection.reply()
        if not str(reply).startswith("250"):
            if "flood-ip" not in server.log() or not str(reply).startswith("421 4.7.28"):
                raise Failed(f"not the refusal of a flood: {reply}")
            return taken
        taken += 1
        if n % 10 == 9:
            connection.do("QUIT", 221)
            connection.close()
    return taken


def show(server, *words, status=0):
    out = server.run(*words, "--json", status=status)
    return [json.loads(line) for line in out.splitlines()]


def of(lines, kind, key):
    found = [line for line in lines if (line["kind"], line["key"]) == (kind, key)]
    if len(found) != 1:
        raise Failed(f"{kind}:{key} stands {len(found)} times in {lines}")
    return found[0]


def equal(what, found, expected):
    if found != expected:
        raise Failed(f"{what}: {found}, not {expected}")


def killed_smtpd(server):
    """An smtpd dies in the middle: what both have counted stays, and nobody else is disturbed."""
    equal("messages before", send(server, FLOOD, 30), 30)
    pid = server.pid_of("smtpd")
    server.excused.append(rf"event=role-ended.*pid={pid}|event=role-ended process=smtpd")
    os.kill(pid, signal.SIGKILL)
    wait_until("smtpd does not come back", lambda: server.pid_of("smtpd") != pid)
    equal("counted", of(show(server, "limits", "show", FLOOD), "ip", FLOOD)["hour"], 30)
    equal("messages after", send(server, FLOOD, 40), 30)
    equal("of another", send(server, QUIET, 20), 20)


def commands(server):
    line = of(show(server, "limits", "show", "ip:" + FLOOD), "ip", FLOOD)
    equal("the line", (line["hour"], line["day"], line["limit"], line["window"], line["good"], line["reputation"]),
          (60, 60, 60, "hour", 60, "good"))
    if not 0 < line["limited_s"] <= 3600:
        raise Failed(f"limited for {line['limited_s']} s")
    shown = show(server, "limits", "show")
    of(shown, "ip", FLOOD)
    if any(line["key"] == QUIET for line in shown):
        raise Failed(f"{QUIET} is not near its limit")
    text = server.run("limits", "show", "ip:" + FLOOD)
    if "60 in the last hour" not in text or "limited for" not in text:
        raise Failed(text)
    equal("of a stranger", show(server, "limits", "show", "192.0.2.1", status=1), [])
    equal("alice", of(show(server, "limits", "show", ALICE.upper()), "rcpt", ALICE)["hour"], 80)
    show(server, "limits", "reset", FLOOD)
    line = of(show(server, "limits", "show", FLOOD), "ip", FLOOD)
    equal("reset", (line["hour"], line["limited_s"], line["good"]), (0, 0, 60))
    equal("after the reset", send(server, FLOOD, 10), 10)
    server.run("limits", "reset", status=2)
    server.run("limits", "mend", status=2)


def reputation(server):
    line = of(show(server, "reputation", "set", "ip:127.0.2.7", "very-low"), "ip", "127.0.2.7")
    equal("set", line["reputation"], "very low")
    connection = server.connect(source="127.0.2.7")
    connection.hello()
    connection.envelope(ALICE)
    connection.do("DATA", 354)
    connection.send(BODY % 1 + b".\r\n")
    connection.expect(421, "very low")
    connection.close()
    server.run("reputation", "set", "ip:127.0.2.7", "lowest", status=2)
    for key in ("ip:127.0.2.0/24", "network:127.0.2.0/23", "network:127.0.2.1", "dkim:a_b", "ip:x"):
        server.run("reputation", "set", key, "low", status=2)
    equal("by address", [line["kind"] for line in show(server, "reputation", "set", "2001:DB8:0::9", "low")], ["ip"])
    equal("as it is written", of(show(server, "limits", "show", "ip:2001:db8::0:9"), "ip", "2001:db8::9")["reputation"], "low")
    equal("by network", [line["kind"] for line in show(server, "reputation", "set", "192.0.2.0/24", "low")], ["network"])
    equal("by domain", [line["kind"] for line in show(server, "reputation", "set", "Far.example", "low")],
          ["dkim", "spf", "from"])
    of(show(server, "reputation", "show", "spf:far.example"), "spf", "far.example")
    equal("forgotten", of(show(server, "reputation", "forget", "127.0.2.7"), "ip", "127.0.2.7")["reputation"],
          "unknown")
    equal("then", send(server, "127.0.2.7", 1), 1)
    equal("unseen", show(server, "reputation", "forget", "192.0.2.9", status=1), [])
    equal("set good", of(show(server, "reputation", "set", QUIET, "good"), "ip", QUIET)["reputation"], "good")
    of(show(server, "reputation", "show"), "ip", QUIET)


def excepted(server):
    """Networks and addresses with a number of their own; refusals name it, and `limits show` who says so."""
    equal("of the network", send(server, "127.0.3.7", 8), 5)
    if "limit=5 " not in server.run("why", "127.0.3.7"):
        raise Failed(f"the limit is not told: {server.run('why', '127.0.3.7')}")
    if "the limit is that of the exception ip 127.0.3.0/24 5/hour" not in server.run("why", "127.0.3.7"):
        raise Failed(f"the exception is not told: {server.run('why', '127.0.3.7')}")
    equal("of the address", send(server, "127.0.3.9", 70), 70)
    equal("at once", send(server, "127.0.3.10", 10), 3)
    line = of(show(server, "limits", "show", "ip:127.0.3.10"), "ip", "127.0.3.10")
    equal("the burst", [(limit["limit"], limit["burst"], limit["used"], limit["exception"]) for limit in line["limits"]],
          [(20, 3, 3, "ip 127.0.3.10 20/hour burst 3")])
    text = server.run("limits", "show", "ip:127.0.3.7")
    if 'rate.ip 5/hour now, 5 used, by the exception "ip 127.0.3.0/24 5/hour"' not in text:
        raise Failed(text)
    equal("near it", of(show(server, "limits", "show"), "ip", "127.0.3.9")["limits"][0]["limit"], 80)
    if "exception" in of(show(server, "limits", "show", QUIET), "ip", QUIET)["limits"][0]:
        raise Failed("an exception of another's")


def start_again(server):
    before = server.log().count("event=ready")
    server.start()
    wait_until("the server does not start again", lambda: server.log().count("event=ready") > before)


def restart(server):
    """A stop and a start: nothing is forgotten, and a broken snapshot harms nobody."""
    before = show(server, "limits", "show", QUIET)
    server.end_process()
    start_again(server)
    after = show(server, "limits", "show", QUIET)
    equal("after a restart", [(line["kind"], line["hour"], line["good"]) for line in after],
          [(line["kind"], line["hour"], line["good"]) for line in before])
    server.end_process()
    snapshot = server.state / "directory" / "rate.snapshot"
    octets = bytearray(snapshot.read_bytes())
    octets[200] ^= 1
    snapshot.write_bytes(octets)
    start_again(server)
    if "cannot be read" not in server.log():
        raise Failed("nothing said of a broken snapshot")
    equal("of a broken snapshot", send(server, QUIET, 1), 1)


def imported(server):
    """A list: addresses, a network of four that are counted, a domain; lines that are wrong are told."""
    listed = server.dir / "list"
    listed.write_text("# a list\n198.51.100.7\n203.0.112.0/22 ; four\n\nBad.example low\nip:198.51.100.8 good\n")
    out = server.run("reputation", "import", str(listed))
    equal("imported", out, "9 keys of 6 lines were set\n")
    for key, level in (("ip:198.51.100.7", "very low"), ("network:203.0.112.0/24", "very low"),
                       ("network:203.0.115.0/24", "very low"), ("dkim:bad.example", "low"), ("from:bad.example", "low"),
                       ("ip:198.51.100.8", "good")):
        lines = show(server, "reputation", "show", key)
        equal(key, [line["reputation"] for line in lines], [level])
    listed.write_text("198.51.100.9\nno domain at all/x\n")
    server.run("reputation", "import", str(listed), status=2)
    listed.write_text("10.0.0.0/8\n")
    server.run("reputation", "import", str(listed), status=2)
    server.run("reputation", "import", str(server.dir / "none"), status=4)


def main():
    server = Server(sys.argv[1], settings=SETTINGS)
    server.add_users(ALICE, BOB)
    with server:
        server.start()
        for part in (killed_smtpd, commands, excepted, reputation, imported, restart):
            part(server)
            print("ok", part.__name__, flush=True)


if __name__ == "__main__":
    main()
