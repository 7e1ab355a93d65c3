"""A server of a test's own: state in a temporary directory, addresses of its own out of
127.64.0.0/10, so that tests run side by side; ended by its process id.

At the end each server's log is read: every reply must be a row of the catalogue, no role may
have died, no sanitizer may have spoken."""
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import catalogue  # noqa: E402

PORTS = {"mx": 2525, "submission": 2587, "submissions": 2465, "relay": 2526, "push": 2527}
TIMEOUT = 20.0  # seconds, for anything that has no time of its own
SKIPPED = 77
_count = 0


class Failed(Exception):
    pass


def own_address():
    """A loopback address that no other running test has."""
    global _count
    _count += 1
    n = os.getpid() * 4 + _count % 4
    return f"127.{64 + n // 62500 % 64}.{n // 250 % 250 + 1}.{n % 250 + 1}"


_peers = 0


def peer_address():
    """The same, for what stands in for other hosts: 64 of them a process."""
    global _peers
    _peers += 1
    n = os.getpid() * 64 + _peers % 64
    return f"127.{128 + n // 62500 % 64}.{n // 250 % 250 + 1}.{n % 250 + 1}"


def wait_until(what, true, seconds=TIMEOUT):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise Failed(what() if callable(what) else what)
        time.sleep(0.02)


def environment():
    """For postern. The kernel lets no leak checker look into a process that was root and changed
    its user; run as anybody else the tests do look for leaks."""
    env = dict(os.environ)
    if os.getuid() == 0:
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return env


def certificate_files(directory, name="mx.example.test", stem=""):
    certificate, key = directory / (stem + "cert.pem"), directory / (stem + "key.pem")
    if not certificate.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(certificate)],
                       check=True, capture_output=True)
    return certificate, key


def server_tls(directory):
    """Of a peer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate_files(directory, stem="peer"))
    return context


def client_tls():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Server:
    """Make it, add() users, start(), connect() or connect other programs, stop()."""

    def __init__(self, postern, profile="gmail", listeners=None, settings=None, keep=False):
        self.postern = os.path.abspath(postern)
        self.profile = profile
        self.listeners = listeners or ["mx"]  # "mx tls=required" ...
        self.settings = settings or []        # "limits.sessions = 3" ...
        self.keep = keep
        self.tls = None  # another tls section, whole
        self.excused = []  # patterns of lines that the log may hold in this test
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="postern-test-", dir=os.environ.get("TMPDIR")))
        self.dir.chmod(0o755)
        self.host = own_address()
        self.state = self.dir / "state"
        self.config = self.dir / "postern.conf"
        self.process = None
        self.log_file = None
        self.replies = 0

    # --- before it runs ---

    def write_config(self):
        certificate, key = certificate_files(self.dir)
        user = "nobody" if os.getuid() == 0 else "anybody"
        text = [
            'hostname = "mx.example.test"', 'state-dir = "state"', f'user = "{user}"',
            f'reply-profile = {self.profile}', "smtpd-processes = 1", "delivery-processes = 1",
            self.tls or f'tls {{ certificate = "{certificate}" key = "{key}" }}',
        ]
        for words in self.listeners:
            name, *options = words.split()
            tls = {"submission": "required", "submissions": "implicit"}.get(name, "starttls")
            proxy = "proxy=yes" in options
            for option in options:
                tls = option.removeprefix("tls=") if option.startswith("tls=") else tls
            service = "submission" if name == "submissions" else name
            clear = "auth-in-clear = yes" if "clear=yes" in options else ""
            text.append(f'listener "{name}" {{ address = {{"{self.host}:{PORTS[name]}"}} '
                        f"service = {service} tls = {tls} {'proxy = yes' if proxy else ''} {clear} }}")
        sections = {"spool": {"free-space": '"0"'},  # the machine's disk is not the subject
                    "dns": {"forward": f'{{"{self.host}@5300"}}', "timeout": '"200 ms"'},  # nobody
                    "delivery": {"inner-networks": '{"127.0.0.0/8"}'},  # where the peers are
                    "rate": {"memory": '"8 MiB"',  # made whole at the start
                             "refusal-delay": '"0"'},
                    "log": {"level": "debug"}}       # tells each reply
        for line in self.settings:
            key, value = (part.strip() for part in line.split("=", 1))
            section, _, name = key.rpartition(".")
            sections.setdefault(section, {})[name] = value
        own = tuple(f"{name} =" for name in sections.get("", {}))
        text = [line for line in text if not (own and line.startswith(own))]
        for section, values in sections.items():
            lines = [f"{name} = {value}" for name, value in values.items()]
            text += lines if section == "" else [f"{section} {{", *lines, "}"]
        self.config.write_text("\n".join(text) + "\n")

    def run(self, *arguments, status=0, stdin=None):
        """A postern command; its output."""
        if not self.config.exists():
            self.write_config()
        out = subprocess.run([self.postern, *arguments, "-c", str(self.config)], text=True, input=stdin,
                             capture_output=True, timeout=TIMEOUT, env=environment())
        if status is not None and out.returncode != status:
            raise Failed(f"postern {' '.join(arguments)}: exit {out.returncode}: "
                         f"{out.stdout}{out.stderr}")
        return out.stdout

    def add_users(self, *addresses):
        for domain in sorted({address.split("@")[1] for address in addresses}):
            self.run("domain", "add", domain, status=None)
        for address in addresses:
            self.run("user", "add", address, "--generate")

    def start(self):
        self.write_config()
        before = self.log().count("event=ready")
        self.log_file = open(self.dir / "log", "ab")
        self.process = subprocess.Popen([self.postern, "run", "-c", str(self.config)],
                                        stdin=subprocess.DEVNULL, stderr=self.log_file,
                                        stdout=self.log_file, env=environment())
        wait_until(lambda: "the server did not start:\n" + self.log(),
                   lambda: self.log().count("event=ready") > before or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise Failed("the server ended at once:\n" + self.log())
        return self

    # --- while it runs ---

    def log(self):
        path = self.dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def maildir(self, address):
        local, domain = address.split("@")
        return self.state / "mail" / domain / local / "Maildir"

    def files(self, address):
        """The messages that lie there, oldest first."""
        new = self.maildir(address) / "new"
        return sorted(new.iterdir()) if new.exists() else []

    def messages(self, address, count):
        """Waits until so many lie there; their octets, as stored."""
        wait_until(lambda: f"{address}: {len(self.files(address))} messages, {count} expected",
                   lambda: len(self.files(address)) >= count)
        files = self.files(address)
        if len(files) != count:
            raise Failed(f"{address}: {len(files)} messages, {count} expected")
        return [file.read_bytes() for file in files]

    def delivered(self):
        """How many messages lie in all Maildirs together."""
        return sum(1 for path in (self.state / "mail").glob("*/*/Maildir/new/*"))

    def settle(self):
        """Waits until the queue is empty: whatever was accepted is delivered."""
        wait_until("the queue does not become empty",
                   lambda: self.run("queue", "list", "--json").strip() in ("", "[]"))

    def pid_of(self, role):
        found = re.findall(rf"event=role-started process={role} index=0 pid=(\d+)", self.log())
        return int(found[-1]) if found else None

    def connect(self, listener="mx", source=None, note=None):
        return Connection((self.host, PORTS[listener]), source or self.host, note,
                          tls=listener == "submissions")

    # --- the end ---

    def stop(self):
        """SIGTERM, exit status 0, and a log without a blemish."""
        try:
            if self.process is not None:
                self.end_process()
                self.check_log()
        finally:
            if not self.keep:
                shutil.rmtree(self.dir, ignore_errors=True)

    def end_process(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failed("the server did not stop on SIGTERM:\n" + self.log()[-3000:]) from None
        self.log_file.close()
        if self.process.returncode != 0:
            raise Failed(f"the server ended with {self.process.returncode}:\n" + self.log()[-3000:])

    def check_log(self):
        text = "\n".join(line for line in self.log().split("\n")
                         if not any(re.search(pattern, line) for pattern in self.excused))
        bad = re.search(r".*(event=bug|level=error .*event=role-ended|AddressSanitizer"
                        r"|LeakSanitizer|runtime error).*", text)
        if bad:
            raise Failed(f"in the log: {bad.group(0)}")
        try:
            self.replies, _ = catalogue.check_log(text, self.profile)
        except catalogue.NotARow as fault:
            raise Failed(str(fault)) from None

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.stop()


class Connection:
    """One client: octets out, replies in."""

    def __init__(self, address, source, note=None, tls=False):
        self.note = note or (lambda line: None)
        self.buffer = b""
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.bind((source, 0))
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(address)
        if tls:
            self.start_tls()

    def start_tls(self):
        self.sock = client_tls().wrap_socket(self.sock)

    def close(self):
        self.sock.close()

    def send(self, octets):
        self.note("C: " + repr(octets[:200])[2:-1] + ("..." if len(octets) > 200 else ""))
        try:
            self.sock.sendall(octets)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # what the server said before it closed is still to be read

    def line(self):
        while b"\r\n" not in self.buffer:
            try:
                octets = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLError):
                octets = b""
            except TimeoutError:
                raise Failed(f"no reply within {TIMEOUT} s") from None
            if not octets:
                if self.buffer:
                    raise Failed(f"the connection closed within a line: {self.buffer}")
                return None
            self.buffer += octets
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def reply(self):
        """The next reply; None when the server closed."""
        lines = []
        try:
            while not lines or not catalogue.is_last(lines[-1]):
                line = self.line()
                if line is None and lines:
                    raise Failed(f"the connection closed within a reply: {lines}")
                if line is None:
                    return None
                lines.append(line)
            reply = catalogue.Reply(lines)
        except catalogue.NotARow as fault:
            raise Failed(str(fault)) from None
        self.note(f"S: {reply}")
        return reply

    def expect(self, code, what=""):
        reply = self.reply()
        if reply is None:
            raise Failed(f"{what}: expected {code}, the connection was closed")
        if not reply.code.startswith(str(code)):
            raise Failed(f"{what}: expected {code}, got {reply}")
        return reply

    def do(self, line, code):
        """A command and its reply."""
        octets = line if isinstance(line, bytes) else line.encode("utf-8")
        self.send(octets + b"\r\n")
        return self.expect(code, repr(octets[:80]))

    def hello(self):
        self.expect(220, "greeting")
        return self.do("EHLO client.example", 250)

    def envelope(self, *rcpts, sender="ann@client.example", parameters=""):
        self.do(f"MAIL FROM:<{sender}>{parameters}", 250)
        for rcpt in rcpts:
            self.do(f"RCPT TO:<{rcpt}>", 250)

    def message(self, octets, *rcpts, sender="ann@client.example", parameters=""):
        """A whole transaction; octets with CRLF, dots not yet doubled."""
        self.envelope(*rcpts, sender=sender, parameters=parameters)
        self.do("DATA", 354)
        self.send(re.sub(rb"(?m)^\.", b"..", octets) + b".\r\n")
        return self.expect(250, "end of data")

    def rest(self):
        """All replies until the server closes or says nothing for a while."""
        replies = []
        self.sock.settimeout(0.3)
        try:
            while (reply := self.reply()) is not None:
                replies.append(reply)
        except Failed as failed:
            if "no reply within" not in str(failed):
                raise
        self.sock.settimeout(TIMEOUT)
        return replies


def body_of(stored):
    """A stored message without what the server put in front of it (Return-Path, Received)."""
    lines = stored.split(b"\n")
    at = 0
    while at < len(lines) and (lines[at].startswith((b"Return-Path:", b"X-Original-To:",
                                                     b"Delivered-To:"))
                               or b"(Postern)" in b"".join(lines[at:at + 2])
                               or lines[at][:1] in (b"\t", b" ")):
        at += 1
    return b"\n".join(lines[at:])
