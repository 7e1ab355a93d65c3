"""The harness of scenarios starts a real NSD and gives it to the server: nsd_test.py POSTERN"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "scenario"))
import nsd  # noqa: E402
import run as scenario  # noqa: E402
import server  # noqa: E402

POSTERN = sys.argv[1]
SCENARIO = """# a play with a zone
zone: client.example. MX 10 mx.client.example.
zone: mx.client.example. A 192.0.2.7
zone: mx.client.example. AAAA 2001:db8::7
zone: 7.2.0.192.in-addr.arpa. PTR mx.client.example.
zone: client.example. TXT "v=spf1 ip4:192.0.2.7 -all"
servfail broken.example
hello
C: XYZZY
R: command-unrecognized XYZZY
"""


class Nsd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.play = scenario.Play(POSTERN, pathlib.Path("command-unrecognized.scn"), "gmail", False)
        try:
            for line in SCENARIO.splitlines()[1:]:
                cls.play.do(line)
        except BaseException:
            cls.play.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        process = cls.play.dns.process
        cls.play.stop()
        assert process.poll() is not None, "NSD was left running"

    def ask(self, name, kind):
        return nsd.ask(self.play.server.host, name, kind)

    def test_records(self):
        self.assertEqual(self.ask("mx.client.example.", "A"), (0, [bytes([192, 0, 2, 7])]))
        self.assertEqual(self.ask("MX.client.example", "AAAA"),
                         (0, [bytes.fromhex("20010db8000000000000000000000007")]))
        self.assertEqual(self.ask("client.example.", "TXT"),
                         (0, [b"\x19v=spf1 ip4:192.0.2.7 -all"]))
        rcode, data = self.ask("7.2.0.192.in-addr.arpa.", "PTR")
        self.assertEqual((rcode, len(data)), (0, 1))
        rcode, data = self.ask("client.example.", "MX")
        self.assertEqual((rcode, data[0][:2]), (0, b"\0\x0a"))

    def test_what_is_not_there(self):
        self.assertEqual(self.ask("nothing.example.", "A"), (3, []))  # NXDOMAIN
        self.assertEqual(self.ask("client.example.", "A"), (0, []))   # no data
        self.assertEqual(self.ask("www.broken.example.", "A"), (2, []))  # SERVFAIL

    def test_the_server_was_told(self):
        config = self.play.server.config.read_text()
        self.assertIn(f'forward = {{"{self.play.server.host}@{nsd.PORT}"}}', config)

    def test_a_bad_zone(self):
        with self.assertRaisesRegex(nsd.NsdFailed, "does not take the zone"):
            nsd.Nsd(self.play.server.dir / "bad", server.own_address(), ["x. A nonsense"])


if __name__ == "__main__":
    if nsd.program() is None:
        print("NSD is not installed: nothing to test")
        sys.exit(server.SKIPPED)
    unittest.main(argv=sys.argv[:1])
