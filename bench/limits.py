#!/usr/bin/env python3
"""What the limits cost, and whether a flood slows others.

limits.py BUILD [--blocks N] [--messages N] [--seconds N] [--sessions N] [--only cost|flood]

Made for a machine with other work: what is compared runs in many short turns, A B B A, B A A B and so on, so that what
changes slowly meets both alike; each block of four gives one ratio, and the median of these is told with the
interval in which it lies with 95 % (by order of the blocks, whatever their distribution).

cost   two servers, both running throughout: of one the clients' network is exempt, in the other every limit there is counts, high
       enough that none refuses. 20 sessions bring so many messages a turn. CPU of all the server's processes to the nanosecond
       (schedstat), that of smtpd alone, messages a second; instructions where perf can count them.
flood  a sender measures its messages alone, and beside 50 sessions (--sessions) of a client that is over its limit and comes again at
       once; with rate.refusal-delay and without. Also: CPU that the server takes meanwhile.
Prints JSON.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
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
EVENTS = "instructions:u,instructions:k"
FLOOD_LIMIT = 600


def processes(server):
    """The supervisor and its roles: pid -> command line."""
    found = {server.process.pid: "supervisor"}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == server.process.pid:
                found[int(path.name)] = (path / "cmdline").read_bytes().decode(errors="replace")
        except (OSError, ValueError):
            pass
    return found


def cpu_us(pids):
    return sum(int(path.read_text().split()[0]) for pid in pids
               for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1000


def middle(values):
    """The median, and the values between which the true one lies with 95 %."""
    ordered, n = sorted(values), len(values)
    low, chance = 0, 0.5 ** n
    while low < n // 2 and chance < 0.025:
        low += 1
        chance += math.comb(n, low) * 0.5 ** n
    low = max(low - 1, 0)
    return [round(v, 3) for v in (statistics.median(ordered), ordered[low], ordered[n - 1 - low])]


def turns(blocks):
    """Which of two in which turn: 0110 1001 ..."""
    return [[0, 1, 1, 0] if block % 2 == 0 else [1, 0, 0, 1] for block in range(blocks)]


def server_with(build, settings):
    server = Server(str(build / "postern"), settings=[*BASE, *settings])
    server.add_users(*USERS)
    server.start()
    return server


def load(build, server, sessions, *words):
    return subprocess.Popen([build / "bench" / "smtpload", "-a", f"{server.host}:{PORTS['mx']}", "-c", str(sessions), "-m", "20",
                             "-s", "10240", "-d", "example.test", "-u", "20", *words], stdout=subprocess.PIPE, text=True)


# --- cost ---

class Instructions:
    """What perf counts in these processes while it is entered; {}: it cannot."""

    def __init__(self, pids):
        self.pids, self.counts, self.perf = pids, {}, None

    def __enter__(self):
        if Instructions.possible():
            self.file = tempfile.NamedTemporaryFile("r")
            self.perf = subprocess.Popen(["perf", "stat", "-x,", "-e", EVENTS, "-o", self.file.name,
                                          "-p", ",".join(str(pid) for pid in self.pids)])
            time.sleep(0.2)
        return self

    def __exit__(self, *args):
        if self.perf is not None:
            self.perf.send_signal(signal.SIGINT)
            self.perf.wait()
            lines = [line.split(",") for line in self.file.read().splitlines()]
            self.counts = {line[2]: int(line[0]) for line in lines if len(line) > 2 and line[0].isdigit()}

    @staticmethod
    def possible(known=[]):  # one list for all calls
        if not known:
            out = None if shutil.which("perf") is None else subprocess.run(
                ["perf", "stat", "-x,", "-e", EVENTS, "true"], capture_output=True, text=True)
            known.append(out is not None and out.returncode == 0 and "<not" not in out.stderr)
        return known[0]


def accept(build, server, messages):
    pids = processes(server)
    smtpd = [pid for pid, line in pids.items() if "smtpd" in line]
    if not smtpd:
        raise SystemExit("there is no smtpd")
    with Instructions(pids) as instructions:
        before, before_smtpd = cpu_us(pids), cpu_us(smtpd)
        told = json.loads(load(build, server, 20, "-n", str(messages), "-l", "60").communicate()[0])
        time.sleep(0.1)  # queue and trace end what they have begun
        cpu, cpu_smtpd = cpu_us(pids) - before, cpu_us(smtpd) - before_smtpd
    if told["failed"] > 0 or told["ok"] == 0:
        raise SystemExit(f"a message was not taken: {told}")
    return {"us": cpu / told["ok"], "smtpd_us": cpu_smtpd / told["ok"], "rate": told["rate"],
            **{name: count / told["ok"] for name, count in instructions.counts.items()}}


def cost(build, blocks, messages):
    both = [server_with(build, []), server_with(build, ON)]
    found = ([], [])
    ratios = {}
    try:
        for server in both:
            accept(build, server, messages)
        for order in turns(blocks):
            block = ([], [])
            for which in order:
                block[which].append(accept(build, both[which], messages))
            for which in (0, 1):
                found[which].extend(block[which])
            for key in block[0][0]:
                off, on = (sum(turn[key] for turn in block[which]) for which in (0, 1))
                ratios.setdefault(key, []).append(on / off)
    finally:
        for server in both:
            server.stop()
    return {"blocks": blocks, "messages_a_turn": messages,
            **{name: {key: round(statistics.median(turn[key] for turn in found[which]), 1) for key in ratios}
               for which, name in ((0, "off"), (1, "on"))},
            "on_to_off": {key: middle(values) for key, values in ratios.items()}}


# --- flood ---

def polite(server, connection, seconds, number):
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        connection.envelope(USERS[len(times) % len(USERS)])
        connection.do("DATA", 354)
        connection.send(POLITE % (number + len(times)))
        connection.expect(250)
        times.append((time.monotonic() - began) * 1000)
        time.sleep(0.01)
    return times


def beside(build, server, connection, seconds, number, flooding):
    """One turn: the sender's times, the cores that the server takes, sessions refused a second. flooding: by so many sessions."""
    told = {"failed": 0}
    process = load(build, server, flooding, "-r", "-l", str(seconds + 1)) if flooding else None
    time.sleep(0.5)
    pids = processes(server)
    cpu, began = cpu_us(pids), time.monotonic()
    times = polite(server, connection, seconds, number)
    took = time.monotonic() - began
    cpu = cpu_us(pids) - cpu
    if process is not None:
        told = json.loads(process.communicate()[0])
    return {"times": times, "core": cpu / took / 1e6, "refused": told["failed"] / (seconds + 1)}


def flood(build, blocks, seconds, sessions, delay):
    server = server_with(build, ["rate.exempt-networks = {}", f'rate.ip = "{FLOOD_LIMIT}/hour"', "rate.sender = off",
                                 'rate.rcpt-pace = "16000000/minute burst 1000000"', f'rate.rcpt = "{MANY}"',
                                 f'rate.refusal-delay = "{delay}"'])
    found, ratios, turn = ([], []), [], 0
    try:
        load(build, server, 20, "-n", str(FLOOD_LIMIT + 20), "-l", "60").communicate()  # up to its limit
        for order in turns(blocks):
            block = ([], [])
            for which in order:
                turn += 1
                connection = server.connect(source=f"127.0.1.{turn}")  # within its own limit
                connection.hello()
                block[which].append(beside(build, server, connection, seconds, turn * 1000, sessions * which))
                connection.do("QUIT", 221)
                connection.close()
            ratios.append(statistics.median(block[1][0]["times"] + block[1][1]["times"]) /
                          statistics.median(block[0][0]["times"] + block[0][1]["times"]))
            for which in (0, 1):
                found[which].extend(block[which])
    finally:
        server.stop()
    result = {"sessions": sessions, "refusal_delay": delay, "refused_a_second": round(statistics.mean(turn["refused"] for turn in found[1])),
              "median_ratio": middle(ratios)}
    for which, name in ((0, "alone"), (1, "beside")):
        times = sorted(t for turn in found[which] for t in turn["times"])
        result[name] = {"messages": len(times), "median_ms": round(statistics.median(times), 2),
                        "p95_ms": round(times[len(times) * 95 // 100], 2), "p99_ms": round(times[len(times) * 99 // 100], 2),
                        "cores": round(statistics.median(turn["core"] for turn in found[which]), 3)}
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--sessions", type=int, default=50, help="of the flood")
    parser.add_argument("--only", choices=("cost", "flood"))
    options = parser.parse_args()
    build = options.build.resolve()
    if options.only != "flood":
        print(json.dumps({"cost": cost(build, options.blocks, options.messages)}), flush=True)
    if options.only != "cost":
        for delay in ("0", "1 s"):
            print(json.dumps({"flood": flood(build, max(options.blocks // 2, 1), options.seconds, options.sessions, delay)}), flush=True)


if __name__ == "__main__":
    main()
