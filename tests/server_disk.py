#!/usr/bin/env python3
"""A disk that fills up for real: mail is refused with its row, what was accepted is delivered, and all comes
back by itself.

usage: server_disk.py POSTERN

The state lies on a file system of 48 MiB of its own, which needs root (77: skipped)."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))
from processes import Client, Closed, Failed, Server, require, wait_for  # noqa: E402

SIZE = 48
MESSAGE = b"From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nSubject: filler\r\n\r\n" + b"0123456789abcde\r\n" * 30_000  # 0.5 MB


def fill(server, path, leave):
    """A file that leaves so many octets."""
    with open(path, "wb") as f:
        while True:
            left = os.statvfs(server.state)
            left = left.f_bavail * left.f_frsize - leave
            if left < 4096:
                return
            os.posix_fallocate(f.fileno(), os.fstat(f.fileno()).st_size, min(left // 4096 * 4096, 1 << 20))


def attempt(server, message=MESSAGE):
    """The last reply; a refusal closes the connection."""
    client = Client(server.address)
    try:
        return client.mail(["alice@example.test"], message)
    finally:
        client.close()


def refused(server, code, words):
    reply = attempt(server, b"From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nSubject: small\r\n\r\nsmall\r\n")
    if reply.code == "250":
        return None
    require(reply.code == code[0] and reply.status == code[1], f"wrong row: {reply}")
    require(words in reply.text.replace("\n", " "), f"no reason in: {reply}")
    return reply


def accepted(server):
    try:
        reply = attempt(server, b"From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nSubject: small\r\n\r\nsmall\r\n")
    except Closed:
        return False
    require(reply.code[0] in "24", f"refused for good: {reply}")
    return reply.code == "250"


def nearly_full(server):
    """Below spool.free-space, with room left: deliveries go on."""
    count = 0
    require(attempt(server).code == "250", "mail is not accepted at all")
    count += 1
    fill(server, server.state / "filler", 6 << 20)
    before = len(server.new_mail("alice"))
    wait_for("mail is refused", lambda: refused(server, ("421", "4.4.5"), "disk is nearly full"))
    server.wait_log("event=spool-state", "less disk free than spool.free-space")
    wait_for("the queue delivers what it has", lambda: (server.stats() or {}).get("messages") == 0)
    require(len(server.new_mail("alice")) >= before, "mail is gone")
    os.unlink(server.state / "filler")
    wait_for("mail is accepted again by itself", lambda: accepted(server))
    server.wait_log("event=spool-state", "mail is taken again")
    print("ok below spool.free-space: server-busy, and back")


def quite_full(server):
    """No octet left, under load: whatever is answered, what got 250 is delivered in the end."""
    server.wait_empty()
    before, count = len(server.new_mail("alice")), 0
    fill(server, server.state / "filler", 3 << 20)
    temporary = 0
    for number in range(200):
        try:
            reply = attempt(server, b"X-Number: %d\r\n" % number + MESSAGE)
        except Closed:
            temporary += 1
            continue
        require(reply.code[0] in "24", f"refused for good: {reply}")
        require(reply.code == "250" or (reply.code, reply.status) in (("421", "4.4.5"), ("421", "4.3.0")),
                f"wrong row: {reply}")
        count += reply.code == "250"
        temporary += reply.code != "250"
        if temporary > 5:
            break
    require(temporary > 0, "the disk did not fill up")
    os.unlink(server.state / "filler")
    wait_for("mail is accepted again by itself", lambda: accepted(server))
    server.wait_empty()
    found = len(server.new_mail("alice")) - before
    require(found >= count + 1, f"{count + 1} accepted, {found} delivered")
    print(f"ok no octet left: {count} accepted, {temporary} refused for now, all delivered")


def main():
    if os.geteuid() != 0:
        print("skipped: needs root for a file system of its own")
        return 77
    settings = {"spool.segment-size": '"4 MiB"', "queue.retry": '{"1 s"}', "smtpd-processes": "1"}
    server = Server(sys.argv[1], "disk", {**settings, "spool.free-space": '"8 MiB"'})
    server.state.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m,mode=755", "none", str(server.state)],
                      check=False).returncode != 0:
        print("skipped: no file system can be mounted here")
        server.clear()
        return 77
    try:
        server.add_users("alice")
        server.start()
        nearly_full(server)
        server.stop()
        for path in server.new_mail("alice"):
            path.unlink()
        server.settings["spool.free-space"] = '"0"'
        server.write_config()
        server.start()
        quite_full(server)
        server.stop()
        server.check_log()
    except (Failed, OSError) as failed:
        print(f"FAILED: {failed}\n--- log\n" + "\n".join(server.log_text(everything=True).splitlines()[-40:]))
        return 1
    finally:
        server.clear(keep=True)
        subprocess.run(["umount", str(server.state)], check=True)
        server.clear()
    return 0


if __name__ == "__main__":
    sys.exit(main())
