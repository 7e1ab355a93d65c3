"""What one session may take, of time and of memory: server_bounds.py POSTERN"""
import pathlib
import socket
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import Connection, Server  # noqa: E402

POSTERN = sys.argv[1]
COMMAND_S = 2


class Bounds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(POSTERN, listeners=["mx", "submissions"],
                            settings=[f'limits.command-time = "{COMMAND_S} s"',
                                      "log.level = info"])  # thousands of replies
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def client(self):
        client = self.server.connect()
        self.addCleanup(client.close)
        return client

    def test_a_burst_of_commands(self):
        """As many commands as fit into a read, with far longer replies: all are answered."""
        client = self.client()
        client.hello()
        n = 8000
        client.send(b"HELP\r\n" * n)
        for i in range(n):
            client.expect(214, f"command {i}")
        client.do("QUIT", 221)

    def test_replies_before_the_end(self):
        """Who sends all it has to say and closes its side still hears what was answered."""
        client = self.client()
        client.hello()
        client.send(b"NOOP\r\n" * 12000)
        client.sock.shutdown(socket.SHUT_WR)
        for i in range(12000):
            client.expect(250, f"command {i}")
        self.assertIsNone(client.reply())

    def test_nobody_reads(self):
        """Who never reads is cut off, and others go on."""
        client = self.client()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.hello()
        client.sock.settimeout(1)
        sent = 0
        with self.assertRaises(OSError):
            while sent < 100 << 20:
                sent += client.sock.send(b"HELP\r\n" * 10000)
        self.client().hello()

    def test_a_handshake_in_drops(self):
        """command-time is for the whole handshake, however many octets it takes."""
        address = (self.server.host, 2465)
        client = Connection(address, self.server.host)
        self.addCleanup(client.close)
        begun = time.monotonic()
        client.sock.settimeout(0.2)
        hello = iter(b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03" + bytes(240))
        try:
            while time.monotonic() < begun + 4 * COMMAND_S:
                client.sock.send(bytes([next(hello)]))
                try:
                    if client.sock.recv(100) == b"":
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass
        self.assertLess(time.monotonic(), begun + 4 * COMMAND_S - 0.5)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
