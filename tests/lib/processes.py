"""A server under test, and a small SMTP client; for tests that kill, stop and reload it.

Each server has a directory and a loopback address of its own, so tests run beside each other. It
ends only processes that it started: the supervisor by its pid, roles as children of it.
"""
import contextlib
import itertools
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import catalogue as reply_catalogue

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PORT = 2525
TIMEOUT = 90.0  # seconds; a machine under load is slow, a hanging server does not end by itself


class Failed(Exception):
    pass


def require(condition, text):
    if not condition:
        raise Failed(text)


def wait_for(what, condition, timeout=TIMEOUT, pause=0.02):
    """The condition's first true value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"not within {timeout:g} s: {what}")
        time.sleep(pause)


def catalogue():
    """Code and status of each row (profile gmail) -> names of rows."""
    rows = {}
    for row in reply_catalogue.read_cells():
        status = "" if row["status"] == "-" else row["status"]
        rows.setdefault((row["code"], status), set()).add(row["id"])
    return rows


class Reply:
    def __init__(self, lines):
        self.text = "\n".join(lines)
        self.code = lines[0][:3]
        found = re.match(r"\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})(?: |$)", lines[0])
        self.status = found.group(1) if found else ""

    def __str__(self):
        return self.text


class Closed(Exception):
    """The connection ended, or never came to be."""


class Client:
    def __init__(self, address, timeout=TIMEOUT, hello=True):
        self.buffer = b""
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(address)
        except OSError as error:
            self.sock.close()
            raise Closed(str(error)) from None
        if hello:
            self.expect("220")
            self.command("EHLO client.example", "250")

    def close(self):
        self.sock.close()

    def send(self, octets):
        try:
            self.sock.sendall(octets)
        except TimeoutError:
            raise Failed("the server does not read") from None
        except OSError:
            pass  # what it said before it went is still to be read

    def reply(self):
        lines = []
        while True:
            while b"\r\n" not in self.buffer:
                try:
                    octets = self.sock.recv(65536)
                except TimeoutError:
                    raise Failed("the server does not answer") from None
                except OSError as error:
                    raise Closed(str(error)) from None
                if not octets:
                    raise Closed("closed")
                self.buffer += octets
            line, self.buffer = self.buffer.split(b"\r\n", 1)
            lines.append(line.decode("ascii"))
            if line[3:4] != b"-":
                return Reply(lines)

    def expect(self, start):
        reply = self.reply()
        require(reply.code.startswith(start), f"expected {start}, got {reply}")
        return reply

    def command(self, line, start):
        self.send(line.encode() + b"\r\n")
        return self.expect(start)

    def mail(self, recipients, message, sender="ann@client.example"):
        """One transaction, whatever is answered; the last reply."""
        for line in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"):
            self.send(line.encode() + b"\r\n")
            reply = self.reply()
            if reply.code[0] not in "23":
                return reply
        self.send(message + b".\r\n")
        return self.reply()


def children(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def comm(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def alive(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rsplit(") ", 1)[1][0] not in "ZX"


def kill(pid, how=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)


class Server:
    serials = itertools.count()

    def __init__(self, postern, name, settings=None, user=None, prefix=(), env=None, state="state"):
        pid = os.getpid()
        serial = next(Server.serials)  # tests/lib/server.py has the addresses below these
        self.postern, self.prefix, self.env = str(pathlib.Path(postern).resolve()), prefix, env or {}
        # Memory file systems answer a sync at once; a real disk is what the server is for.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"postern-{name}-", dir=os.environ.get("TMPDIR")))
        self.dir.chmod(0o755)
        self.state = self.dir / state
        n = pid * 8 + serial % 8
        self.host = f"127.{128 + n // 62500 % 64}.{n // 250 % 250 + 1}.{n % 250 + 1}"
        self.user = user or ("nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
        self.settings = {"smtpd-processes": "2", "delivery-processes": "2", "spool.free-space": '"0"',
                         "log.level": "debug",  # tells each reply
                         **(settings or {})}
        self.process = None
        self.log_start = 0
        self.known = set()  # pids of roles seen
        self.write_config()

    # --- configuration and state ---

    @property
    def config(self):
        return self.dir / "postern.conf"

    @property
    def log(self):
        return self.dir / "log"

    @property
    def address(self):
        return (self.host, PORT)

    def write_config(self, more="", **changed):
        text = ['hostname = "mx.example.test"', f'state-dir = "{self.state}"', f'user = "{self.user}"',
                f'listener "mx" {{ address = {{"{self.host}:{PORT}"}} service = mx tls = none }}']
        sections = {}
        for key, value in {**self.settings, **changed}.items():
            section, _, name = key.rpartition(".")
            sections.setdefault(section, []).append(f"{name} = {value}")
        for section, lines in sections.items():
            text += lines if section == "" else [f"{section} {{", *lines, "}"]
        self.config.write_text("\n".join(text) + "\n" + more)

    def run(self, *arguments, status=0):
        out = subprocess.run([*self.prefix, self.postern, *arguments, "-c", str(self.config)], text=True,
                             capture_output=True, timeout=TIMEOUT)
        if status is not None:
            require(out.returncode == status,
                    f"postern {' '.join(arguments)}: exit {out.returncode}: {out.stdout}{out.stderr}")
        return out.stdout + out.stderr

    def add_users(self, *names, domain="example.test"):
        self.run("domain", "add", domain)
        for name in names:
            self.run("user", "add", f"{name}@{domain}", "--generate")

    def stats(self):
        """Of the queue; None while nobody answers."""
        out = subprocess.run([*self.prefix, self.postern, "queue", "stats", "--json", "-c", str(self.config)],
                             text=True, capture_output=True, timeout=TIMEOUT)
        if out.returncode != 0:
            return None
        return json.loads(out.stdout.splitlines()[0])

    def wait_empty(self, timeout=TIMEOUT):
        wait_for("the queue is empty", lambda: (self.stats() or {}).get("messages") == 0, timeout, 0.1)

    def new_mail(self, user, domain="example.test"):
        new = self.state / "mail" / domain / user / "Maildir" / "new"
        return sorted(new.iterdir()) if new.is_dir() else []

    # --- the processes ---

    def start(self, postern=None, wait=True):
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, postern or self.postern, "run", "-c", str(self.config)], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **self.env})
        if wait:
            self.wait_log("event=ready")

    def log_text(self, everything=False):
        with open(self.log, "rb") as log:
            log.seek(0 if everything else self.log_start)
            return log.read().decode(errors="replace")

    def log_lines(self, *words, everything=False):
        return [line for line in self.log_text(everything).splitlines()
                if all(word in line for word in words)]

    def wait_log(self, *words, count=1, timeout=TIMEOUT):
        def found():
            if len(self.log_lines(*words)) >= count:
                return True
            if self.process.poll() is not None and len(self.log_lines(*words)) < count:
                raise Failed(f"the server ended with {self.process.returncode}, no {words} in its log")
            return False
        wait_for(f"{count} lines of {words} in the log", found, timeout)

    def roles(self):
        """[(role, pid)] of living children; the process name is role/index."""
        found = [(comm(pid).split("/")[0], pid) for pid in children(self.process.pid) if alive(pid)]
        found = [(role, pid) for role, pid in found if role in ROLES]
        self.known.update(pid for _, pid in found)
        return found

    def pids(self, role):
        return [pid for name, pid in self.roles() if name == role]

    def complete(self):
        want = {"smtpd": int(self.settings["smtpd-processes"]),
                "delivery": int(self.settings["delivery-processes"])}
        return all(len(self.pids(role)) == want.get(role, 1) for role in ROLES)

    def kill_all(self):
        """kill -9 of the supervisor; returns when all its roles are gone too."""
        pids = [*children(self.process.pid), *self.known]
        self.process.kill()
        self.process.wait()
        wait_for("the roles end with their supervisor",
                 lambda: not any(alive(pid) and comm(pid).split("/")[0] in ROLES for pid in pids))
        self.known.clear()

    def stop(self, timeout=TIMEOUT):
        """SIGTERM; the exit status must be 0."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failed("the server did not stop on SIGTERM") from None
        require(status == 0, f"the server ended with {status}")

    def clear(self, keep=False):
        """However the test went: nothing is left running or lying about."""
        if self.process is not None and self.process.poll() is None:
            for _, pid in self.roles():
                kill(pid, signal.SIGCONT)
            self.kill_all()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def check_log(self, killed=()):
        """No fault of its own, and no role died but those that the test killed."""
        for line in self.log_text(everything=True).splitlines():
            require(not re.search(r"event=(bug|fatal|malformed-message|accused?|forbidden-call)\b"
                                  r"|Sanitizer|runtime error|Assertion", line), f"in the log: {line}")
            ended = re.search(r"event=role-ended\b.*\bpid=(\d+)", line)
            require(not ended or " status=0" in line or int(ended.group(1)) in killed,
                    f"a role ended by itself: {line}")
        try:  # a role that was killed may have been in the middle of a reply
            reply_catalogue.check_log(self.log_text(everything=True), "gmail", unended=bool(killed))
        except reply_catalogue.NotARow as fault:
            raise Failed(str(fault)) from None


ROLES = ("smtpd", "directory", "queue", "delivery", "trace")
