#!/usr/bin/env python3
"""Thousands of administrators' rules of one domain: all are asked, and they come in several messages.

server_rules.py POSTERN
"""
import pathlib
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import Failed, Server  # noqa: E402

ALICE = "alice@example.test"
RULES = 5000
BODY = b"From: ann@client.example\r\nMessage-ID: <1@client.example>\r\nSubject: x\r\n\r\n%s\r\n.\r\n"


def fill(server):
    """As `rule add` would, but at once."""
    db = sqlite3.connect(server.state / "directory" / "directory.db")
    domain = db.execute("SELECT id FROM domain WHERE name = 'example.test'").fetchone()[0]
    db.executemany("INSERT INTO rule VALUES (?, 'in', ?, ?, ?, ?, 0)", [
        (domain, f"r{n}", n, f'body has "forbidden phrase {n} of many"', f'reject "Rule {n}"')
        for n in range(1, RULES + 1)])
    db.commit()
    db.close()


def main():
    server = Server(sys.argv[1])
    server.add_users(ALICE)
    fill(server)
    server.start()
    try:
        c = server.connect()
        c.hello()
        for number in (1, 2500, RULES):
            c.envelope(ALICE)
            c.do("DATA", 354)
            c.send(BODY % (b"the Forbidden\r\nphrase %d of many" % number))
            reply = str(c.reply())
            if f"Rule {number} " not in reply or f"rule r{number} " not in reply:
                raise Failed(f"not by rule {number}: {reply}")
        began = time.monotonic()
        for _ in range(20):
            c.envelope(ALICE)
            c.do("DATA", 354)
            c.send(BODY % b"nothing that anybody forbids")
            c.expect(250)
        print(f"{(time.monotonic() - began) * 50:.1f} ms a message behind {RULES} rules")
        server.run("rule", "remove", "--domain", "example.test", "--direction", "in", "--name", f"r{RULES}")
        c.envelope(ALICE)
        c.do("DATA", 354)
        c.send(BODY % (b"forbidden phrase %d of many" % RULES))
        c.expect(250)
    except Failed as failed:
        print(failed)
        return 1
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
