"""postern simulate: gives every row of the catalogue when it is named, with code, status and end of the
session as the catalogue has them. simulate_test.py POSTERN"""
import base64
import json
import re
import select
import smtplib
import socket
import subprocess
import sys

POSTERN = sys.argv[1]
MESSAGE = b"Subject: x\r\n\r\nx\r\n"
OF_MESSAGE = ("data", "eom", "bdat", "queue")


class Simulator:
    """The process; `with` ends it."""

    def __init__(self, *words):
        self.process = subprocess.Popen([POSTERN, "simulate", "--listen", "127.0.0.1:0", *words],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(re.search(r":(\d+);", self.line())[1])

    def line(self):
        assert select.select([self.process.stdout], [], [], 60)[0], "it says nothing"
        return self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.process.kill()
        self.process.wait()


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.sock.makefile("rb")

    def reply(self):
        """(code, the text of all lines in one)"""
        text = []
        while True:
            line = self.file.readline().decode("ascii")
            assert line, f"it hung up after {text}"
            text.append(line[4:].strip())
            if line[3] == " ":
                return int(line[:3]), " ".join(text)

    def say(self, *lines):
        """The reply to the last of them."""
        for line in lines:
            self.sock.sendall((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
            answer = self.reply()
        return answer

    def is_over(self):
        return self.file.readline() == b""

    def close(self):
        self.sock.close()
        self.file.close()


def play(port, row, at_mail):
    """What it answers to a transaction that names the row."""
    c = Client(port)
    assert c.reply()[0] == 220
    name = f"{row['row']}@example.test"
    c.say("EHLO client.example")
    if row["stage"] in OF_MESSAGE:
        mail, rcpt = (name, "bob+x@example.test") if at_mail else ("ann@client.example", f"{row['row']}+1@example.test")
        assert c.say(f"MAIL FROM:<{mail}>")[0] == c.say(f"RCPT TO:<{rcpt}>")[0] == 250
        assert c.say("DATA")[0] == 354
        answer = c.say(MESSAGE + b".")
    elif at_mail:
        answer = c.say(f"MAIL FROM:<{name}>")
    else:
        answer = c.say("MAIL FROM:<ann@client.example>", f"RCPT TO:<{name}>")
    over = c.is_over() if row["closes"] else False
    if not row["closes"]:
        assert c.say("RSET")[0] == 250
    c.close()
    return answer, over


def test_every_row():
    rows = [json.loads(line) for line in subprocess.run(
        [POSTERN, "explain", "--rows", "--json"], check=True, capture_output=True, text=True).stdout.splitlines()]
    assert len(rows) == 141
    for profile, suffix in (("gmail", ""), ("iana", "_iana")):
        with Simulator("--profile", profile) as s:
            for row in rows:
                for at_mail in (True, False):
                    (code, text), over = play(s.port, row, at_mail)
                    wanted = row["code" + suffix], row["status" + suffix]
                    status = re.match(r"\d\.\d+\.\d+|", text)[0]
                    assert (code, status) == wanted, (row, code, text)
                    assert re.search(r" - (rule \S+ )?[0-9a-z]{12} postern$", text), text
                    # "unknown" stands in a hole without evidence
                    said = text.replace(row["row"], "")
                    assert said.count("unknown") == row["text"].count("unknown"), (row["row"], text)
                    assert over == row["closes"], row
                    told = s.line()
                    assert told == f"{row['row']} {code} 127.0.0.1\n", told


def test_the_rest():
    with Simulator() as s:
        with smtplib.SMTP("127.0.0.1", s.port, timeout=60) as c:  # what names no row is taken
            c.login("ann@example.test", "word")
            assert c.sendmail("ann@example.test", ["bob@example.test", "rcpt-too-many@example.test"], MESSAGE) \
                .keys() == {"rcpt-too-many@example.test"}
            assert c.sendmail("ann@example.test", ["bob@example.test"], MESSAGE) == {}
            assert c.docmd("STARTTLS")[0] == 502
        c = Client(s.port)
        c.reply()
        c.say("EHLO client.example")
        plain = base64.b64encode(b"\0auth-web-login-required@example.test\0word").decode()
        assert c.say("AUTH PLAIN " + plain)[0] == 534
        assert c.say("AUTH PLAIN", plain)[0] == 534
        assert c.say("AUTH PLAIN", base64.b64encode(b"no user").decode())[0] == 501
        name = base64.b64encode(b"auth-credentials-rejected").decode()
        assert c.say("AUTH LOGIN", name, name)[0] == 535
        assert c.say("AUTH PLAIN", base64.b64encode(b"\0ann\0word").decode())[0] == 235
        c.close()
        many = [Client(s.port) for _ in range(70)]  # more than it serves at a time
        for c in many[:60]:
            assert c.reply()[0] == 220
        for c in many[:20]:
            c.close()
        for c in many[60:]:
            assert c.reply()[0] == 220
    with Simulator("--greet", "server-busy") as s:
        c = Client(s.port)
        assert c.reply()[0] == 421 and c.is_over()
        c.close()
    for words, status in ((("--listen", "x"), 2), (("--profile", "x"), 2), (("--x",), 2), (("--greet", "nothing"), 1),
                          (("--listen", "192.0.2.1:1"), 4)):
        done = subprocess.run([POSTERN, "simulate", *words], capture_output=True, timeout=60, check=False)
        assert done.returncode == status, (words, done)


test_every_row()
test_the_rest()
