#!/usr/bin/env python3
"""What users move into their folder Junk is a complaint against who sent it, and taken out again the opposite.

server_junk.py POSTERN
"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import Failed, Server, wait_until  # noqa: E402

ALICE = "alice@example.test"
BODY = b"From: ann@client.example\r\nMessage-ID: <%d@client.example>\r\nSubject: %d\r\n\r\nx\r\n.\r\n"


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
        c.envelope(ALICE)
        c.do("DATA", 354)
        c.send(BODY % (n, n))
        c.expect(250)
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
    if signs(server, key) != [(6, 6)] or signs(server, "network:127.0.0.0/24") != [(6, 6)]:
        raise Failed(f"taken back: {signs(server, key)}")
    move(third, maildir / ".Junk" / "cur")  # one more than a mailbox counts in a day
    moved = move(maildir / "cur" / moved.name, maildir / ".Junk" / "new")
    said(server, "junk", 3)


def seen(server):
    import sqlite3
    db = sqlite3.connect(f"file:{server.state}/directory/directory.db?mode=ro", uri=True)
    try:
        return db.execute("SELECT count(*) FROM junk_folder").fetchone()[0] == 1
    finally:
        db.close()


def main():
    server = Server(sys.argv[1], settings=["rate.exempt-networks = {}", "checks.local-networks = {}", "rate.complaints = 4",
                                           "checks.ptr = off", "checks.unauthenticated = off"])
    server.add_users(ALICE)
    server.start()
    try:
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
