#!/usr/bin/env python3
"""Other people's mail servers and libraries send to Postern: run.py POSTERN [PART...]

  exim        as MX sender: STARTTLS, pipelining, and messages in chunks (BDAT)
  postfix     as MX sender, with DSN and STARTTLS; and as a client of the submission service
              (SASL, wrapper mode)
  msmtp       submission, with the mechanism of its choice and with SCRAM-SHA-256
  nodemailer  submission over TLS, pooled, with DSN; refusals as the program sees them
  dovecot     in front of the submission service: as a relay that says by XCLIENT who logged in
              there, and as a proxy that hands the password on (dovecot-submissiond, installed)

They are Debian's packages (npm's for nodemailer), unpacked below build/peers and never installed.
A part whose program cannot be had (no network, no root, no npm) is left out; when all are, the exit
status is 77: skipped."""
import json
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import child  # noqa: E402
import parts  # noqa: E402
from parts import Missing  # noqa: E402
from server import PORTS, TIMEOUT, Failed, wait_until  # noqa: E402

WORK = pathlib.Path(sys.argv[1]).resolve().parent / "peers"
MAIL = "From: ann@client.example\nTo: {to}\nMessage-ID: <{who}@client.example>\nSubject: from {who}\n\n.a dot\n{body}\n"


def unpack(*packages):
    """Debian packages, downloaded and unpacked once; the directory of all of them."""
    root = WORK / packages[0]
    if (root / "done").exists():
        return root
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        raise Missing("needs root, for namespaces, and apt-get")
    debs = WORK / (packages[0] + ".debs")
    shutil.rmtree(root, ignore_errors=True)
    debs.mkdir(parents=True, exist_ok=True)
    got = subprocess.run(["apt-get", "download", "-qq", *packages], cwd=debs, capture_output=True,
                         text=True, timeout=120)
    if got.returncode != 0:
        raise Missing(f"cannot be downloaded: {got.stderr.strip()[:200]}")
    for deb in debs.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    (root / "done").touch()
    return root


def require(what, true):
    if not true:
        raise Failed(what)


class Jail:
    """Commands in namespaces of their own: users that this machine does not have, and processes
    that end with the jail. The network is that of the machine."""

    def __init__(self, directory, users, env):
        self.directory, self.env = directory, {**os.environ, **env}
        for name, extra in (("passwd", ":/nonexistent:/usr/sbin/nologin"), ("group", "")):
            lines = pathlib.Path("/etc", name).read_text().splitlines()
            lines = [line for line in lines if line.split(":")[0] not in users]
            for user, number in users.items():
                ids = f"{number}:{number}:" if name == "passwd" else f"{number}:"
                lines.append(f"{user}:x:{ids}{extra}")
            (directory / name).write_text("\n".join(lines) + "\n")

    def start(self, script):
        """A shell script; it ends when its standard input does, and all it started with it."""
        whole = f"""mount --make-rprivate / && mount --bind {self.directory}/passwd /etc/passwd &&
            mount --bind {self.directory}/group /etc/group || exit 99
            {script}
            read -r end"""
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", whole],
            stdin=subprocess.PIPE, stdout=open(self.directory / "out", "w"), stderr=subprocess.STDOUT,
            env=self.env)

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self):
        text = (self.directory / "out").read_text(errors="replace")
        for path in sorted((self.directory / "log").glob("*")):
            text += f"\n--- {path.name}\n" + path.read_text(errors="replace")[-3000:]
        return text


def play(jail, script, arrived):
    """Runs the script in the jail until what must arrive has."""
    jail.start(script)
    try:
        arrived()
    except Failed as failed:
        raise Failed(f"{failed}\n--- the peer says\n{jail.said()}") from None
    finally:
        jail.stop()


def told(server, address, *words):
    def story():
        text = server.run("why", address, "--last", "1", status=None)
        return all(word in text for word in words)
    wait_until(lambda: f"{words}: not in\n" + server.run("why", address, status=None), story)


# --- Exim ---

def exim(make):
    root = unpack("exim4-daemon-light", "libidn12")
    server = make()
    server.add_users("alice@example.test", "bob@example.test", "large@example.test")
    server.start()
    home = server.dir / "exim"
    (home / "log").mkdir(parents=True)
    (home / "spool").mkdir()
    program = root / "usr/sbin/exim4"
    config = home / "exim.conf"
    config.write_text(f"""
exim_path = {program}
spool_directory = {home}/spool
log_file_path = {home}/log/%slog
log_selector = +smtp_confirmation +tls_cipher
primary_hostname = exim.client.example
keep_environment =
never_users =
begin routers
all:
  driver = manualroute
  route_list = * {server.host} byname
  transport = out
  self = send
begin transports
out:
  driver = smtp
  port = {PORTS["mx"]}
  hosts_try_chunking = *
  tls_tempfail_tryclear = false
begin retry
* * F,1h,1s
""")
    jail = Jail(home, {"Debian-exim": 30011}, {"LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu"})
    for name, body in (("two", "through Exim"), ("large", "x" * 900 + ("\n" + "y" * 900) * 2000)):
        (home / name).write_text(MAIL.format(to="alice", who="exim", body=body))
    send = f"{program} -C {config} -odf -f ann@client.example"

    def arrived():
        texts = [server.messages(f"{name}@example.test", 1)[0] for name in ("alice", "bob", "large")]
        require("whole", b"through Exim" in texts[0] and texts[2].count(b"y" * 900) == 2000)
        require("under TLS", all(b"with ESMTPS" in text for text in texts))
        told(server, "large@example.test", "BDAT", "LAST")
    play(jail, f"""chown -R Debian-exim {home}/spool {home}/log
        {send} -N -bV >/dev/null
        {send} alice@example.test bob@example.test nobody@example.test <{home}/two
        {send} large@example.test <{home}/large""", arrived)
    require("Exim heard the refusal", "550 5.1.1 There is no mailbox nobody@example.test"
            in (home / "log/mainlog").read_text())


# --- Postfix ---

def postfix_home(root, home, settings):
    """A whole Postfix below home, with the program's files below root."""
    for name in ("etc", "spool", "data", "log"):
        (home / name).mkdir(parents=True)
    master = (root / "usr/share/postfix/master.cf.dist").read_text()
    master = re.sub(r"(?m)^smtp( +)inet.*\n", "", master)
    master = re.sub(r"(?m)^([a-z0-9:.]+ +(?:inet|unix|fifo|pass) +[-yn] +[-yn] +)[-y]( )", r"\1n\2", master)
    (home / "etc/master.cf").write_text(master)
    for name in ("postfix-files", "postfix-script", "post-install"):
        if (root / "etc/postfix" / name).exists():
            shutil.copy(root / "etc/postfix" / name, home / "etc")
    (home / "etc/main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {home}/etc
sendmail_path = {root}/usr/sbin/sendmail
mailq_path = {root}/usr/bin/mailq
newaliases_path = {root}/usr/bin/newaliases
import_environment = MAIL_CONFIG LD_LIBRARY_PATH SASL_PATH
export_environment = MAIL_CONFIG LD_LIBRARY_PATH SASL_PATH
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/log/maillog
maillog_file_prefixes = {home}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.client.example
mydestination =
alias_maps =
alias_database =
smtp_dns_support_level = disabled
smtp_host_lookup = native
{settings}
""")
    return Jail(home, {"postfix": 30001, "postdrop": 30002},
                {"MAIL_CONFIG": str(home / "etc"), "SASL_PATH": f"{root}/usr/lib/x86_64-linux-gnu/sasl2",
                 "LD_LIBRARY_PATH": f"{root}/usr/lib/postfix:{root}/usr/lib/x86_64-linux-gnu"})


POSTFIX = ("postfix", "libsasl2-2", "libsasl2-modules-db", "libsasl2-modules", "libdb5.3", "libnsl2",
           "libicu72", "libtirpc3")


def postfix(make):
    root = unpack(*POSTFIX)
    server = make()
    server.add_users("alice@example.test", "bob@example.test")
    server.start()
    home = server.dir / "postfix"
    jail = postfix_home(root, home, f"""
default_transport = smtp:[{server.host}]:{PORTS["mx"]}
smtp_tls_security_level = encrypt
""")
    (home / "mail").write_text(MAIL.format(to="alice", who="postfix", body="through Postfix"))
    send = f"{root}/usr/sbin/sendmail -f ann@client.example -N success,delay -V QQ314159"

    def arrived():
        for name in ("alice", "bob"):
            text = server.messages(f"{name}@example.test", 1)[0]
            require("whole, over TLS", b"\n.a dot\nthrough Postfix\n" in text and b"with ESMTPS" in text)
        told(server, "alice@example.test", "ENVID=QQ314159", "NOTIFY=SUCCESS,DELAY")
        wait_until("Postfix heard the refusal", lambda: "550 5.1.1 There is no mailbox nobody@example.test"
                   in (home / "log/maillog").read_text())
    play(jail, f"""chown postfix {home}/data; {root}/usr/sbin/postfix start
        {send} alice@example.test bob@example.test nobody@example.test <{home}/mail""", arrived)


def postfix_submission(make):
    root = unpack(*POSTFIX)
    server = make(listeners=["mx", "submissions"])
    server.run("domain", "add", "example.test")
    password = made_password(server, "ann@example.test")
    server.add_users("alice@example.test")
    server.start()
    home = server.dir / "postfix"
    jail = postfix_home(root, home, f"""
relayhost = [{server.host}]:{PORTS["submissions"]}
smtp_tls_wrappermode = yes
smtp_tls_security_level = encrypt
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_password_maps = inline:{{ [{server.host}]:{PORTS["submissions"]}=ann@example.test:{password} }}
""")
    (home / "mail").write_text(MAIL.format(to="alice", who="postfix", body="as a client"))

    def arrived():
        text = server.messages("alice@example.test", 1)[0]
        require(f"logged in: {text}", b"as a client" in text and b"with ESMTPSA" in text)
    play(jail, f"""chown postfix {home}/data; {root}/usr/sbin/postfix start
        {root}/usr/sbin/sendmail -f ann@example.test alice@example.test <{home}/mail""", arrived)


# --- msmtp ---

def msmtp(make):
    root = unpack("msmtp", "libgsasl18", "libsecret-1-0", "libidn12", "libntlm0", "libglib2.0-0")
    server = make(listeners=["mx", "submission", "submissions"])
    server.run("domain", "add", "example.test")
    password = made_password(server, "ann@example.test")
    server.add_users("alice@example.test")
    server.start()
    env = {**os.environ, "LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu"}

    def send(listener, *options):
        return subprocess.run([root / "usr/bin/msmtp", "-C", "/dev/null", f"--host={server.host}",
                               f"--port={PORTS[listener]}", "--from=ann@example.test", "--domain=client.example",
                               *options, "--", "alice@example.test"],
                              input=MAIL.format(to="alice", who="msmtp", body="through msmtp"), text=True, env=env,
                              capture_output=True, timeout=TIMEOUT)
    login = ["--auth=on", "--user=ann@example.test", f"--passwordeval=echo {password}", "--tls=on",
             "--tls-certcheck=off"]
    for how in (["submission", *login], ["submission", *login, "--auth=scram-sha-256"],
                ["submissions", *login, "--tls-starttls=off"]):
        done = send(*how)
        require(f"{how}: {done.stderr}", done.returncode == 0)
    texts = server.messages("alice@example.test", 3)
    require("whole", all(b"\n.a dot\nthrough msmtp\n" in text and b"with ESMTPSA" in text for text in texts))
    done = send("submission", *login, "--passwordeval=echo wrong")
    require(done.stderr, done.returncode != 0 and "535 5.7.8" in done.stderr)


# --- nodemailer ---

def made_password(server, address):
    """Makes the user; the password that was made for it."""
    return server.run("user", "add", address, "--generate").split()[-1].strip('."')


def nodemailer(make):
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Missing("npm and node are not installed")
    home = WORK / "nodemailer"
    if not (home / "node_modules/nodemailer/package.json").exists():
        home.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "nodemailer" / name, home)
        got = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=home,
                             capture_output=True, text=True, timeout=120)
        if got.returncode != 0:
            raise Missing(f"npm: {got.stderr.strip()[-200:]}")
    shutil.copy(HERE / "nodemailer/send.js", home)
    server = make(listeners=["mx", "submission", "submissions"])
    server.run("domain", "add", "example.test")
    password = made_password(server, "ann@example.test")
    server.add_users("alice@example.test")
    server.start()

    def send(listener, secure, messages, **more):
        asked = {"transport": {"host": server.host, "port": PORTS[listener], "secure": secure, "name": "node.example",
                               "tls": {"rejectUnauthorized": False}, **more}, "messages": messages}
        done = subprocess.run(["node", "send.js", json.dumps(asked)], cwd=home, capture_output=True, text=True,
                              timeout=TIMEOUT)
        return done.stdout.splitlines() or [done.stderr]
    login = {"user": "ann@example.test", "pass": password}
    mail = {"from": "ann@example.test", "to": "alice@example.test", "subject": "Grüße", "text": ".dot\nfrom node",
            "dsn": {"id": "node1", "return": "headers", "notify": ["failure", "delay"], "recipient": "alice@example.test"}}
    said = send("submissions", True, [mail, mail], auth=login, pool=True)
    require(said, len(said) == 2 and all(line.startswith("sent alice@example.test 250 2.0.0") for line in said))
    said = send("submission", False, [mail], auth=login, requireTLS=True)
    require(said, said[0].startswith("sent "))
    texts = server.messages("alice@example.test", 3)
    require("whole", all(b"from node" in text and b"with ESMTPSA" in text for text in texts))
    told(server, "alice@example.test", "ENVID=node1", "NOTIFY=FAILURE,DELAY")
    said = send("submission", False, [mail], requireTLS=True)
    require(said, re.match(r"refused 530 MAIL FROM 530 5\.7\.0 ", said[0]))
    said = send("submission", False, [mail], auth={**login, "pass": "wrong"}, requireTLS=True)
    require(said, re.match(r"refused 535 AUTH PLAIN 535 5\.7\.8 ", said[0]))
    said = send("mx", False, [{**mail, "from": "x@client.example", "to": "nobody@example.test"}])
    require(said, re.match(r"refused 550 RCPT TO .*5\.1\.1 ", said[0]))


# --- Dovecot ---

DOVECOT = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
protocols = submission
listen = {host}
ssl = no
disable_plaintext_auth = no
hostname = front.example.test
mail_location = maildir:{home}/mail/%u
first_valid_uid = 1
service submission-login {{
  inet_listener submission {{
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={home}/mail/%u
}}
{more}
"""
DOVECOT_PORT = 3587


def in_front(server, name, more):
    """A Dovecot with a configuration of its own; it stays in the foreground, so its process is ours."""
    home = server.dir / name
    (home / "mail").mkdir(parents=True)
    shutil.chown(home / "mail", "nobody")
    (home / "conf").write_text(DOVECOT.format(home=home, host=server.host, port=DOVECOT_PORT, more=more))
    process = subprocess.Popen(["dovecot", "-F", "-c", str(home / "conf")])

    def stop():
        child.end(process, TIMEOUT)
        return (home / "dovecot.log").read_text(errors="replace")
    return stop


def submit(server, user, password, to, body):
    """As a user's mail program; the replies, those that refuse by their code."""
    def dial():
        try:
            client = smtplib.SMTP(server.host, DOVECOT_PORT, timeout=TIMEOUT, source_address=(server.host, 0))
        except OSError:
            return None
        return client
    found = []
    wait_until("Dovecot does not come up", lambda: found.append(dial()) or found[-1] is not None)
    with found[-1] as client:
        client.ehlo("laptop.example")
        try:
            client.login(user, password, initial_response_ok=True)
            client.sendmail(user, [to], MAIL.format(to=to, who="dovecot", body=body))
        except smtplib.SMTPResponseException as refused:
            return f"{refused.smtp_code} {refused.smtp_error.decode()}"
        except smtplib.SMTPRecipientsRefused as refused:
            return " ".join(f"{code} {text.decode()}" for code, text in refused.recipients.values())
    return "sent"


def dovecot(make):
    if os.getuid() != 0 or not pathlib.Path("/usr/lib/dovecot/submission").exists():
        raise Missing("needs root and dovecot-submissiond, installed")
    server = make(listeners=["submission"], settings=['trust.xclient-networks = {"127.0.0.0/8"}',
                                                      'trust.login-networks = {"127.0.0.0/8"}'])
    server.run("domain", "add", "example.test")
    ann = made_password(server, "ann@example.test")
    made_password(server, "carl@example.test")
    server.run("user", "lock", "carl@example.test")
    server.add_users("alice@example.test")
    server.start()
    people = server.dir / "people"
    people.write_text("".join(f"{name}@example.test:{{PLAIN}}at-dovecot\n" for name in ("ann", "carl", "ghost")))
    people.chmod(0o644)
    stop = in_front(server, "relay", f"""
submission_relay_host = {server.host}
submission_relay_port = {PORTS["submission"]}
submission_relay_ssl = starttls
submission_relay_ssl_verify = no
submission_relay_trusted = yes
passdb {{
  driver = passwd-file
  args = {people}
}}
""")
    try:
        # Postern never hears a password
        said = submit(server, "ann@example.test", "at-dovecot", "alice@example.test", "by XCLIENT")
        require(said, said == "sent")
        said = submit(server, "ann@example.test", "at-dovecot", "nobody@example.test", "x")
        require(said, said.startswith("550 5.1.1 ") and "There is no mailbox nobody@example.test" in said)
        for locked_out in ("carl", "ghost"):
            said = submit(server, f"{locked_out}@example.test", "at-dovecot", "alice@example.test", "not to be sent")
            require(f"{locked_out}: {said}", said[0] in "45")
        said = submit(server, "ann@example.test", "wrong", "alice@example.test", "x")
        require(said, said.startswith("535"))
    finally:
        log = stop()
    text = server.messages("alice@example.test", 1)[0]
    require(f"Received: {text}", b"from laptop.example" in text and b"with ESMTPSA" in text
            and f"([{server.host}])".encode() in text)
    wait_until("why tells who said who it is", lambda: " login ann@example.test" in
               server.run("why", "alice@example.test", "--last", "1", status=None))
    require("carl is locked here too", "auth-web-login-required" in server.log()
            and "auth-credentials-rejected" in server.log())
    stop = in_front(server, "proxy", f"""
passdb {{
  driver = static
  args = proxy=y host={server.host} port={PORTS["submission"]} starttls=any-cert nopassword=y
}}
""")
    try:
        said = submit(server, "ann@example.test", ann, "alice@example.test", "by its own password")
        require(said, said == "sent")
        said = submit(server, "ann@example.test", "wrong", "alice@example.test", "x")
        require(said, said.startswith("535"))
    finally:
        log += stop()
    require(log, len(server.messages("alice@example.test", 2)) == 2)


PARTS = (exim, postfix, postfix_submission, msmtp, nodemailer, dovecot)


def main():
    WORK.mkdir(exist_ok=True)
    return parts.run(sys.argv[1], PARTS, sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
