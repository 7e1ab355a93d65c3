#!/usr/bin/env python3
"""A store behind LMTP: moves into and out of the folder Junk of a real Dovecot reach Postern through imapsieve.

server_imapsieve.py POSTERN

The configuration of Dovecot is the one that postern(8) gives. Without Dovecot's IMAP server, Pigeonhole or root: exit status 77.
"""
import imaplib
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import Failed, Server, wait_until  # noqa: E402

ALICE = "alice@example.test"
BODY = b"From: ann@client.example\r\nMessage-ID: <%d@client.example>\r\nSubject: %d\r\n\r\nx\r\n"
NEEDED = ["/usr/lib/dovecot/imap", "/usr/lib/dovecot/script", "/usr/lib/dovecot/modules/sieve/lib90_sieve_imapsieve_plugin.so"]
IMAP_PORT = 1143

CONFIG = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
protocols = lmtp imap
listen = {host}
ssl = no
disable_plaintext_auth = no
hostname = mx.example.test
postmaster_address = postmaster@example.test
mail_location = maildir:~/Maildir
first_valid_uid = 1
service anvil {{
  chroot =
}}
service lmtp {{
  user = root
  unix_listener {dir}/lmtp {{
    mode = 0666
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
passdb {{
  driver = static
  args = nopassword
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/home/%u
}}
namespace inbox {{
  inbox = yes
  mailbox Junk {{
    auto = create
    special_use = \\Junk
  }}
  mailbox Trash {{
    auto = create
    special_use = \\Trash
  }}
}}
protocol imap {{
  mail_plugins = $mail_plugins imap_sieve
}}
plugin {{
  sieve_plugins = sieve_imapsieve sieve_extprograms
  sieve_global_extensions = +vnd.dovecot.pipe
  sieve_pipe_socket_dir = .
  imapsieve_mailbox1_name = Junk
  imapsieve_mailbox1_causes = COPY
  imapsieve_mailbox1_before = file:{dir}/junk.sieve
  imapsieve_mailbox2_name = *
  imapsieve_mailbox2_from = Junk
  imapsieve_mailbox2_causes = COPY
  imapsieve_mailbox2_before = file:{dir}/wanted.sieve
}}
service postern-complaint {{
  executable = script {dir}/postern-complaint
  user = root
  vsz_limit = 0  # sanitizers reserve more
  unix_listener postern-complaint {{
    user = {user}
    mode = 0600
  }}
}}
"""
SIEVE = """require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables"];
if environment :matches "imap.user" "*" { set "who" "${1}"; }
if environment :is "imap.mailbox" "Trash" { stop; }
pipe :copy "postern-complaint" ["%s", "${who}"];
"""
SCRIPT = """#!/bin/sh
[ "$1" = wanted ] && wanted=--wanted
exec %s complaint -c %s --mailbox "$2" $wanted -
"""


class Dovecot:
    def __init__(self, server):
        self.dir = server.dir / "dovecot"
        self.host = server.host
        self.process = None
        owner = pwd.getpwnam("nobody")
        (self.dir / "home").mkdir(parents=True)
        os.chown(self.dir / "home", owner.pw_uid, owner.pw_gid)
        for word in ("junk", "wanted"):
            (self.dir / f"{word}.sieve").write_text(SIEVE % word)
        script = self.dir / "postern-complaint"
        script.write_text(SCRIPT % (server.postern, server.config))
        script.chmod(0o755)
        self.dir.chmod(0o755)
        self.config = self.dir / "dovecot.conf"
        self.config.write_text(CONFIG.format(dir=self.dir, host=self.host, port=IMAP_PORT, uid=owner.pw_uid, gid=owner.pw_gid,
                                             user=owner.pw_name))
        for word in ("junk", "wanted"):
            subprocess.run(["sievec", "-c", str(self.config), "-x", "+imapsieve +environment +vnd.dovecot.pipe",
                            str(self.dir / f"{word}.sieve")], check=True, timeout=60)

    def log(self):
        path = self.dir / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self):
        self.process = subprocess.Popen(["dovecot", "-F", "-c", str(self.config)])
        wait_until(lambda: "Dovecot does not come up: " + self.log(), lambda: (self.dir / "lmtp").exists() and self.answers())

    def answers(self):
        try:
            self.login().logout()
            return True
        except OSError:
            return False

    def login(self):
        imap = imaplib.IMAP4(self.host, IMAP_PORT, timeout=60)
        imap.login(ALICE, "any")
        return imap

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=60)


def signs(server, key):
    lines = [json.loads(line) for line in server.run("reputation", "show", key, "--json").splitlines()]
    return [(line["good"], line["bad"]) for line in lines]


def must(answer, what):
    if answer[0] != "OK":
        raise Failed(f"{what}: {answer}")
    return answer[1]


def play(server, dovecot):
    source = "127.0.0.5"
    c = server.connect(source=source)
    c.hello()
    for n in range(3):
        c.message(BODY % (n, n), ALICE)
    server.settle()
    imap = dovecot.login()
    if must(imap.select("INBOX"), "INBOX") != [b"3"]:
        raise Failed("three messages should be there")
    must(imap.uid("MOVE", "1:2", "Junk"), "into Junk")
    told = {}

    def counted(good, bad):
        told["is"] = signs(server, f"ip:{source}")
        return told["is"] == [(good, bad)]
    wait_until(lambda: f"junk: {told}\n{dovecot.log()}", lambda: counted(3, 6))
    must(imap.select("Junk"), "Junk")
    must(imap.uid("MOVE", "1", "INBOX"), "out of Junk")
    wait_until(lambda: f"wanted: {told}\n{dovecot.log()}", lambda: counted(6, 6))
    must(imap.uid("MOVE", "2", "Trash"), "into Trash")
    must(imap.select("INBOX"), "INBOX")
    must(imap.uid("MOVE", "3", "Junk"), "the third into Junk")
    imap.logout()
    wait_until(lambda: f"thrown away is not wanted: {told}", lambda: counted(6, 9))


def main():
    if os.getuid() != 0 or shutil.which("dovecot") is None or not all(os.path.exists(path) for path in NEEDED):
        print("skipped: it takes root, dovecot-imapd and dovecot-sieve")
        return 77
    server = Server(sys.argv[1], settings=["rate.exempt-networks = {}", "checks.local-networks = {}", "checks.ptr = off",
                                           "checks.unauthenticated = off"])
    server.settings.append(f'delivery.lmtp = "unix:{server.dir}/dovecot/lmtp"')
    server.add_users(ALICE)
    dovecot = Dovecot(server)
    try:
        dovecot.start()
        server.start()
        play(server, dovecot)
    except Failed as failed:
        print(failed)
        print(server.log()[-3000:])
        return 1
    finally:
        dovecot.stop()
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
