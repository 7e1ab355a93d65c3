#!/usr/bin/env python3
"""A network that fails: receivers that never answer, break off in each state, drip, speak late or nonsense, or cannot do
TLS. Whatever it is, the mail is tried again and arrives; twice only where the receiver had it all and its 250 was lost.

server_faults.py POSTERN
"""
import collections
import os
import pathlib
import re
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import nsd  # noqa: E402
from listener import Gone, Listener  # noqa: E402
from server import SKIPPED, Failed, Server, server_tls, wait_until  # noqa: E402
from server_remote import check  # noqa: E402

HEAD = b"From: ann@acme.test\r\nSubject: hello\r\n\r\n"
SMALL = HEAD + b"text\r\n"
LARGE = HEAD + b"a line of a message that is larger than what sockets hold\r\n" * 100000
HUGE = HEAD + b"a line of a message that is larger than what sockets hold\r\n" * 400000

SETTINGS = ['delivery.connect-time = "1 s"', 'delivery.command-time = "1 s"', 'delivery.data-time = "1 s"',
            'delivery.end-time = "1 s"', 'delivery.rest-time = "1 s"', 'queue.retry = {"1 s"}',
            'dns.timeout = "5 s"', "checks.rcpt-domain = off"]

# What happens at a stage, the first time: never an answer; RST; FIN; an octet now and then, which never make a
# reply; what is no reply; half of one, then RST; the usual answer, when we do not wait any more.
FAULTS = ("silence", "reset", "close", "drip", "nonsense", "half", "late")
STAGES = ("connect", "EHLO", "MAIL", "RCPT", "DATA", ".")
# The receiver has the message when these happen at its end.
OTHERS = ("unreachable", "black-hole", "body-reset", "body-stall", "body-drip", "after-250-reset", "quit-silence",
          "quit-reset", "long-line", "early-answer",
          "tls-nonsense", "tls-silence", "tls-reset", "tls-close", "tls-drip", "tls-refused")

Case = collections.namedtuple("Case", "name domain host")


def own_cases():
    names = [f"{stage}-{fault}" for stage in STAGES for fault in FAULTS] + list(OTHERS)
    n = os.getpid() * 64 % 60000  # addresses that no other test has at this port anyway
    return [Case(name, f"d{i}.test", f"127.{192 + (n + i) // 62500}.{(n + i) // 250 % 250 + 1}.{(n + i) % 250 + 1}")
            for i, name in enumerate(names)]


class Site(Listener):
    """The host of a case."""
    patience = 30

    def __init__(self, receiver, case, backlog=16):
        super().__init__(case.host, receiver.port, backlog)
        self.receiver, self.case = receiver, case

    def talk(self, sock):
        self.receiver.talk(sock, self.case)


class Receiver:
    def __init__(self, cases, context):
        self.cases = {case.host: case for case in cases}
        self.context = context
        self.port = 0
        self.lock = threading.Lock()
        self.whole = collections.Counter()  # of a case's name: messages read up to their end
        self.answered = collections.Counter()  # 250 said to them
        self.clear = collections.Counter()  # of them without TLS
        self.faults = collections.Counter()
        self.sites = {}  # by the names of their cases
        probe = socket.create_server(("127.0.0.1", 0))
        self.port = probe.getsockname()[1]
        probe.close()
        for case in cases:
            if case.name == "unreachable":
                continue
            self.sites[case.name] = Site(self, case, 0 if case.name == "black-hole" else 16)
            if case.name == "black-hole":
                self.hole = [self.fill(case.host) for _ in range(4)]
            else:
                self.sites[case.name].serve()

    def fill(self, host):
        """A connection that is never accepted: when there are some, SYNs are dropped."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((host, self.port))
        return sock

    def heal_hole(self):
        for sock in self.hole:
            sock.close()
        self.sites["black-hole"].serve()

    def heal_unreachable(self):
        case = next(case for case in self.cases.values() if case.name == "unreachable")
        self.sites[case.name] = Site(self, case)
        self.sites[case.name].serve()

    def first(self, case, fault):
        """Whether this is the time that it goes wrong."""
        with self.lock:
            self.faults[case.name] += case.name == fault
            return case.name == fault and self.faults[case.name] == 1

    @staticmethod
    def reset(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def say(self, sock, case, stage, usual):
        fault = next((f for f in FAULTS if self.first(case, f"{stage}-{f}")), None)
        if fault == "silence":
            self.until_gone(sock)
        elif fault == "reset":
            self.reset(sock)
        elif fault == "close":
            raise Gone
        elif fault == "drip":
            for octet in usual[:3] + b"-x" * 100:
                sock.sendall(bytes([octet]))
                time.sleep(0.2)
        elif fault == "nonsense":
            sock.sendall(b"\x00\xff and what not\r\n" * 3)
            self.until_gone(sock)
        elif fault == "half":
            sock.sendall(usual[:2])
            time.sleep(0.1)
            self.reset(sock)
        elif fault == "late":
            time.sleep(2.5)
        sock.sendall(usual + b"\r\n")
        if case.name == "long-line" and stage == "MAIL" and self.first(case, "long-line"):
            sock.sendall(b"250-" + b"x" * 4000)

    @staticmethod
    def until_gone(sock, read=True):
        try:
            while sock.recv(4096, 0 if read else socket.MSG_PEEK):
                time.sleep(0 if read else 0.1)
        except OSError:
            pass
        raise Gone

    def begin_tls(self, sock, case):
        """Its own socket when TLS stands."""
        if self.first(case, "tls-nonsense"):
            sock.sendall(b"this is no TLS at all, and never will be\r\n" * 4)
            self.until_gone(sock)
        elif self.first(case, "tls-silence"):
            self.until_gone(sock)
        elif self.first(case, "tls-reset"):
            self.reset(sock)
        elif self.first(case, "tls-close"):
            raise Gone
        elif self.first(case, "tls-drip"):
            for octet in b"\x16\x03\x03\x40\x00" + b"\x02" * 100:
                sock.sendall(bytes([octet]))
                time.sleep(0.2)
        return self.context.wrap_socket(sock, server_side=True)

    def body(self, sock, file, case):
        if self.first(case, "body-reset"):
            file.read(20000)
            self.reset(sock)
        if self.first(case, "body-stall"):
            time.sleep(6)
            raise Gone
        if self.first(case, "body-drip"):
            for _ in range(40):
                file.read(100)
                time.sleep(0.2)
            raise Gone
        if self.first(case, "early-answer"):
            sock.sendall(b"250 I take it, whatever it is\r\n")
            self.until_gone(sock, read=False)
        while (line := file.readline()) not in (b".\r\n", b""):
            pass
        if line == b"":
            raise Gone

    def talk(self, sock, case):
        tls = False
        self.say(sock, case, "connect", b"220 peer.test ESMTP")
        file = sock.makefile("rb")
        while line := file.readline():
            verb = line[:4].upper().strip().decode("latin-1")
            if verb == "EHLO":
                offers = case.name.startswith("tls-") and not tls
                self.say(sock, case, verb, b"250-peer.test\r\n250-STARTTLS\r\n250 PIPELINING" if offers
                         else b"250-peer.test\r\n250 8BITMIME")
            elif verb == "STAR":
                if self.first(case, "tls-refused"):
                    sock.sendall(b"454 4.7.0 TLS not available\r\n")
                    continue
                sock.sendall(b"220 go\r\n")
                sock = self.begin_tls(sock, case)
                file, tls = sock.makefile("rb"), True
            elif verb == "DATA":
                self.say(sock, case, "DATA", b"354 go")
                self.body(sock, file, case)
                with self.lock:
                    self.whole[case.name] += 1
                    self.clear[case.name] += not tls
                self.say(sock, case, ".", b"250 taken")
                with self.lock:
                    self.answered[case.name] += 1
                if self.first(case, "after-250-reset"):
                    time.sleep(0.05)
                    self.reset(sock)
            elif verb == "QUIT":
                if self.first(case, "quit-silence"):
                    self.until_gone(sock)
                if self.first(case, "quit-reset"):
                    self.reset(sock)
                sock.sendall(b"221 bye\r\n")
                return
            else:
                self.say(sock, case, verb, b"250 ok")

    def stop(self):
        for site in self.sites.values():
            site.stop()


def copies(name):
    """How many whole messages the receiver may have had: a second one where its 250 did not come."""
    return 2 if name.startswith(".-") else 1


def send(server, rcpt, message, parameters="", tls=False):
    c = server.connect("relay")
    c.hello()
    if tls:
        c.do("STARTTLS", 220)
        c.start_tls()
        c.do("EHLO client.example", 250)
    c.message(message, rcpt, sender="ann@acme.test", parameters=parameters)
    c.do("QUIT", 221)


def run(server, receiver, cases):
    for case in cases:
        send(server, f"a@{case.domain}", HUGE if case.name == "early-answer" else LARGE if case.name.startswith("body-") else SMALL)
    wait_until("unreachable: no attempt", lambda: re.search(
        r"event=deferred .*to=a@" + next(c for c in cases if c.name == "unreachable").domain, server.log()))
    wait_until("black hole: no attempt", lambda: re.search(
        r"event=deferred .*to=a@" + next(c for c in cases if c.name == "black-hole").domain, server.log()))
    receiver.heal_hole()
    receiver.heal_unreachable()

    def all_there():
        return all(receiver.answered[case.name] for case in cases)
    wait_until(lambda: "did not arrive: " + ", ".join(c.name for c in cases if not receiver.answered[c.name]),
               all_there, 60)
    server.settle()
    wait_until("no QUIT", lambda: receiver.faults["quit-silence"] and receiver.faults["quit-reset"])
    for case in cases:
        check(case.name in ("unreachable", "black-hole") or receiver.faults[case.name] or copies(case.name) == 2,
              f"{case.name} never happened")
        check(receiver.whole[case.name] <= copies(case.name),
              f"{case.name}: {receiver.whole[case.name]} copies")
        lines = [line for line in server.log().splitlines()
                 if "role=delivery" in line and f"to=a@{case.domain} " in line]
        late = [line for line in lines if "event=deferred" in line]
        waits = [int(ms) for line in lines for ms in re.findall(r" ms=(\d+)", line)]
        check("event=failed" not in "".join(lines), f"{case.name}: given up: {lines}")
        check(max(waits) < 9000, f"{case.name}: held for {max(waits)} ms")
        quietly = case.name in ("after-250-reset", "quit-silence", "quit-reset") or case.name.startswith("tls-")
        check(quietly or late, f"{case.name}: nothing went wrong: {lines}")
    for case in cases:
        if case.name.startswith("tls-"):  # nothing forbids clear text
            check(receiver.whole[case.name] == 1, f"{case.name}: {receiver.whole[case.name]}")


def run_bound(server, receiver, cases):
    """REQUIRETLS: none of these goes out in clear, whatever the network does. (Nobody here is authenticated.)"""
    before = receiver.clear.copy()
    bound = [case for case in cases if case.name.startswith("tls-")]
    receiver.faults.clear()
    for case in bound:
        send(server, f"b@{case.domain}", SMALL, " REQUIRETLS", tls=True)
    for case in bound:
        wait_until(f"{case.name}: no outcome",
                   lambda case=case: re.search(rf"event=(deferred|failed) .*to=b@{case.domain} ", server.log()))
    check(receiver.clear == before, f"in clear: {receiver.clear - before}")


def main():
    if nsd.program() is None:
        print("nsd is not installed: skipped")
        return SKIPPED
    cases = own_cases()
    server = Server(sys.argv[1], listeners=["relay"])
    receiver = Receiver(cases, server_tls(server.dir))
    server.settings = [f"delivery.smtp-port = {receiver.port}", *SETTINGS]
    zone = [line for case in cases for line in (f"{case.domain}. MX 10 mx.{case.domain}.", f"mx.{case.domain}. A {case.host}")]
    dns = nsd.Nsd(server.dir / "nsd", server.host, zone)
    start = time.monotonic()
    try:
        server.run("relay", "add", "acme", "--network", "127.0.0.0/8", "--domain", "acme.test")
        server.start()
        run(server, receiver, cases)
        run_bound(server, receiver, cases)
    finally:
        receiver.stop()
        try:
            server.stop()
        finally:
            dns.stop()
    twice = sum(receiver.whole[case.name] > 1 for case in cases)
    print(f"{len(cases)} faults, {twice} copies where the answer was lost, {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        sys.exit(f"FAILED: {failed}")
