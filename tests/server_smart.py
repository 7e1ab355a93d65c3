#!/usr/bin/env python3
"""Smart hosts: by domain, account and default, with a login over TLS to a second server of ours; what keeps us from one is
deferred with its cause, and no password lies about.

server_smart.py POSTERN
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import parts  # noqa: E402
from server import PORTS, Server, certificate_files, wait_until  # noqa: E402
from server_remote import Play, check  # noqa: E402

HASH = "$y$j9T$abcdefghijkl$NTeTwn7GDTJy5S19.5x.DUxsb0CYxGaP1XwlAlUovf8"
PASSWORD = "sesam-open"
WRONG = "not-the-right-one"


class Smart(Play):
    """And a provider, on which ann@acme.test may submit mail; bob@example.test is a user there."""

    def __init__(self, postern, lines, **secrets):
        super().__init__(postern)
        self.provider = Server(postern, listeners=["submission", "submissions", "mx"])
        self.provider.run("domain", "add", "acme.test")
        self.provider.run("user", "add", "ann@acme.test", "--password-hash", HASH)
        self.provider.add_users("bob@example.test")
        self.zone += [f"mx.example.test. A {self.provider.host}", f"other.test. A {self.provider.host}",
                      "example.test. MX 10 nowhere.example.test.", "nowhere.example.test. A 127.1.1.1"]
        directory = self.server.dir
        directory.chmod(0o755)
        for name, (text, mode) in secrets.items():
            (directory / name).write_text(text)
            (directory / name).chmod(mode)
        (directory / "smart").write_text(lines.format(d=directory, host=self.provider.host,
                                                      submission=PORTS["submission"], submissions=PORTS["submissions"]))
        certificate, _ = certificate_files(self.provider.dir)
        self.server.settings += [f'delivery.smart-hosts = "{directory}/smart"', f'delivery.tls-ca = "{certificate}"']

    def start(self):
        self.provider.start()
        super().start()

    def stop(self):
        try:
            super().stop()
        finally:
            self.provider.stop()

    def hidden(self, *passwords):
        """In no file but those they were read from, in no process's arguments."""
        for directory in (self.server.dir, self.provider.dir):
            for path in directory.rglob("*"):
                if path.is_file() and not path.name.startswith("secret"):
                    octets = path.read_bytes()
                    for password in passwords:
                        check(password.encode() not in octets, f"{password} in {path}")
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes()
            except OSError:
                continue
            check(all(password.encode() not in line for password in passwords), f"in {path}: {line}")


def test_ways(postern):
    p = Smart(postern, """
host good mx.example.test {submission} verify login ann@acme.test {d}/secret-good
host first mx.example.test {submissions} implicit-verify login ann@acme.test {d}/secret-good
host plain {host} 2525 may
via direct domain direct.test
via first domain sub.example.test
via plain domain plain.test
via good default
""", **{"secret-good": (PASSWORD + "\n", 0o600)})
    direct = p.peer("direct.test")
    for domain in ("sub.example.test", "plain.test"):
        p.provider.add_users(f"bob@{domain}")
    p.start()
    try:
        p.send("bob@example.test")
        octets = p.provider.messages("bob@example.test", 1)[0]
        check(re.search(rb"with ESMTPSA", octets), f"not after a login over TLS: {octets[:500]}")
        p.logged(r"event=delivered .*to=bob@example.test .*where=mx.example.test\[")
        p.send("bob@sub.example.test")
        octets = p.provider.messages("bob@sub.example.test", 1)[0]
        check(re.search(rb"with ESMTPSA", octets), f"not after a login over TLS: {octets[:500]}")
        p.send("a@direct.test")
        wait_until("direct.test got nothing", lambda: direct.mails)
        p.send("bob@plain.test")
        octets = p.provider.messages("bob@plain.test", 1)[0]
        check(re.search(rb"with ESMTPS\s", octets), f"{octets[:500]}")
        for _ in range(3):  # over the connection that is there
            p.send("bob@example.test")
        p.provider.messages("bob@example.test", 4)
        p.server.settle()
        p.hidden(PASSWORD)
        # A site of that name can be paused.
        p.server.run("queue", "pause", "--site", "mx.example.test")
        p.send("bob@example.test")
        wait_until("not paused", lambda: p.queued() and p.queued()[0].get("paused") == "site mx.example.test")
    finally:
        p.stop()


def test_scram(postern):
    """SCRAM bound to the channel where the host has keys for it; where it has none, by PLAIN, unless SCRAM is demanded."""
    p = Smart(postern, """
host keys mx.example.test {submission} verify login ann@acme.test {d}/secret-made scram
host implicit mx.example.test {submissions} implicit-verify login ann@acme.test {d}/secret-made
host none mx.example.test {submission} verify login eve@acme.test {d}/secret-good
host must mx.example.test {submission} verify login eve@acme.test {d}/secret-good scram
via implicit domain other.test
via none domain none.test
via must domain must.test
via keys default
""", **{"secret-good": (PASSWORD, 0o600), "secret-made": ("", 0o600)})
    made = p.provider.run("user", "set", "ann@acme.test", "--generate").split()[-1].strip('."')
    (p.server.dir / "secret-made").write_text(made)
    p.provider.run("user", "add", "eve@acme.test", "--password-hash", HASH)
    p.provider.add_users("bob@other.test")
    p.start()
    try:
        for domain in ("example.test", "other.test"):
            p.send(f"bob@{domain}")
            octets = p.provider.messages(f"bob@{domain}", 1)[0]
            check(re.search(rb"with ESMTPSA", octets), f"not after a login over TLS: {octets[:500]}")
        p.send("bob@none.test")  # logged in, but as somebody else
        p.logged(r"event=failed .*to=bob@none.test .*550 5\.7\.0 The account eve@acme.test may not send as")
        p.send("bob@must.test")
        p.logged(r"event=deferred .*to=bob@must.test .*535 5\.7\.8")
        ways = re.findall(r"event=login outcome=\"?(\w+)\"? mechanism=(\S+) (?:account=(\S+))?", p.provider.log())
        check(set(ways) == {("ok", "SCRAM-SHA-256-PLUS", "ann@acme.test"), ("wrong", "SCRAM-SHA-256-PLUS", ""),
                            ("ok", "PLAIN", "eve@acme.test")}, f"{ways}")
        p.hidden(PASSWORD, made)
    finally:
        p.stop()


def test_faults(postern):
    """A wrong password, one that others may read, a certificate for another name, TLS that is not offered, no such host:
    deferred, each with its cause; nobody is suppressed for it."""
    p = Smart(postern, """
host wrong mx.example.test {submission} must login ann@acme.test {d}/secret-wrong
host open mx.example.test {submission} must login ann@acme.test {d}/secret-open
host name other.test {submission} verify login ann@acme.test {d}/secret-good
host gone gone.test {submission} must
host clear clear.test 2525 must
via wrong domain wrong.test
via open domain open.test
via name domain name.test
via gone domain gone.example
via clear domain clear.example
""", **{"secret-good": (PASSWORD, 0o600), "secret-wrong": (WRONG, 0o600), "secret-open": (PASSWORD, 0o644)})
    p.peer("clear.test")
    p.zone += [f"clear.test. A {p.peers[-1].host}"]
    p.server.settings = [s.replace('queue.retry = {"1 s"}', 'queue.retry = {"1 h"}') for s in p.server.settings]
    p.server.excused += ["event=smart-host"]
    p.start()
    try:
        for domain, words in (("wrong.test", r"535 5\.7\.8 .*mx.example.test\["),
                              ("open.test", r"451 4\.3\.5 the smart host open .*password cannot be had: others than its owner"),
                              ("name.test", r"451 4\.7\.5 the TLS handshake failed"),
                              ("gone.example", r"451 4\.4\.4 the smart host gone \(gone.test\): it has no address"),
                              ("clear.example", r"451 4\.7\.10 TLS is demanded")):
            p.send(f"a@{domain}")
            p.logged(rf"event=deferred .*to=a@{domain} .*{words}")
        check(len(p.queued()) == 5 and all(m["pending"] == 1 for m in p.queued()), f"{p.queued()}")
        check(p.server.run("suppress", "list", "--json").strip() in ("", "[]"), "somebody is suppressed")
        check(not p.peers[-1].mails, "sent in clear")
        p.hidden(WRONG, PASSWORD)
    finally:
        p.stop()


if __name__ == "__main__":
    sys.exit(parts.play_on_dns(test_ways, test_scram, test_faults))
