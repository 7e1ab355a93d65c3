"""The comparison of a server's log with the catalogue finds what it must: reply_log_test.py"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from catalogue import NotARow, check_log  # noqa: E402

ID = "a1b2c3d4e5f6"


def line(row, text, session=ID):
    return (f"session={session} time=2026-11-22T07:30:46.334Z level=debug role=smtpd/0 "
            f'event=reply row={row} line="{text}"\n')


def refusal(session=ID, code="550 5.1.1"):
    return (f"{code} There is no mailbox a@b here, though its domain is served; check the "
            f"address for misspellings - {session} postern\\x0d\\x0a")


class ReplyLog(unittest.TestCase):
    def bad(self, text, why, profile="gmail"):
        with self.assertRaisesRegex(NotARow, why):
            check_log(text, profile)

    def test_good(self):
        text = (line("ok-ehlo", "250-mx greets you\\x0d\\x0a")
                + line("ok-noop", "250 2.0.0 Nothing done\\x0d\\x0a", "zzzzzzzzzzzz")
                + line("ok-ehlo", "250 HELP\\x0d\\x0a") + line("rcpt-mailbox-unknown", refusal()))
        self.assertEqual(check_log(text, "gmail"),
                         (3, {"ok-ehlo", "ok-noop", "rcpt-mailbox-unknown"}))

    def test_several_lines(self):
        whole = refusal()
        cut = whole.index(" though")
        first = whole[:cut].replace("550 ", "550-", 1)
        text = (line("rcpt-mailbox-unknown", first + "\\x0d\\x0a")
                + line("rcpt-mailbox-unknown", "550 5.1.1" + whole[cut:]))
        self.assertEqual(check_log(text, "gmail")[0], 1)
        self.bad(text.replace("550 5.1.1 though", "550 though"), "status code not on each")
        self.bad(text.replace("550 5.1.1 though", "551 5.1.1 though"), "more than one code")

    def test_no_row(self):
        self.bad(line("ok-noop", "250 2.0.0 Something done\\x0d\\x0a"), "not the row ok-noop")
        self.bad(line("no-such-row", "250 2.0.0 Nothing done\\x0d\\x0a"), "not the row")
        self.bad(line("rcpt-mailbox-unknown", refusal(code="550 5.1.2")), "not the row")
        self.bad(line("starttls-pipelining", "523 5.7.10 x\\x0d\\x0a"), "not the row")

    def test_profile(self):
        text = line("rcpt-mailbox-unknown", refusal())
        self.assertEqual(check_log(text, "iana")[0], 1)
        text = ("501 5.7.11 STARTTLS takes no argument; send the word alone - "
                f"{ID} postern\\x0d\\x0a")
        self.assertEqual(check_log(line("starttls-parameters", text), "gmail")[0], 1)
        self.bad(line("starttls-parameters", text), "not the row", "iana")

    def test_marker(self):
        self.bad(line("rcpt-mailbox-unknown", refusal("zzzzzzzzzzzz")), "its session's id")
        self.bad(line("rcpt-mailbox-unknown", refusal().replace(f" - {ID} postern", "")),
                 "not the row")

    def test_octets(self):
        self.bad(line("ok-noop", "250 2.0.0 Nothing done"), "does not end in CRLF")
        self.bad(line("ok-noop", "250 2.0.0 Nothing done\\x0a"), "does not end in CRLF")
        self.bad(line("ok-noop", "250 2.0.0 Nothing\\x0ddone\\x0d\\x0a"), "not a line")
        self.bad(line("ok-noop", "250 2.0.0 N\\xc3\\xb6thing done\\x0d\\x0a"), "not a line")
        self.bad(line("ok-noop", "250+2.0.0 Nothing done\\x0d\\x0a"), "not a line")
        self.bad(line("ok-helo", "250 " + "x" * 507 + "\\x0d\\x0a"), "513 octets")
        self.assertEqual(check_log(line("ok-helo", "250 " + "x" * 506 + "\\x0d\\x0a"), "gmail")[0], 1)

    def test_unended(self):
        self.bad(line("ok-ehlo", "250-mx greets you\\x0d\\x0a"), "without an end")


if __name__ == "__main__":
    unittest.main()
