"""How octets may arrive: cut, slow, all at once, cut off: server_wire.py POSTERN"""
import pathlib
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import Server, body_of  # noqa: E402

POSTERN = sys.argv[1]
HEAD = b"From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nSubject: t\r\n\r\n"
ENVELOPE = b"MAIL FROM:<ann@client.example>\r\nRCPT TO:<%s@example.test>\r\n"


class Wire(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(POSTERN)
        cls.server.add_users(*(f"{name}@example.test" for name in
                               ("split", "slow", "pipe", "lost", "half", "bdat", "many")))
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def client(self):
        client = self.server.connect()
        self.addCleanup(client.close)
        return client

    def one(self, address):
        return body_of(self.server.messages(address, 1)[0])

    def test_split_around_the_final_dot(self):
        """Each cut of the last 12 octets in two TCP segments, a command behind the end."""
        tail = b"ab\r\n..c\r\n.\r\nRSET\r\n"
        client = self.client()
        client.hello()
        for cut in range(1, len(tail)):
            client.envelope("split@example.test")
            client.do("DATA", 354)
            client.send(HEAD + tail[:cut])
            time.sleep(0.01)
            client.send(tail[cut:])
            client.expect(250, f"cut at {cut}")
            client.expect(250, f"RSET, cut at {cut}")
        texts = self.server.messages("split@example.test", len(tail) - 1)
        self.assertEqual({body_of(text) for text in texts},
                         {HEAD.replace(b"\r\n", b"\n") + b"ab\n.c\n"})

    def test_octet_by_octet(self):
        session = (b"EHLO client.example\r\n", ENVELOPE % b"slow", b"DATA\r\n",
                   HEAD + b"slow\r\n.\r\n", b"QUIT\r\n")
        client = self.client()
        client.expect(220)
        for part, codes in zip(session, ([250], [250, 250], [354], [250], [221])):
            for i in range(len(part)):
                client.send(part[i:i + 1])
                time.sleep(0.001)
            for code in codes:
                client.expect(code)
        self.assertTrue(self.one("slow@example.test").endswith(b"\nslow\n"))

    def test_all_in_one_packet(self):
        """MAIL, RCPT, BDAT LAST with its octets, twice, and QUIT."""
        text = HEAD + b"pipe\r\n"
        client = self.client()
        client.hello()
        one = ENVELOPE % b"pipe" + b"BDAT %d LAST\r\n" % len(text) + text
        client.send(one + one + b"QUIT\r\n")
        for code in (250, 250, 250, 250, 250, 250, 221):
            client.expect(code)
        texts = self.server.messages("pipe@example.test", 2)
        self.assertEqual({body_of(text) for text in texts}, {text.replace(b"\r\n", b"\n")})

    def test_commands_behind_a_message(self):
        """The end of one message and the next transaction's commands in one packet."""
        client = self.client()
        client.hello()
        client.envelope("many@example.test")
        client.do("DATA", 354)
        for i in range(20):
            client.send(HEAD + b"%d\r\n.\r\n" % i + ENVELOPE % b"many" + b"DATA\r\n")
            for code in (250, 250, 250, 354):
                client.expect(code)
        client.send(HEAD + b".\r\n")
        client.expect(250)
        texts = self.server.messages("many@example.test", 21)
        self.assertEqual(len({body_of(text) for text in texts}), 21)

    def test_lost_in_the_middle(self):
        """Closed or reset within DATA and BDAT, before the last octet: nothing is delivered."""
        whole = HEAD + b"lost\r\n.\r\n"
        for end in (len(HEAD), len(whole) - 5, len(whole) - 3, len(whole) - 2, len(whole) - 1):
            for reset in (False, True):
                client = self.client()
                client.hello()
                client.envelope("lost@example.test")
                client.do("DATA", 354)
                client.send(whole[:end])
                if reset:
                    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                           struct.pack("ii", 1, 0))
                client.close()
        client = self.client()
        client.hello()
        client.envelope("lost@example.test")
        client.send(b"BDAT 100 LAST\r\n" + b"x" * 99)
        client.close()
        # A later message shows that all before it is through.
        client = self.client()
        client.hello()
        client.message(HEAD + b"after\r\n", "lost@example.test")
        self.server.settle()
        self.assertTrue(self.one("lost@example.test").endswith(b"\nafter\n"))

    def test_half_closed(self):
        """A client that shuts its side after QUIT still gets every reply."""
        text = HEAD + b"half\r\n"
        client = self.client()
        client.send(b"EHLO client.example\r\n")
        client.expect(220)
        client.expect(250)
        client.send(ENVELOPE % b"half" + b"BDAT %d LAST\r\n" % len(text) + text + b"QUIT\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        for code in (250, 250, 250, 221):
            client.expect(code)
        self.assertIsNone(client.reply())
        self.assertTrue(self.one("half@example.test").endswith(b"\nhalf\n"))

    def test_a_client_that_reads_nothing(self):
        """It asks without end and reads no reply: it is held, then cut, and nobody else waits."""
        greedy = self.client()
        greedy.hello()
        greedy.sock.settimeout(2.0)
        sent = 0
        try:
            while sent < 64 * 1024 * 1024:
                greedy.sock.sendall(b"NOOP\r\n" * 10000)
                sent += 60000
        except OSError:
            pass
        self.assertLess(sent, 64 * 1024 * 1024, "it was never held")
        other = self.client()
        other.hello()
        other.do("NOOP", 250)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
