"""Other people's clients against the server: server_clients.py POSTERN

swaks, curl and Python's smtplib, in the clear and over TLS; those not installed are left out."""
import pathlib
import shutil
import smtplib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import PORTS, TIMEOUT, Server, body_of, client_tls  # noqa: E402

POSTERN = sys.argv[1]
TEXT = "From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nTo: {to}\r\nSubject: {name}\r\n\r\n.dots\r\n..\r\nend\r\n"


def needs(program):
    return unittest.skipIf(shutil.which(program) is None, f"{program} is not installed")


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(POSTERN, listeners=["mx", "submissions"])
        cls.server.add_users(*(f"{name}@example.test" for name in
                               ("swaks", "swakstls", "swakspipe", "smtplib", "smtplibtls",
                                "eight", "curl", "curltls", "several")))
        cls.server.start()
        cls.mx = f"{cls.server.host}:{PORTS['mx']}"

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def run_client(self, *words, status=0, text=None):
        done = subprocess.run(words, text=True, input=text, timeout=TIMEOUT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def one(self, name):
        return self.server.messages(f"{name}@example.test", 1)[0].decode("utf-8")

    # --- swaks ---

    def swaks(self, name, *options, status=0):
        return self.run_client("swaks", "--server", self.mx, "--from", "ann@client.example", "--to",
                               f"{name}@example.test", "--helo", "client.example", "--body",
                               f"through {name}", *options, status=status)

    @needs("swaks")
    def test_swaks(self):
        self.swaks("swaks")
        self.assertIn("through swaks\n", self.one("swaks"))

    @needs("swaks")
    def test_swaks_tls(self):
        self.swaks("swakstls", "--tls")
        self.assertIn("with ESMTPS\n", self.one("swakstls"))

    @needs("swaks")
    def test_swaks_pipelining(self):
        self.swaks("swakspipe", "--pipeline")
        self.assertIn("through swakspipe\n", self.one("swakspipe"))

    @needs("swaks")
    def test_swaks_refused(self):
        said = self.swaks("nobody", status=24)
        self.assertRegex(said, r"550 5\.1\.1 There is no mailbox nobody@example\.test .* "
                         r"[0-9a-z]{12} postern")

    # --- smtplib ---

    def test_smtplib(self):
        with smtplib.SMTP(self.server.host, PORTS["mx"], "client.example",
                          timeout=TIMEOUT) as client:
            refused = client.sendmail("ann@client.example",
                                      ["smtplib@example.test", "nobody@example.test"],
                                      TEXT.format(to="smtplib", name="smtplib"))
            self.assertEqual(refused["nobody@example.test"][0], 550)
            self.assertEqual(client.verify("smtplib")[0], 252)
            self.assertEqual(client.noop()[0], 250)
            self.assertEqual(client.help()[:5], b"2.0.0")
        self.assertIn("\n\n.dots\n..\nend\n", self.one("smtplib"))

    def test_smtplib_starttls(self):
        with smtplib.SMTP(self.server.host, PORTS["mx"], "client.example",
                          timeout=TIMEOUT) as client:
            client.starttls(context=client_tls())
            self.assertFalse(client.has_extn("starttls"))
            client.sendmail("ann@client.example", ["smtplibtls@example.test"],
                            TEXT.format(to="tls", name="tls"))
        self.assertIn("with ESMTPS\n", self.one("smtplibtls"))

    def test_smtplib_eight_bit(self):
        text = "From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nSubject: eight\r\n\r\nGr\u00fc\u00dfe, \u4f60\u597d\r\n".encode()
        with smtplib.SMTP(self.server.host, PORTS["mx"], "client.example",
                          timeout=TIMEOUT) as client:
            client.ehlo()
            self.assertTrue(client.has_extn("8bitmime") and client.has_extn("smtputf8"))
            client.sendmail("ann@client.example", ["eight@example.test"], text,
                            mail_options=["BODY=8BITMIME"])
        stored = self.server.messages("eight@example.test", 1)[0]
        self.assertEqual(body_of(stored), text.replace(b"\r\n", b"\n"))

    def test_smtplib_several(self):
        with smtplib.SMTP(self.server.host, PORTS["mx"], "client.example",
                          timeout=TIMEOUT) as client:
            for i in range(30):
                client.sendmail("ann@client.example", ["several@example.test"],
                                TEXT.format(to="several", name=f"n{i}"))
        texts = self.server.messages("several@example.test", 30)
        self.assertEqual(len({body_of(text) for text in texts}), 30)

    def test_smtplib_submission(self):
        with smtplib.SMTP_SSL(self.server.host, PORTS["submissions"], "client.example",
                              timeout=TIMEOUT, context=client_tls()) as client:
            with self.assertRaises(smtplib.SMTPSenderRefused) as caught:
                client.sendmail("smtplib@example.test", ["swaks@example.test"], "x")
            self.assertEqual(caught.exception.smtp_code, 530)

    # --- curl ---

    def curl(self, name, *options):
        self.run_client("curl", "--silent", "--show-error", "--url",
                        f"smtp://{self.mx}/client.example", "--mail-from", "ann@client.example",
                        "--mail-rcpt", f"{name}@example.test", "--upload-file", "-", "--crlf",
                        *options, text=TEXT.format(to=name, name=name).replace("\r\n", "\n"))

    @needs("curl")
    def test_curl(self):
        self.curl("curl")
        self.assertIn("\n\n.dots\n..\nend\n", self.one("curl"))

    @needs("curl")
    def test_curl_tls(self):
        self.curl("curltls", "--ssl-reqd", "--insecure")
        text = self.one("curltls")
        self.assertIn("with ESMTPS\n", text)
        self.assertIn("\n\n.dots\n..\nend\n", text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
