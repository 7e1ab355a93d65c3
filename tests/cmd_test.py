"""The command line: usage, -c, check-config, and the configuration files that come with Postern.

Arguments: the program, the source directory.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import environment  # noqa: E402

POSTERN, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
GOOD = 'hostname = mx.example.org\nlistener "mx" ' \
       '{ address = {"127.0.0.1:2525", "[::1]:2525"} service = mx tls = none }\n'


def postern(*args):
    """(exit status, standard output, standard error)"""
    run = subprocess.run([POSTERN, *args], capture_output=True, text=True, check=False,
                         timeout=30, env=environment())
    return run.returncode, run.stdout, run.stderr


class CommandLine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.good = self.write("good.conf", GOOD)

    def write(self, name, text):
        path = self.dir / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def test_version(self):
        self.assertEqual(postern("--version"), (0, "postern 0.1.0\n", ""))

    def test_help(self):
        status, out, err = postern("help")
        self.assertEqual((status, err), (0, ""))
        self.assertIn("  check-config ", out)
        self.assertEqual(postern("--help"), (0, out, ""))
        self.assertEqual(postern(), (2, "", out))
        one = postern("help", "check-config")
        self.assertEqual(one[0], 0)
        self.assertIn("usage: postern [-c FILE] check-config [--defaults]\n", one[1])
        self.assertEqual(postern("check-config", "--help"), one)

    def test_unknown(self):
        self.assertEqual(postern("chek-config"), (
            2, "", "postern: no such command 'chek-config'; did you mean: postern check-config\n"))
        self.assertEqual(postern("help", "frobnicate"), (
            2, "", "postern: no such command 'frobnicate'; say: postern help\n"))
        status, out, err = postern("queue", "lst")
        self.assertEqual((status, out), (2, ""))
        self.assertTrue(err.startswith(
            "postern queue: there is no 'lst'; did you mean 'list'? Else say: postern queue list|"), err)
        self.assertIn("did you mean --summary?", postern("explain", "--sumary", "-f", "x")[2])
        self.assertIn("there is no option '--hello'", postern("try", "--hello", "x")[2])
        self.assertIn("a value is missing after '--ip'", postern("check", "a.example", "--ip")[2])
        for name in ("https://example.org/", "ann@example.org", "a b"):
            self.assertIn("that is no domain name", postern("check", name)[2])
        self.assertEqual(postern("domain", "key", "generate", "--help")[0], 0)
        self.assertEqual(postern("check-config", "x"), (
            2, "", "postern check-config: it takes nothing but --defaults; "
                   "say: postern check-config [-c FILE] [--defaults]\n"))

    def test_config_option(self):
        expected = (0, f"{self.good}: ok\n  hostname mx.example.org, state-dir /var/lib/postern\n"
                       "  listener mx: mx, tls none, on 127.0.0.1:2525, [::1]:2525\n", "")
        self.assertEqual(postern("-c", self.good, "check-config"), expected)
        self.assertEqual(postern("check-config", "-c", self.good), expected)
        for args in (["-c"], ["check-config", "-c"], ["-c", "", "check-config"]):
            self.assertEqual(postern(*args), (
                2, "", "postern: -c has no file; say: postern -c FILE COMMAND ...\n"))
        self.assertEqual(postern("help", "--", "-c"), (
            2, "", "postern: no such command '--'; say: postern help\n"))

    def test_bad_config(self):
        bad = self.write("bad.conf", "# one\nhostnam = x\n")
        self.assertEqual(postern("check-config", "-c", bad), (
            3, "", f"{bad}:2: unknown setting \"hostnam\"; did you mean \"hostname\"?\n"))
        status, out, err = postern("check-config", "-c", str(self.dir / "none.conf"))
        self.assertEqual((status, out), (3, ""))
        self.assertIn("none.conf: cannot be opened: No such file or directory; ", err)

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_unreadable(self):
        os.chmod(self.good, 0)
        status, _, err = postern("check-config", "-c", self.good)
        self.assertEqual(status, 3)
        self.assertIn("Permission denied; run this as root, or as a user who may read it", err)

    def test_full_output(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            run = subprocess.run([POSTERN, "check-config", "--defaults"], stdout=full,
                                 stderr=subprocess.PIPE, check=False, timeout=30)
        self.assertEqual(run.returncode, 4)

    def test_defaults(self):
        status, text, err = postern("check-config", "--defaults")
        self.assertEqual((status, err), (0, ""))
        text = text.replace('hostname = ""', 'hostname = "mx.example.org"')
        path = self.write("defaults.conf", text)
        status, out, err = postern("check-config", "-c", path)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("listener mx: mx, tls none, on 127.0.0.1:2525\n", out)

    def test_packaged(self):
        text = (SOURCE / "packaging/postern.conf").read_text(encoding="utf-8")
        pair = self.certificate("packaged", "-days", "90")
        for name, path in zip(("fullchain.pem", "key.pem"), pair):
            self.assertIn(f"/etc/postern/{name}", text)
            text = text.replace(f"/etc/postern/{name}", path)
        status, out, err = postern("check-config", "-c", self.write("postern.conf", text))
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out.count("  listener "), 3)

    def certificate(self, name, *more):
        """(certificate, key) files; openssl req takes what more says."""
        pair = [str(self.dir / f"{name}.{kind}") for kind in ("pem", "key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=mx.example.org", *more,
                        "-out", pair[0], "-keyout", pair[1]], check=True, capture_output=True)
        return pair

    def test_certificates(self):
        """What smtpd could not load, or clients would not take, is told before it is loaded."""
        one, other = self.certificate("one", "-days", "90"), self.certificate("other", "-days", "3")
        def look(certificate, key):
            text = f'tls {{ certificate = "{certificate}" key = "{key}" }}\n'
            return postern("-c", self.write("tls.conf", text + GOOD.replace("none", "starttls")),
                           "check-config")
        self.assertEqual(look(*one)[0::2], (0, ""))
        status, out, err = look(one[0], other[1])
        self.assertEqual((status, out), (3, ""))
        self.assertIn(f"{other[1]}: it is not the key of that certificate", err)
        self.assertIn("no certificate in PEM form", look(self.write("empty.pem", ""), one[1])[2])
        self.assertIn("is it the key, or in DER form?", look(one[1], one[0])[2])
        self.assertIn("no private key in PEM form", look(one[0], one[0])[2])
        os.chmod(one[1], 0o644)
        self.assertIn(f"chmod o= {one[1]}\n", look(*one)[2])
        os.chmod(one[1], 0o640)
        self.assertEqual(look(*one)[0::2], (0, ""))
        self.assertIn("no certificate is for hostname (mx.example.org)",
                      look(*self.certificate("named", "-days", "90", "-subj", "/CN=b.example"))[2])
        status, out, err = look(*other)
        self.assertEqual(status, 0)
        self.assertIn(f"{other[0]}: the certificate ends within days", err)

    def test_seldom_meant(self):
        """What works, and leaves the administrator wondering why not."""
        text = GOOD.replace("mx.example.org", "mx").replace("service = mx", "service = submission")
        status, out, err = postern("-c", self.write("seldom.conf", text), "check-config")
        self.assertEqual(status, 0)
        self.assertIn("warning: hostname: it is one word", err)
        self.assertIn("nobody can log in at this listener, with tls = none", err)
        for more in ("auth { allow-clear = yes }", 'trust { login-networks = "127.0.0.1" }'):
            err = postern("-c", self.write("seldom.conf", text + more + "\n"), "check-config")[2]
            self.assertNotIn("log in", err)

    def test_manual_examples(self):
        """The blocks of the manual page are files that parse."""
        files = []
        for part in ("head", "tail"):
            text = (SOURCE / f"docs/man/postern.conf.5.{part}.scd").read_text(encoding="utf-8")
            files += text.split("```\n")[1::2]
        self.assertEqual(len(files), 9)
        pem = dict(zip(("pem", "key"), self.certificate("x", "-days", "90")))
        for text in files:
            if text.startswith("source "):  # a table in a file of its own
                text = f'delivery {{ sources = "{self.write("x.table", text)}" }}\n'
            if text.startswith("host "):
                text = f'delivery {{ smart-hosts = "{self.write("y.table", text)}" }}\n'
            text = re.sub(r"/etc/postern/(\w+)\.(pem|key)",
                          lambda m: pem["key" if m[1] == "key" else m[2]], text)
            if "listener" not in text:
                text += 'listener "x" { address = "127.0.0.1:25" service = mx tls = none }\n'
            if "hostname" not in text:
                text = "hostname = mx.example.org\n" + text
            if "tls = starttls" in text and "certificate" not in text:
                text += f'tls {{ certificate = "{pem["pem"]}" key = "{pem["key"]}" }}\n'
            self.assertEqual(postern("-c", self.write("x.conf", text), "check-config")[0::2],
                             (0, ""))

    def test_rules(self):
        """While no server runs the database is changed itself."""
        self.dir.chmod(0o755)  # another user's state stands in it
        config = self.write("rules.conf", f'state-dir = "{self.dir}/state"\nuser = nobody\n' + GOOD)

        def say(*args):
            return postern("-c", config, *args)

        self.assertEqual(say("domain", "add", "example.test")[0], 0)
        which = ("--domain", "example.test", "--direction", "in", "--name", "no-exe")
        self.assertEqual(say("rule", "add", *which, "attachment ends .exe, not tls",
                             "reject", "No programs"), (0, "rule no-exe added\n", ""))
        status, out, err = say("rule", "add", *which[:-1], "broken", "tls, sbject has x", "accept")
        self.assertEqual((status, out), (2, ""))
        self.assertEqual(err, "postern: conditions: after sign 5, 'sbject has x': is nothing that "
                              "a rule can ask for\n")
        lines = say("rule", "list", "--json")[1].splitlines()
        self.assertEqual(len(lines), 1)
        rule = json.loads(lines[0])
        self.assertEqual((rule["name"], rule["position"], rule["direction"]), ("no-exe", 1, "in"))
        self.assertEqual(rule["conditions"], 'attachment ends ".exe", not tls')
        self.assertEqual(rule["action"], 'reject "No programs"')
        self.assertEqual(say("rule", "remove", *which), (0, "rule no-exe removed\n", ""))
        self.assertEqual(say("rule", "list", "example.test"), (0, "", ""))
        self.assertEqual(say("rule", "remove", *which)[0], 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
