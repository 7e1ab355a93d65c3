"""Messages of all shapes through the whole server, into Maildirs: server_mail.py POSTERN"""
import pathlib
import random
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import Server, body_of  # noqa: E402

POSTERN = sys.argv[1]
LIMIT = 24 * 1024 * 1024
HEAD = b"From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nSubject: t\r\n\r\n"


def text_of(octets, seed):
    """A message of exactly so many octets: lines of all lengths, many that begin with dots."""
    choose = random.Random(seed)
    block = b""
    while len(block) < 64 * 1024:
        block += b"." * choose.randrange(4) + b"x" * choose.randrange(200) + b"\r\n"
    text = HEAD + block * (octets // len(block) + 1)
    return text[:octets - 4] + b"zz\r\n"


class Mail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(POSTERN, settings=[f'limits.message-size = "{LIMIT}"'])
        cls.server.add_users(*(f"{name}@example.test" for name in
                               ("alice", "bob", "carol", "big", "exact", "crowd", "rest", "bdat",
                                "utf8", "two", "tls")))
        cls.server.run("user", "add", "jörg@example.test", "--generate")
        cls.server.run("alias", "add", "team@example.test", "alice@example.test",
                       "bob@example.test", "carol@example.test")
        cls.server.run("domain", "add", "other.test")
        cls.server.run("domain", "set", "other.test", "--catch-all", "rest@example.test")
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.client = self.server.connect()
        self.client.hello()

    def tearDown(self):
        self.client.close()

    def one(self, address):
        return body_of(self.server.messages(address, 1)[0])

    def test_big(self):
        """Over 1 MiB: through a segment of its own."""
        text = text_of(20 * 1024 * 1024 + 12345, 1)
        self.client.message(text, "big@example.test", parameters=f" SIZE={len(text)}")
        self.assertTrue(self.one("big@example.test") == text.replace(b"\r\n", b"\n"))

    def test_exactly_the_limit(self):
        text = text_of(LIMIT, 2)
        self.assertEqual(len(text), LIMIT)
        self.client.message(text, "exact@example.test", parameters=f" SIZE={LIMIT}")
        self.assertTrue(self.one("exact@example.test") == text.replace(b"\r\n", b"\n"))
        self.client.envelope("exact@example.test")
        self.client.do("DATA", 354)
        self.client.send(re.sub(rb"(?m)^\.", b"..", text[:-2] + b"z\r\n") + b".\r\n")
        self.assertIn(f"has {LIMIT + 1} octets", self.client.expect(552).text)
        self.assertEqual(len(self.server.files("exact@example.test")), 1)

    def test_100_recipients(self):
        rcpts = [f"crowd+{i}@example.test" for i in range(100)]
        self.client.message(HEAD + b"to all\r\n", *rcpts)
        texts = self.server.messages("crowd@example.test", 100)
        named = {re.search(rb"(?m)^Delivered-To: (.*)$", text).group(1).decode() for text in texts}
        self.assertEqual(named, set(rcpts))
        self.assertEqual({body_of(text) for text in texts},
                         {(HEAD + b"to all\r\n").replace(b"\r\n", b"\n")})
        self.assertNotIn(b"for <", b"".join(texts), "each would be told to the others")
        self.client.do("MAIL FROM:<ann@client.example>", 250)
        for rcpt in rcpts:
            self.client.do(f"RCPT TO:<{rcpt}>", 250)
        self.client.do("RCPT TO:<crowd+101@example.test>", 452)

    def test_alias_of_three(self):
        self.client.message(HEAD + b"team\r\n", "team@example.test")
        for name in ("alice", "bob", "carol"):
            text = self.server.messages(f"{name}@example.test", 1)[0]
            self.assertIn(b"X-Original-To: team@example.test", text)
            self.assertTrue(text.endswith(b"\nteam\n"))

    def test_catch_all(self):
        self.client.message(HEAD + b"rest\r\n", "whoever.that.is@Other.Test")
        self.assertTrue(self.one("rest@example.test").endswith(b"\nrest\n"))

    def test_utf8_recipient(self):
        self.client.do("MAIL FROM:<ann@client.example>", 250)
        self.client.do("RCPT TO:<jörg@example.test>", 553)
        self.client.do("RSET", 250)
        text = HEAD.replace(b"Subject: t", "Subject: Grüße".encode()) + b"x\r\n"
        self.client.message(text, "jörg@example.test", parameters=" SMTPUTF8 BODY=8BITMIME")
        stored = self.server.messages("jörg@example.test", 1)[0]
        self.assertIn(b"with UTF8SMTP\n", stored)
        self.assertEqual(body_of(stored), text.replace(b"\r\n", b"\n"))

    def test_bdat_in_small_chunks(self):
        """Chunks of 1 to 9 octets, some empty, none with regard to line ends; all in one go."""
        text = HEAD + b".\r\n..\r\n.x\r\n\r\n.\r\n" + b"chunks\r\n" * 200
        self.client.envelope("bdat@example.test")
        choose, at, out, n = random.Random(3), 0, b"", 0
        while at < len(text):
            size = choose.randrange(10)
            size = min(size, len(text) - at)
            last = b" LAST" if at + size == len(text) else b""
            out += b"BDAT %d%s\r\n" % (size, last) + text[at:at + size]
            at += size
            n += 1
        self.client.send(out)
        for _ in range(n):
            self.client.expect(250)
        self.assertEqual(self.one("bdat@example.test"), text.replace(b"\r\n", b"\n"))

    def test_two_messages_and_a_refusal_between(self):
        self.client.message(HEAD + b"one\r\n", "two@example.test")
        self.client.do("MAIL FROM:<ann@client.example>", 250)
        self.client.do("RCPT TO:<nobody@example.test>", 550)
        self.client.do("DATA", 503)
        self.client.do("RSET", 250)
        self.client.message(HEAD + b"two\r\n", "two@example.test")
        self.client.do("QUIT", 221)
        self.assertIsNone(self.client.reply())
        texts = self.server.messages("two@example.test", 2)
        self.assertEqual({text[-4:] for text in texts}, {b"one\n", b"two\n"})

    def test_received(self):
        self.client.do("STARTTLS", 220)
        self.client.start_tls()
        self.client.do("EHLO client.example", 250)
        self.client.message(HEAD + b"tls\r\n", "tls@example.test")
        text = self.server.messages("tls@example.test", 1)[0].decode()
        host = self.server.host.replace(".", r"\.")
        self.assertRegex(text, rf"(?m)^Received: from client\.example \(\[{host}\]\)\n\t"
                         r"by mx\.example\.test \(Postern\) with ESMTPS\n\t\(TLSv1\.3 \S+\)\n\t"
                         r"id [0-9a-z]{12}\.1 for <tls@example\.test>;\n\t"
                         r"\w{3}, \d\d? \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
