#!/usr/bin/env python3
"""Plays a scenario against a real server over real sockets; README.md here tells the format.

run.py POSTERN FILE.scn [--profile gmail|iana] [--keep]

Each scenario is played twice, with reply-profile gmail and iana, each time with a server of its
own, in a directory of its own, on loopback addresses of its own. Whatever the server says is
compared with the catalogue: a reply that is no row of it fails the scenario. Exit 0, or 1 with
what was expected and the whole conversation.
"""
import argparse
import base64
import concurrent.futures
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import catalogue  # noqa: E402
import dkim  # noqa: E402
import nsd  # noqa: E402
import pack  # noqa: E402
import rspamd  # noqa: E402
import sasl  # noqa: E402
from server import PORTS, SKIPPED, Failed, Server, peer_address, wait_until  # noqa: E402


class Play:
    """A scenario in one profile."""

    def __init__(self, postern, path, profile, keep):
        self.path = path
        self.rows = catalogue.read_catalogue(profile)
        self.server = Server(postern, profile, listeners=[], settings=[], keep=keep)
        self.started = False
        self.listeners, self.setup, self.zone, self.broken = [], [], [], []
        self.dns = None
        self.rspamd = self.rspamd_wanted = None
        self.peer = None
        self.connections = {}
        self.now = None  # the connection that C: and S: speak of
        self.last_session = None
        self.story = []
        self.seen_row = path.stem not in self.rows  # a file named after no row is about several
        self.kept_reply = None  # read ahead by `auth`
        self.app_passwords = {}

    # --- the server ---

    def start(self):
        self.started = True
        server = self.server
        server.listeners = self.listeners or ["mx"]
        if self.zone or self.broken:
            self.dns = nsd.Nsd(server.dir / "nsd", server.host, self.zone, self.broken)
            server.settings.insert(0, f'dns.forward = {{"{server.host}@{nsd.PORT}"}}')
            server.settings.insert(0, 'dns.timeout = "8 s"')
        if self.rspamd_wanted is not None:
            server.settings.append(f'rspamd.server = "{server.host}:{rspamd.PORT}"')
            self.rspamd = (rspamd.Rspamd(server.dir / "rspamd", server.host)
                           if self.rspamd_wanted == "real"
                           else rspamd.StandIn(server.host, self.rspamd_wanted))
        server.run("domain", "add", "example.test")
        for words in self.setup:
            self.set_up(words)
        server.start()

    def set_up(self, words):
        """A line of the set-up that is a postern command, or one of ours."""
        if words[0] == "used":
            self.set_used(words[1], words[2])
        elif words[0] == "age":
            self.set_age(words[1], words[2])
        else:
            password = next((w[9:] for w in words if w.startswith("password=")), None)
            if password is not None:
                words = [w for w in words if not w.startswith("password=")] + ["--password-stdin"]
                password += "\n"
            elif words[:2] == ["user", "add"] and "--generate" not in words:
                words = [*words, "--generate"]
            out = self.server.run(*words, stdin=password)
            if words[:3] == ["user", "app-password", "add"]:
                self.app_passwords[words[4]] = out.split("password ", 1)[1].split()[0]

    def set_used(self, address, octets):
        """Says in the Maildir++ quota file that so much is stored, and stores so much."""
        maildir = self.server.maildir(address)
        for sub in ("tmp", "new", "cur"):
            (maildir / sub).mkdir(parents=True, exist_ok=True)
        (maildir / "cur" / f"1.{octets}.host,S={octets}:2,S").write_bytes(b"x" * int(octets))
        for old in (maildir / "cur").glob("1.*"):
            if f",S={octets}:" not in old.name:
                old.unlink()
        quota = maildir / "maildirsize"
        first = quota.read_text().splitlines()[0] if quota.exists() else self.quota_of(address)
        quota.write_text(f"{first}\n{octets} 1\n")
        mail = self.server.state / "mail"
        for path in [mail, *mail.rglob("*")]:
            shutil.chown(path, *owner_of(self.server.state / "directory"))

    def quota_of(self, address):
        for words in self.setup:
            if words[:3] == ["user", "add", address] and "--quota" in words:
                return words[words.index("--quota") + 1] + "S"
        return "0S"

    def set_age(self, address, date):
        when = time.mktime(time.strptime(date, "%Y-%m-%d"))
        for sub in ("cur", "new"):
            os.utime(self.server.maildir(address) / sub, (when, when))

    def stop(self):
        for connection in self.connections.values():
            connection.close()
        if self.peer is not None:
            self.peer.close()
        try:
            self.server.stop()
        finally:
            for peer in (self.dns, self.rspamd):
                if peer is not None:
                    peer.stop()

    # --- the lines of a scenario ---

    def play(self):
        lines = self.path.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            if line.strip() == "unsanitized":
                if b"__asan_init" in pathlib.Path(self.server.postern).read_bytes():
                    break
                continue
            try:
                self.do(line)
            except Failed as failed:
                raise Failed(f"{self.path.name}:{number}: {line}\n  {failed}") from None
        if not self.seen_row:
            raise Failed(f"{self.path.name}: no line 'R: {self.path.stem}'")

    def do(self, line):
        word, _, rest = line.partition(" ")
        action = getattr(self, "do_" + word.rstrip(":>").lower().replace("-", "_") + ("_raw" if word == "C>" else ""),
                         None)
        if action is None:
            raise Failed(f"no such line: {word}")
        action(rest)

    def do_set(self, rest):
        self.before_start()
        self.server.settings.append(rest)

    def do_listen(self, rest):
        self.before_start()
        self.listeners.append(rest)

    def do_domain(self, rest):
        self.command("domain " + rest)

    def do_user(self, rest):
        self.command("user " + rest)

    def do_alias(self, rest):
        self.command("alias " + rest)

    def do_relay(self, rest):
        self.command("relay " + rest)

    def do_push(self, rest):
        self.command("push " + rest)

    def do_suppress(self, rest):
        self.command("suppress " + rest)

    def do_rule(self, rest):
        self.command("rule " + rest)

    def do_trap(self, rest):
        self.command("trap " + rest)

    def do_queue(self, rest):
        self.command("queue " + rest)

    def do_used(self, rest):
        self.command("used " + rest)

    def do_age(self, rest):
        self.command("age " + rest)

    def do_zone(self, rest):
        """zone: NAME. TYPE DATA: a record, with its full name; the first one starts an NSD"""
        self.before_start()
        peer = self.peer.getsockname()[0] if self.peer else ""
        self.zone.append(rest.replace("{dkim}", dkim.record()).replace("{peer}", peer))

    def do_servfail(self, rest):
        """servfail NAME: the DNS answers SERVFAIL for that name and all below"""
        self.before_start()
        self.broken.append(rest.strip())

    def do_rspamd(self, rest):
        """rspamd: the real one; rspamd says ACTION [SCORE [MESSAGE]], rspamd silent: a stand-in"""
        words = shlex.split(rest)
        if not words:
            self.before_start()
            self.rspamd_wanted = "real"
            return
        answer = b"" if words == ["silent"] else {
            "action": words[1], "score": float(words[2]) if len(words) > 2 else 0.0, "required_score": 15.0,
            "symbols": {"STAND_IN": {"score": 1.5}}, "messages": {"smtp_message": " ".join(words[3:])}}
        if self.started:
            self.rspamd.answer = answer
        else:
            self.rspamd_wanted = answer

    def before_start(self):
        if self.started:
            raise Failed("this line must stand before the first connection")

    def command(self, line):
        words = shlex.split(line)
        if not self.started:
            self.setup.append(words)
        else:
            self.set_up(words)

    def do_connect(self, rest):
        """connect [mx|submission|submissions|relay|push] [from=127.0.0.9] [as=NAME]"""
        if not self.started:
            self.start()
        words = rest.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        listener = next((word for word in words if "=" not in word), "mx")
        name = options.get("as", "")
        if name in self.connections:
            self.connections[name].close()
        self.now = self.server.connect(listener, options.get("from"), self.story.append)
        self.connections[name] = self.now

    def next_reply(self):
        """The reply that is due, which must be a row; a closed connection fails."""
        reply = self.kept_reply or self.now.reply()
        kept, self.kept_reply = self.kept_reply, None
        if reply is None:
            raise Failed("the connection was closed")
        if not kept and not any(row.matches(reply) for row in self.rows.values()):
            raise Failed(f"this reply is no row of the catalogue: {reply}")
        self.last_session = reply.session() or self.last_session
        return reply

    def do_use(self, rest):
        self.now = self.connections[rest.strip()]

    def do_hello(self, rest):
        """connect, read the greeting, EHLO"""
        self.do_connect(rest)
        self.do_s("220")
        self.do_c("EHLO client.example")
        self.do_s("250")

    def do_auth(self, rest):
        """auth MECHANISM USER PASSWORD: the exchange, up to its outcome; {NAME} in PASSWORD is the
        application password of that name"""
        mechanism, user, password = shlex.split(rest)
        password = password.format(**self.app_passwords)
        self.kept_reply = sasl.log_in(self.next_reply, self.do_c, mechanism, user, password)

    def do_c(self, rest):
        self.now.send(rest.encode("utf-8") + b"\r\n")

    def do_c_raw(self, rest):
        self.now.send(rest.encode("latin-1").decode("unicode_escape").encode("latin-1"))

    def do_repeat(self, rest):
        """repeat N LINE: the line N times; in it, %d is the count from 1"""
        count, line = rest.split(" ", 1)
        for i in range(int(count)):
            self.do(line.replace("%d", str(i + 1)))

    def do_transaction(self, rest):
        """transaction [ADDRESS] [from=ADDRESS] [PARAMETER...]: MAIL, RCPT, DATA, up to 354"""
        sender, rcpt, parameters = "ann@client.example", "alice@example.test", ""
        for word in rest.split():
            if word.startswith("from="):
                sender = word[5:]
            elif "@" in word:
                rcpt = word
            else:
                parameters += " " + word
        for line, code in ((f"MAIL FROM:<{sender}>{parameters}", "250"), (f"RCPT TO:<{rcpt}>", "250"),
                           ("DATA", "354")):
            self.do_c(line)
            self.do_s(code)

    def do_mails(self, rest):
        """mails N [ADDRESS] [from=ADDRESS] [PARAMETER...]: so many whole messages, all accepted"""
        count, _, rest = rest.partition(" ")
        for _ in range(int(count)):
            self.do_transaction(rest)
            self.do_body("")
            self.do_s("250")

    def do_pack(self, rest):
        """pack DESCRIPTION: an archive in base64 (tests/lib/pack.py)"""
        self.now.send(base64.encodebytes(pack.pack(rest)).replace(b"\n", b"\r\n"))

    def do_body(self, rest):
        """body [size=N] [received=N] [from=ADDRESS] [field="NAME: VALUE" ...] [seal=DOMAIN]
        [sealed=RESULTS] [sign=DOMAIN ...] [changed]: a message after 354, with its final dot"""
        words = shlex.split(rest)
        options = dict(word.split("=", 1) for word in words if "=" in word)
        author = options.get("from", "ann@client.example")
        head = "".join(f"Received: from a by b; id {i}\r\n"
                       for i in range(int(options.get("received", 0))))
        head += "".join(word[6:] + "\r\n" for word in words if word.startswith("field="))
        head += f"From: {author}\r\nMessage-ID: <body@client.example>\r\nSubject: x\r\n"
        left = max(0, int(options.get("size", 100)) - len(head) - 2)
        lines = ("x" * 70 + "\r\n") * (left // 72) + "x" * (left % 72) + "\r\n"
        if "seal" in options:
            head = dkim.seal(head, lines, options["seal"], options.get("sealed", "none"))
        for word in words:
            if word.startswith("sign="):
                head = dkim.sign(head, lines, word[5:])
        if "changed" in words:
            lines = "changed on the way\r\n" + lines
        self.now.send((head + "\r\n" + lines + ".\r\n").encode())

    def do_s(self, rest):
        """S: 250 [words that must stand in it]"""
        reply = self.next_reply()
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
        reply = self.next_reply()
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
        reply = self.now.reply()
        if reply is not None:
            raise Failed(f"expected the connection to be closed, got {reply}")
        self.now.close()  # or the server would wait for us to do so

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
        if self.now is not None:
            self.now.close()  # the story is told when the session has ended
        told = ""

        def has_words():
            nonlocal told
            told = self.server.run("why", self.last_session, status=None)
            return all(word in told for word in words)

        wait_until(lambda: f"why {self.last_session} does not say {words}:\n{told}", has_words,
                   seconds=8)

    def do_mail(self, rest):
        """mail: ADDRESS N [words]: so many messages lie in the Maildir, the words in each"""
        address, count, *words = shlex.split(rest)
        self.server.settle()
        for octets in self.server.messages(address, int(count)):
            self.check_words(words, octets.decode("latin-1"))

    def do_mail_not(self, rest):
        """mail-not: ADDRESS words: that stand in no message"""
        address, *words = shlex.split(rest)
        for path in self.server.files(address):
            for word in words:
                if word in path.read_bytes().decode("latin-1"):
                    raise Failed(f"'{word}' stands in {path.name}")

    def do_junk(self, rest):
        """junk: ADDRESS N [words]: the same of the folder Junk"""
        address, count, *words = shlex.split(rest)
        self.server.settle()
        files = list((self.server.maildir(address) / ".Junk" / "new").glob("*"))
        if len(files) != int(count):
            raise Failed(f"{len(files)} messages lie in the folder Junk")
        for path in files:
            self.check_words(words, path.read_bytes().decode("latin-1"))

    def do_break(self, rest):
        """break FILE: garbage in a file below state"""
        path = self.server.state / rest.strip()
        if not path.exists():
            raise Failed(f"there is no {path}")
        for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            if name.exists():
                with open(name, "r+b") as file:
                    file.write(b"no database" * (name.stat().st_size // 11 + 1))

    def do_peer(self, rest):
        """peer closes | peer says TEXT: another server, whose address is {peer}, that hangs up as soon as
        somebody comes, with that greeting"""
        self.before_start()
        verb, _, greeting = rest.partition(" ")
        if verb not in ("closes", "says"):
            raise Failed(f"peer closes | peer says TEXT, not: peer {rest}")
        self.peer = socket.create_server((peer_address(), PORTS["mx"]))

        def hang_up():
            while True:
                try:
                    with self.peer.accept()[0] as client:
                        if greeting:
                            client.sendall(greeting.encode() + b"\r\n")
                            client.recv(1000)  # what is not read would reset the connection
                except OSError:
                    return
        threading.Thread(target=hang_up, daemon=True).start()
        self.server.settings.append(f"delivery.smtp-port = {PORTS['mx']}")

    def do_q(self, rest):
        """Q: row-id [words]: what the queue hears of a delivery, after the message was accepted"""
        name, *words = shlex.split(rest)
        row = self.rows[name]
        replies = []

        def heard():
            replies[:] = re.findall(r'role=delivery/0 event=(?:failed|deferred) .*reply="([^"]*)"', self.server.log())
            return any(row.matches(catalogue.Reply([text])) and all(word in text for word in words)
                       for text in replies)

        wait_until(lambda: f"no delivery ended in {row.code} of {name}, but in {replies}", heard)
        self.seen_row |= name == self.path.stem

    def do_restart(self, rest):
        """restart: the server ends, and another one begins"""
        for connection in self.connections.values():
            connection.close()
        self.connections = {}
        self.server.end_process()
        self.server.start()

    def do_kill(self, rest):
        """kill ROLE: that process is killed, and comes back"""
        role = rest.strip()
        pid = self.server.pid_of(role)
        self.server.excused.append(rf"event=role-ended process={role}|event=role-ended.*pid={pid}")
        os.kill(pid, signal.SIGKILL)
        wait_until(f"{role} does not come back", lambda: self.server.pid_of(role) != pid)

    def do_shows(self, rest):
        """shows 'COMMAND': words that the postern command must print"""
        command, *words = shlex.split(rest)
        self.check_words(words, re.sub(" +", " ", self.server.run(*command.split())))

    def do_log(self, rest):
        """log: words that one line of the server's log must hold"""
        words = shlex.split(rest)
        wait_until(f"no line of the log holds {words}", lambda: any(
            all(word in line for word in words) for line in self.server.log().splitlines()))


def owner_of(path):
    status = path.stat()
    return status.st_uid, status.st_gid


def needs_nsd(path):
    return any(line.startswith(("zone:", "servfail ")) for line in path.read_text().splitlines())


def needs_rspamd(path):
    return any(line.strip() == "rspamd" for line in path.read_text().splitlines())


def play_one(options, profile):
    """The report of a failure; empty when all went well."""
    play = Play(options.postern, options.file, profile, options.keep)
    failure = None
    try:
        play.play()
    except (Failed, nsd.NsdFailed, rspamd.RspamdFailed, catalogue.NotARow) as failed:
        failure = failed
    except OSError as error:
        failure = f"{type(error).__name__}: {error}"
    log = play.server.log()
    try:
        play.stop()
    except Failed as failed:
        failure = failure or failed
    if options.keep:
        print(f"[{profile}] its directory: {play.server.dir}")
    if failure is None:
        return ""
    return "\n".join([f"[{profile}] {failure}", "--- conversation",
                      *("  " + line for line in play.story[-60:]), "--- log",
                      *("  " + line for line in log.splitlines()[-40:])])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("postern")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--profile", choices=["gmail", "iana"])
    parser.add_argument("--keep", action="store_true", help="leave the directory")
    options = parser.parse_args()
    if needs_nsd(options.file) and nsd.program() is None:
        print("NSD is not installed: this scenario needs its DNS")
        return SKIPPED
    if needs_rspamd(options.file) and rspamd.root() is None:
        print("rspamd is neither installed nor unpacked by ./dev test")
        return SKIPPED
    profiles = [options.profile] if options.profile else ["gmail", "iana"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        reports = pool.map(lambda profile: play_one(options, profile), profiles)
        text = "\n".join(report for report in reports if report)
    if text:
        print(text)
    return 1 if text else 0


if __name__ == "__main__":
    sys.exit(main())
