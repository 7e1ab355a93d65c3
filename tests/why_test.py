"""postern why on a trace that a bench wrote: why_test.py POSTERN TRACE_BENCH"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

POSTERN, BENCH = sys.argv[1:3]
SESSIONS = 3000


class Why(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix="why-test-")
        cls.conf = os.path.join(cls.dir.name, "postern.conf")
        with open(cls.conf, "w") as f:
            f.write('hostname = "mx.example.test"\nstate-dir = "state"\n'
                    'listener "mx" { address = {"127.0.0.1:2525"} service = mx tls = none }\n')
        cls.db = os.path.join(cls.dir.name, "state", "trace", "trace.db")

    @classmethod
    def tearDownClass(cls):
        cls.dir.cleanup()

    def why(self, *words, status=0):
        done = subprocess.run([POSTERN, "-c", self.conf, "why", *words], timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def test_1_no_trace(self):
        self.assertIn("no trace yet", self.why("192.0.2.1", status=1))

    def test_2_filled(self):
        os.makedirs(os.path.dirname(self.db))
        subprocess.run([BENCH, str(SESSIONS), self.db], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)

        lines = self.why("user7@example.test").splitlines()
        self.assertEqual(lines[0][:35], "3 sessions with user7@example.test,")
        self.assertEqual(len(lines), 4)
        for line in lines[1:]:
            self.assertRegex(line, r"^[0-9a-z]{12}  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  "
                                   r"198\.51\.\d+\.\d+  client\.example  "
                                   r"<sender\d+@client\.example> -> user7@example\.test  "
                                   r"accepted 1, delivered 1$")
        self.assertEqual(self.why("<USER7@Example.TEST>").splitlines(), lines)
        newest = lines[1].split()[0]

        two = self.why("user7@example.test", "--last", "2").splitlines()
        self.assertEqual(two[1:3], lines[1:3])
        self.assertIn("there are older ones", two[3])

        whole = self.why(newest)
        for reply in (f"550 5.1.1 There is no mailbox - {newest} postern",
                      f"550 5.1.1 no mailbox w@x (a.b) -\n {newest}  postern (in reply to RCPT)",
                      f"said: 550-5.7.1 By rule - rule abcdefghjkm1 {newest} postern",
                      f"cut off by a screen - {newest}"):
            self.assertEqual(self.why(reply), whole)
        self.assertEqual(self.why(f"250 2.0.0 Message queued as {newest}.1"),
                         self.why(newest + ".1"))
        self.assertIn("nor a reply that ends in one", self.why("550 an extravaganza", status=2))
        for reply in ("451 4.3.0 no - abcdefghjkmn", "451 4.3.0 no abcdefghjkmn postern", "queued as abcdefghjkmn.1"):
            self.assertIn("abcdefghjkmn", self.why(reply, status=1))  # an id of letters

        story = self.why(newest.upper() + ".1")
        self.assertIn("Session " + newest, story)
        self.assertIn("message " + newest + ".1 (10,240 octets) from <sender", story)
        self.assertIn("delivered to user7@example.test by maildir at ", story)
        ip = lines[1].split()[3]
        self.assertIn(newest, self.why(ip, "--since", "1 h"))
        self.assertIn(newest, self.why("::ffff:" + ip))

        told = json.loads(self.why("--json", newest))
        self.assertEqual(told["session"], newest)
        self.assertEqual(told["events"][0]["event"], "connect")
        self.assertEqual(told["events"][0]["fields"]["ip"], ip)
        self.assertEqual(told["events"][-1]["event"], "delivered")
        several = self.why("user7@example.test", "--json").splitlines()
        self.assertEqual([json.loads(s)["session"] for s in several],
                         [line.split()[0] for line in lines[1:]])

    def test_3_not_found(self):
        said = self.why("k3v9x2mq7tza", status=1)
        self.assertIn("session k3v9x2mq7tza", said)
        self.assertIn("goes back to 20", said)
        self.assertIn("mistyped", said)
        self.assertIn("address nobody\\x1b@example.test", self.why("nobody\x1b@example.test", status=1))
        self.assertIn("since 2999-01-01", self.why("user7@example.test", "--since",
                                                   "2999-01-01", status=1))

    def test_4_usage(self):
        for words in ([], ["k3v9x2mq7tzo"], ["@"], ["a@b", "c@d"], ["a@b", "--last", "0"],
                      ["a@b", "--last"], ["a@b", "--since", "yesterday"], ["--what"]):
            self.assertIn("say: postern why", self.why(*words, status=2))

    def test_5_damaged(self):
        with open(self.db, "r+b") as f:
            f.write(b"\xa5" * 4096)
        for end in ("-wal", "-shm"):
            if os.path.exists(self.db + end):
                os.unlink(self.db + end)
        self.assertIn("not a database", self.why("k3v9x2mq7tza", status=4))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
