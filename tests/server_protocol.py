#!/usr/bin/env python3
"""The whole server: proxies in front of it, TLS as clients meet it, parameters that are kept.

usage: server_protocol.py POSTERN [PART...]"""
import base64
import email
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))
import parts  # noqa: E402
from server import PORTS, Connection, Failed, certificate_files, client_tls, wait_until  # noqa: E402

USER = "alice@example.test"
MAIL = b"From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nSubject: x\r\n\r\nx\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def require(what, true):
    if not true:
        raise Failed(what)


def v2(source, destination="192.0.2.25", port=40000, more=b""):
    addresses = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!HH", port, 25)
    return V2 + b"\x21\x11" + struct.pack("!H", len(addresses) + len(more)) + addresses + more


def dial(server, listener, header, pieces=1):
    """A connection that a proxy passes on, its header perhaps in several pieces."""
    c = Connection((server.host, PORTS[listener]), server.host)
    size = -(-len(header) // pieces)
    for i in range(0, len(header), size):
        c.sock.sendall(header[i:i + size])
        if pieces > 1:
            subprocess.run(["sleep", "0.01"], check=True)
    return c


def proxy_protocol(make):
    server = make(listeners=["mx proxy=yes", "submissions proxy=yes"],
                  settings=['trust.proxy-networks = {"127.0.0.0/8"}', "limits.sessions-per-client = 1"])
    server.add_users(USER)
    server.start()
    c = dial(server, "mx", b"PROXY TCP4 198.51.100.7 192.0.2.25 40000 25\r\n")
    c.hello()
    c.message(MAIL, USER)
    text = server.messages(USER, 1)[0]
    require(f"Received names the client: {text}", b"(client.example) ([198.51.100.7])" in text
            or b"from client.example ([198.51.100.7])" in text)
    # The next one of another address is no second connection of the first, though both came from
    # the proxy; one of the same is.
    other = dial(server, "mx", v2("198.51.100.8", more=b"\x04\x00\x01x"), pieces=7)
    other.hello()
    other.do("NOOP", 250)
    again = dial(server, "mx", v2("198.51.100.8"))
    again.expect(220)
    again.do("EHLO client.example", 421)
    # TLS begins right behind the header
    tls = dial(server, "submissions", v2("198.51.100.9"))
    tls.start_tls()
    tls.hello()
    # What the proxy says of itself: the connection's own address
    own = dial(server, "mx", V2 + b"\x20\x00\x00\x00")
    own.hello()
    for connection in (c, other, again, tls, own):
        connection.close()
    wait_until("why knows the client by its address",
               lambda: "the PROXY header of" in server.run("why", "198.51.100.7", status=None))
    for bad in (b"EHLO client.example\r\n", b"PROXY TCP4 x y 1 2\r\n", V2 + b"\x31\x11\x00\x00"):
        before = server.log().count("event=proxy-refused")
        c = dial(server, "mx", bad)
        require("closed without a word", c.rest() == [])
        c.close()
        wait_until("it is logged", lambda n=before: server.log().count("event=proxy-refused") > n)


def proxy_of_a_stranger(make):
    server = make(listeners=["mx proxy=yes"], settings=['trust.proxy-networks = {"192.0.2.0/24"}'])
    server.start()
    c = dial(server, "mx", v2("198.51.100.7"))
    require("closed without a word", c.rest() == [])
    wait_until("it is logged", lambda: "trust.proxy-networks" in server.log())


def xclient(make):
    server = make(settings=['trust.xclient-networks = {"127.0.0.0/8"}', "limits.sessions-per-client = 1"])
    server.add_users(USER)
    server.start()
    c = server.connect()
    require("XCLIENT is offered", "XCLIENT NAME ADDR PORT PROTO HELO" in str(c.hello()))
    c.do("XCLIENT NAME=mail.client.example ADDR=IPV6:2001:db8::7 PORT=40000 HELO=ignored.example", 220)
    c.do("MAIL FROM:<ann@client.example>", 503)
    c.do("EHLO client.example", 250)
    c.message(MAIL, USER)
    require("Received names it", b"([IPv6:2001:db8::7])" in server.messages(USER, 1)[0])
    c.do("XCLIENT ADDR=198.51.100.9", 220)
    again = server.connect()
    again.hello()
    again.do("XCLIENT ADDR=198.51.100.9", 220)
    again.do("EHLO client.example", 421)
    again.close()
    c.close()
    wait_until("why tells of it", lambda: "XCLIENT of" in server.run("why", "2001:db8::7", status=None))


def xclient_login(make):
    """Who logged in at a proxy is believed from trust.login-networks alone; the account must be there."""
    server = make(listeners=["mx", "submission tls=starttls", "relay clear=yes"],
                  settings=['trust.xclient-networks = {"127.0.0.0/8"}'])
    server.settings.append(f'trust.login-networks = {{"{server.host}"}}')
    server.add_users(USER, "bob@example.test")
    server.run("user", "lock", "bob@example.test")
    server.start()
    mx = server.connect()
    require("not where nobody logs in", "PROTO HELO LOGIN" not in str(mx.hello()))
    mx.do("XCLIENT LOGIN=" + USER, 555)
    mx.close()
    c = server.connect("submission", source="127.0.0.1")
    require("not to another", "PROTO HELO LOGIN" not in str(c.hello()))
    c.do("XCLIENT LOGIN=" + USER, 555)
    c.close()
    c = server.connect("submission")
    require("offered", "XCLIENT NAME ADDR PORT PROTO HELO LOGIN" in str(c.hello()))
    require("AUTH in clear is a matter of the listener", "PLAIN" not in str(c.do("EHLO laptop.example", 250))
            and "PLAIN" in str(server.connect("relay").hello()))
    c.do("MAIL FROM:<alice@example.test>", 530)
    c.do("XCLIENT ADDR=198.51.100.9 LOGIN=ALICE+40Example.test", 220)
    c.do("EHLO laptop.example", 250)
    c.do("MAIL FROM:<bob@example.test>", 550)
    c.message(MAIL, USER, sender=USER)
    require("with ESMTPA", b"with ESMTPA" in server.messages(USER, 1)[0])
    for login, code in (("bob@example.test", 534), ("nobody@example.test", 535)):
        c.do("XCLIENT LOGIN=" + login, code)
        c.do("EHLO laptop.example", 250)
        c.do("MAIL FROM:<alice@example.test>", 530)
    c.do("XCLIENT LOGIN=" + USER, 220)
    c.do("XCLIENT LOGIN=[UNAVAILABLE]", 220)
    c.do("EHLO laptop.example", 250)
    c.do("MAIL FROM:<alice@example.test>", 530)
    c.close()


def s_client(server, *arguments, listener="mx"):
    start = [] if listener == "submissions" else ["-starttls", "smtp"]
    out = subprocess.run(["openssl", "s_client", "-connect", f"{server.host}:{PORTS[listener]}", *start, *arguments],
                         input=b"QUIT\r\n", capture_output=True, timeout=20)
    return out.stdout.decode(errors="replace") + out.stderr.decode(errors="replace")


def tls_versions(make):
    server = make(listeners=["mx", "submissions"])
    server.start()
    for version in ("-tls1_2", "-tls1_3"):
        out = s_client(server, version)
        require(out, re.search(r"Cipher is (ECDHE-ECDSA-|TLS_)(AES|CHACHA)", out))
    out = s_client(server, "-tls1_3", listener="submissions")
    require(out, "Cipher is TLS_" in out)
    for old in (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
                ["-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384:ECDHE-ECDSA-AES256-SHA"]):
        before = server.log().count("event=tls-failed")
        out = s_client(server, *old)
        require(out, "Cipher is (NONE)" in out)
        wait_until("its failure is logged", lambda n=before: server.log().count("event=tls-failed") > n)
    log = server.log()
    require("the reasons stand in the log", "unsupported protocol" in log and "no shared cipher" in log)


def shown(server, name=None):
    """The CN of the certificate that the server shows to a client that asks for that name."""
    out = s_client(server, *(["-servername", name] if name else ["-noservername"]))
    return re.search(r"^subject=CN ?= ?(\S+)", out, re.M).group(1)


def tls_records(make):
    """Several records at once, while the first commands still wait for their answers: none is left lying."""
    server = make(listeners=["mx"])
    server.add_users(USER)
    server.start()
    for _ in range(20):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_tls().wrap_bio(incoming, outgoing)
        with socket.create_connection((server.host, PORTS["mx"]), 20) as sock:
            def go(step):
                while True:
                    try:
                        return step()
                    except ssl.SSLWantReadError:
                        sock.sendall(outgoing.read())
                        incoming.write(sock.recv(65536))
            plain = sock.makefile("rb")
            plain.readline()
            sock.sendall(b"EHLO c.example\r\n")
            while plain.readline()[3:4] == b"-":
                pass
            sock.sendall(b"STARTTLS\r\n")
            plain.readline()
            go(tls.do_handshake)
            for line in (b"EHLO c.example", b"MAIL FROM:<a@c.example>", b"RCPT TO:<" + USER.encode() + b">",
                         b"RCPT TO:<nobody@example.test>", b"RSET", b"QUIT"):
                tls.write(line + b"\r\n")
            sock.sendall(outgoing.read())
            said = b""
            while b"\r\n221 " not in said:
                said += go(lambda: tls.read(65536))
            require(said, b"\r\n550 5.1.1" in said)


def no_room_for_tls(make):
    """A full server makes no handshake to say so."""
    server = make(listeners=["mx", "submissions"], settings=["limits.sessions = 1"])
    server.start()
    first = server.connect()
    first.hello()
    said = ""
    try:
        server.connect("submissions")
    except ssl.SSLError as fault:
        said = str(fault)
    require(said, "alert internal error" in said.lower().replace("_", " "))
    wait_until("why tells", lambda: "turned away before TLS: it holds as many connections as it may"
               in server.run("why", server.host, status=None))
    first.do("QUIT", 221)
    first.close()

    def served():
        try:
            server.connect("submissions").hello()
        except ssl.SSLError:
            return False  # the end of the first one was not seen yet
        return True
    wait_until("there is room again", served)


def names_and_reload(make):
    server = make()
    pairs = [certificate_files(server.dir, name, name) for name in ("a.example.test", "b.example.test")]
    server.tls = "tls { certificate = {%s} key = {%s} }" % tuple(
        ", ".join(f'"{pair[i]}"' for pair in pairs) for i in (0, 1))
    server.add_users(USER)
    server.start()
    for name, wanted in ((None, "a"), ("a.example.test", "a"), ("b.example.test", "b"), ("c.example.test", "a")):
        require(f"{name}: {wanted}", shown(server, name) == wanted + ".example.test")
    # Another certificate in the same file: used after SIGHUP; a session that stands goes on.
    session = server.connect()
    session.hello()
    session.do("STARTTLS", 220)
    session.start_tls()
    session.do("EHLO client.example", 250)
    session.envelope(USER)
    for path in pairs[1]:
        path.unlink()
    certificate_files(server.dir, "new.example.test", "b.example.test")
    require("not before SIGHUP", shown(server, "new.example.test") == "a.example.test")
    server.process.send_signal(signal.SIGHUP)
    wait_until("reloaded", lambda: "event=reloaded" in server.log())
    require("after SIGHUP", shown(server, "new.example.test") == "new.example.test")
    session.do("DATA", 354)
    session.send(MAIL + b".\r\n")
    session.expect(250)
    session.close()
    server.messages(USER, 1)
    # One that cannot be read changes nothing.
    server.excused.append("event=role-ended process=smtpd index=[0-9]+ pid=[0-9]+ status=4")
    pairs[0][1].write_text("no key")
    server.process.send_signal(signal.SIGHUP)
    wait_until("refused", lambda: "event=reload-refused" in server.log())
    require("the old ones serve", shown(server, "new.example.test") == "new.example.test")


def tickets(make):
    server = make(settings=["smtpd-processes = 2"])
    server.start()
    context = client_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # Python's sessions of 1.3 are awkward

    def meet(session):
        c = server.connect()
        c.hello()
        c.do("STARTTLS", 220)
        c.sock = context.wrap_socket(c.sock, session=session)
        c.do("EHLO client.example", 250)
        reused, kept = c.sock.session_reused, c.sock.session
        c.close()
        return reused, kept
    reused, session = meet(None)
    require("a first one", not reused)
    # The kernel chooses the process: among twenty both have had their turn.
    require("both processes take it", all(meet(session)[0] for _ in range(20)))
    server.process.send_signal(signal.SIGHUP)
    wait_until("reloaded", lambda: "event=reloaded" in server.log())
    reused, session = meet(session)
    require("a reload makes new keys", not reused)
    require("which work", meet(session)[0])


def client_certificate(make):
    server = make(settings=["tls.ask-client-certificate = yes"])
    certificate, key = certificate_files(server.dir, "ann.client.example", "client")
    fingerprint = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-fingerprint", "-sha256"],
                                 capture_output=True, text=True, check=True).stdout
    fingerprint = fingerprint.split("=")[1].strip().replace(":", "").lower()
    server.add_users(USER)
    server.start()
    context = client_tls()
    context.load_cert_chain(certificate, key)
    c = server.connect()
    c.hello()
    c.do("STARTTLS", 220)
    c.sock = context.wrap_socket(c.sock)
    c.do("EHLO client.example", 250)
    c.message(MAIL, USER)
    c.close()
    wait_until("the certificate stands in the story",
               lambda: f"CN=ann.client.example, SHA-256 {fingerprint}" in server.run("why", USER, status=None))


def utf8(make):
    server = make()
    server.run("domain", "add", "bücher.example")
    server.run("user", "add", "jörg@bücher.example", "--generate")
    server.start()
    c = server.connect()
    c.hello()
    c.do("MAIL FROM:<ann@client.example> SMTPUTF8 BODY=8BITMIME", 250)
    for address in ("jörg@bücher.example", "jörg+läuse@BÜCHER.example", "JöRG@xn--bcher-kva.example"):
        c.do(f"RCPT TO:<{address}> ORCPT=utf-8;jörg@bücher.example", 250)
    c.do("RCPT TO:<jorg@bücher.example>", 550)
    c.do("RCPT TO:<jörg@büch\u200der.example>", 550)  # no name of IDNA
    c.do("DATA", 354)
    c.send("From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nSubject: Grüße\r\n\r\nGrüße\r\n.\r\n".encode())
    c.expect(250)
    files = server.messages("jörg@xn--bcher-kva.example", 3)
    require(f"one for each: {files}",
            sorted(re.search(rb"Delivered-To: (\S+)", file).group(1).decode() for file in files)
            == ["jörg+läuse@xn--bcher-kva.example"] + 2 * ["jörg@xn--bcher-kva.example"])
    require("by UTF8SMTP", all(b"with UTF8SMTP" in file and "Grüße".encode() in file for file in files))
    c.do("MAIL FROM:<ann@client.example>", 250)
    c.do("RCPT TO:<jörg@bücher.example>", 553)  # only with SMTPUTF8


def binary(make):
    """BODY=BINARYMIME: what arrives holds lines alone, and decodes to the same octets."""
    server = make(listeners=["mx", "submission"])
    server.run("domain", "add", "example.test")
    word = server.run("user", "add", USER, "--generate").split()[-1]
    server.start()
    c = server.connect()
    require("not on mx", not any("BINARYMIME" in line for line in c.hello().lines))
    c.do("MAIL FROM:<ann@client.example> BODY=BINARYMIME", 555)
    c = server.connect("submission")
    c.hello()
    c.do("STARTTLS", 220)
    c.start_tls()
    require("under TLS", any(line[4:] == "BINARYMIME" for line in c.do("EHLO client.example", 250).lines))
    c.do("AUTH PLAIN " + base64.b64encode(f"\0{USER}\0{word}".encode()).decode(), 235)
    part = os.urandom(300000) + b"\r\n--b\r\n\r\n.\r\n\0\r"
    head = (f"From: {USER}\r\nTo: {USER}\r\nSubject: binary\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/mixed; boundary=boundary\r\nContent-Transfer-Encoding: binary\r\n\r\n").encode()
    text = head + (b"--boundary\r\nContent-Type: text/plain\r\n\r\nhello\r\n--boundary\r\n"
                   b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
                   + part + b"\r\n--boundary--\r\n")

    def chunks(octets, size):
        for i in range(0, len(octets), size):
            piece = octets[i:i + size]
            last = " LAST" if i + size >= len(octets) else ""
            c.send(f"BDAT {len(piece)}{last}\r\n".encode() + piece)
            yield last
    for size in (len(text), 9999):
        c.do(f"MAIL FROM:<{USER}> BODY=BINARYMIME", 250)
        c.do(f"RCPT TO:<{USER}>", 250)
        c.do("DATA", 503)
        for _ in chunks(text, size):
            c.expect(250)
    for octets in server.messages(USER, 2):
        require("lines alone", b"\0" not in octets and b"\r" not in octets and max(map(len, octets.splitlines())) < 999)
        parts_of = email.message_from_bytes(octets).get_payload()
        require("the same text", parts_of[0].get_payload().strip() == "hello")
        require("the same octets", parts_of[1].get_payload(decode=True) == part)
    c.do(f"MAIL FROM:<{USER}> BODY=BINARYMIME", 250)
    c.do(f"RCPT TO:<{USER}>", 250)
    for _ in chunks(head + b"--boundary\r\n\r\nhel\rlo\r\n--boundary--\r\n", 1000):
        c.expect(554)  # a bare CR outside of what is binary


def parameters(make):
    server = make(settings=["queue.deliver = no"])
    server.add_users(USER)
    server.start()
    c = server.connect()
    require("DSN and LIMITS are offered", {"DSN", "LIMITS RCPTMAX=100"} <= {line[4:] for line in c.hello().lines})
    c.do("STARTTLS", 220)
    c.start_tls()
    require("under TLS REQUIRETLS", "REQUIRETLS" in str(c.do("EHLO client.example", 250)))
    c.do("MAIL FROM:<ann@client.example> RET=HDRS ENVID=QQ+2B314159 REQUIRETLS", 250)
    c.do(f"RCPT TO:<{USER}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ann+2Bx@client.example", 250)
    c.do("DATA", 354)
    c.send(MAIL + b".\r\n")
    c.expect(250)

    def text(value):
        return struct.pack("<H", len(value)) + value
    kept = b"".join(map(text, (b"ret", b"HDRS", b"envid", b"QQ+2B314159", b"requiretls", b"", b"notify#0-0",
                               b"SUCCESS,DELAY", b"orcpt#0-0", b"rfc822;Ann+2Bx@client.example")))
    require("kept in the spool", any(kept in path.read_bytes() for path in (server.state / "spool").glob("segment-*")))


def swaks(make):
    """The same by a client that others wrote."""
    if shutil.which("swaks") is None:
        return
    server = make(listeners=["mx", "relay proxy=yes"],
                  settings=['trust.proxy-networks = {"127.0.0.0/8"}', 'trust.xclient-networks = {"127.0.0.0/8"}'])
    server.add_users(USER)
    server.start()

    def send(port, *options):
        done = subprocess.run(["swaks", "--server", f"{server.host}:{port}", "--from", "ann@client.example", "--to",
                               USER, "--helo", "client.example", *options], capture_output=True, text=True, timeout=20)
        require(done.stdout + done.stderr, done.returncode == 0)
    send(PORTS["mx"], "--xclient", "ADDR=198.51.100.11 NAME=swaks.example", "--tls", "--pipeline")
    proxy = ["--proxy-family", "TCP4", "--proxy-source", "198.51.100.12", "--proxy-source-port", "1025", "--proxy-dest",
             "192.0.2.25", "--proxy-dest-port", "25", "--tls", "--quit-after", "EHLO"]
    send(PORTS["relay"], "--proxy-version", "1", *proxy)
    send(PORTS["relay"], "--proxy-version", "2", "--proxy-protocol", "STREAM", "--proxy-command", "PROXY",
         "--proxy-family", "AF_INET", *proxy[2:])
    require("by XCLIENT", b"([198.51.100.11])" in server.messages(USER, 1)[0])
    wait_until("by PROXY, twice", lambda: server.run("why", "198.51.100.12", status=None).count("client.example") >= 2)


def future_release(make):
    server = make(listeners=["mx", "submissions"])
    server.run("domain", "add", "example.test")
    password = server.run("user", "add", "ann@example.test", "--generate").split()[-1]
    server.add_users(USER)
    server.start()
    c = server.connect("submissions")
    offered = str(c.hello())
    require(offered, re.search(r"FUTURERELEASE 604800 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", offered)
            and "DELIVERBY 60" in offered and "MT-PRIORITY" in offered)
    c.do("AUTH PLAIN " + base64.b64encode(f"\0ann@example.test\0{password}".encode()).decode(), 235)
    c.do("MAIL FROM:<ann@example.test> HOLDFOR=604801", 555)
    c.message(MAIL, USER, sender="ann@example.test", parameters=" HOLDFOR=3 BY=120;R MT-PRIORITY=3")
    begin = time.monotonic()
    c.message(MAIL, USER, sender="ann@example.test")
    server.messages(USER, 1)
    # It is held over a reload too.
    server.process.send_signal(signal.SIGHUP)
    wait_until("reloaded", lambda: "event=reloaded" in server.log())
    require("held", len(server.files(USER)) == 1)
    server.messages(USER, 2)
    require(f"after 3 s: {time.monotonic() - begin}", time.monotonic() - begin > 2.5)


PARTS = (swaks, future_release, proxy_protocol, proxy_of_a_stranger, xclient, xclient_login, tls_versions, tls_records, no_room_for_tls, names_and_reload, tickets, client_certificate,
         utf8, binary, parameters)


def main():
    return parts.run(sys.argv[1], PARTS, sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
