"""A real NSD on a loopback address of the test, with one zone, the root: so records of any name
can stand side by side, and every other name is NXDOMAIN."""
import os
import pathlib
import pwd
import shutil
import socket
import struct
import subprocess
import time

import child

PORT = 5300


class NsdFailed(Exception):
    pass


def program():
    """Where NSD is; None where it is not installed."""
    return shutil.which("nsd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class Nsd:
    """records: lines of a zone file with full names ("www.example.test. A 192.0.2.1").
    broken: names below which every question is answered SERVFAIL.
    zones: (name, zone file) of further zones."""

    def __init__(self, directory, host, records, broken=(), zones=()):
        self.dir = pathlib.Path(directory)
        self.host = host
        self.dir.mkdir(parents=True, exist_ok=True)
        self.write_zone(records)
        self.write_config(broken, zones)
        self.log = open(self.dir / "log", "wb")
        self.process = subprocess.Popen([program(), "-d", "-c", str(self.dir / "nsd.conf")],
                                        stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log)
        try:
            self.wait_ready()
        except NsdFailed:
            self.stop()
            raise

    def write_zone(self, records):
        lines = ["$ORIGIN .", "$TTL 60",
                 ". SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60", ". NS ns.invalid.",
                 *records]
        (self.dir / "root.zone").write_text("\n".join(lines) + "\n")

    def write_config(self, broken, zones):
        user = pwd.getpwuid(os.getuid()).pw_name
        text = f"""server:
    ip-address: {self.host}@{PORT}
    server-count: 1
    username: "{user}"
    chroot: ""
    zonesdir: "{self.dir}"
    pidfile: "{self.dir}/nsd.pid"
    database: ""
    zonelistfile: "{self.dir}/zone.list"
    xfrdfile: "{self.dir}/xfrd.state"
    xfrdir: "{self.dir}"
    hide-version: yes
remote-control:
    control-enable: no
zone:
    name: "."
    zonefile: root.zone
"""
        for number, name in enumerate(broken):  # no file: SERVFAIL
            text += f'zone:\n    name: "{name}"\n    zonefile: missing-{number}.zone\n'
        for name, path in zones:
            text += f'zone:\n    name: "{name}"\n    zonefile: "{path}"\n'
        (self.dir / "nsd.conf").write_text(text)

    def wait_ready(self):
        end = time.monotonic() + 10
        while True:
            try:
                rcode, soa = ask(self.host, ".", "SOA", seconds=0.2)
                if rcode == 0 and soa:
                    return
                self.fail("NSD does not take the zone")
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.fail("NSD does not answer")
                time.sleep(0.02)

    def fail(self, what):
        raise NsdFailed(f"{what}:\n" + (self.dir / "log").read_text(errors="replace"))

    def stop(self):
        child.end(self.process)
        self.log.close()


TYPES = {"A": 1, "NS": 2, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}


def ask(host, name, kind, seconds=2.0):
    """One question over UDP, put together by hand: (rcode, [answer's octets of rdata])."""
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    number = int.from_bytes(os.urandom(2), "big")
    query = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + question + \
        struct.pack(">HH", TYPES[kind], 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        sock.connect((host, PORT))
        sock.send(query)
        reply = sock.recv(4096)
    got, flags, questions, answers = struct.unpack(">HHHH", reply[:8])
    if got != number or questions != 1 or not flags & 0x8000:
        raise NsdFailed("that is no answer to the question")
    at = 12 + len(question) + 4
    data = []
    for _ in range(answers):
        while reply[at] != 0 and reply[at] < 0xc0:
            at += reply[at] + 1
        at += 2 if reply[at] >= 0xc0 else 1
        length, = struct.unpack(">H", reply[at + 8:at + 10])
        data.append(reply[at + 10:at + 10 + length])
        at += 10 + length
    return flags & 15, data
