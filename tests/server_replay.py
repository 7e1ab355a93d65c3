#!/usr/bin/env python3
"""What the queue makes of other servers' replies: a receiver plays every pattern of the catalogue
(../shared/catalogue/observed_rows.tsv; the environment's POSTERN_SHARED names another place for ../shared) as its reply,
at each stage that such a reply comes at, and once with its first digit made 4. What must come of it is computed
from the row and from taxonomy.tsv, never from what Postern makes of the text. Skipped without ../shared.

server_replay.py POSTERN
"""
import collections
import csv
import json
import os
import pathlib
import re
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import nsd  # noqa: E402
import push  # noqa: E402
from listener import Listener  # noqa: E402
from push import ACCOUNT  # noqa: E402
from server import SKIPPED, Failed, Server, wait_until  # noqa: E402

A_MESSAGE = 100  # recipients

# What the catalogue has no pattern of.
MORE = [{"id": name, "code": code, "enhanced": enhanced, "match": text, "class": "greylisted", "kind": "soft"}
        for name, code, enhanced, text in (
            ("greylisted", "450", "4.2.0", "<a@far.test>: Recipient address rejected: Greylisted"),
            ("greylisted-for-a-time", "451", "4.7.1", "Greylisting in action, please come back in 10 minutes"))]

# Waits, far enough apart that one tells which it was.
USUAL, GREY, LATER, PAUSE = 240, (300, 900), 2 * 3600, 3 * 3600
SETTINGS = ['queue.retry = {"4 min"}', 'queue.later = "2 h"', 'queue.pause = "3 h"',
            'queue.notify-delay = "0 s"', 'dns.timeout = "5 s"', "checks.rcpt-domain = off",
            'rate.exempt-networks = {"127.0.0.0/8"}', "log.level = info"]

EVERYWHERE = ("connect", "MAIL", "RCPT", "DATA", ".")
STAGES = {  # of a group of taxonomy.tsv: where such a reply can come
    "recipient": ("RCPT", "DATA", "."),
    "destination": ("RCPT", "."),
    "reputation": EVERYWHERE,
    "identity": ("MAIL", "RCPT", "DATA", "."),
    "message": ("DATA", "."),
    "server": EVERYWHERE,
    "none": ("RCPT",),
}
STAGES_OF_CLASS = {
    "connection-failure": EVERYWHERE,
    "ptr-missing": EVERYWHERE,
    "dns-failure": ("MAIL", "RCPT", "."),
    "too-many-recipients": ("RCPT", "DATA"),
    "message-too-large": ("MAIL", "DATA", "."),
    "sender-address-invalid": ("MAIL", "RCPT"),
}
# The actions of taxonomy.tsv that are about more than the message: who waits, beside it.
SITE_STOPS = {"ip-blocklisted": 1800, "ip-rate-limited": 60}  # at least so long
ACCOUNT_STOPS = {"sender-rate-limited", "domain-rate-limited"}  # and where a quota is used up for now
# Towards these taxonomy.tsv leaves open whether the whole site waits.
SITE_MAY_STOP = {"reputation", "identity"}
WAITS = {"mailbox-full": (LATER, None), "recipient-rate-limited": (LATER, None),
         "sender-rate-limited": (PAUSE, None), "domain-rate-limited": (PAUSE, None),
         "quota-sender": (PAUSE, None), "greylisted": GREY}
NAMED = {"greylisted-for-a-time": (600, 600)}

Case = collections.namedtuple("Case", "name row code stage reply domain host")


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def shared():
    root = pathlib.Path(__file__).resolve().parent.parent
    return pathlib.Path(os.environ.get("POSTERN_SHARED") or root.parent / "shared", "catalogue")


def reply_of(row, code, rcpt):
    text = "" if row["match"] == "-" else row["match"]
    for hole, value in (("$IP", "192.0.2.7"), ("$EMAIL", rcpt), ("$DOMAIN", "list.example")):
        text = text.replace(hole, value)
    status = "" if row["enhanced"] == "-" else row["enhanced"] + " "
    if row["code"] != "-" and code[0] != row["code"][0] and status:
        status = code[0] + status[1:]
    return f"{code} {status}{text}"


def cases_of(rows, classes):
    cases = []

    def add(row, code, stage, what):
        n = len(cases)
        domain = f"d{n}.test"
        reply = reply_of(row, code, f"a@{domain}")
        cases.append(Case(f"{row['id']} at {stage}{what}", row, code, stage, reply, domain,
                          f"127.{200 + n // 62500}.{n // 250 % 250 + 1}.{n % 250 + 1}"))

    for row in rows:
        group = classes[row["class"]]["group"]
        code = row["code"] if row["code"] != "-" else "451" if row["kind"] == "soft" else "550"
        if row["class"] == "not-a-failure":
            continue  # nothing that a command of a sender's is refused with
        for stage in STAGES_OF_CLASS.get(row["class"], STAGES[group]):
            add(row, code, stage, "")
        if code[0] != "4":
            add(row, "4" + code[1:], "RCPT", f", as {'4' + code[1:]}")
    return cases


class Receiver(Listener):
    """Answers as the case of the address that was connected to says, the first time; then it takes all."""

    def __init__(self, cases):
        super().__init__("0.0.0.0", 0, backlog=1024)
        self.cases = {case.host: case for case in cases}
        self.sessions = collections.Counter()
        self.mails = collections.defaultdict(list)  # of a host: recipients of what was taken
        self.kind = False
        self.serve()

    def talk(self, sock):
        case = self.cases.get(sock.getsockname()[0])
        if case is None:
            return
        pipelining = sum(case.host.encode()) % 2  # half of them
        self.sessions[case.host] += 1

        def say(stage, usual):
            answer = case.reply if stage == case.stage and not self.kind else usual
            sock.sendall(answer.encode() + b"\r\n")
            return answer == usual

        if not say("connect", "220 peer.test ESMTP"):
            return
        file = sock.makefile("rb")
        rcpts, from_ok = [], False
        while line := file.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                sock.sendall(b"250-peer.test\r\n250 PIPELINING\r\n" if pipelining else b"250 peer.test\r\n")
            elif verb == b"MAIL":
                rcpts, from_ok = [], say("MAIL", "250 ok")
            elif verb == b"RCPT" and not from_ok:
                sock.sendall(b"503 5.5.1 MAIL first\r\n")
            elif verb == b"RCPT":
                if say("RCPT", "250 ok"):
                    rcpts.append(re.search(rb"<(.*)>", line).group(1).decode())
            elif verb == b"DATA" and not rcpts:
                sock.sendall(b"554 5.5.1 no valid recipients\r\n")
            elif verb == b"DATA":
                if say("DATA", "354 go"):
                    while file.readline() not in (b".\r\n", b""):
                        pass
                    if say(".", "250 taken"):
                        self.mails[case.host] += rcpts
                rcpts = []
            elif verb == b"QUIT":
                sock.sendall(b"221 bye\r\n")
                return
            else:
                sock.sendall(b"250 ok\r\n")


class Play:
    def __init__(self, postern, cases):
        self.cases = cases
        self.receiver = Receiver(cases)
        self.server = Server(postern, listeners=["push"], keep=bool(os.environ.get("KEEP")),
                             settings=[f"delivery.smtp-port = {self.receiver.port}", *SETTINGS])
        zone = [line for case in cases for line in (f"{case.domain}. MX 10 mx.{case.domain}.",
                                                    f"mx.{case.domain}. A {case.host}")]
        self.dns = nsd.Nsd(self.server.dir / "nsd", self.server.host, zone)
        push.add_account(self.server)
        self.server.run("alias", "add", ACCOUNT, "alice@example.test", status=None)
        self.server.start()

    def send(self, rcpts):
        c = push.connect(self.server)
        for at in range(0, len(rcpts), A_MESSAGE):
            part = rcpts[at:at + A_MESSAGE]
            c.send(f"MAIL FROM:<{ACCOUNT}>\r\n".encode()
                   + b"".join(f"RCPT TO:<{rcpt}>\r\n".encode() for rcpt in part) + b"DATA\r\n")
            for _ in range(len(part) + 1):
                c.expect(250, "envelope")
            c.expect(354)
            c.send(push.MESSAGE)
            c.expect(250, "end of data")
        c.do("QUIT", 221)

    def lines(self, *words):
        out = self.server.run(*words, "--json", status=None)
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    def outcomes(self, rcpts):
        """Of each recipient the last event of the log, when all have one."""
        found = {}

        def all_known():
            for what, to in re.findall(r"event=(delivered|deferred|failed) .*?\bto=(\S+)", self.server.log()):
                found[to] = what
            return all(rcpt in found for rcpt in rcpts)
        wait_until(lambda: f"no outcome: {[r for r in rcpts if r not in found][:5]}", all_known, 90)
        return found

    def waiting(self, rcpts):
        """Those of whom no attempt is made, for none is due for long."""
        targets = self.targets()
        return {rcpt for rcpt in rcpts if targets[rcpt]["state"] == "pending" and targets[rcpt]["attempts"] == 0
                and targets[rcpt]["next_ms"] / 1000 > time.time() + PAUSE / 2}

    def settled(self):
        """Until no target is about to be told of, and no notification on its way."""
        wait_until("notifications are still on their way",
                   lambda: all(m["held"] == 0 and (m["sender"] != "" or m["done"] > 0)
                               for m in self.lines("queue", "list")), 60)

    def targets(self):
        ids = [m["id"] for m in self.lines("queue", "list")]
        return {t["given"]: t for i in ids for t in self.lines("queue", "show", i) if "given" in t}

    def stop(self):
        self.receiver.stop()
        try:
            self.server.stop()
        finally:
            self.dns.stop()


def expected(case, classes):
    """deferred, failed or suppressed."""
    if case.code[0] == "4" or case.row["kind"] == "soft":
        return "deferred"
    if case.row["kind"] == "hard":
        return "suppressed"
    return "failed"


def faults_of_first(play, t0, targets, listed, told, classes):
    now = time.time()
    for case in play.cases:
        rcpt, want = f"a@{case.domain}", expected(case, classes)
        target = targets.get(rcpt)
        got = "suppressed" if rcpt in listed else "deferred" if target is not None and target["state"] == "pending" \
            else "failed"
        if got != want:
            yield case, f"{got}, not {want}"
            continue
        if want != "deferred":
            if rcpt not in told:
                yield case, "its sender was not told"
            continue
        if case.code != case.row["code"] and case.row["code"] != "-":
            continue  # its class may be another
        if case.row["class"] == "too-many-recipients":
            if target["attempts"] < 2:
                yield case, "not tried again at once"
            continue
        low, high = NAMED.get(case.row["id"]) or WAITS.get(case.row["class"], (USUAL, None))
        low = max(low, SITE_STOPS.get(case.row["class"], 0))
        wait = target["next_ms"] / 1000 - t0  # at most; the attempt came after t0
        if wait < low:
            yield case, f"tried again after {wait:.0f} s, not {low}"
        elif high is not None and target["next_ms"] / 1000 - now > high:
            yield case, f"tried again after {wait:.0f} s, not {high}"


def may_wait(case, classes):
    """Its reply may have stopped all of the account's mail to that domain."""
    return case.row["class"] in ACCOUNT_STOPS | {"quota-sender"} and expected(case, classes) == "deferred"


def faults_of_second(play, outcomes, waiting, rested, classes):
    """Whom the first replies stop, and whom not: another recipient of each domain, which now takes all."""
    for case in play.cases:
        group = classes[case.row["class"]]["group"]
        rcpt = f"b@{case.domain}"
        delivered = rcpt in play.receiver.mails[case.host]
        if case.row["class"] in ACCOUNT_STOPS and case.code == case.row["code"] and rcpt not in waiting:
            yield case, "the account was not stopped there"
        elif rcpt in waiting and (delivered or not may_wait(case, classes)):
            yield case, "it waits"
        elif rcpt in waiting:
            continue
        elif delivered != (outcomes[rcpt] == "delivered"):
            yield case, f"the queue says {outcomes[rcpt]}"
        elif case.row["class"] in SITE_STOPS and delivered:
            yield case, "the site was not left alone"
        elif case.row["class"] in SITE_STOPS and rested.get(case.domain, 0) < SITE_STOPS[case.row["class"]]:
            yield case, f"the site rests for {rested.get(case.domain, 0)} s"
        elif not (delivered or case.stage == "connect" or case.row["class"] in SITE_STOPS or group in SITE_MAY_STOP
                  or case.row["class"] == "content-spam"):
            yield case, "another recipient was not delivered to"


def main():
    if nsd.program() is None:
        print("nsd is not installed: skipped")
        return SKIPPED
    if not (shared() / "observed_rows.tsv").exists():
        print("no ../shared/catalogue: skipped")
        return SKIPPED
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    classes = {row["class"]: row for row in rows_of(shared() / "taxonomy.tsv")}
    rows = rows_of(shared() / "observed_rows.tsv") + MORE
    cases = cases_of(rows, classes)
    play = Play(sys.argv[1], cases)
    faults = []
    try:
        first, second = [f"a@{case.domain}" for case in cases], [f"b@{case.domain}" for case in cases]
        t0 = time.time()
        play.send(first)
        play.outcomes(first)
        failed = sum(expected(case, classes) != "deferred" for case in cases)
        play.settled()
        listed = {e["address"] for e in play.lines("suppress", "list")}
        told = {rcpt for octets in (f.read_bytes() for f in play.server.files("alice@example.test"))
                for rcpt in re.findall(r"(?m)^Final-Recipient: rfc822; (\S+)", octets.decode("utf-8", "replace"))}
        faults += faults_of_first(play, t0, play.targets(), listed, told, classes)
        play.receiver.kind = True
        play.send(second)
        stopped = {f"b@{case.domain}" for case in cases if may_wait(case, classes)}
        outcomes = play.outcomes([rcpt for rcpt in second if rcpt not in stopped])
        waiting = play.waiting(stopped)
        outcomes = play.outcomes([rcpt for rcpt in second if rcpt not in waiting])
        rested = {m[0]: int(m[1]) for m in re.findall(r'event=site-rests .*?mx\.(\S+) for (\d+) s', play.server.log())}
        faults += faults_of_second(play, outcomes, waiting, rested, classes)
    finally:
        play.stop()
    for case, what in faults:
        print(f"{case.name} ({case.row['class']}, {case.row['kind']}): {what}: {case.reply}")
    print(f"{len(rows)} patterns, {len(cases)} mails, {len(faults)} faults, {time.time() - t0:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        sys.exit(f"FAILED: {failed}")
