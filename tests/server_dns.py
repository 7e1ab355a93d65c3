"""Sessions while the DNS is silent or slow: nobody waits longer than the budget, others do not wait at all, and
clients that leave meanwhile harm nobody: server_dns.py POSTERN"""
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from fakedns import Lie, reply  # noqa: E402
from server import Server  # noqa: E402

POSTERN = sys.argv[1]
BUDGET = 3  # seconds


def slow_lie(query):
    """Names with "slow" in them are answered, with nothing, after a while; others never."""
    if b"slow" not in query:
        return None
    time.sleep(0.4)
    return [reply(query, flags=0x8183)]


class Dns(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dns = Lie(slow_lie)
        cls.server = Server(POSTERN, settings=[
            f'dns.forward = {{"{cls.dns.host}@5300"}}', 'dns.timeout = "1 s"',
            f'dns.budget = "{int(BUDGET * 1000)} ms"', "checks.local-networks = {}",
            "checks.ptr = reject", 'checks.dnsbl-lists = {"slow.example"}'])
        cls.server.run("domain", "add", "example.test")
        cls.server.run("user", "add", "alice@example.test", "--generate")
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.dns.stop()

    def connect(self):
        c = self.server.connect("mx", None, lambda line: None)
        self.assertEqual(c.reply().code, "220")
        return c

    def send_mail(self, c):
        """Up to the final dot, whose reply waits for the DNS."""
        for line, code in (("EHLO client.example", "250"), ("MAIL FROM:<ann@client.example>", "250"),
                           ("RCPT TO:<alice@example.test>", "250"), ("DATA", "354")):
            c.send(line.encode() + b"\r\n")
            self.assertEqual(c.reply().code, code)
        c.send(b"From: ann@client.example\r\nMessage-ID: <1@client.example>\r\n"
               b"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nx\r\n.\r\n")

    def test_nobody_waits_long(self):
        """The greeting and the commands come at once, the end of the message within the budget; that nobody
        knows is held against nobody."""
        start = time.monotonic()
        c = self.connect()
        self.send_mail(c)
        self.assertLess(time.monotonic() - start, BUDGET)
        self.assertEqual(c.reply().code, "250")
        self.assertLess(time.monotonic() - start, BUDGET + 10)
        c.close()

    def test_many_at_once(self):
        """Fifty who wait do not wait for each other."""
        start = time.monotonic()
        clients = [self.connect() for _ in range(50)]
        for c in clients:
            self.send_mail(c)
        for c in clients:
            self.assertEqual(c.reply().code, "250")
            c.close()
        self.assertLess(time.monotonic() - start, BUDGET + 30)

    def test_who_leaves(self):
        """Clients that close, reset or say RSET, QUIT while the answer is awaited."""
        for how in ("close", "half", "rset", "quit", "again"):
            c = self.connect()
            self.send_mail(c)
            if how == "close":
                c.close()
                continue
            if how == "half":
                c.sock.shutdown(1)
                self.assertEqual(c.reply().code, "250")
            elif how == "again":  # pipelined: the next transaction begins when the first has ended
                c.send(b"MAIL FROM:<bob@client.example>\r\nNOOP\r\n")
                self.assertEqual([c.reply().code for _ in range(3)], ["250"] * 3)
            else:
                c.send(how.encode() + b"\r\n")
                self.assertEqual(c.reply().code, "250")
                self.assertEqual(c.reply().code, "221" if how == "quit" else "250")
            c.close()
        self.connect().close()  # still there


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
