#!/usr/bin/env python3
"""What users move into their folder Junk is a complaint against who sent it, and taken out again the opposite; so is
what is piped into `postern complaint`, and the original in a feedback report.

server_junk.py POSTERN
"""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import Failed, Server, wait_until  # noqa: E402

ALICE = "alice@example.test"
BOB = "bob@example.test"
BODY = b"From: ann@client.example\r\nMessage-ID: <%d@client.example>\r\nSubject: %d\r\n\r\nx\r\n"


def signs(server, key):
    lines = [json.loads(line) for line in server.run("reputation", "show", key, "--json").splitlines()]
    return [(line["good"], line["bad"]) for line in lines]


def move(file, folder):
    """As a mail program does; the directories belong to the user that delivers."""
    owner = file.parent.stat()
    for directory in (folder.parent, folder):
        if not directory.is_dir():
            directory.mkdir()
            os.chown(directory, owner.st_uid, owner.st_gid)
    return file.rename(folder / (file.name + ":2,S"))


def said(server, what, count):
    wait_until(f"not {count} complaints: {what}",
               lambda: server.log().count(f"event=complaint mailbox={ALICE} what={what}") == count)


def play(server):
    source = "127.0.0.5"
    c = server.connect(source=source)
    c.hello()
    for n in range(3):
        c.message(BODY % (n, n), ALICE)
    server.messages(ALICE, 3)
    key = f"ip:{source}"
    if signs(server, key) != [(3, 0)]:
        raise Failed(f"before: {signs(server, key)}")
    maildir = server.maildir(ALICE)
    wait_until("the mailbox was not seen", lambda: seen(server))
    first, second, third = sorted((maildir / "new").iterdir())
    moved = move(first, maildir / ".Junk" / "cur")
    thrown = move(second, maildir / ".Junk" / "cur")
    said(server, "junk", 2)
    if signs(server, key) != [(3, 6)]:
        raise Failed(f"complaints: {signs(server, key)}")
    moved.rename(maildir / "cur" / moved.name)
    thrown.unlink()
    said(server, "wanted", 1)
    if signs(server, key) != [(6, 6)]:
        raise Failed(f"taken back: {signs(server, key)}")
    move(third, maildir / ".Junk" / "cur")  # one more than a mailbox counts in a day
    moved = move(maildir / "cur" / moved.name, maildir / ".Junk" / "new")
    said(server, "junk", 3)


REPORT = """From: abuse@downstream.example
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an abuse report.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
Version: 1
User-Agent: x/1

--b
Content-Type: %s%s

%s
--b--
"""


def complain(server, message, *words, mailbox="abuse@downstream.example", status=0):
    """postern complaint: what it says."""
    run = subprocess.run([server.postern, "complaint", "--mailbox", mailbox, *words, "-c", str(server.config)], input=message,
                         capture_output=True, check=False, timeout=60)
    if run.returncode != status:
        raise Failed(f"postern complaint {words}: {run.returncode}: {run.stderr.decode()}")
    return run.stderr.decode()


def reported(server):
    """Messages piped in, and reports about what was sent on; what is forged harms nobody."""
    source = "127.0.0.6"
    key = f"ip:{source}"
    c = server.connect(source=source)
    c.hello()
    for n in range(10, 13):
        c.envelope(BOB)
        c.do("DATA", 354)
        c.send(BODY % (n, n) + b".\r\n")
        c.expect(250)
    files = sorted(server.messages(BOB, 3), key=lambda octets: octets.split(b"Subject: ")[1])
    first, second, third = files
    complain(server, first)
    if "already" not in complain(server, first, status=1):
        raise Failed("it counted twice")
    if signs(server, key) != [(3, 3)]:
        raise Failed(f"one piped in: {signs(server, key)}")
    complain(server, first, "--wanted")
    if signs(server, key) != [(6, 3)]:
        raise Failed(f"and back: {signs(server, key)}")
    above = b"Received: from mx.example.test ([198.51.100.7])\n by mail.downstream.example; Sun, 22 Nov 2026 12:00:01 +0000\n"
    original = (above + second).decode().replace("\r\n", "\n")
    complain(server, (REPORT % ("message/rfc822", "", original)).encode())
    header = third.decode().replace("\r\n", "\n").partition("\n\n")[0] + "\n"
    complain(server, (REPORT % ("text/rfc822-headers", "", header)).encode())
    if signs(server, key) != [(6, 9)]:
        raise Failed(f"reports: {signs(server, key)}")
    forged = first.replace(b"<10@client.example>", b"<99@client.example>")
    if "forgotten" not in complain(server, forged, mailbox=ALICE, status=1):
        raise Failed("a Message-ID that never came was believed")
    if "forgotten" not in complain(server, first.replace(b"127.0.0.6", b"127.0.0.5"), mailbox=ALICE, status=1):
        raise Failed("another address was believed")
    if "did not take" not in complain(server, b"Message-ID: <10@client.example>\n\nx\n", mailbox=ALICE, status=1):
        raise Failed("a message of nobody's was believed")
    complain(server, (REPORT % ("text/plain", "", "nothing")).encode(), status=1)
    complain(server, second, mailbox="abuse@downstream.example", status=1)  # as often as counts in a day
    if signs(server, key) != [(6, 9)]:
        raise Failed(f"forged: {signs(server, key)}")


def seen(server):
    import sqlite3
    db = sqlite3.connect(f"file:{server.state}/directory/directory.db?mode=ro", uri=True)
    try:
        return db.execute("SELECT count(*) FROM junk_folder").fetchone()[0] == 2
    finally:
        db.close()


def main():
    server = Server(sys.argv[1], settings=["rate.exempt-networks = {}", "checks.local-networks = {}", "rate.complaints = 4",
                                           "checks.ptr = off", "checks.unauthenticated = off"])
    server.add_users(ALICE, BOB)
    server.start()
    try:
        reported(server)
        play(server)
    except Failed as failed:
        print(failed)
        print(server.log()[-3000:])
        return 1
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
