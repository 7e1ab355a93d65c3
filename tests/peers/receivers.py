#!/usr/bin/env python3
"""Postern sends to other people's mail servers: receivers.py POSTERN [PART...]

  to_exim, to_postfix, to_opensmtpd
        a message to somebody and to nobody there, over STARTTLS; one that is too large. Who is there gets
        what was sent, whole; the sender is told of the other, and of the size.
  smart_postfix
        Postfix with Dovecot's logins as a smart host: SCRAM-SHA-256, PLAIN where it offers that alone and for a user
        whose password it keeps as another hash, and no such user
  smtp_sinks
        Postfix's smtp-sink, well and ill behaved: refusing, hanging up, saying 421, slow, old. What it takes goes once;
        what it refuses for good is told of; all else is tried again

They are Debian's packages, unpacked below build/peers and never installed (see run.py). A part whose program cannot
be had is left out; when all are, the exit status is 77: skipped."""
import email
import re
import shutil
import subprocess
import sys

from run import POSTFIX, TIMEOUT, Jail, postfix_home, require, unpack, WORK  # first: it knows where tests/lib is
import nsd
import parts
import socket
from parts import Missing
from server import Failed, certificate_files, peer_address, wait_until

BODY = ".a dot\r\n\r\n.\r\n" + "".join(f"line {n} of what was sent\r\n" for n in range(200))
SIZE = 20000  # the most that they take


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Sender:
    """Postern, with a relay client and a user who is told what becomes of it."""

    def __init__(self, make, domain, tls=True, prepare=None, zone=()):
        self.tls = tls
        self.host, self.port, self.domain = peer_address(), free_port(), domain
        self.server = make(listeners=["relay"], settings=[
            f"delivery.smtp-port = {self.port}", 'queue.retry = {"1 s"}', 'delivery.rest-time = "1 s"',
            'dns.timeout = "5 s"', "checks.rcpt-domain = off"])
        self.home = self.server.dir / "peer"
        (self.home / "log").mkdir(parents=True)
        self.certificate, self.key = certificate_files(self.home, name=f"mx.{domain}")
        self.key.chmod(0o644)
        self.dns = nsd.Nsd(self.server.dir / "nsd", self.server.host,
                           [f"{domain}. MX 10 mx.{domain}.", f"mx.{domain}. A {self.host}", *zone])
        if prepare:
            prepare(self)
        self.server.add_users("ann@here.test")
        self.server.run("relay", "add", "acme", "--network", "127.0.0.0/8", "--domain", "acme.test")
        self.server.start()

    def send(self, *rcpts, body=BODY):
        c = self.server.connect("relay")
        c.expect(220)
        c.do("EHLO mail.acme.test", 250)
        message = f"From: ann@here.test\r\nMessage-ID: <1@here.test>\r\nSubject: to {self.domain}\r\n\r\n{body}"
        c.message(message.encode(), *rcpts, sender="ann@here.test")
        c.do("QUIT", 221)

    def told(self, number, rcpt):
        """What that one of so many notifications says that names the recipient: its fields, and the text."""
        octets = self.server.messages("ann@here.test", number)
        named = [o for o in octets if f"Final-Recipient: rfc822; {rcpt}\n".encode() in o]
        require(f"{rcpt} is named in {len(named)}: {octets}", len(named) == 1)
        report = email.message_from_bytes(named[0])
        require(f"no report: {octets}", report.get_content_type() == "multipart/report")
        return report.get_payload()[1].as_string(), report.get_payload()[0].get_payload(decode=True).decode()

    def play(self, jail, script, stored):
        """stored() is what the peer keeps of messages, as octets with LF."""
        jail.start(script)
        try:
            def listens():
                try:
                    with socket.create_connection((self.host, self.port), 1) as probe:
                        return probe.recv(3) == b"220"
                except OSError:
                    return False
            wait_until("the peer does not listen", listens, 2 * TIMEOUT)
            self.check(stored)
        except Failed as failed:
            raise Failed(f"{failed}\n--- the peer says\n{jail.said()}") from None
        finally:
            jail.stop()
            self.dns.stop()

    def check(self, stored):
        self.send(f"bob@{self.domain}", f"nobody@{self.domain}")
        want = BODY.replace("\r\n", "\n").encode()
        wait_until(lambda: f"not what was sent: {stored()[:2000]}", lambda: want in stored())
        fields, text = self.told(1, f"nobody@{self.domain}")
        require(f"who is named: {fields}", "bob@" not in fields)
        require(f"how: {fields}", re.search(r"Status: 5\.\d\.\d", fields) and "Diagnostic-Code: smtp; 55" in fields)
        require(f"by whom: {text}", f"mx.{self.domain}" in text)
        log = self.server.log()
        require("delivered", re.search(rf"event=delivered .*to=bob@{self.domain} .*where=mx\.{self.domain}\[", log))
        if self.tls:
            require("over TLS", b"ESMTPS" in stored() or b"TLS" in stored())
        self.send(f"bob@{self.domain}", body=BODY + "much more\r\n" * SIZE)
        fields, text = self.told(2, f"bob@{self.domain}")
        require(f"too large: {fields}", "5.3.4" in fields)
        self.server.settle()


def octets_below(path):
    """All files there, dots of the wire and line ends of whatever kind undone."""
    texts = [file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()] if path.exists() else []
    return b"".join(texts).replace(b"\r\n", b"\n")


def to_exim(make):
    root = unpack("exim4-daemon-light", "libidn12")
    s = Sender(make, "exim.test")
    (s.home / "spool").mkdir()
    config = s.home / "exim.conf"
    config.write_text(f"""
exim_path = {root}/usr/sbin/exim4
spool_directory = {s.home}/spool
log_file_path = {s.home}/log/%slog
pid_file_path = {s.home}/pid
primary_hostname = mx.exim.test
keep_environment =
local_interfaces = {s.host}
daemon_smtp_ports = {s.port}
tls_advertise_hosts = *
tls_certificate = {s.certificate}
tls_privatekey = {s.key}
message_size_limit = {SIZE}
queue_only = true
acl_smtp_rcpt = recipients
acl_smtp_data = accept
begin acl
recipients:
  accept domains = exim.test
         local_parts = bob
  deny message = there is no such person
""")
    jail = Jail(s.home, {"Debian-exim": 30011}, {"LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu"})
    s.play(jail, f"""chown -R Debian-exim {s.home}/spool {s.home}/log
        {root}/usr/sbin/exim4 -C {config} -bdf -v &""", lambda: octets_below(s.home / "spool/input"))


def to_postfix(make):
    root = unpack(*POSTFIX)
    s = Sender(make, "postfix.test")
    home = s.home / "postfix"
    home.mkdir()
    jail = postfix_home(root, home, f"""
myhostname = mx.postfix.test
message_size_limit = {SIZE}
virtual_mailbox_domains = postfix.test
virtual_mailbox_maps = inline:{{ bob@postfix.test=bob/ }}
virtual_mailbox_base = {home}/mail
virtual_uid_maps = static:30004
virtual_gid_maps = static:30004
smtpd_tls_cert_file = {s.certificate}
smtpd_tls_key_file = {s.key}
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
""")
    master = home / "etc/master.cf"
    master.write_text(f"{s.host}:{s.port} inet n - n - - smtpd\n" + master.read_text())
    s.play(jail, f"""chown postfix {home}/data; mkdir {home}/mail; chown 30004 {home}/mail
        {root}/usr/sbin/postfix start""", lambda: octets_below(home / "mail/bob/new"))


def smart_postfix(make):
    root = unpack(*POSTFIX)
    if shutil.which("dovecot") is None or shutil.which("doveadm") is None:
        raise Missing("Dovecot is not installed")
    users = {"both": "ann@acme.test", "plain": "bob@acme.test", "hash": "eve@acme.test", "none": "zoe@acme.test"}
    port = free_port()  # where PLAIN alone is offered

    def prepare(s):
        """To the domain "both.test" by way of the smart host "both", with its login; and so on."""
        s.server.dir.chmod(0o755)
        (s.server.dir / "secret").write_text("sesam-open\n")
        (s.server.dir / "secret").chmod(0o600)
        lines = [f"host {name} mx.{s.domain} {port if name == 'plain' else s.port} verify login {user} {s.server.dir}/secret"
                 f"{' scram' if name == 'both' else ''}\nvia {name} domain {name}.test" for name, user in users.items()]
        (s.server.dir / "smart").write_text("\n".join(lines) + "\n")
        s.server.settings += [f'delivery.smart-hosts = "{s.server.dir}/smart"', f'delivery.tls-ca = "{s.certificate}"']

    s = Sender(make, "smart.test", prepare=prepare)
    home = s.home / "postfix"
    home.mkdir()
    jail = postfix_home(root, home, f"""
myhostname = mx.smart.test
virtual_mailbox_domains = both.test, plain.test, hash.test, none.test
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {home}/mail
virtual_uid_maps = static:30004
virtual_gid_maps = static:30004
smtpd_tls_cert_file = {s.certificate}
smtpd_tls_key_file = {s.key}
smtpd_tls_security_level = encrypt
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {home}/auth
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
""")
    master = home / "etc/master.cf"
    master.write_text(f"{s.host}:{s.port} inet n - n - - smtpd\n{s.host}:{port} inet n - n - - smtpd\n"
                      "  -o smtpd_sasl_mechanism_filter=plain\n" + master.read_text())
    hashed = subprocess.run(["doveadm", "pw", "-s", "SHA512-CRYPT", "-p", "sesam-open"], capture_output=True, text=True,
                            check=True, timeout=TIMEOUT).stdout.strip()
    (home / "users").write_text(f"{users['both']}:{{PLAIN}}sesam-open\n{users['plain']}:{{PLAIN}}sesam-open\n"
                                f"{users['hash']}:{hashed}\n")
    (home / "dovecot.conf").write_text(f"""
base_dir = {home}/dovecot
state_dir = {home}/dovecot-state
log_path = {home}/log/dovecot
protocols =
ssl = no
auth_mechanisms = plain scram-sha-256
auth_verbose = yes
passdb {{
  driver = passwd-file
  args = {home}/users
}}
userdb {{
  driver = static
  args = uid=30004 gid=30004 home=/nonexistent
}}
service auth {{
  unix_listener {home}/auth {{
    mode = 0666
  }}
}}
""")

    def logins():
        """(mechanism, user) of all that Postfix took, in order."""
        text = "".join(path.read_text(errors="replace") for path in (home / "log").glob("maillog"))
        return re.findall(r"sasl_method=([A-Z0-9-]+), sasl_username=(\S+)", text)

    def sent():
        for name in ("both", "plain", "hash"):
            s.send(f"x@{name}.test", body=f"by way of {name}\r\n")
            wait_until(lambda: f"{s.server.log()}", lambda: f"by way of {name}".encode() in octets_below(home / "mail"))
        s.send("y@hash.test", body="once more\r\n")
        wait_until(lambda: f"{s.server.log()}", lambda: b"once more" in octets_below(home / "mail"))
        require(f"how: {logins()}", {("SCRAM-SHA-256", users["both"]), ("PLAIN", users["plain"]), ("PLAIN", users["hash"])}
                == set(logins()))
        s.send("x@none.test")
        wait_until(lambda: s.server.log(), lambda: re.search(r"event=deferred .*to=x@none.test .*535 5\.7\.8", s.server.log()))
    s.check = lambda stored: sent()
    s.play(jail, f"""chown postfix {home}/data; mkdir {home}/mail; chown 30004 {home}/mail; chmod 755 {s.home} {home}
        dovecot -c {home}/dovecot.conf
        {root}/usr/sbin/postfix start""", lambda: b"")


SINKS = {  # name: smtp-sink's options, and what becomes of a message
    "good": ("", "delivered"),
    "old": ("-e -p -8", "delivered"),  # HELO only, one command at a time, seven bits
    "late": ("-w 2 -W .:2", "delivered"),
    "window": ("-T 600", "delivered"),  # takes a few octets at a time
    "soft": ("-r RCPT", r'deferred .*reply="450 4\.3\.0'),
    "softend": ("-r .", r'deferred .*reply="450 4\.3\.0'),
    "hard": ("-f RCPT", r'failed .*reply="500 5\.3\.0'),
    "hardend": ("-f .", r'failed .*reply="500 5\.3\.0'),
    "aborts": ("-A 1", 'failed .*reply="550 This'),  # says so behind DATA, and hangs up
    "drops": ("-q MAIL", r"deferred .*4\.4\.2 .*class=connection-failure"),
    "dropsend": ("-q .", r"deferred .*4\.4\.2 .*class=connection-failure"),
    "away": ("-Q RCPT", 'deferred .*reply="421 '),
}


def smtp_sinks(make):
    root = unpack(*POSTFIX)
    hosts = {name: peer_address() for name in SINKS}
    s = Sender(make, "sink.test", zone=[line for name, host in hosts.items() for line in (
        f"{name}.test. MX 10 mx.{name}.test.", f"mx.{name}.test. A {host}")])
    dumps = {name: s.home / name for name in SINKS}
    hosts["sink"] = s.host
    dumps["sink"] = s.home / "sink"
    command = f"{root}/usr/sbin/smtp-sink -u postfix"
    for path in dumps.values():
        path.mkdir()
    script = "\n".join(f"{command} {SINKS.get(name, ('',))[0]} -d {dumps[name]}/m. {host}:{s.port} 64 &"
                       for name, host in hosts.items())

    def sent():
        for name, (_, outcome) in SINKS.items():
            s.send(f"x@{name}.test")
        for name, (_, outcome) in SINKS.items():
            wait_until(lambda: f"{name}: {s.server.log()}",
                       lambda: re.search(rf"event={outcome}", "\n".join(
                           line for line in s.server.log().splitlines() if f" to=x@{name}.test " in line)))
        want = BODY.replace("\r\n", "\n").encode()
        for name, (_, outcome) in SINKS.items():
            if outcome == "delivered":
                require(f"{name} has it {octets_below(dumps[name]).count(want)} times", octets_below(dumps[name]).count(want) == 1)
        failed = [name for name, (_, outcome) in SINKS.items() if outcome.startswith("failed")]
        for name in failed:
            fields, _ = s.told(len(failed), f"x@{name}.test")
            require(f"how: {fields}", "Action: failed" in fields and "Diagnostic-Code: smtp; 5" in fields)
        for name, (_, outcome) in SINKS.items():
            if outcome.startswith("deferred"):
                wait_until(lambda: f"{name} is not tried again", lambda: len(re.findall(
                    rf"event=deferred .*to=x@{name}.test ", s.server.log())) > 1)
    s.check = lambda stored: sent()
    s.play(Jail(s.home, {"postfix": 30002, "postdrop": 30003}, {"LD_LIBRARY_PATH": f"{root}/usr/lib/postfix"}),
           f"chown postfix {' '.join(map(str, dumps.values()))}; chmod 755 {s.home} {s.server.dir}\n" + script, lambda: b"")


def to_opensmtpd(make):
    root = unpack("opensmtpd")
    # Debian 12's 6.8.0p2 cannot serve TLS: its key process is reached through methods of RSA and EC keys that OpenSSL 3
    # does not call, so each handshake ends with "missing private key", of whatever client, with TLS 1.2 and 1.3, RSA and
    # ECDSA keys alike. So the mail goes in clear.
    s = Sender(make, "opensmtpd.test", tls=False)
    spool = s.home / "var"
    config = s.home / "smtpd.conf"
    config.write_text(f"""
pki mx.opensmtpd.test cert "{s.certificate}"
pki mx.opensmtpd.test key "{s.key}"
smtp max-message-size "{SIZE}"
listen on {s.host} port {s.port} tls pki mx.opensmtpd.test hostname mx.opensmtpd.test
action "keep" relay host smtp://127.255.255.250:9
match from any for rcpt-to "bob@opensmtpd.test" action "keep"
""")
    jail = Jail(s.home, {"opensmtpd": 30021, "opensmtpq": 30022}, {})
    # Its places are compiled in: the jail has others there.
    s.play(jail, f"""mkdir -p {spool}/spool/smtpd {spool}/lib/opensmtpd/empty {spool}/run {spool}/libexec
        chmod 711 {spool} {spool}/spool {spool}/spool/smtpd; chmod 600 {s.key}
        chown root {s.key} {s.certificate}
        mount --bind {spool}/spool /var/spool; mount --bind {spool}/lib /var/lib; mount --bind {spool}/run /run
        chmod 755 {s.home} {s.server.dir}
        {root}/usr/sbin/smtpd -d -f {config} &""", lambda: octets_below(spool / "spool/smtpd"))


PARTS = (to_exim, to_postfix, to_opensmtpd, smart_postfix, smtp_sinks)


def main():
    WORK.mkdir(exist_ok=True)
    return parts.run(sys.argv[1], PARTS, sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
