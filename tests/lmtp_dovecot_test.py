#!/usr/bin/env python3
"""LMTP against a real Dovecot, and against servers that misbehave on purpose.

usage: lmtp_dovecot_test.py DELIVERY_TRY

DELIVERY_TRY (src/delivery/delivery_try.c) is the delivery code of the role with orders on its
standard input. Dovecot runs with a configuration of its own in a temporary directory, on unix
sockets there. Without Dovecot the second part is left out and the exit status is 77."""

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

FILLER = 20000


class Try:
    """One run of delivery_try; order() gives [(result, address, reply)]."""

    def __init__(self, program, *way):
        self.process = subprocess.Popen([program, *way], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)

    def order(self, targets, sender="sender@a.example", flags=0, filler=FILLER):
        self.process.stdin.write(f"{sender} {','.join(targets)} {flags} {filler}\n")
        self.process.stdin.flush()
        answers = []
        for line in self.process.stdout:
            if line == "end\n":
                return answers
            result, address, reply = line.rstrip("\n").split(" ", 2)
            answers.append((result, address, reply))
        raise AssertionError("delivery_try died")

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(timeout=20)
        self.process.stdout.close()
        assert status == 0, status


def expect(what, answers, *wanted):
    """wanted: (result, start of the reply) for each target."""
    good = len(answers) == len(wanted) and all(
        a[0] == w[0] and a[2].startswith(w[1]) for a, w in zip(answers, wanted))
    if not good:
        raise AssertionError(f"{what}: {answers}, wanted {wanted}")
    print("ok", what)


# --- servers made for the purpose ---------------------------------------------------------

class Liar:
    """Serves connections one after the other, each with one function of one socket file."""

    def __init__(self, path, *acts):
        self.heard = []
        if path is None:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.name = "127.0.0.1:%d" % self.listener.getsockname()[1]
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.listener.listen(5)
            self.name = "unix:" + path
        self.thread = threading.Thread(target=self.serve, args=(acts,), daemon=True)
        self.thread.start()

    def serve(self, acts):
        for act in acts:
            connection, _ = self.listener.accept()
            connection.settimeout(20)
            with connection, connection.makefile("rwb") as f:
                try:
                    act(self, f)
                except (OSError, ValueError):
                    pass
        self.listener.close()

    def line(self, f):
        line = f.readline()
        self.heard.append(line)
        return line

    def say(self, f, *lines):
        for line in lines:
            f.write(line.encode() + b"\r\n")
        f.flush()

    def hello(self, f):
        self.say(f, "220 liar LMTP")
        self.line(f)
        self.say(f, "250 liar")

    def until_data(self, f):
        while True:
            line = self.line(f)
            if line.startswith(b"DATA"):
                self.say(f, "354 go")
                return
            self.say(f, "250 ok")

    def take_body(self, f):
        body = b""
        while not body.endswith(b"\r\n.\r\n"):
            line = f.readline()
            if not line:
                return None
            body += line
        return body


def act_good(server, f):
    server.hello(f)
    server.until_data(f)
    server.body = server.take_body(f)
    server.say(f, "250 2.0.0 taken")


def act_good_and_linger(server, f):
    act_good(server, f)
    server.line(f)  # QUIT, or the end


def act_damaged(server, f):
    server.hello(f)
    server.until_data(f)
    server.body = server.take_body(f)


def act_cut_body(server, f):
    server.hello(f)
    server.until_data(f)
    f.read(1000)


def act_refuse_in_body(server, f):
    server.hello(f)
    server.until_data(f)
    f.read(1000)
    server.say(f, "552 5.3.4 enough")
    while f.read(65536):
        pass


def act_http(server, f):
    server.say(f, "HTTP/1.1 400 Bad Request", "")


def act_close(server, f):
    pass


def liars(program, directory):
    path = os.path.join(directory, "liar")

    server = Liar(path + "1", act_good_and_linger)
    client = Try(program, "lmtp", server.name)
    expect("a good server", client.order(["a@x.example"]), ("D", "250 2.0.0 taken"))
    client.close()
    server.thread.join(20)
    body = server.body
    assert body.startswith(b"Received: by try\r\nSubject: try\r\n\r\n..a line with a dot\r\n"
                           b"...\r\n..\r\nbare\r\nLF\r\n"), body[:200]
    assert body.endswith(b"\r\nlast\r\n.\r\n"), body[-40:]
    assert body.count(b"\n") == body.count(b"\r\n") == body.count(b"\r")
    assert server.heard[-1] == b"QUIT\r\n", server.heard
    print("ok on the wire: dots doubled, CRLF only, QUIT at the end")

    server = Liar(None, act_good, act_good, act_good_and_linger)
    client = Try(program, "lmtp", server.name)
    for n in range(3):  # each connection is closed under us when it is idle
        expect(f"a kept connection that died, TCP, {n}", client.order(["a@x.example"]),
               ("D", "250 2.0.0 taken"))
        time.sleep(0.05)
    client.close()

    server = Liar(path + "2", act_damaged)
    client = Try(program, "lmtp", server.name)
    expect("damage in the spool", client.order(["a@x.example"], filler=-1),
           ("T", "451 4.3.0 the message in the spool is damaged"))
    client.close()
    server.thread.join(20)
    assert server.body is None
    print("ok a damaged message never gets its final dot")

    server = Liar(path + "3", act_cut_body, act_refuse_in_body, act_http, act_close)
    client = Try(program, "lmtp", server.name)
    big = 8000000
    answer = client.order(["a@x.example"], filler=big)
    assert answer[0][0] == "T" and answer[0][2].startswith("451 4.4.2"), answer
    print("ok closed while the message is on its way")
    answer = client.order(["a@x.example"], filler=big)
    assert answer[0][2].startswith(("552 5.3.4 enough", "451 4.")), answer
    print("ok refused while the message is on its way:", answer[0][2])
    expect("an HTTP server", client.order(["a@x.example"]), ("T", "451 4.5.0"))
    expect("closed at once", client.order(["a@x.example"]), ("T", "451 4.4.2"))
    server.thread.join(20)
    expect("nobody listens", client.order(["a@x.example", "b@x.example"]),
           ("T", "451 4.4.2 LMTP server: Connection refused"), ("T", "451 4.4.2"))
    client.close()
    client = Try(program, "lmtp", "unix:" + path + "-none")
    expect("no such socket", client.order(["a@x.example"]),
           ("T", "451 4.4.2 LMTP server: No such file or directory"))
    client.close()


# --- Dovecot ------------------------------------------------------------------------------

CONFIG = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
protocols = lmtp
listen = 127.0.0.1
ssl = no
hostname = mx.example.test
postmaster_address = postmaster@example.test
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
mail_location = maildir:~/Maildir
mail_plugins = quota
first_valid_uid = 1
recipient_delimiter = +
service lmtp {{
  {user}
  unix_listener {dir}/lmtp {{
    mode = 0600
  }}
}}
service anvil {{
  chroot =
}}
protocol lmtp {{
  mail_plugins = quota
}}
plugin {{
  quota = maildir:User quota
  quota_rule = *:storage=1G
}}
passdb {{
  driver = static
  args = nopassword
}}
userdb {{
  driver = passwd-file
  args = {dir}/users
}}
"""


class Dovecot:
    def __init__(self, directory):
        self.dir = directory
        self.process = None
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        os.mkdir(directory + "/home")
        os.chown(directory + "/home", owner.pw_uid, owner.pw_gid)
        os.chmod(directory, 0o755)
        root = os.geteuid() == 0
        me = pwd.getpwuid(os.geteuid())
        group = subprocess.run(["id", "-gn"], capture_output=True, text=True, check=True)
        with open(directory + "/dovecot.conf", "w", encoding="ascii") as f:
            f.write(CONFIG.format(dir=directory,
                                  internal="dovecot" if root else me.pw_name,
                                  internal_group="dovecot" if root else group.stdout.strip(),
                                  login="dovenull" if root else me.pw_name,
                                  user="user = root" if root else ""))
        with open(directory + "/users", "w", encoding="ascii") as f:
            for user, extra in (("alice", ""), ("bob", ""),
                                ("full", "userdb_quota_rule=*:bytes=5000")):
                f.write(f"{user}@example.test::{owner.pw_uid}:{owner.pw_gid}::"
                        f"{directory}/home/{user}::{extra}\n")

    def start(self):
        # -F: stays in the foreground, so the process is ours and so is its pid
        self.process = subprocess.Popen(["dovecot", "-F", "-c", self.dir + "/dovecot.conf"])
        for _ in range(200):
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.settimeout(5)
                    s.connect(self.dir + "/lmtp")
                    if s.recv(3) == b"220":
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError("Dovecot does not come up: " + self.log())

    def log(self):
        try:
            with open(self.dir + "/dovecot.log", encoding="utf-8") as f:
                return f.read()
        except OSError:
            return ""

    def stop(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
            self.process = None

    def mails(self, user):
        found = []
        for name in sorted(glob.glob(f"{self.dir}/home/{user}/Maildir/new/*")):
            with open(name, "rb") as f:
                found.append(f.read())
        return found


def children_of(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True,
                         text=True, check=False)
    return [int(word) for word in out.stdout.split()]


def dovecot(program, directory):
    server = Dovecot(directory)
    server.start()
    client = Try(program, "lmtp", "unix:" + directory + "/lmtp")
    try:
        expect("Dovecot takes a message", client.order(["alice@example.test"]),
               ("D", "250 2.0.0"))
        mail = server.mails("alice")
        assert len(mail) == 1, server.log()
        for wanted in (b"Return-Path: <sender@a.example>\n",
                       b"Delivered-To: alice@example.test\n", b"Received: by try\n",
                       b"\n.a line with a dot\n..\n.\nbare\nLF\n", b"\nlast\n"):
            assert wanted in mail[0], (wanted, mail[0][:800])
        print("ok what is stored is what was sent")

        expect("one refused among three, same connection",
               client.order(["alice@example.test", "nobody@example.test",
                             "bob+tag@example.test"], sender="<>"),
               ("D", "250 2.0.0"), ("F", "550 5.1.1"), ("D", "250 2.0.0"))
        assert len(server.mails("alice")) == 2 and len(server.mails("bob")) == 1
        expect("all refused", client.order(["nobody@example.test"]), ("F", "550 5.1.1"))
        expect("over quota at Dovecot, the other one not",
               client.order(["full@example.test", "bob@example.test"]),
               ("F", "552 5.2.2"), ("D", "250 2.0.0"))
        expect("8-bit", client.order(["bob@example.test"], flags=1), ("D", "250 2.0.0"))

        children = children_of(server.process.pid)
        server.stop(signal.SIGKILL)
        for pid in children:  # of the Dovecot that was killed; they would serve on
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.2)
        expect("Dovecot killed", client.order(["alice@example.test", "bob@example.test"]),
               ("T", "451 4.4.2"), ("T", "451 4.4.2"))
        try:
            os.unlink(server.dir + "/run/master.pid")
        except FileNotFoundError:
            pass
        server.start()
        expect("and back", client.order(["alice@example.test"], flags=4), ("D", "250 2.0.0"))
        assert len(server.mails("alice")) == 3
        client.close()
    except AssertionError:
        print(server.log())
        raise
    finally:
        server.stop()


def main():
    program = sys.argv[1]
    directory = tempfile.mkdtemp(prefix="lmtp-")
    try:
        liars(program, directory)
        if shutil.which("dovecot") is None or not os.path.exists("/usr/lib/dovecot/lmtp"):
            print("skipped: Dovecot is not installed (apt-get install dovecot-lmtpd)")
            return 77
        dovecot(program, directory)
    finally:
        shutil.rmtree(directory)
    print("all passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
