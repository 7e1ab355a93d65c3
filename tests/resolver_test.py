"""The resolver against a real NSD with signed and unsigned zones, and against servers that are silent
or lie: resolver_test.py RESOLVER_TRY"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import nsd  # noqa: E402
from fakedns import ADDRESS, HERE, Lie, question_end, reply  # noqa: E402
import server  # noqa: E402

PROGRAM = sys.argv[1]
LONG = " ".join('"' + "x" * 255 + '"' for _ in range(230))  # 58,650 octets
RECORDS = [
    "plain.example. MX 10 Mx.Plain.Example.", "plain.example. MX 20 mx2.plain.example.",
    "mx.plain.example. A 192.0.2.7", "mx.plain.example. AAAA 2001:db8::7",
    'plain.example. TXT "v=spf1 " "-all"', f"long.example. TXT {LONG}",
    "null.example. MX 0 .",
    "7.2.0.192.in-addr.arpa. PTR mx.plain.example.",
    "1.0.0.127.in-addr.arpa. PTR loop.test.", "loop.test. A 127.0.0.1",
    "c1.example. CNAME c2.example.", "c2.example. CNAME c3.example.", "c3.example. A 192.0.2.3",
    "l1.example. CNAME l2.example.", "l2.example. CNAME l1.example.",
    *(f"m{i}.example. CNAME m{i + 1}.example." for i in range(40)), "m40.example. A 192.0.2.4",
]


def answers(words, address, config=""):
    """What resolver_try prints for the questions, a list of words each, and how long it took."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "postern.conf"
        path.write_text(f"""hostname = "mx.example"
state-dir = "{directory}"
listener "mx" {{ address = {{"127.0.0.1:2525"}} service = mx tls = none }}
dns {{ forward = {{"{address}"}} {config} }}
""")
        run = subprocess.run([PROGRAM, *(["--sandbox"] if "validate" not in config else []),
                              str(path), *words], capture_output=True, text=True, timeout=30)
    if run.returncode != 0:
        raise AssertionError(run.stderr + run.stdout)
    *lines, took = run.stdout.splitlines()
    return lines, int(took.split()[0])


class Zones(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if nsd.program() is None or shutil.which("ldns-signzone") is None:
            raise unittest.SkipTest("NSD or ldns-signzone is not installed")
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="postern-resolver-"))
        cls.host = server.own_address()
        zones = [(name, cls.signed(name, *options)) for name, *options in (
            ("signed.example",), ("forged.example",), ("late.example", "-e", "20200101000000"))]
        forged = zones[1][1]
        forged.write_text(forged.read_text().replace("192.0.2.9", "192.0.2.66"))
        cls.nsd = nsd.Nsd(cls.dir / "nsd", cls.host, RECORDS, ["broken.example"], zones)
        cls.at = f"{cls.host}@{nsd.PORT}"

    @classmethod
    def tearDownClass(cls):
        cls.nsd.stop()
        shutil.rmtree(cls.dir)

    @classmethod
    def signed(cls, name, *options):
        """A zone with signatures; its key goes into anchors."""
        path = cls.dir / name
        path.write_text(f"""$ORIGIN {name}.
$TTL 60
@ SOA ns.{name}. hostmaster.{name}. 1 3600 600 8640000 60
@ NS ns.{name}.
ns A 127.0.0.1
www A 192.0.2.9
alias CNAME www
@ TXT "v=spf1 -all"
""")
        key = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name], cwd=cls.dir,
                             capture_output=True, text=True, check=True).stdout.strip()
        if "-e" in options:
            options = ("-i", "20190101000000", *options)
        subprocess.run(["ldns-signzone", "-n", *options, "-o", name, "-f", f"{path}.signed", name, key],
                       cwd=cls.dir, check=True)
        with open(cls.dir / "anchors", "a", encoding="ascii") as file:
            file.write((cls.dir / f"{key}.key").read_text())
        return pathlib.Path(f"{path}.signed")

    def ask(self, *words, config=""):
        return answers(words, self.at, config)[0]

    def test_types(self):
        self.assertEqual(self.ask(
            "MX", "plain.EXAMPLE", "A", "mx.plain.example", "AAAA", "mx.plain.example",
            "TXT", "plain.example", "PTR", "7.2.0.192.in-addr.arpa", "PTR", "1.0.0.127.in-addr.arpa",
            "A", "loop.test", "MX", "null.example", "A", "localhost"), [
            "found ttl=60 name=plain.example 10 mx.plain.example 20 mx2.plain.example",
            "found ttl=60 name=mx.plain.example 192.0.2.7 ",
            "found ttl=60 name=mx.plain.example 2001:db8::7 ",
            "found ttl=60 name=plain.example 11:v=spf1 -all ",
            "found ttl=60 name=7.2.0.192.in-addr.arpa mx.plain.example",
            "found ttl=60 name=1.0.0.127.in-addr.arpa loop.test",
            "found ttl=60 name=loop.test 127.0.0.1 ",
            "found ttl=60 name=null.example 0 ",
            "found ttl=10800 name=localhost 127.0.0.1 "])

    def test_nothing(self):
        self.assertEqual(self.ask("A", "plain.example", "A", "no.example", "A", "x.broken.example"), [
            "nodata ttl=60 name=plain.example", "nxdomain ttl=60 name=no.example",
            "failed ttl=0 name=x.broken.example why=SERVFAIL"])

    def test_large_by_tcp(self):
        self.assertEqual(self.ask("TXT", "long.example"),
                         ["found ttl=60 name=long.example 58650:" + "x" * 40 + " "])

    def test_chains(self):
        chain, loop, long = self.ask("A", "c1.example", "A", "l1.example", "A", "m0.example")
        self.assertEqual(chain, "found ttl=60 name=c3.example 192.0.2.3 ")
        self.assertRegex(loop, "^failed ")
        self.assertRegex(long, "^failed ")

    def test_validation(self):
        anchors = f'trust-anchors = {{"{self.dir}/anchors"}}'
        for sandbox in ("", " # validate outside the sandbox"):
            good, alias, none, empty, plain, forged, late = self.ask(
                "A", "www.signed.example", "A", "alias.signed.example", "A", "no.signed.example",
                "MX", "www.signed.example", "A", "mx.plain.example", "A", "www.forged.example",
                "A", "www.late.example", config=anchors + sandbox + "\n")
            self.assertEqual(good, "found secure ttl=60 name=www.signed.example 192.0.2.9 ")
            self.assertEqual(alias, "found secure ttl=60 name=www.signed.example 192.0.2.9 ")
            self.assertRegex(none, "^nxdomain secure ")
            self.assertRegex(empty, "^nodata secure ")
            self.assertEqual(plain, "found ttl=60 name=mx.plain.example 192.0.2.7 ")
            self.assertRegex(forged, "^failed bogus .*validation failure")
            self.assertRegex(late, "^failed bogus .*(expired|validation failure)")
        self.assertEqual(self.ask("A", "www.forged.example"),
                         ["found ttl=60 name=www.forged.example 192.0.2.66 "])

    def test_zones_of_their_own(self):
        other = nsd.Nsd(self.dir / "other", server.own_address(), ["a.own.example. A 192.0.2.20"])
        try:
            for kind in ("stub", "forward"):
                self.assertEqual(
                    self.ask("A", "a.own.example", "A", "mx.plain.example",
                             config=f'{kind}-zones = {{"own.example {other.host}@{nsd.PORT}"}}'),
                    ["found ttl=60 name=a.own.example 192.0.2.20 ",
                     "found ttl=60 name=mx.plain.example 192.0.2.7 "])
        finally:
            other.stop()


class Lies(unittest.TestCase):
    """timeout and budget hold whatever a server does, and no lie is believed."""

    def asked(self, lie, words=("A", "www.example"), config=""):
        liar = Lie(lie)
        try:
            lines, took = answers(words, f"{liar.host}@{nsd.PORT}",
                                  f'timeout = "700 ms" budget = "1 s" {config}')
            self.assertLess(took, 4000)
            self.assertGreater(len(liar.asked), 0)
            return lines
        finally:
            liar.stop()

    def test_honest(self):
        self.assertEqual(self.asked(lambda q: [reply(q, records=[ADDRESS])]),
                         ["found ttl=60 name=www.example 192.0.2.66 "])

    def test_silent(self):
        self.assertEqual(self.asked(lambda q: None, ("A", "a.example", "MX", "b.example")),
                         ["failed ttl=0 name=a.example why=timeout",
                          "failed ttl=0 name=b.example why=timeout"])

    def test_nobody_there(self):
        lines, took = answers(["A", "a.example"], f"{server.own_address()}@{nsd.PORT}",
                              'timeout = "700 ms"')
        self.assertRegex(lines[0], "^failed ")
        self.assertLess(took, 4000)

    def test_noise(self):
        self.assertRegex(self.asked(lambda q: [os.urandom(40), q[:2] + os.urandom(60), b"", q])[0], "^failed ")

    def test_wrong_number_or_question(self):
        other = b"\x05other\x07example\0\0\x01\0\x01"
        self.assertRegex(self.asked(lambda q: [
            reply(q, records=[ADDRESS], number=(q[0] << 8 | q[1]) ^ 1),
            reply(q, records=[ADDRESS], question=other)])[0], "^failed ")

    def test_foreign_records(self):
        """Records of other names that come along are not believed, nor given to who asks for them."""
        foreign = (b"\x04bank\x07example\0", 1, 60, bytes([192, 0, 2, 67]))

        def lie(query):
            if b"\x04bank" in query.lower():
                return [reply(query, flags=0x8183)]
            return [reply(query, records=[ADDRESS, foreign])]
        self.assertEqual(self.asked(lie, ("A", "www.example", "A", "bank.example")), [
            "found ttl=60 name=www.example 192.0.2.66 ", "nxdomain ttl=0 name=bank.example"])

    def test_cut_and_no_tcp(self):
        self.assertRegex(self.asked(lambda q: [reply(q, flags=0x8380)])[0], "^failed ")

    def test_malformed_record(self):
        short = (HERE, 1, 60, b"\1\2\3")
        self.assertRegex(self.asked(lambda q: [reply(q, records=[short])])[0], "^(failed|nodata) ")

    def test_endless_alias(self):
        """Every name is an alias of a longer one."""
        def lie(query):
            name = query[12:question_end(query) - 4]
            return [reply(query, records=[(HERE, 5, 60, b"\x01a" + name)])]
        self.assertRegex(self.asked(lie)[0], "^failed ")

    def test_refused(self):
        for code, word in ((5, "SERVFAIL"), (2, "SERVFAIL"), (4, "SERVFAIL")):
            self.assertEqual(self.asked(lambda q, code=code: [reply(q, flags=0x8180 | code)]),
                             [f"failed ttl=0 name=www.example why={word}"])

    def test_slow(self):
        def lie(query):
            time.sleep(0.3)
            return [reply(query, records=[ADDRESS])]
        self.assertEqual(self.asked(lie), ["found ttl=60 name=www.example 192.0.2.66 "])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
