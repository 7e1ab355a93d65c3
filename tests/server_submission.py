#!/usr/bin/env python3
"""Real clients log in and send: swaks, Python's smtplib, curl, msmtp; and no secret is told.

server_submission.py POSTERN. A client that is missing is named and left out; 77 if all are.
"""
import base64
import contextlib
import hashlib
import pathlib
import shutil
import smtplib
import socket
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import sasl  # noqa: E402
from server import PORTS, Failed, Server, client_tls  # noqa: E402

USER, WORD = "ann@example.test", "correct-horse-7"
RCPT = "bob@example.test"
MESSAGE = ("From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nBcc: carol@example.test,\r\n"
           " dave@example.test\r\nSubject: x\r\n\r\nBcc: stays\r\n")


def require(condition, text):
    if not condition:
        raise Failed(text)


def present(program):
    if shutil.which(program) is None:
        print(f"{program}: not installed, left out")
        return False
    return True


def run(command, stdin=None):
    out = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    return out.returncode, out.stdout + out.stderr


def with_swaks(server):
    for mechanism, user in (("PLAIN", USER), ("LOGIN", USER), ("PLAIN", "nobody@example.test")):
        status, text = run(["swaks", "--server", server.host, "--port", str(PORTS["submission"]),
                            "--tls", "--auth", mechanism, "--auth-user", user, "--auth-password", WORD,
                            "--from", USER, "--to", RCPT, "--ehlo", "client.example", "--hide-all"])
        right = user == USER
        require((status == 0) == right, f"swaks {mechanism} {user}: exit {status}: {text}")
    return 2


def with_smtplib(server):
    for mechanism in ("auth_plain", "auth_login"):
        client = smtplib.SMTP_SSL(server.host, PORTS["submissions"], context=client_tls())
        client.ehlo("client.example")
        client.user, client.password = USER, WORD
        # as smtplib does: LOGIN without the name in the command
        client.auth(mechanism[5:].upper(), getattr(client, mechanism),
                    initial_response_ok=mechanism == "auth_plain")
        client.sendmail(USER, [RCPT], MESSAGE)
        client.quit()
    return 2


def with_curl(server, directory):
    mail = directory / "mail.txt"
    mail.write_text(MESSAGE, newline="")
    for option in ("AUTH=PLAIN", "AUTH=LOGIN", "AUTH=SCRAM-SHA-256"):
        status, text = run(["curl", "-sS", "-k", "--url",
                            f"smtps://{server.host}:{PORTS['submissions']}/client.example",
                            "--login-options", option, "--user", f"{USER}:{WORD}",
                            "--mail-from", USER, "--mail-rcpt", RCPT, "-T", str(mail)])
        if option == "AUTH=SCRAM-SHA-256" and status == 67:
            print("curl: built without SCRAM, left out")
            return 2
        require(status == 0, f"curl {option}: exit {status}: {text}")
    return 3


def with_msmtp(server):
    sent = 0
    _, version = run(["msmtp", "--version"])
    for mechanism in ("plain", "login", "scram-sha-256", "scram-sha-256-plus"):
        if mechanism not in version.lower().split():
            print(f"msmtp: built without {mechanism}, left out")
            continue
        status, text = run(["msmtp", f"--host={server.host}", f"--port={PORTS['submission']}",
                            "--tls=on", "--tls-starttls=on", "--tls-certcheck=off",
                            f"--auth={mechanism}", f"--user={USER}",
                            f"--passwordeval=echo {WORD}", f"--from={USER}", RCPT], stdin=MESSAGE)
        require(status == 0, f"msmtp {mechanism}: exit {status}: {text}")
        sent += 1
    return sent


def pipe(source, sink):
    with contextlib.suppress(OSError):
        while octets := source.recv(65536):
            sink.sendall(octets)
        sink.shutdown(socket.SHUT_WR)


def greeter(server, port):
    """gsasl forgets EHLO before STARTTLS: a way to the server that says it for it. One client."""
    listening = socket.create_server((server.host, port))

    def serve():
        client, _ = listening.accept()
        with listening, client, socket.create_connection((server.host, PORTS["submission"])) as up:
            up.settimeout(30)
            client.settimeout(30)
            greeting = up.recv(4096)
            up.sendall(b"EHLO client.example\r\n")
            said = b""
            while not said.endswith(b"ENHANCEDSTATUSCODES\r\n"):
                said += up.recv(4096)
            client.sendall(greeting)
            back = threading.Thread(target=pipe, args=(up, client))
            back.start()
            pipe(client, up)
            back.join()
    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def with_gsasl(server):
    """The one client at hand that binds to the channel (tls-exporter); it logs in, no more."""
    for word, right in ((WORD, True), (WORD + "-not", False)):
        thread = greeter(server, 2599)
        status, text = run(["gsasl", "--smtp", "--starttls", f"--connect={server.host}:2599",
                            "--x509-ca-file=", "--mechanism=SCRAM-SHA-256-PLUS",
                            f"--authentication-id={USER}", f"--password={word}", "--no-client-first",
                            "--quiet"], stdin="QUIT\r\n")
        thread.join()
        require((status == 0) == right, f"gsasl: exit {status}: {text}")


def messages_are_whole(server, count):
    for text in server.messages(RCPT, count):
        if isinstance(text, bytes):
            text = text.decode()
        header = text.split("\n\n", 1)[0]
        require("carol@example.test" not in text and "dave@example.test" not in text,
                f"Bcc went out: {text}")
        for field in ("\nDate: ", "\nMessage-ID: <", "with ESMTPSA"):
            require(field.lower() in header.lower(), f"no {field!r} in {header}")
        require(header.count("\nDate: ") == 1, f"two dates: {header}")


def all_mechanisms(server):
    """Right and wrong, by hand, that every one has been seen by what is looked through below."""
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
        for word, code in ((WORD, "235"), (WORD + "-not", "535")):
            with contextlib.closing(server.connect("submissions")) as client:
                client.reply()
                client.do("EHLO client.example", "250")
                got = sasl.log_in(client.reply, lambda line: client.send(line.encode() + b"\r\n"),
                                  mechanism, USER, word)
                require(got.code == code, f"{mechanism}: {got}")
    with contextlib.closing(server.connect("submissions")) as client:
        client.reply()
        client.do("EHLO client.example", "250")
        # out of step: the word as a mechanism, as an argument too many, as a command after that
        for line in (f"AUTH {WORD}", f"AUTH PLAIN {sasl.b64(sasl.plain(USER, WORD))} {WORD}",
                     "AUTH LOGIN", "*", WORD):
            client.send(line.encode() + b"\r\n")
            client.reply()


def beyond_ascii(server):
    """A password is the same however its letters are written (SASLprep), by each mechanism."""
    whole, parts = "gr\u00fc\u00df-dich", "gru\u0308\u00df-di\u00adch"  # u with two dots, in one or as two; a soft hyphen
    server.run("user", "add", "uli@example.test", "--password-stdin", stdin=parts + "\n")
    server.run("user", "set", "uli@example.test", "--password-stdin", stdin="\u0007 bell\n", status=1)
    for mechanism, word, code in (("PLAIN", whole, "235"), ("PLAIN", parts, "235"), ("LOGIN", parts, "235"),
                                  ("SCRAM-SHA-256", whole, "235"), ("PLAIN", "gruss-dich", "535")):
        with contextlib.closing(server.connect("submissions")) as client:
            client.reply()
            client.do("EHLO client.example", "250")
            got = sasl.log_in(client.reply, lambda line: client.send(line.encode() + b"\r\n"),
                              mechanism, "uli@example.test", word)
            require(got.code == code, f"{mechanism} {word!r}: {got}")


def nothing_told(server):
    secrets = [WORD.encode()]
    for text in (sasl.plain(USER, WORD), WORD.encode(), sasl.plain("nobody@example.test", WORD)):
        encoded = base64.b64encode(text)
        secrets += [encoded, encoded.rstrip(b"=")]
    # a few octets of it, however they are shifted within base64
    for shift in range(3):
        secrets.append(base64.b64encode(b"x" * shift + WORD.encode())[4:12])
    salted = hashlib.sha256(WORD.encode()).hexdigest().encode()
    files = [server.dir / "log", *(server.state / "trace").iterdir(),
             *(server.state / "spool").rglob("*"), *(server.state / "directory").iterdir()]
    for path in files:
        if path.is_file():
            octets = path.read_bytes()
            for secret in [*secrets, salted]:
                require(secret not in octets, f"{path.name} holds {secret!r}")


def main():
    with Server(sys.argv[1], listeners=["submission", "submissions"],
                settings=['auth.delay = "100 ms"', "auth.attempts-per-account = 1000",
                          "auth.attempts-per-network = 1000"]) as server:
        server.run("domain", "add", "example.test")
        server.run("user", "add", USER, "--password-stdin", stdin=WORD + "\n")
        server.run("user", "add", RCPT, "--generate")
        server.start()
        sent = with_smtplib(server)
        if present("swaks"):
            sent += with_swaks(server)
        if present("curl"):
            sent += with_curl(server, server.dir)
        if present("msmtp"):
            sent += with_msmtp(server)
        if present("gsasl"):
            with_gsasl(server)
        messages_are_whole(server, sent)
        all_mechanisms(server)
        beyond_ascii(server)
        server.end_process()  # what it had to tell is told
        nothing_told(server)
    print(f"{sent} messages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
