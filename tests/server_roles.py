#!/usr/bin/env python3
"""The whole server as processes: roles that die or stop, reload, drain, the queue's commands.

usage: server_roles.py POSTERN [PART...]"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "lib"), os.path.join(HERE, "crash"), HERE]
from load import USERS, Book, start_load, stop_load  # noqa: E402
from processes import (ROLES, Client, Closed, Failed, Server, kill, require,  # noqa: E402
                    wait_for)
import lmtp_dovecot_test  # noqa: E402

SMALL = b"From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nSubject: small\r\n\r\nsmall\r\n"


def got(client):
    """A reply, or None when the connection is closed."""
    try:
        return client.reply()
    except Closed:
        return None


def killed_in_turn(postern, make):
    """Each role is killed under load and comes back; nothing is lost, nobody is refused for good."""
    server, book, killed = make(postern, "turn", {"limits.sessions-per-client": "100", "queue.retry": '{"1 s"}'}), \
        Book(1), set()
    server.add_users(*USERS)
    server.start()
    for role in ROLES:
        loaders = start_load(book, server, 3)
        try:
            wait_for("load", lambda n=book.accepted: book.accepted > n + 5)
            pid = server.pids(role)[0]
            killed.add(pid)
            kill(pid)
            server.wait_log("event=role-ended", f"pid={pid} ")
            wait_for(f"{role} is back", server.complete)
            wait_for("mail goes on", lambda n=book.accepted: book.accepted > n + 10
                     or any(not loader.is_alive() for loader in loaders))
        finally:
            stop_load(loaders)
        server.wait_empty()

        def arrived():
            book.collect(server)
            return book.arrived()
        wait_for("all accepted mail is there", arrived)
        book.judge()
        print(f"ok {role} killed: it is back, {book.accepted} messages in all, none lost")
    server.check_log(killed)
    server.stop()


def reloads(postern, make):
    """SIGHUP: good, bad; sessions that are open go on as they began."""
    server = make(postern, "reload", {"limits.recipients": "2"})
    server.add_users("alice", "bob", "carol")
    server.start()
    old = Client(server.address)
    old.command("MAIL FROM:<a@client.example>", "250")
    old.command("RCPT TO:<alice@example.test>", "250")

    server.settings["limits.recipients"] = "3"
    server.write_config(more="limitz { }\n")
    line = len(server.config.read_text().splitlines())
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("event=reload-refused", f"postern.conf:{line}")
    client = Client(server.address)
    client.command("MAIL FROM:<a@client.example>", "250")
    client.command("RCPT TO:<alice@example.test>", "250")
    client.command("RCPT TO:<bob@example.test>", "250")
    client.command("RCPT TO:<carol@example.test>", "45")
    client.close()
    print("ok a bad configuration: the old one stays, the log says file and line")

    before = set(server.pids("smtpd"))
    server.write_config()
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("event=reloaded")
    require(len(server.pids("smtpd")) >= 3 and before & set(server.pids("smtpd")),
            "the smtpd of an open session is gone")
    client = Client(server.address)
    client.command("MAIL FROM:<a@client.example>", "250")
    for name in ("alice", "bob", "carol"):
        client.command(f"RCPT TO:<{name}@example.test>", "250")
    client.close()
    old.command("RCPT TO:<bob@example.test>", "250")
    old.command("RCPT TO:<carol@example.test>", "45")  # its limits are those it began with
    old.command("DATA", "354")
    old.send(SMALL + b".\r\n")
    old.expect("250")
    require(old.expect("421").code == "421" and got(old) is None, "the old session goes on for ever")
    server.wait_empty()
    wait_for("the message of the old session", lambda: len(server.new_mail("bob")) == 1)
    wait_for("the old smtpds end", lambda: not before & set(server.pids("smtpd")))
    server.check_log()
    server.stop()
    print("ok a good one: new sessions have it, an open one ends as it began")


def drains(postern, make):
    """SIGTERM: idle sessions are told, one in DATA finishes, exit 0 within drain-time."""
    server = make(postern, "drain", {"drain-time": '"30 s"'})
    server.add_users("alice")
    server.start()
    idle, busy = Client(server.address), Client(server.address)
    busy.command("MAIL FROM:<a@client.example>", "250")
    busy.command("RCPT TO:<alice@example.test>", "250")
    busy.command("DATA", "354")
    busy.send(SMALL)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    require(idle.expect("421").code == "421" and got(idle) is None, "an idle session is not closed")

    def deaf():
        try:
            Client(server.address).close()
        except Closed:
            return True
        return False
    wait_for("nobody is accepted any more", deaf, 15)
    busy.send(b"the rest\r\n.\r\n")
    busy.expect("250")
    require(got(busy) is None or got(busy) is None, "the busy session is not closed after its message")
    require(server.process.wait(30) == 0, f"exit {server.process.returncode}")
    took = time.monotonic() - began
    server.start()
    server.wait_empty()
    require(len(server.new_mail("alice")) == 1, "the message of the drain is not there")
    print(f"ok drained in {took:.1f} s, the message in the middle of DATA is kept")

    server.settings["drain-time"] = '"2 s"'
    server.stop()
    server.write_config()
    server.start()
    hanging = Client(server.address)
    hanging.command("MAIL FROM:<a@client.example>", "250")
    hanging.command("RCPT TO:<alice@example.test>", "250")
    hanging.command("DATA", "354")
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    require(server.process.wait(60) == 0, f"exit {server.process.returncode}")
    took = time.monotonic() - began
    require(took < 2 + 10, f"drain-time 2 s took {took:.1f} s")
    hanging.expect("421")
    require(got(hanging) is None, "not closed")
    server.check_log()
    print(f"ok a client that never finishes is not waited for longer than drain-time ({took:.1f} s)")


def only_one(postern, make):
    server = make(postern, "one", {})
    server.add_users("alice")
    server.start()
    out = subprocess.run([postern, "run", "-c", server.config], capture_output=True, text=True, timeout=60)
    require(out.returncode == 4 and "another server runs on" in out.stderr, f"{out.returncode}: {out.stderr}")
    require(Client(server.address).mail(["alice@example.test"], SMALL).code == "250", "the first one suffers")
    server.stop()
    print("ok a second server on the same state refuses to start")


def without_root(postern, make):
    prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    server = make(postern, "noroot", {}, prefix=prefix)
    if prefix:
        os.chown(server.dir, 65534, 65534)
    server.add_users("alice")
    server.start()
    require(Client(server.address).mail(["alice@example.test"], SMALL).code == "250", "no mail is taken")
    server.wait_empty()
    require(len(server.new_mail("alice")) == 1, "no mail is delivered")
    server.stop()
    server.check_log()
    print("ok without root")


def stopped_directory(postern, make):
    """A directory that hangs: who needs it waits, and is told in the end; who does not goes on."""
    server = make(postern, "stopped", {"smtpd-processes": "1"})
    server.add_users("alice", "bob")
    server.start()
    require(Client(server.address).mail(["alice@example.test"], SMALL).code == "250", "no mail is taken")
    pid = server.pids("directory")[0]
    kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    waiting = Client(server.address)
    waiting.command("MAIL FROM:<a@client.example>", "250")
    waiting.send(b"RCPT TO:<bob@example.test>\r\n")
    for _ in range(3):
        require(Client(server.address).mail(["alice@example.test"], SMALL).code == "250",
                "a recipient that is known has to wait")
    print("ok the directory hangs: cached recipients go on")
    resumed = Client(server.address)
    reply = waiting.reply()
    require((reply.code, reply.status) == ("421", "4.3.0") and time.monotonic() - began > 1, f"got {reply}")
    require(got(waiting) is None, "not closed")
    resumed.command("MAIL FROM:<a@client.example>", "250")
    resumed.send(b"RCPT TO:<bob@example.test>\r\n")
    kill(pid, signal.SIGCONT)
    resumed.expect("250")
    server.wait_log("event=directory", "no answer")
    server.stop()
    server.check_log()
    print(f"ok who waits gets system-temporary-problem ({time.monotonic() - began:.0f} s), and after it all is well")


def queue_commands(postern, make):
    """hold, release, retry, remove on mail that waits for a store that is down: a real Dovecot."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="postern-dovecot-"))
    dovecot = None
    server = make(postern, "queue", {"delivery.lmtp": f'"unix:{directory}/lmtp"', "queue.retry": '{"1 h"}'})
    try:
        server.add_users("alice", "bob")
        server.start()
        for name in ("alice", "bob", "alice", "bob"):
            require(Client(server.address).mail([f"{name}@example.test"], SMALL).code == "250", "not accepted")

        def listed():
            out = server.run("queue", "list", "--json", status=None)
            return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

        def states():
            mails = listed()
            return tuple(sum(mail[state] for mail in mails) for state in ("pending", "running", "held"))
        wait_for("all have been tried once", lambda: len([m for m in listed() if m.get("reply")]) == 4
                 and states() == (4, 0, 0))
        ids = {name: [m["id"] for m in listed() if m["to"] == [f"{name}@example.test"]] for name in ("alice", "bob")}
        require([len(v) for v in ids.values()] == [2, 2], f"listed: {listed()}")

        server.run("queue", "hold", ids["bob"][0])
        wait_for("one is held", lambda: states() == (3, 0, 1))
        require("held" in server.run("queue", "show", ids["bob"][0]), "show does not say held")
        server.run("queue", "remove", ids["alice"][0])
        wait_for("one is removed", lambda: states() == (2, 0, 1))
        server.run("queue", "remove", ids["alice"][0], status=1)
        server.stop()
        server.start()
        require(states() == (2, 0, 1), f"after a restart: {states()}")
        print("ok hold and remove, kept over a restart")

        if shutil.which("dovecot") is None or not os.path.exists("/usr/lib/dovecot/lmtp"):
            print("skipped: the rest needs Dovecot")
            server.stop()
            return
        dovecot = lmtp_dovecot_test.Dovecot(str(directory))
        dovecot.start()
        if os.geteuid() == 0:
            shutil.chown(directory / "lmtp", "nobody")
        server.run("queue", "retry", "--all")
        wait_for("the pending ones are delivered", lambda: states() == (0, 0, 1))
        require(len(dovecot.mails("alice")) == 1 and len(dovecot.mails("bob")) == 1, "Dovecot has not both")
        server.run("queue", "release", ids["bob"][0])
        server.wait_empty()
        wait_for("the released one is delivered", lambda: len(dovecot.mails("bob")) == 2)
        server.stop()
        server.check_log()
        print("ok retry and release deliver to Dovecot when it is up")
    finally:
        if dovecot:
            dovecot.stop()
        shutil.rmtree(directory, ignore_errors=True)


PARTS = (killed_in_turn, reloads, drains, only_one, without_root, queue_commands, stopped_directory)


def play(part, postern):
    servers = []

    def make(*arguments, **named):
        servers.append(Server(*arguments, **named))
        return servers[-1]
    try:
        part(postern, make)
        return True
    except (Failed, Closed, OSError, AssertionError) as failed:
        print(f"FAILED {part.__name__}: {type(failed).__name__} {failed}")
        for server in servers:
            print("--- log\n" + "\n".join(server.log_text(everything=True).splitlines()[-30:]))
        return False
    finally:
        for server in servers:
            server.clear()


def main():
    wanted = sys.argv[2:]
    parts = [part for part in PARTS if not wanted or part.__name__ in wanted]
    # Most of it is waiting: side by side, each with a server of its own.
    results = []
    threads = [threading.Thread(target=lambda p=part: results.append(play(p, sys.argv[1]))) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0 if all(results) and len(results) == len(parts) else 1


if __name__ == "__main__":
    sys.exit(main())
