"""Mail for crash tests: every message has an id and a checksum, so that nothing that comes out of a
server, and nothing that does not, goes unnoticed."""
import hashlib
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from processes import Client, Closed, Failed, catalogue, require  # noqa: E402

USERS = ("alice", "bob", "carol", "dave", "erin", "frank")
PIPELINED = 0.3  # the share of transactions that send all commands in one go


class Message:
    def __init__(self, ident, recipients, body):
        self.id = ident
        self.users = {r.split("@")[0].split("+")[0] for r in recipients}
        self.recipients = recipients
        self.sum = hashlib.sha256(body).hexdigest()
        self.octets = (f"From: ann@client.example\r\nX-Id: {ident}\r\nX-Sum: {self.sum}\r\n"
                       f"Message-ID: <crash@client.example>\r\nSubject: crash\r\n\r\n").encode() + body
        self.accepted = False
        self.found = {}  # user -> number of files


class Book:
    """What was sent, and what was found. One over all rounds."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.messages = {}
        self.open = []  # ids that have not been judged yet
        self.accepted = self.refused = self.lost_connections = self.duplicates = self.files = 0
        self.replies = {}
        filler = self.random.randbytes(3 * 1024 * 1024).hex().encode()
        self.filler = b"\r\n".join(filler[i:i + 70] for i in range(0, len(filler), 70)) + b"\r\n"

    def message(self):
        with self.lock:
            draw = self.random
            kind = draw.random()
            size = draw.randrange(100, 4000) if kind < 0.7 else \
                draw.randrange(20_000, 200_000) if kind < 0.94 else draw.randrange(1_050_000, 2_500_000)
            start = draw.randrange(0, 40_000) * 72
            count = draw.choice((1, 1, 1, 2, 3, 6))
            recipients = [u + ("+tag" if draw.random() < 0.1 else "") + "@example.test"
                          for u in draw.sample(USERS, count)]
            body = self.filler[start:start + max(1, size // 72) * 72]
            body += b"." * draw.randrange(1, 4) + b"\r\n"  # a line that the dot rule is about
            message = Message(f"m{len(self.messages)}", recipients, body)
            self.messages[message.id] = message
            self.open.append(message.id)
            return message

    def count(self, name):
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)

    # --- what lies in the Maildirs ---

    def collect(self, server):
        """Reads all of new; then a reader has seen it (it lies in cur)."""
        for user in USERS:
            cur = server.state / "mail" / "example.test" / user / "Maildir" / "cur"
            for path in server.new_mail(user):
                self.judge_file(user, path.read_bytes(), path)
                path.rename(cur / (path.name + ":2,S"))

    def age(self, server):
        """What was read in the round before is deleted; by flags: S, then FS, then gone."""
        for user in USERS:
            cur = server.state / "mail" / "example.test" / user / "Maildir" / "cur"
            for path in cur.iterdir() if cur.is_dir() else ():
                if path.name.endswith(":2,FS"):
                    path.unlink()
                else:
                    path.rename(path.with_name(path.name.replace(":2,S", ":2,FS")))

    def arrived(self):
        return not any(message.accepted and message.users - set(message.found)
                       for message in (self.messages[ident] for ident in self.open))

    def judge_file(self, user, octets, path):
        head, _, body = octets.partition(b"\n\n")
        ident = re.search(rb"^X-Id: (\S+)$", head, re.M)
        require(ident and ident.group(1).decode() in self.messages, f"nobody sent this: {path}")
        message = self.messages[ident.group(1).decode()]
        require(user in message.users, f"{message.id} was not for {user}: {path}")
        digest = hashlib.sha256(body.replace(b"\n", b"\r\n")).hexdigest()
        require(digest == message.sum and f"X-Sum: {digest}".encode() in head,
                f"{message.id} is not what was sent: {path}")
        self.files += 1
        message.found[user] = message.found.get(user, 0) + 1
        if message.found[user] > 1:
            self.duplicates += 1

    def judge(self):
        """All that was sent since the last time; the queue is empty."""
        for ident in self.open:
            message = self.messages[ident]
            missing = message.users - set(message.found)
            if message.accepted:
                require(not missing, f"lost: {ident} (accepted) is missing at {sorted(missing)}")
            else:  # the answer got lost: whole or not at all
                require(not missing or not message.found,
                        f"torn: {ident} (no answer) came to {sorted(message.found)} only")
            message.octets = b""
        self.open.clear()


class Loader(threading.Thread):
    """One client after the other, until told to stop."""

    def __init__(self, book, server, seed):
        super().__init__(daemon=True)
        self.book, self.server, self.random = book, server, random.Random(seed)
        self.stopping = False
        self.failure = None
        self.rows = catalogue()

    def run(self):
        try:
            while not self.stopping:
                self.session()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error if isinstance(error, Failed) else Failed(f"client: {error!r}")

    def session(self):
        client = None
        try:
            client = Client(self.server.address, hello=False)
            if not self.judge(client.reply()):
                return
            client.send(b"EHLO client.example\r\n")
            if not self.judge(client.reply()):
                return
            for _ in range(self.random.choice((1, 2, 5, 20))):
                if self.stopping or not self.transaction(client):
                    break
        except Closed:
            self.book.count("lost_connections")
            time.sleep(0.05)
        finally:
            if client is not None:
                client.close()

    def judge(self, reply):
        """True: go on. Refusals for good are none of the answers that a fault may have."""
        with self.book.lock:
            key = (reply.code, reply.status)
            self.book.replies[key] = self.book.replies.get(key, 0) + 1
        require((reply.code, reply.status) in self.rows, f"no row of the catalogue: {reply}")
        require(reply.code[0] != "5", f"refused for good: {reply}")
        if reply.code[0] == "4":
            self.book.count("refused")
            time.sleep(0.02)
        return reply.code[0] != "4"

    def transaction(self, client):
        message = self.book.message()
        lines = ["MAIL FROM:<ann@client.example>", *(f"RCPT TO:<{r}>" for r in message.recipients),
                 "DATA"]
        if self.random.random() < PIPELINED:
            client.send("".join(line + "\r\n" for line in lines).encode())
            replies = [client.reply() for _ in lines]
            good = [self.judge(reply) for reply in replies]
        else:
            good = []
            for line in lines:
                client.send(line.encode() + b"\r\n")
                good.append(self.judge(client.reply()))
                if not good[-1]:
                    break
        if not all(good) or len(good) < len(lines):
            return False  # whatever state it is in: the next client begins anew
        stuffed = (b"\r\n" + message.octets).replace(b"\r\n.", b"\r\n..")[2:]
        client.send(stuffed + b".\r\n")
        if not self.judge(client.reply()):
            return False
        message.accepted = True
        self.book.count("accepted")
        return True


def start_load(book, server, count):
    loaders = [Loader(book, server, book.random.random()) for _ in range(count)]
    for loader in loaders:
        loader.start()
    return loaders


def stop_load(loaders):
    for loader in loaders:
        loader.stopping = True
    for loader in loaders:
        loader.join()
    for loader in loaders:
        if loader.failure:
            raise loader.failure
