#!/usr/bin/env python3
"""What the limits cost, and whether a flood slows others.

limits.py BUILD [--rounds N] [--seconds N]

On and off in turn: 20 sessions from one address bring messages; off, the address is among rate.exempt-networks; on,
every limit there is counts, high enough that none refuses. CPU of smtpd a message (of /proc) is what compares on
a machine with other work. Then one sender measures its messages alone, and beside 50 sessions of one address that is over its
limit. Prints JSON.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))
from server import PORTS, Server  # noqa: E402

BASE = ['log.level = info', 'rate.memory = "64 MiB"', "queue.deliver = no", "checks.ptr = off", "checks.header-from = off",
        "checks.header-message-id = off", "checks.unauthenticated = off"]
MANY = "16000000/hour"
ON = ["rate.exempt-networks = {}", 'rate.connections = "16000000/minute"', 'rate.network-connections = "16000000/minute"',
      'rate.rcpt-pace = "16000000/minute burst 1000000"', 'rate.rcpt-most = "16000000/day"', 'rate.message-id = "16000000/day"',
      *(f'rate.{name} = "{MANY}"' for name in ("ip", "network", "spf-domain", "dkim-domain", "from-domain", "url-domain",
                                               "ptr-domain", "rcpt-domain", "sender", "rcpt"))]
USERS = [f"user{n:04}@example.test" for n in range(20)]
POLITE = b"From: ann@client.example\r\nMessage-ID: <%d@client.example>\r\n\r\n" + b"x" * 60 + b"\r\n.\r\n"


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def smtpd_of(server):
    """The one child of the supervisor that calls itself so."""
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server.process.pid and b"smtpd" in (path / "cmdline").read_bytes():
                return int(path.name)
        except (OSError, ValueError):
            pass
    raise SystemExit("there is no smtpd")


def server_with(build, settings):
    server = Server(str(build / "postern"), settings=[*BASE, *settings])
    server.add_users(*USERS)
    server.start()
    return server


def load(build, server, sessions, seconds):
    return subprocess.Popen([build / "bench" / "smtpload", "-a", f"{server.host}:{PORTS['mx']}", "-c", str(sessions), "-m", "20",
                             "-s", "10240", "-l", str(seconds), "-d", "example.test", "-u", "20"],
                            stdout=subprocess.PIPE, text=True)


def accept(build, settings, seconds):
    server = server_with(build, settings)
    try:
        pid = smtpd_of(server)
        before = cpu_s(pid)
        told = json.loads(load(build, server, 20, seconds).communicate()[0])
        if told["failed"] > 0 or told["ok"] == 0:
            raise SystemExit(f"a message was not taken: {told}")
        return {"us": (cpu_s(pid) - before) * 1e6 / told["ok"], "rate": told["rate"]}
    finally:
        server.stop()


def polite(server, seconds):
    times = []
    c = server.connect(source="127.0.1.7")
    c.hello()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        c.envelope(USERS[len(times) % len(USERS)])
        c.do("DATA", 354)
        c.send(POLITE % len(times))
        c.expect(250)
        times.append((time.monotonic() - began) * 1000)
        time.sleep(0.02)
    return {"messages": len(times), "median_ms": round(statistics.median(times), 2),
            "p95_ms": round(sorted(times)[len(times) * 95 // 100], 2),
            "p99_ms": round(sorted(times)[len(times) * 99 // 100], 2)}


def flood(build, seconds):
    server = server_with(build, ["rate.exempt-networks = {}", 'rate.ip = "600/hour"'])
    try:
        alone = polite(server, seconds)
        flooding = load(build, server, 50, seconds + 2)
        time.sleep(1)
        beside = polite(server, seconds)
        told = json.loads(flooding.communicate()[0])
        return {"alone": alone, "beside": beside, "flood_taken": told["ok"], "flood_refused": told["failed"]}
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    build = options.build.resolve()
    off, on = [], []
    for _ in range(options.rounds):
        off.append(accept(build, [], options.seconds))
        on.append(accept(build, ON, options.seconds))
    result = {what: {key: round(statistics.median(r[key] for r in runs), 1) for key in ("us", "rate")}
              for what, runs in (("off", off), ("on", on))}
    result["all_us"] = {"off": [round(r["us"]) for r in off], "on": [round(r["us"]) for r in on]}
    print(json.dumps(result), flush=True)
    print(json.dumps({"flood": flood(build, options.seconds)}))


if __name__ == "__main__":
    main()
