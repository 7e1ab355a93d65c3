#!/usr/bin/env python3
"""Limits of relay customers and users are exact: whoever sends at the same time, whatever process is
killed meanwhile, and what is not accepted costs nothing.

server_spend.py POSTERN-FAULT: the program over a disk that fails when it is told to.
"""
import errno
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "crash"))
from faults import Faults  # noqa: E402
from server import Failed, Server, wait_until  # noqa: E402

BODY = b"From: ann@acme.test\r\nMessage-ID: <%d@acme.test>\r\nSubject: x\r\n\r\nx\r\n"
LIMIT, SENDERS, KILLS = 500, 6, 4
BOB = "bob@example.test"


def equal(what, found, expected):
    if found != expected:
        raise Failed(f"{what}: {found}, not {expected}")


def used(server):
    return json.loads(server.run("relay", "show", "acme", "--json"))["day-limit-used"]


def transaction(connection, number):
    """The code of the reply that ended it."""
    for line in (b"MAIL FROM:<ann@acme.test>", b"RCPT TO:<" + BOB.encode() + b">", b"DATA", BODY % number + b"."):
        connection.send(line + b"\r\n")
        code = connection.reply().code
        if code[0] not in "23":
            break
    if code == "550":
        connection.do("RSET", 250)
    return code


class Sender(threading.Thread):
    """Sends one message after the other until the limit is reached."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.taken = self.put_off = 0
        self.error = None

    def run(self):
        try:
            connection = None
            for number in range(20 * LIMIT):
                if connection is None:
                    connection = self.server.connect("relay")
                    connection.hello()
                code = transaction(connection, number)
                if code == "550":
                    break
                self.taken += code == "250"
                if code == "421":  # the directory died as it was asked
                    self.put_off += 1
                    connection.close()
                    connection = None
            connection.close()
        except Failed as failed:
            self.error = failed


def all_at_once(server):
    """Six connections, two smtpds, and a directory that is killed again and again: the limit is
    reached to the message."""
    senders = [Sender(server) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        time.sleep(random.uniform(0.1, 0.3))
        pid = server.pid_of("directory")
        server.excused.append(r"event=role-ended.*process=directory|event=role-ended process=directory")
        os.kill(pid, signal.SIGKILL)
        wait_until("the directory does not come back", lambda: server.pid_of("directory") != pid)
    for sender in senders:
        sender.join(60)
        if sender.is_alive() or sender.error:
            raise Failed(f"a sender did not end: {sender.error}")
    taken = sum(sender.taken for sender in senders)
    print(f"taken {taken}, put off {sum(sender.put_off for sender in senders)}")
    equal("messages taken", taken, LIMIT)
    equal("counted", used(server), LIMIT)
    equal("delivered", len(server.messages(BOB, LIMIT)), LIMIT)


def lost_clients(server):
    """Clients that go away in the middle of a message, or right behind its end."""
    server.run("relay", "set", "acme", "--day-limit", "100000")
    before = used(server)
    for number in range(10):
        connection = server.connect("relay")
        connection.hello()
        connection.envelope(BOB, sender="ann@acme.test")
        connection.do("DATA", 354)
        connection.send(BODY % number)
        connection.close()
    equal("counted of what was not sent", used(server), before)
    for number in range(10):
        connection = server.connect("relay")
        connection.hello()
        connection.envelope(BOB, sender="ann@acme.test")
        connection.do("DATA", 354)
        connection.send(BODY % number + b".\r\n")
        connection.close()
    server.settle()
    wait_until("counted is not what was delivered", lambda: used(server) == server.delivered())


def gone_while_counting(server):
    """The client is gone before the directory has counted its message: it is not sent, and given back."""
    before, delivered = used(server), server.delivered()
    connection = server.connect("relay")
    connection.hello()
    connection.envelope(BOB, sender="ann@acme.test")
    connection.do("DATA", 354)
    pid = server.pid_of("directory")
    os.kill(pid, signal.SIGSTOP)
    try:
        connection.send(BODY % 1 + b".\r\n")
        time.sleep(0.5)  # the directory is asked
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        time.sleep(0.5)  # and asked to give back
    finally:
        os.kill(pid, signal.SIGCONT)
    equal("counted", used(server), before)
    server.settle()
    equal("delivered", server.delivered(), delivered)


def failing_disk(server, faults):
    """A message that cannot be written in the end is given back."""
    before = used(server)
    connection = server.connect("relay")
    connection.hello()
    equal("the reply", transaction(connection, 1), "250")
    equal("counted", used(server), before + 1)
    server.excused.append("event=spool")
    faults.order(["sync"], errno.EIO)
    code = transaction(connection, 2)
    faults.none()
    if code[0] != "4":
        raise Failed(f"accepted on a disk that fails: {code}")
    wait_until("it stays counted", lambda: used(server) == before + 1)
    connection.close()


def main():
    faults_file = pathlib.Path(tempfile.mkdtemp(prefix="postern-test-")) / "faults"
    faults = Faults(faults_file)
    os.environ["POSTERN_FAULT"] = str(faults_file)
    faults_file.parent.chmod(0o755)
    try:
        play(faults)
    finally:
        faults.close()
        shutil.rmtree(faults_file.parent)


def play(faults):
    with Server(sys.argv[1], listeners=["relay"], settings=["smtpd-processes = 2"]) as server:
        server.add_users(BOB)
        server.run("relay", "add", "acme", "--network", "127.0.0.0/8", "--domain", "acme.test", "--day-limit", str(LIMIT))
        server.start()
        all_at_once(server)
        lost_clients(server)
        gone_while_counting(server)
        failing_disk(server, faults)


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        print(f"FAILED {failed}")
        sys.exit(1)
