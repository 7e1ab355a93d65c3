#!/usr/bin/env python3
"""Plays a scenario against a real server over real sockets; README.md here tells the format.

run.py POSTERN FILE.scn [--profile gmail|iana] [--keep]

Each scenario is played twice, with reply-profile gmail and iana, each time with a server of its
own, in a directory of its own, on loopback addresses of its own. Whatever the server says is
compared with the catalogue: a reply that is no row of it fails the scenario. Exit 0, or 1 with
what was expected and the whole conversation.
"""
import argparse
import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PORTS = {"mx": 2525, "submission": 2587, "submissions": 2465, "relay": 2526}
TIMEOUT = 20.0  # seconds, for anything that has no time of its own


class Failed(Exception):
    pass


class Row:
    """A row of catalogue/replies.tsv in one profile."""

    def __init__(self, fields, profile):
        self.id = fields["id"]
        iana = "_iana" if profile == "iana" else ""
        self.code = fields["code" + iana]
        status = fields["status" + iana]
        self.status = "" if status == "-" else status
        self.closes = fields["closes"] == "yes"
        self.refusal = not self.id.startswith("ok-")
        self.pattern = self.compile(fields["text"])

    def compile(self, text):
        """The text as a pattern: holes match anything, [groups] may be missing."""
        out = ""
        for piece in re.split(r"(\{[a-z_0-9]+\}|\[|\])", text):
            if piece.startswith("{"):
                out += ".*"
            elif piece == "[":
                out += "(?:"
            elif piece == "]":
                out += ")?"
            else:
                out += re.escape(piece)
        end = r" - (?:rule \S+ )?([0-9a-z]{12}) postern" if self.refusal else ""
        return re.compile("^" + out + end + "$", re.S)

    def matches(self, reply):
        return (self.code == reply.code and self.status == reply.status
                and self.pattern.match(reply.text))


def read_catalogue(profile):
    rows, names = {}, None
    for line in (ROOT / "catalogue" / "replies.tsv").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if names is None:
            names = cells
            continue
        row = Row(dict(zip(names, cells)), profile)
        rows[row.id] = row
    return rows


class Reply:
    """One reply, its lines joined; EHLO's keyword lines are kept apart."""

    def __init__(self, lines):
        self.lines = lines
        self.code = lines[0][:3]
        texts = [line[4:] for line in lines]
        found = re.match(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)", texts[0])
        self.status = found.group(1) if found else ""
        if self.status:
            texts = [t[len(self.status) + 1:] if t.startswith(self.status) else t for t in texts]
        # Keyword lines follow only where there is no status code: EHLO.
        self.text = " ".join(texts) if self.status or self.code[0] in "45" else texts[0]

    def __str__(self):
        return " | ".join(self.lines)


class Connection:
    """One client; every octet it sends and every reply is kept for the report."""

    def __init__(self, play, address, client, implicit_tls):
        self.play = play
        self.buffer = b""
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.bind((client, 0))
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(address)
        if implicit_tls:
            self.start_tls()

    def start_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def send(self, octets):
        self.play.tell("C: " + repr(octets[:200])[2:-1] + ("..." if len(octets) > 200 else ""))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(octets)

    def line(self):
        while b"\r\n" not in self.buffer:
            try:
                octets = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLError):
                octets = b""
            except TimeoutError:
                raise Failed(f"no reply within {TIMEOUT} s") from None
            if not octets:
                return None
            self.buffer += octets
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        if len(line) > 510 or b"\n" in line or b"\r" in line:
            raise Failed(f"not a line of a reply: {line!r}")
        return line.decode("ascii")

    def reply(self):
        lines = []
        while True:
            line = self.line()
            if line is None:
                if lines:
                    raise Failed(f"the connection closed within a reply: {lines}")
                return None
            if not re.match(r"^[2-5]\d\d([ -]|$)", line) or (lines and line[:3] != lines[0][:3]):
                raise Failed(f"not a line of a reply: {line!r}")
            lines.append(line)
            if line[3:4] != "-":
                break
        reply = Reply(lines)
        self.play.tell(f"S: {reply}")
        self.play.check_is_row(reply)
        return reply


class Play:
    """A scenario in one profile."""

    def __init__(self, postern, path, profile):
        self.postern = postern
        self.path = path
        self.profile = profile
        self.rows = read_catalogue(profile)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="postern-scn-", dir=os.environ.get("TMPDIR")))
        self.dir.chmod(0o755)
        pid = os.getpid()
        self.host = f"127.{64 + pid // 62500 % 64}.{pid // 250 % 250 + 1}.{pid % 250 + 1}"
        self.settings, self.listeners, self.setup = [], [], []
        self.server = None
        self.connections = {}
        self.now = None  # the connection that C: and S: speak of
        self.last_session = None
        self.last_reply = None
        self.story = []
        self.seen_row = False

    # --- report ---

    def tell(self, line):
        self.story.append(line)

    def check_is_row(self, reply):
        if not any(row.matches(reply) for row in self.rows.values()):
            raise Failed(f"this reply is no row of the catalogue: {reply}")
        found = re.search(r"([0-9a-z]{12}) postern$", reply.text)
        if found:
            self.last_session = found.group(1)
        self.last_reply = reply

    # --- the server ---

    def config(self):
        return self.dir / "postern.conf"

    def run(self, *arguments, status=0):
        out = subprocess.run([self.postern, *arguments, "-c", str(self.config())], text=True,
                             capture_output=True, timeout=TIMEOUT)
        if status is not None and out.returncode != status:
            raise Failed(f"postern {' '.join(arguments)}: exit {out.returncode}: "
                         f"{out.stdout}{out.stderr}")
        return out.stdout

    def write_config(self):
        certificate, key = certificate_files(self.dir)
        user = "nobody" if os.getuid() == 0 else os.environ.get("USER", str(os.getuid()))
        listeners = self.listeners or ["mx"]
        text = [
            'hostname = "mx.example.test"', 'state-dir = "state"', f'user = "{user}"',
            f'reply-profile = {self.profile}', "smtpd-processes = 1", "delivery-processes = 1",
            f'tls {{ certificate = "{certificate}" key = "{key}" }}',
        ]
        for words in listeners:
            name, *options = words.split()
            tls = {"submission": "required", "submissions": "implicit"}.get(name, "starttls")
            for option in options:
                tls = option.removeprefix("tls=")
            service = "submission" if name == "submissions" else name
            text.append(f'listener "{name}" {{ address = {{"{self.host}:{PORTS[name]}"}} '
                        f"service = {service} tls = {tls} }}")
        sections = {"spool": {"free-space": '"0"'}}  # the machine's disk is not the subject
        for line in self.settings:
            key, value = (part.strip() for part in line.split("=", 1))
            section, _, name = key.rpartition(".")
            sections.setdefault(section, {})[name] = value
        for section, values in sections.items():
            lines = [f"{name} = {value}" for name, value in values.items()]
            text += lines if section == "" else [f"{section} {{", *lines, "}"]
        self.config().write_text("\n".join(text) + "\n")

    def start(self):
        self.write_config()
        self.run("domain", "add", "example.test")
        for words in self.setup:
            self.set_up(words)
        self.log = open(self.dir / "log", "wb")
        self.server = subprocess.Popen([self.postern, "run", "-c", str(self.config())],
                                       stderr=self.log, stdout=self.log)
        end = time.monotonic() + TIMEOUT
        while b"event=ready" not in (self.dir / "log").read_bytes():
            if self.server.poll() is not None or time.monotonic() > end:
                raise Failed("the server did not start")
            time.sleep(0.02)

    def set_up(self, words):
        """A line of the set-up that is a postern command, or one of ours."""
        if words[0] == "used":
            self.set_used(words[1], words[2])
        elif words[0] == "age":
            self.set_age(words[1], words[2])
        else:
            if words[0] == "user" and words[1] == "add" and "--generate" not in words:
                words = [*words, "--generate"]
            self.run(*words)

    def set_used(self, address, octets):
        """Says in the Maildir++ quota file that so much is stored."""
        local, domain = address.split("@")
        maildir = self.dir / "state" / "mail" / domain / local / "Maildir"
        for sub in ("tmp", "new", "cur"):
            (maildir / sub).mkdir(parents=True, exist_ok=True)
        quota = maildir / "maildirsize"
        first = quota.read_text().splitlines()[0] if quota.exists() else "1000000S"
        quota.write_text(f"{first}\n{octets} 1\n")
        for path in [self.dir / "state" / "mail", *(self.dir / "state" / "mail").rglob("*")]:
            shutil.chown(path, *owner_of(self.dir / "state" / "directory.db"))

    def set_age(self, address, date):
        local, domain = address.split("@")
        when = time.mktime(time.strptime(date, "%Y-%m-%d"))
        os.utime(self.dir / "state" / "mail" / domain / local / "Maildir" / "cur", (when, when))

    def stop(self):
        for connection in self.connections.values():
            connection.sock.close()
        if self.server is None:
            return
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            try:
                self.server.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()
                raise Failed("the server did not stop on SIGTERM") from None
        self.log.close()
        if self.server.returncode != 0:
            raise Failed(f"the server ended with {self.server.returncode}")
        text = (self.dir / "log").read_text(errors="replace")
        bad = re.search(r".*(event=bug|event=died|AddressSanitizer|runtime error).*", text)
        if bad:
            raise Failed(f"in the log: {bad.group(0)}")

    # --- the lines of a scenario ---

    def play(self):
        lines = self.path.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                self.do(line)
            except Failed as failed:
                raise Failed(f"{self.path.name}:{number}: {line}\n  {failed}") from None
        if not self.seen_row:
            raise Failed(f"{self.path.name}: no line 'R: {self.path.stem}'")

    def do(self, line):
        word, _, rest = line.partition(" ")
        action = getattr(self, "do_" + word.rstrip(":>").lower() + ("_raw" if word == "C>" else ""),
                         None)
        if action is None:
            raise Failed(f"no such line: {word}")
        action(rest)

    def do_set(self, rest):
        self.settings.append(rest)

    def do_listen(self, rest):
        self.listeners.append(rest)

    def do_domain(self, rest):
        self.command("domain " + rest)

    def do_user(self, rest):
        self.command("user " + rest)

    def do_alias(self, rest):
        self.command("alias " + rest)

    def do_used(self, rest):
        self.command("used " + rest)

    def do_age(self, rest):
        self.command("age " + rest)

    def command(self, line):
        words = shlex.split(line)
        if self.server is None:
            self.setup.append(words)
        else:
            self.set_up(words)

    def do_connect(self, rest):
        """connect [mx|submission|submissions|relay] [from=127.0.0.9] [as=NAME]"""
        if self.server is None:
            self.start()
        words = rest.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        listener = next((word for word in words if "=" not in word), "mx")
        connection = Connection(self, (self.host, PORTS[listener]),
                                options.get("from", self.host), listener == "submissions")
        name = options.get("as", "")
        if name in self.connections:
            self.connections[name].sock.close()
        self.connections[name] = self.now = connection

    def do_use(self, rest):
        self.now = self.connections[rest.strip()]

    def do_hello(self, rest):
        """connect, read the greeting, EHLO"""
        self.do_connect(rest)
        self.do_s("220")
        self.do_c("EHLO client.example")
        self.do_s("250")

    def do_c(self, rest):
        self.now.send(rest.encode("utf-8") + b"\r\n")

    def do_c_raw(self, rest):
        self.now.send(rest.encode("latin-1").decode("unicode_escape").encode("latin-1"))

    def do_repeat(self, rest):
        """repeat N LINE: the line N times; in it, %d is the count from 1"""
        count, line = rest.split(" ", 1)
        for i in range(int(count)):
            self.do(line.replace("%d", str(i + 1)))

    def do_body(self, rest):
        """body [size=N] [received=N]: a message after 354, with its final dot"""
        options = dict(word.split("=", 1) for word in rest.split())
        head = "".join(f"Received: from a by b; id {i}\r\n"
                       for i in range(int(options.get("received", 0))))
        head += "From: ann@client.example\r\nSubject: x\r\n\r\n"
        left = max(0, int(options.get("size", 100)) - len(head))
        lines = ("x" * 70 + "\r\n") * (left // 72) + "x" * (left % 72) + "\r\n"
        self.now.send((head + lines + ".\r\n").encode())

    def do_s(self, rest):
        """S: 250 [words that must stand in it]"""
        reply = self.now.reply()
        if reply is None:
            raise Failed("the connection was closed")
        code, *words = shlex.split(rest)
        if not str(reply.code).startswith(code):
            raise Failed(f"expected {code}, got {reply}")
        self.check_words(words, str(reply))

    def do_r(self, rest):
        """R: row-id [words that must stand in the text]: code, status, text and closing"""
        name, *words = shlex.split(rest)
        row = self.rows.get(name)
        if row is None:
            raise Failed(f"the catalogue has no row {name}")
        reply = self.now.reply()
        if reply is None:
            raise Failed("the connection was closed")
        if not row.matches(reply):
            raise Failed(f"expected {row.code} {row.status} of {name}, got {reply}")
        self.check_words(words, reply.text)
        if row.closes:
            self.do_closed("")
        self.seen_row |= name == self.path.stem

    @staticmethod
    def check_words(words, text):
        for word in words:
            if word not in text:
                raise Failed(f"'{word}' does not stand in: {text}")

    def do_closed(self, rest):
        if self.now.reply() is not None:
            raise Failed("expected the connection to be closed")

    def do_open(self, rest):
        self.do_c("NOOP")
        self.do_s("250")

    def do_starttls(self, rest):
        self.do_c("STARTTLS")
        self.do_s("220")
        self.now.start_tls()

    def do_wait(self, rest):
        time.sleep(float(rest))

    def do_why(self, rest):
        """why: words that `postern why` must say of the last refused session"""
        words = shlex.split(rest)
        end = time.monotonic() + TIMEOUT
        while True:
            out = subprocess.run([self.postern, "why", self.last_session, "-c", str(self.config())],
                                 text=True, capture_output=True, timeout=TIMEOUT)
            if all(word in out.stdout for word in words):
                return
            if time.monotonic() > end or self.server.poll() is not None:
                raise Failed(f"why {self.last_session} does not say {words}:\n{out.stdout}{out.stderr}")
            if self.now is not None:
                self.now.sock.close()  # the story is told when the session has ended
                self.now = None
            time.sleep(0.1)

    def do_mail(self, rest):
        """mail ADDRESS N [words]: so many messages lie in the Maildir, the words in each"""
        address, count, *words = shlex.split(rest)
        local, domain = address.split("@")
        new = self.dir / "state" / "mail" / domain / local / "Maildir" / "new"
        end = time.monotonic() + TIMEOUT
        while True:
            files = list(new.glob("*")) if new.exists() else []
            if len(files) == int(count):
                break
            if time.monotonic() > end:
                raise Failed(f"{len(files)} messages lie there")
            time.sleep(0.05)
        for file in files:
            self.check_words(words, file.read_text(errors="replace"))

    def do_break(self, rest):
        """break FILE: garbage in a file below state"""
        path = self.dir / "state" / rest.strip()
        for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            if name.exists():
                name.write_bytes(b"no database" * 1000)

    def do_log(self, rest):
        """log: words that one line of the server's log must hold"""
        words = shlex.split(rest)
        end = time.monotonic() + TIMEOUT
        while True:
            text = (self.dir / "log").read_text(errors="replace")
            if any(all(word in line for word in words) for line in text.splitlines()):
                return
            if time.monotonic() > end:
                raise Failed(f"no line of the log holds {words}")
            time.sleep(0.05)


def owner_of(path):
    status = path.stat()
    return status.st_uid, status.st_gid


def certificate_files(directory):
    certificate, key = directory / "cert.pem", directory / "key.pem"
    if not certificate.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=mx.example.test", "-keyout", str(key), "-out", str(certificate)],
                       check=True, capture_output=True)
    return certificate, key


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("postern")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--profile", choices=["gmail", "iana"])
    parser.add_argument("--keep", action="store_true", help="leave the directory")
    options = parser.parse_args()
    status = 0
    for profile in [options.profile] if options.profile else ["gmail", "iana"]:
        play = Play(options.postern, options.file, profile)
        failure = None
        try:
            play.play()
        except Failed as failed:
            failure = failed
        except OSError as error:
            failure = f"{type(error).__name__}: {error}"
        try:
            play.stop()
        except Failed as failed:
            failure = failure or failed
        if failure:
            status = 1
            print(f"[{profile}] {failure}\n--- conversation")
            print("\n".join("  " + line for line in play.story[-60:]))
            if (play.dir / "log").exists():
                print("--- log")
                print("\n".join("  " + line for line in
                                (play.dir / "log").read_text(errors="replace").splitlines()[-40:]))
        if not options.keep:
            shutil.rmtree(play.dir, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
