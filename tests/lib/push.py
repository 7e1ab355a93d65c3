"""A customer of the push service: news@example.test."""
import base64
import re

ACCOUNT = "news@example.test"
# sesam-open
HASH = "$y$j9T$abcdefghijkl$NTeTwn7GDTJy5S19.5x.DUxsb0CYxGaP1XwlAlUovf8"
LOGIN = base64.b64encode(f"\0{ACCOUNT}\0sesam-open".encode()).decode()
MESSAGE = f"From: {ACCOUNT}\r\nSubject: hello\r\n\r\ntext\r\n.\r\n".encode()


def add_account(server):
    """Beside the domain and its user alice."""
    server.run("domain", "add", "example.test")
    server.run("user", "add", "alice@example.test", "--generate")
    server.run("push", "add", ACCOUNT, "--password-hash", HASH)


def connect(server):
    """A connection that has logged in."""
    c = server.connect("push")
    c.hello()
    c.do("STARTTLS", 220)
    c.start_tls()
    c.do("EHLO shop.example", 250)
    c.do(f"AUTH PLAIN {LOGIN}", 235)
    return c


def send(server, *rcpts):
    """A message: the codes of the recipients, and its id where it went out to any."""
    c = connect(server)
    c.do(f"MAIL FROM:<{ACCOUNT}>", 250)
    codes, id_ = [], None
    for rcpt in rcpts:
        c.send(f"RCPT TO:<{rcpt}>\r\n".encode())
        codes.append(int(c.reply().code))
    if 250 in codes:
        c.do("DATA", 354)
        c.send(MESSAGE)
        id_ = re.search(r"\b[0-9a-z]{12}\.\d+\b", str(c.expect(250, "end of data"))).group()
    c.do("QUIT", 221)
    return codes, id_
