#!/usr/bin/env python3
"""TLS towards other servers, as policies demand it: MTA-STS from a real HTTPS server, DANE from signed
zones, REQUIRETLS, settings. What may not go in clear text is looked for at the peers.

server_tls.py POSTERN
"""
import http.server
import json
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import nsd  # noqa: E402
import parts  # noqa: E402
from server import SKIPPED, peer_address, wait_until  # noqa: E402
from server_remote import MESSAGE, Peer, Play, check  # noqa: E402

HTTPS = 8443
ENFORCE = "version: STSv1\r\nmode: enforce\r\nmx: {mx}\r\nmax_age: 86400\r\n"


class Authority:
    """An authority of the test's own, and certificates of it."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(exist_ok=True)
        self.file = self.dir / "ca.pem"
        self.made = 0
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", "2", "-subj", "/CN=authority of a test", "-keyout", "ca.key", "-out", "ca.pem")

    def run(self, *arguments):
        return subprocess.run(["openssl", *arguments], cwd=self.dir, check=True, capture_output=True)

    def issue(self, *names, days="2", own=False):
        """(certificate, key); own: signed by itself."""
        self.made += 1
        stem = f"c{self.made}"
        san = "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)
        self.run("req", *(["-x509", "-days", "2"] if own else []), "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-addext", san,
                 "-keyout", f"{stem}.key", "-out", f"{stem}.pem" if own else f"{stem}.csr")
        if not own:
            self.run("x509", "-req", "-in", f"{stem}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                     "-CAcreateserial", "-days", days, "-copy_extensions", "copy", "-out", f"{stem}.pem")
        return self.dir / f"{stem}.pem", self.dir / f"{stem}.key"

    def context(self, *names, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(*names, **options))
        return context

    def tlsa(self, certificate, usage=3):
        """Usage 3 or another, the key, SHA-256."""
        key = self.run("x509", "-in", str(certificate), "-noout", "-pubkey").stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key,
                             capture_output=True, check=True).stdout
        digest = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der,
                                capture_output=True, check=True).stdout.decode().split()[0]
        return f"{usage} 1 1 {digest}"


class Policies:
    """The servers of the policies: host "mta-sts.DOMAIN" -> (status, content type, text)."""

    def __init__(self, context):
        self.host = peer_address()
        self.files, self.asked = {}, []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.headers["Host"].split(":")[0]
                owner.asked.append(name)
                status, kind, text = owner.files.get(name, (404, "text/plain", ""))
                if self.path != "/.well-known/mta-sts.txt":
                    status = 404
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"https://mta-sts.good.test:{HTTPS}/.well-known/mta-sts.txt")
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer((self.host, HTTPS), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None  # who does not believe us goes
        # The handshake of one client must not keep the next from being accepted.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def said_in_clear(peer):
    """Did it get anything of a mail before TLS, or without it?"""
    for line in peer.heard:
        if line == "STARTTLS":
            return False
        if line.startswith("MAIL"):
            return True
    return False


class TlsPlay(Play):
    def __init__(self, postern):
        super().__init__(postern)
        self.ca = Authority(self.server.dir / "ca")
        self.names = []
        self.server.settings += [f'delivery.tls-ca = "{self.ca.file}"', f"delivery.mta-sts-port = {HTTPS}",
                                 'delivery.mta-sts-time = "3 s"', 'queue.retry = {"30 s"}']
        self.policies = None
        self.signed, self.anchors = [], self.server.dir / "anchors"

    def sts(self, domain, policy, kind="text/plain", status=200, host=None):
        """policy: its text; None: only the record."""
        if self.policies is None:
            self.policies = Policies(self.ca.context("*.test", "mta-sts.good.test", *self.policy_hosts))
        self.zone += [f'_mta-sts.{domain}. TXT "v=STSv1; id=1"', f"mta-sts.{domain}. A {host or self.policies.host}"]
        if policy is not None:
            self.policies.files[f"mta-sts.{domain}"] = (status, kind, policy.format(mx=f"mx.{domain}"))

    policy_hosts = [f"mta-sts.{name}.test" for name in (
        "enforce", "wrongname", "stranger", "notnamed", "plain", "second", "testing", "gone", "moved", "html",
        "huge", "later", "dane", "requiretls", "lacking", "expired")]

    def sign(self, name, lines):
        """A zone with signatures; its key goes into the anchors."""
        path = self.server.dir / name
        path.write_text("\n".join([f"$ORIGIN {name}.", "$TTL 60",
                                   f"@ SOA ns.{name}. hostmaster.{name}. 1 3600 600 8640000 60",
                                   f"@ NS ns.{name}.", "ns A 127.0.0.1", *lines]) + "\n")
        key = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name], cwd=self.server.dir,
                             capture_output=True, text=True, check=True).stdout.strip()
        subprocess.run(["ldns-signzone", "-n", "-o", name, "-f", f"{path}.signed", name, key],
                       cwd=self.server.dir, check=True)
        with open(self.anchors, "a", encoding="ascii") as file:
            file.write((self.server.dir / f"{key}.key").read_text())
        self.signed.append((name, f"{path}.signed"))

    def secure_peer(self, name, tlsa, more=(), **options):
        """Of a signed zone, with those TLSA records."""
        peer = Peer(**options)
        self.peers.append(peer)
        self.sign(name, [f"@ MX 10 mx.{name}.", f"mx A {peer.host}",
                         *(f"_2525._tcp.mx TLSA {record}" for record in tlsa), *more])
        return peer

    def start(self):
        if self.signed:
            self.server.settings.append(f'dns.trust-anchors = {{"{self.anchors}"}}')
        self.dns = nsd.Nsd(self.server.dir / "nsd", self.server.host, self.zone, zones=self.signed)
        self.server.run("relay", "add", "acme", "--network", "127.0.0.0/8", "--domain", "acme.test")
        self.server.start()

    def deferred(self, domain, words):
        self.send(f"a@{domain}")
        self.logged(rf"event=deferred .*to=a@{domain} .*{words}")

    def delivered(self, domain, peer):
        self.send(f"a@{domain}")
        wait_until(lambda: f"{domain} got nothing\n" + self.server.log()[-3000:], lambda: peer.mails)

    def require_tls(self, rcpt):
        """A mail with REQUIRETLS, which is taken under TLS alone."""
        c = self.server.connect("relay")
        c.hello()
        c.do("STARTTLS", 220)
        c.start_tls()
        c.do("EHLO client.example", 250)
        c.message(MESSAGE, rcpt, sender="ann@acme.test", parameters=" REQUIRETLS")

    def counted(self, domain, policy, result):
        """Sessions, as told by postern tlsrpt."""
        lines = [json.loads(line) for line in self.server.run("tlsrpt", domain, "--json").splitlines()]
        return sum(line["sessions"] for line in lines if (line["policy"], line["result"]) == (policy, result))

    def expect_counted(self, *what):
        wait_until(lambda: f"not counted: {what}\n" + self.server.run("tlsrpt"), lambda: self.counted(*what) > 0)

    def stop(self):
        if self.policies is not None:
            self.policies.stop()
        super().stop()


def test_enforce(postern):
    """A policy that is enforced: mail goes to hosts that it names, with a good certificate, or not at all."""
    p = TlsPlay(postern)
    enforce = p.peer("enforce.test", context=p.ca.context("mx.enforce.test"))
    wrong = p.peer("wrongname.test", context=p.ca.context("mx.other.test"))
    stranger = p.peer("stranger.test", context=p.ca.context("mx.stranger.test", own=True))
    expired = p.peer("expired.test", context=p.ca.context("mx.expired.test", days="-1"))
    notnamed = p.peer("notnamed.test", context=p.ca.context("mx.notnamed.test"))
    plain = p.peer("plain.test")
    first = p.peer("second.test", context=p.ca.context("mx.second.test", own=True))
    better = Peer(context=p.ca.context("mx2.second.test"))
    p.peers.append(better)
    p.zone += ["second.test. MX 20 mx2.second.test.", f"mx2.second.test. A {better.host}"]
    for domain in ("enforce.test", "wrongname.test", "stranger.test", "expired.test", "plain.test"):
        p.sts(domain, ENFORCE)
    p.sts("notnamed.test", ENFORCE.replace("{mx}", "mx.elsewhere.test"))
    p.sts("second.test", ENFORCE.replace("{mx}", "*.second.test"))
    p.start()
    try:
        p.delivered("enforce.test", enforce)
        check("STARTTLS" in enforce.heard and not said_in_clear(enforce), f"{enforce.heard}")
        p.deferred("wrongname.test", r"4\.7\.5 .*[Hh]ostname mismatch")
        p.deferred("stranger.test", r"4\.7\.5 .*self-signed certificate")
        p.deferred("expired.test", r"4\.7\.5 .*certificate has expired")
        p.deferred("notnamed.test", r"4\.7\.5 .*does not name this MX host")
        p.deferred("plain.test", r"4\.7\.10 .*does not offer it")
        p.delivered("second.test", better)
        for peer in (wrong, stranger, expired, notnamed, plain, first):
            check(not peer.mails and not any(line.startswith("MAIL") for line in peer.heard),
                  f"it got mail, or was begun with: {peer.heard}")
        check(notnamed.accepted == 0, "a host that the policy does not name was connected to")
        check(p.policies.asked.count("mta-sts.enforce.test") == 1, f"{p.policies.asked}")
        for what in (("enforce.test", "sts", "success"), ("wrongname.test", "sts", "certificate-host-mismatch"),
                     ("stranger.test", "sts", "certificate-not-trusted"), ("expired.test", "sts", "certificate-expired"),
                     ("notnamed.test", "sts", "validation-failure"), ("plain.test", "sts", "starttls-not-supported"),
                     ("second.test", "sts", "success")):
            p.expect_counted(*what)
    finally:
        p.stop()


def test_other_policies(postern):
    """Testing delivers and counts; a policy that cannot be had, or is none, binds nobody."""
    p = TlsPlay(postern)
    testing = p.peer("testing.test", context=p.ca.context("mx.testing.test", own=True))
    p.sts("testing.test", ENFORCE.replace("enforce", "testing"))
    peers = {}
    for name, options in (("gone", {"status": 404}), ("moved", {"status": 302}), ("html", {"kind": "text/html"})):
        peers[name] = p.peer(f"{name}.test")
        p.sts(f"{name}.test", ENFORCE, **options)
    peers["huge"] = p.peer("huge.test")
    p.sts("huge.test", ENFORCE + "x: " + "x" * 70000)
    stranger = Policies(p.ca.context("mta-sts.forged.test", own=True))
    peers["forged"] = p.peer("forged.test")
    stranger.files["mta-sts.forged.test"] = (200, "text/plain", ENFORCE)
    p.sts("forged.test", None, host=stranger.host)
    peers["nobody"] = p.peer("nobody.test")
    p.sts("nobody.test", None, host=peer_address())
    # Of two records none counts.
    peers["two"] = p.peer("two.test")
    p.sts("two.test", ENFORCE)
    p.zone.append('_mta-sts.two.test. TXT "v=STSv1; id=2"')
    p.start()
    try:
        p.delivered("testing.test", testing)
        p.expect_counted("testing.test", "sts", "certificate-not-trusted")
        for name, peer in peers.items():
            p.delivered(f"{name}.test", peer)
        for what in (("gone.test", "sts", "sts-policy-fetch-error"), ("html.test", "sts", "sts-policy-fetch-error"),
                     ("huge.test", "sts", "sts-policy-fetch-error"), ("moved.test", "sts", "sts-policy-fetch-error"),
                     ("forged.test", "sts", "sts-webpki-invalid"), ("nobody.test", "sts", "sts-policy-fetch-error"),
                     ("gone.test", "no-policy-found", "starttls-not-supported")):
            p.expect_counted(*what)
        check("mta-sts.good.test" not in p.policies.asked, "followed a redirect")
        check("mta-sts.two.test" not in p.policies.asked, "asked for the policy of two records")
        asked = len(p.policies.asked)
        p.send("b@gone.test")
        wait_until("nothing more came", lambda: len(peers["gone"].mails) == 2)
        check(len(p.policies.asked) == asked, "a policy that could not be had was asked for again at once")
    finally:
        stranger.stop()
        p.stop()


def test_cached(postern):
    """A policy holds until it expires: across a restart, without its host and without its record."""
    p = TlsPlay(postern)
    later = p.peer("later.test", context=p.ca.context("mx.later.test"))
    p.sts("later.test", ENFORCE)
    p.start()
    try:
        p.delivered("later.test", later)
        check((p.server.state / "tls" / "s-later.test").exists(), "the policy is not on disk")
        p.server.settle()
        p.server.end_process()
        p.policies.stop()
        p.policies = None
        later.context = p.ca.context("mx.later.test", own=True)
        p.dns.stop()
        zone = [line for line in p.zone if not line.startswith("_mta-sts")]
        p.dns = nsd.Nsd(p.server.dir / "nsd2", p.server.host, zone)
        p.server.start()
        later.heard.clear()
        p.send("b@later.test")
        p.logged(r"event=deferred .*to=b@later.test .*4\.7\.5 .*self-signed")
        check(len(later.mails) == 1 and not any(line.startswith("MAIL") for line in later.heard), f"{later.heard}")
        # A new id that cannot be followed changes nothing.
        p.server.end_process()
        p.dns.stop()
        p.dns = nsd.Nsd(p.server.dir / "nsd3", p.server.host,
                        [line.replace("id=1", "id=2") for line in p.zone])
        p.server.start()
        p.send("c@later.test")
        p.logged(r"event=deferred .*to=c@later.test .*4\.7\.5 .*self-signed")
        p.logged(r"event=mta-sts .*later.test: its policy cannot be had: .*the one before holds on")
        # Once it can be, it counts.
        p.policies = Policies(p.ca.context("mta-sts.later.test"))
        p.policies.files["mta-sts.later.test"] = (200, "text/plain", ENFORCE.replace("enforce", "none").format(mx="x.test"))
        p.server.end_process()
        p.dns.stop()
        p.dns = nsd.Nsd(p.server.dir / "nsd4", p.server.host,
                        [line.replace("id=1", "id=3") if line.startswith("_mta-sts") else
                         f"mta-sts.later.test. A {p.policies.host}" if line.startswith("mta-sts") else line
                         for line in p.zone])
        p.server.start()
        p.send("d@later.test")
        wait_until(lambda: "not delivered with the new policy\n" + p.server.log()[-3000:], lambda: len(later.mails) >= 2)
    finally:
        p.stop()


def test_dane(postern):
    """TLSA records bind, and come before MTA-STS."""
    p = TlsPlay(postern)
    good = p.ca.issue("whatever.example", own=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*good)
    p.sts("dane.test", ENFORCE.replace("{mx}", "mx.elsewhere.test"))
    record = ['_mta-sts TXT "v=STSv1; id=1"', f"mta-sts A {p.policies.host}"]
    dane = p.secure_peer("dane.test", [p.ca.tlsa(good[0])], record, context=context)
    bad = p.secure_peer("danebad.test", [p.ca.tlsa(p.ca.issue("x.example")[0])], context=context)
    clear = p.secure_peer("daneclear.test", [p.ca.tlsa(good[0])])
    useless = p.secure_peer("daneuseless.test", [p.ca.tlsa(good[0], usage=1)])
    useless_tls = p.secure_peer("daneuseful.test", [p.ca.tlsa(p.ca.issue("y.example")[0], usage=1)], context=context)
    p.zone = [line for line in p.zone if "dane.test" not in line]
    p.start()
    try:
        p.delivered("dane.test", dane)
        p.deferred("danebad.test", r"4\.7\.5 ")
        p.deferred("daneclear.test", r"4\.7\.10 ")
        p.deferred("daneuseless.test", r"4\.7\.10 ")
        p.delivered("daneuseful.test", useless_tls)
        for peer in (bad, clear, useless):
            check(not any(line.startswith("MAIL") for line in peer.heard), f"{peer.heard}")
        check(not said_in_clear(dane) and not said_in_clear(useless_tls), "in clear")
        for what in (("dane.test", "tlsa", "success"), ("danebad.test", "tlsa", "validation-failure"),
                     ("daneclear.test", "tlsa", "starttls-not-supported"), ("daneuseful.test", "tlsa", "tlsa-invalid")):
            p.expect_counted(*what)
    finally:
        p.stop()


def test_requiretls(postern):
    """REQUIRETLS: to a verified host that offers it, and whose name is vouched for; else it comes back."""
    p = TlsPlay(postern)
    home = p.peer("acme.test")
    good = p.peer("requiretls.test", keywords=["REQUIRETLS"], context=p.ca.context("mx.requiretls.test"))
    p.sts("requiretls.test", ENFORCE)
    lacking = p.peer("lacking.test", context=p.ca.context("mx.lacking.test"))
    second = Peer(keywords=["REQUIRETLS"], context=p.ca.context("mx2.lacking.test"))
    p.peers.append(second)
    p.zone += ["lacking.test. MX 20 mx2.lacking.test.", f"mx2.lacking.test. A {second.host}"]
    p.sts("lacking.test", ENFORCE.replace("{mx}", "*.lacking.test"))
    never = p.peer("plain.test", context=p.ca.context("mx.plain.test"))
    p.sts("plain.test", ENFORCE)
    unproven = p.peer("unproven.test", keywords=["REQUIRETLS"], context=p.ca.context("mx.unproven.test"))
    p.start()
    try:
        p.require_tls("a@requiretls.test")
        wait_until("requiretls.test got nothing", lambda: good.mails)
        check("MAIL FROM:<ann@acme.test> REQUIRETLS" in good.heard, f"{good.heard}")
        p.require_tls("a@lacking.test")
        wait_until("the host that offers it got nothing", lambda: second.mails)
        p.require_tls("a@plain.test")
        p.logged(r"event=failed .*to=a@plain.test .*550 5\.7\.30 .*REQUIRETLS")
        p.require_tls("a@unproven.test")
        p.logged(r"event=failed .*to=a@unproven.test .*550 5\.7\.30 .*vouches")
        for peer in (lacking, never, unproven):
            check(not any(line.startswith("MAIL") for line in peer.heard), f"{peer.heard}")
        wait_until("the sender was not told", lambda: len(home.mails) == 2)
        check(all(b"multipart/report" in mail and b"hello" not in mail and b"<1@acme.test>" not in mail
                  for mail in home.mails), f"something of the message goes back in clear: {home.mails}")
        check("MAIL FROM:<>" in home.heard, f"{home.heard}")
        # Mail that demands nothing goes to the same hosts.
        p.delivered("unproven.test", unproven)
        p.delivered("plain.test", never)
    finally:
        p.stop()


def test_requiretls_told(postern):
    """What is told of REQUIRETLS mail goes with REQUIRETLS where that is offered; in a mailbox here it has the header."""
    for here in (False, True):
        p = TlsPlay(postern)
        home = p.peer("acme.test", keywords=["REQUIRETLS"], context=p.ca.context("mx.acme.test", own=True))
        if here:
            p.server.add_users("ann@acme.test")
        p.peer("plain.test")
        p.start()
        try:
            p.require_tls("a@plain.test")
            if here:
                told = p.server.messages("ann@acme.test", 1)[0]
            else:
                wait_until("the sender was not told", lambda home=home: home.mails)
                told = home.mails[0]
                check(any(re.match(r"MAIL FROM:<>.* REQUIRETLS", line) for line in home.heard), f"{home.heard}")
            check((b"Subject: hello" in told) == here and (b"text/rfc822-headers" in told) == here, f"{told}")
            check(b".dot" not in told, f"the body goes back: {told}")
        finally:
            p.stop()


def test_tls_optional(postern):
    """TLS-Required: No passes over what domains demand, with TLS where it can be had; not over REQUIRETLS and our settings."""
    p = TlsPlay(postern)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*p.ca.issue("whatever.example", own=True))
    wrong = p.peer("wrongname.test", context=p.ca.context("mx.other.test"))
    plain = p.peer("plain.test")
    for domain in ("wrongname.test", "plain.test"):
        p.sts(domain, ENFORCE)
    bad = p.secure_peer("danebad.test", [p.ca.tlsa(p.ca.issue("x.example")[0])], context=context)
    p.server.settings += ['delivery.tls-must = {"must.test"}']
    p.peer("must.test")
    lacking = p.peer("lacking.test")
    p.start()

    def send(domain, field=b"TLS-Required: No\r\n"):
        p.send(f"a@{domain}", message=field + MESSAGE)
    try:
        send("wrongname.test", b"TLS-Required: no\r\n")
        send("plain.test")
        send("danebad.test")
        for peer in (wrong, plain, bad):
            wait_until(lambda: p.server.log()[-3000:], lambda peer=peer: peer.mails)
        check("STARTTLS" in wrong.heard and "STARTTLS" in bad.heard, f"{wrong.heard} {bad.heard}")
        check(b"TLS-Required: no" in wrong.mails[0], f"{wrong.mails}")
        send("must.test")
        p.logged(r"event=deferred .*to=a@must.test .*4\.7\.10 ")
        send("plain.test", b"TLS-Required: Yes\r\n")
        p.logged(r"event=deferred .*to=a@plain.test .*4\.7\.10 ")
        send("danebad.test", b"TLS-Required: No\r\nTLS-Required: No\r\n")
        p.logged(r"event=deferred .*to=a@danebad.test .*4\.7\.5 ")
        c = p.server.connect("relay")
        c.hello()
        c.do("STARTTLS", 220)
        c.start_tls()
        c.do("EHLO client.example", 250)
        c.message(b"TLS-Required: No\r\n" + MESSAGE, "b@lacking.test", sender="ann@acme.test", parameters=" REQUIRETLS")
        p.logged(r"event=failed .*to=b@lacking.test .*550 5\.7\.30")
        check(len(plain.mails) == 1 and len(bad.mails) == 1 and not lacking.mails, f"{plain.mails}")
    finally:
        p.stop()


def test_settings(postern):
    """What the settings demand of single domains."""
    p = TlsPlay(postern)
    p.server.settings += ['delivery.tls-must = {"*.must.test", "must.test"}', 'delivery.tls-verify = {"verify.test"}',
                          'delivery.tls-may = {"plain.test"}', 'delivery.tls-never = {"never.test"}',
                          'delivery.tls-dane = {"dane.test"}']
    own = {name: p.ca.context(f"mx.{name}.test", own=True) for name in ("must", "verify", "never", "dane")}
    must = p.peer("must.test", context=own["must"])
    clear = p.peer("clear.must.test")
    verify = p.peer("verify.test", context=own["verify"])
    may = p.peer("plain.test")
    p.sts("plain.test", ENFORCE)
    never = p.peer("never.test", context=own["never"])
    dane = p.peer("dane.test", context=own["dane"])
    p.start()
    try:
        p.delivered("must.test", must)
        check("STARTTLS" in must.heard, f"{must.heard}")
        p.deferred("clear.must.test", r"4\.7\.10 ")
        p.deferred("verify.test", r"4\.7\.5 .*self-signed")
        p.delivered("plain.test", may)
        p.delivered("never.test", never)
        check("STARTTLS" not in never.heard, f"{never.heard}")
        p.deferred("dane.test", r"4\.7\.5 .*no TLSA record")
        for peer in (clear, verify, dane):
            check(not any(line.startswith("MAIL") for line in peer.heard), f"{peer.heard}")
    finally:
        p.stop()


def test_check(postern):
    """postern check tells what is wrong with a domain's TLS."""
    p = TlsPlay(postern)
    p.peer("enforce.test", context=p.ca.context("mx.enforce.test"))
    p.sts("enforce.test", ENFORCE)
    p.peer("wrongname.test", context=p.ca.context("mx.other.test"))
    p.sts("wrongname.test", ENFORCE.replace("{mx}", "mx.elsewhere.test").replace("86400", "60"))
    p.peer("plain.test")
    p.sts("plain.test", "nonsense")
    p.zone += [line.replace("plain.test", "gone.test") for line in p.zone if "plain.test" in line]
    p.start()
    try:
        def told(domain):
            out = json.loads(p.server.run("check", domain, "--connect", "--json", status=None))
            return [f"{f['severity']} {f['topic']} {f['text']}" for f in out["findings"]]

        def expect(domain, *patterns):
            lines = told(domain)
            for pattern in patterns:
                check(any(re.search(pattern, line) for line in lines), f"{domain}: no {pattern} in {lines}")

        expect("enforce.test", r"^ok TLS .*certificate is for that name", "^ok STS _mta-sts.enforce.test: id 1",
               "^ok STS policy: mode enforce, 1 MX patterns, for 86400 s", "^warning TLSRPT ")
        expect("wrongname.test", r"^warning TLS .*proves nothing", "^error STS .*does not name the MX host mx.wrongname.test",
               "^warning STS .*mx.elsewhere.test, which is no MX host", "^warning STS max_age is less than")
        expect("plain.test", "^error TLS .*does not offer STARTTLS", "^error STS the policy is none")
        expect("gone.test", "^error STS the policy .* cannot be had: HTTP status 404")
    finally:
        p.stop()


def main():
    if nsd.program() is None or shutil.which("ldns-signzone") is None:
        print("skipped: NSD or ldns-signzone is not installed")
        return SKIPPED
    tests = (test_enforce, test_other_policies, test_cached, test_dane, test_requiretls, test_requiretls_told, test_tls_optional,
             test_settings, test_check)
    return parts.play(tests, sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
