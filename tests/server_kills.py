#!/usr/bin/env python3
"""kill -9 of queue and delivery, and of the whole server, while mail goes out to other servers. What was accepted is
at its receiver, whole. A second copy comes only where a delivery was killed (alone, or with the whole server) before it
had passed the receiver's 250 on: never because of the queue, and never of what the queue said was delivered.

server_kills.py POSTERN
"""
import collections
import datetime
import hashlib
import os
import pathlib
import random
import re
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import nsd  # noqa: E402
from listener import Listener  # noqa: E402
from server import SKIPPED, Failed, Server, peer_address, wait_until  # noqa: E402
from server_remote import check  # noqa: E402

DOMAINS = 6
CLIENTS = 4
MAILS = 120  # of each client
KILLS = 10
# Seconds in which a delivery must have passed a 250 on; a machine with nothing else to do needs a hundredth of a second.
AFTER_250 = 0.5 + 0.1 * os.getloadavg()[0]
SETTINGS = ['queue.retry = {"1 s"}', 'delivery.rest-time = "1 s"', 'dns.timeout = "5 s"',
            "checks.rcpt-domain = off", 'limits.sessions-per-client = 100']


class Copy:
    """Of a mail at its receiver: when all of it was there, and when its 250 was written (None: it was not)."""

    def __init__(self, received):
        self.received, self.written = received, None


class Sink(Listener):
    """Takes mail slowly, now and then so slowly that a queue dies and comes meanwhile; refuses one in ten for now."""

    def __init__(self, host, port, seed):
        super().__init__(host, port)
        self.random = random.Random(seed)
        self.copies = collections.defaultdict(list)  # (mail, recipient) -> copies
        self.lock = threading.Lock()
        self.serve()

    def talk(self, sock):
        file = sock.makefile("rb")
        sock.sendall(b"220 sink.test ESMTP\r\n")
        rcpts = []
        while line := file.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                sock.sendall(b"250-sink.test\r\n250 PIPELINING\r\n")
            elif verb == b"RCPT":
                rcpts.append(re.search(rb"<(.*)>", line).group(1).decode())
                sock.sendall(b"250 ok\r\n")
            elif verb == b"DATA":
                sock.sendall(b"354 go\r\n")
                body = b""
                while (line := file.readline()) not in (b".\r\n", b""):
                    body += line
                if line == b"":
                    return
                received = time.time()
                time.sleep(self.random.uniform(0.3, 1.0) if self.random.random() < 0.1 else self.random.uniform(0, 0.03))
                if self.random.random() < 0.1:
                    sock.sendall(b"451 4.3.0 not now\r\n")
                else:
                    copy = self.take(body, rcpts, received)
                    sock.sendall(b"250 taken\r\n")
                    copy.written = time.time()
                rcpts = []
            elif verb == b"QUIT":
                sock.sendall(b"221 bye\r\n")
                return
            else:
                rcpts = []
                sock.sendall(b"250 ok\r\n")

    def take(self, body, rcpts, received):
        found = re.search(rb"(?m)^X-Mail: (\S+) (\S+)\r\n", body)
        text = body[body.index(b"\r\n\r\n") + 4:]
        whole = found is not None and hashlib.sha256(text).hexdigest().encode() == found.group(2)
        copy = Copy(received)
        with self.lock:
            for rcpt in rcpts:
                self.copies[(found.group(1).decode() if whole else "damaged", rcpt)].append(copy)
        return copy


class Client(threading.Thread):
    """Sends its mails one after the other; what was answered 250 is accepted."""

    def __init__(self, server, number, seed):
        super().__init__(daemon=True)
        self.server, self.number, self.random = server, number, random.Random(seed)
        self.accepted, self.sent = {}, 0

    def run(self):
        c = None
        for i in range(MAILS):
            name = f"{self.number}-{i}"
            rcpts = [f"{name}@d{d}.test" for d in self.random.sample(range(DOMAINS), self.random.choice((1, 1, 2, 3)))]
            text = b"".join(b"%d of mail %s\r\n" % (n, name.encode()) for n in range(self.random.randrange(400)))
            digest = hashlib.sha256(text).hexdigest()
            self.sent += 1
            time.sleep(self.random.uniform(0, 0.12 if self.number < CLIENTS else 0.01))
            try:
                if c is None:
                    c = self.server.connect("relay")
                    c.hello()
                c.message(f"From: ann@acme.test\r\nX-Mail: {name} {digest}\r\n\r\n".encode() + text, *rcpts,
                          sender="ann@acme.test")
                self.accepted[name] = rcpts
            except (Failed, OSError):  # not accepted: perhaps taken, perhaps not
                c = None
                time.sleep(0.1)
        if c is not None:
            c.close()


def kill_some(server, rng, kills):
    for n in range(KILLS):
        time.sleep(rng.uniform(0.6, 1.4))
        whole = n % 4 == 3
        role = "supervisor" if whole else rng.choice(("queue", "queue", "delivery"))
        pid = server.process.pid if whole else server.pid_of(role)
        if whole:  # the roles end by themselves when it is gone
            os.kill(pid, signal.SIGKILL)
            server.process.wait()
            kills.append((time.time(), "whole"))
            restart(server)
            continue
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        kills.append((time.time(), role))
        wait_until(f"{role} does not come back", lambda role=role, pid=pid: server.pid_of(role) != pid)


def restart(server):
    server.log_file.close()
    log = server.dir / "log"
    log.rename(server.dir / f"log.{time.monotonic_ns()}")
    server.start()


def quiet_before(server, sinks, seed):
    """Mails that are done before anything is killed: whatever happens then, they do not come again."""
    client = Client(server, 99, seed)
    client.run()
    server.settle()
    time.sleep(0.5)  # for the journal
    return {key for sink in sinks for key in sink.copies}


def delivered_by_log(server):
    """recipient -> how often, and when first, the queue said that its mail was delivered (each has one recipient of its
    own). That it says so once it is in the journal, which no kill of processes takes away."""
    said = collections.defaultdict(list)
    for log in server.dir.glob("log*"):
        for line in log.read_text(errors="replace").splitlines():
            found = re.search(r"time=(\S+)Z .* role=queue/\d+ event=delivered .*\bto=(\S+)", line)
            if found:
                at = datetime.datetime.fromisoformat(found.group(1)).replace(tzinfo=datetime.timezone.utc)
                said[found.group(2)].append(at.timestamp())
    return said


def compare(clients, sinks, kills, done_before, said):
    """How many deliveries were accepted; and how many were made twice as the 250 did not get out, or not on."""
    accepted = {(name, rcpt) for c in clients for name, rcpts in c.accepted.items() for rcpt in rcpts}
    copies = collections.defaultdict(list)
    for sink in sinks:
        for key, some in sink.copies.items():
            copies[key] += some
    check(not any(key[0] == "damaged" for key in copies), "a mail arrived that is not what was sent")
    lost = accepted - set(copies)
    check(not lost, f"{len(lost)} of {len(accepted)} lost: {sorted(lost)[:5]}")
    again = [key for key in done_before if len(copies[key]) > 1]
    check(not again, f"{len(again)} of {len(done_before)} that were done came again: {again[:5]}")
    cut = unheard = 0
    deadly = [t for t, role in kills if role != "queue"]
    for key, some in copies.items():
        some.sort(key=lambda copy: copy.received)
        times = [(copy.received, copy.written) for copy in some]
        for copy in some[:-1]:  # nobody heard its 250, or nobody lived to pass it on
            end = copy.received + 1 if copy.written is None else copy.written
            near = [t for t in deadly if copy.received - 0.1 <= t <= end + AFTER_250]
            check(near, f"{key} came twice, at {times}, though no delivery was killed: {kills}")
            first = copy.written is not None and copy.written < min(near)
            cut, unheard = cut + (not first), unheard + first
        told = said.get(key[1], [])
        check(len(told) <= 1, f"{key} was told as delivered {len(told)} times: {told}")
        # Its log line is made in the same instant, or not at all.
        check(not told or some[-1].received < told[0] + 0.1, f"{key} came at {times}, after it was told as delivered: {told}")
    return len(accepted), cut, unheard


def main():
    if nsd.program() is None:
        print("nsd is not installed: skipped")
        return SKIPPED
    seed = int(os.environ.get("SEED", "0")) or int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    rng, kills = random.Random(seed), []
    probe = socket.create_server(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    server = Server(sys.argv[1], listeners=["relay"], settings=[f"delivery.smtp-port = {port}", *SETTINGS])
    hosts = [peer_address() for _ in range(DOMAINS)]
    sinks = [Sink(host, port, seed + n) for n, host in enumerate(hosts)]
    zone = [line for n, host in enumerate(hosts) for line in (f"d{n}.test. MX 10 mx{n}.test.", f"mx{n}.test. A {host}")]
    dns = nsd.Nsd(server.dir / "nsd", server.host, zone)
    start = time.monotonic()
    server.excused = ["event=role-ended"]
    try:
        server.run("relay", "add", "acme", "--network", "127.0.0.0/8", "--domain", "acme.test")
        server.start()
        done_before = quiet_before(server, sinks, seed)
        clients = [Client(server, n, seed + 100 + n) for n in range(CLIENTS)]
        for client in clients:
            client.start()
        kill_some(server, rng, kills)
        for client in clients:
            client.join(60)
        server.settle()
        said = delivered_by_log(server)
        check(len(said) > CLIENTS * MAILS / 3, f"the log tells of only {len(said)} deliveries")
        accepted, cut, unheard = compare(clients, sinks, kills, done_before, said)
        sent = sum(c.sent for c in clients)
        check(accepted > CLIENTS * MAILS / 3, f"only {accepted} deliveries accepted: no proof")
        took = collections.Counter(role for _, role in kills)
        print(f"{sent} mails sent, {accepted} deliveries accepted, none lost; made twice: {cut} whose 250 was not out when the "
              f"delivery was killed, {unheard} whose 250 it had not passed on; killed: {dict(took)}; "
              f"{time.monotonic() - start:.0f} s")
    finally:
        for sink in sinks:
            sink.stop()
        try:
            server.stop()
        finally:
            dns.stop()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        sys.exit(f"FAILED: {failed}")
