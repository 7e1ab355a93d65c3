"""postern check and postern try, on a real DNS.

Argument: the program. Skipped where NSD is missing.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
import dkim  # noqa: E402
import nsd  # noqa: E402
from server import environment  # noqa: E402

POSTERN = sys.argv[1]
HOST = "127.0.0.78"
ZONE = [
    "good.example. MX 10 mail.good.example.", "mail.good.example. A 192.0.2.9",
    "9.2.0.192.in-addr.arpa. PTR mail.good.example.",
    'good.example. TXT "v=spf1 ip4:192.0.2.9 -all"',
    '_dmarc.good.example. TXT "v=DMARC1; p=reject; rua=mailto:d@good.example"',
    f"sel._domainkey.good.example. TXT {dkim.record()}",
    '_smtp._tls.good.example. TXT "v=TLSRPTv1; rua=mailto:t@good.example"',
    '_mta-sts.all.example. TXT "v=STSv1; id=a-b"', '_smtp._tls.all.example. TXT "v=TLSRPTv1; rua=x"',
    "_25._tcp.all.example. TLSA 1 1 1 " + "00" * 32,
    'old._domainkey.good.example. TXT "v=DKIM1; p="',
    'all.example. TXT "v=spf1 mx +all"', "all.example. A 192.0.2.1",
    '_dmarc.all.example. TXT "v=DMARC1; p=none"',
]
HEAD = "From: ann@good.example\r\nMessage-ID: <a@good.example>\r\nSubject: x\r\n"


class OnDns(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.folder.name)
        cls.dir.chmod(0o755)  # for the user that the state belongs to
        cls.conf = cls.dir / "postern.conf"
        cls.conf.write_text(
            f'hostname = mx.example.test\nstate-dir = "{cls.dir}"\n'
            f'dns {{\n forward = {{"{HOST}@{nsd.PORT}"}}\n}}\n'
            'listener "mx" {\n address = {"127.0.0.1:2525"}\n service = mx\n tls = none\n}\n')
        cls.dns = nsd.Nsd(cls.dir / "nsd", HOST, ZONE, ["broken.example"])

    @classmethod
    def tearDownClass(cls):
        cls.dns.stop()
        cls.folder.cleanup()

    def postern(self, *words, stdin=""):
        run = subprocess.run([POSTERN, "-c", str(self.conf), *words], input=stdin.encode(),
                             capture_output=True, check=False, timeout=60, env=environment())
        return run.returncode, run.stdout.decode() + run.stderr.decode()

    def test_check_good(self):
        status, out = self.postern("check", "good.example", "--ip", "192.0.2.9", "--selector", "sel")
        self.assertEqual(status, 0, out)
        self.assertNotIn("error", out)
        self.assertEqual([line.split()[1] for line in out.splitlines() if line.startswith("warning")], ["STS"], out)
        self.assertIn("reports go to mailto:t@good.example", out)
        self.assertIn("192.0.2.9 is mail.good.example, and back", out)

    def test_check_bad(self):
        status, out = self.postern("check", "all.example", "--ip", "192.0.2.7", "--selector", "sel",
                                   "--json")
        self.assertEqual(status, 1, out)
        found = [(f["severity"], f["topic"], f["publish"]) for f in json.loads(out)["findings"]]
        for wanted in (("warning", "MX", "all.example. MX 10 mail.all.example."),
                       ("error", "PTR", "7.2.0.192.in-addr.arpa. PTR mail.all.example."),
                       ("error", "SPF", 'all.example. TXT "v=spf1 mx -all"'),
                       ("ok", "SPF", ""), ("warning", "DMARC", ""), ("error", "DANE", ""), ("warning", "DANE", ""),
                       ("error", "TLSRPT", '_smtp._tls.all.example. TXT "v=TLSRPTv1; rua=mailto:postmaster@all.example"')):
            self.assertIn(wanted, found)
        self.assertIn("error STS", [f"{f['severity']} {f['topic']}" for f in json.loads(out)["findings"]])
        status, out = self.postern("check", "good.example", "--ip", "192.0.2.8", "--selector", "old")
        self.assertEqual(status, 1)
        self.assertIn('publish: good.example. TXT "v=spf1 ip4:192.0.2.8 ip4:192.0.2.9 -all"', out)
        self.assertIn("old._domainkey.good.example: no key to verify with (key-revoked", out)

    def test_check_own_keys(self):
        """What this server signs with is looked for without being named."""
        for words in (("domain", "add", "good.example"), ("domain", "key", "generate", "good.example", "--selector", "mine"),
                      ("domain", "key", "generate", "good.example", "--selector", "sel")):
            self.assertEqual(self.postern(*words)[0], 0)
        status, out = self.postern("check", "good.example", "--ip", "192.0.2.9")
        self.assertEqual(status, 1, out)
        self.assertIn("mine._domainkey.good.example: there is no such record", out)
        self.assertIn("publish: what postern domain key show good.example prints", out)
        self.assertIn("sel._domainkey.good.example: RSA", out)
        self.assertNotIn("mine.", self.postern("check", "good.example", "--selector", "sel")[1])

    def test_check_nothing(self):
        status, out = self.postern("check", "none.example")
        self.assertEqual(status, 1)
        self.assertIn('none.example. TXT "v=spf1 mx -all"', out)
        self.assertIn("_dmarc.none.example. TXT", out)
        status, out = self.postern("check", "broken.example")
        self.assertEqual(status, 0, out)  # nothing is known, so nothing is wrong
        self.assertEqual(self.postern("check")[0], 2)
        self.assertEqual(self.postern("check", "a..b")[0], 2)
        self.assertEqual(self.postern("check", "good.example", "--ip", "x")[0], 2)

    def test_try(self):
        words = ("try", "--ip", "192.0.2.9", "--from", "ann@good.example", "-")
        status, out = self.postern(*words, stdin=HEAD + "\r\nx\r\n")
        self.assertEqual(status, 0, out)
        self.assertIn("dmarc=pass header.from=good.example", out)
        self.assertIn("would be accepted", out)

    def test_try_rules(self):
        """The rules of the recipient's domain, with its groups and a score; and what the others would do."""
        rule = ("rule", "add", "--domain", "here.example", "--direction", "in", "--name")
        for words in (("domain", "add", "here.example"), ("user", "add", "eve@here.example"),
                      ("user", "set", "eve@here.example", "--group", "staff"),
                      (*rule, "note", "recipient-group is staff", "tag", "[staff]"),
                      (*rule, "spam", "spam-score > 4", "reject", "No spam")):
            status, out = self.postern(*words)
            self.assertEqual(status, 0, out)
        words = ("try", "--ip", "192.0.2.9", "--from", "ann@good.example", "--rcpt", "Eve@here.example")
        status, out = self.postern(*words, "-", stdin=HEAD + "\r\nx\r\n")
        self.assertEqual(status, 0, out)
        self.assertIn("rule=note of here.example: tag [staff]", out)
        status, out = self.postern(*words, "--score", "4.5", "-", stdin=HEAD + "\r\nx\r\n")
        self.assertEqual(status, 1, out)
        self.assertIn("No spam", out)
        for rcpt, wanted in (("nobody@here.example", "would be refused: 550 5.1.1"), ("ann@else.example", "relay-denied-unregistered")):
            status, out = self.postern(*words[:-1], rcpt, "-", stdin=HEAD + "\r\nx\r\n")
            self.assertEqual(status, 1, out)
            self.assertIn(wanted, out)
            self.assertIn("mailbox (", out)
        status, out = self.postern("domain", "set", "here.example", "--allow-networks", "198.51.100.0/24")
        self.assertEqual(status, 0, out)
        status, out = self.postern(*words, "-", stdin=HEAD + "\r\nx\r\n")
        self.assertEqual(status, 1, out)
        self.assertIn("allowed-network (rcpt-ip-not-allowlisted)", out)
        self.assertEqual(self.postern(*rule, "gone", "tls", "copy", "nobody@here.example")[0], 1)

    def test_try_sending(self):
        """With a login: the sender's domain's rules of mail that goes out, in front of the recipient's."""
        rule = ("rule", "add", "--name")
        for words in (("domain", "add", "sends.example"), ("domain", "add", "gets.example"), ("user", "add", "sue@sends.example"),
                      ("user", "add", "joe@sends.example"), ("user", "add", "max@gets.example"),
                      ("user", "set", "sue@sends.example", "--group", "interns"),
                      (*rule, "mark", "--domain", "sends.example", "--direction", "out", "recipient under gets.example", "tag", "[out]"),
                      (*rule, "mute", "--domain", "sends.example", "--direction", "out", "sender-group is interns", "reject", "Ask first"),
                      (*rule, "mark", "--domain", "sends.example", "--direction", "in", "tls", "tag", "[never]"),
                      (*rule, "come", "--domain", "gets.example", "--direction", "in", "subject is x", "tag", "[in]")):
            status, out = self.postern(*words)
            self.assertEqual(status, 0, out)
        message = HEAD.replace("ann@good", "sue@sends") + "\r\nx\r\n"

        def attempt(login, sender, *words):
            return self.postern("try", "--ip", "192.0.2.9", "--tls", "--from", sender, "--rcpt", "max@gets.example", "--login", login,
                                *words, "-", stdin=message)
        status, out = attempt("joe@sends.example", "joe@sends.example")
        self.assertEqual(status, 0, out)
        self.assertIn("mark of sends.example: tag [out]", out)
        self.assertIn("come of gets.example: tag [in]", out)
        self.assertNotIn("[never]", out)
        status, out = attempt("sue@sends.example", "sue@sends.example")
        self.assertEqual(status, 1, out)
        self.assertIn("Ask first - rule mute", out)
        status, out = attempt("joe@sends.example", "sue@sends.example", "--json")
        self.assertEqual((status, json.loads(out)["row"]), (1, "sending-denied"), out)
        status, out = attempt("nobody@sends.example", "nobody@sends.example")
        self.assertEqual(status, 1, out)
        self.assertIn("sending-denied", out)

    def test_try_refused(self):
        words = ("try", "--ip", "192.0.2.8", "--helo", "x.example", "--from", "ann@good.example", "-")
        status, out = self.postern(*words, stdin=HEAD.replace("\r", "") + "\nx\n")
        self.assertEqual(status, 1, out)
        self.assertIn("would be refused: 550 5.7.26", out)
        self.assertIn("reject   spf-hardfail (mail-spf-hardfail-reject)", out)  # behind the first
        status, out = self.postern(*words, "--json",
                                   stdin=dkim.sign(HEAD, "x\r\n", "good.example") + "\r\nx\r\n")
        told = json.loads(out)
        self.assertEqual((status, told["accepted"]), (0, True), out)
        self.assertIn("dkim=pass", told["fields"])
        self.assertEqual(self.postern("try", "-")[0], 2)
        self.assertEqual(self.postern("try", "--ip", "192.0.2.8", str(self.dir / "none"))[0], 4)


if __name__ == "__main__":
    if nsd.program() is None:
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
