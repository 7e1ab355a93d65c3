"""The client's side of AUTH, by hand: what a test says to the server, mechanism by mechanism."""
import base64
import hashlib
import hmac
import os

from server import Failed


def b64(octets):
    return base64.b64encode(octets).decode()


def plain(user, password):
    return f"\0{user}\0{password}".encode()


class Scram:
    """SCRAM-SHA-256 (RFC 5802), without channel binding."""

    def __init__(self, user, password, flag="n"):
        self.password = password.encode()
        self.header = f"{flag},,"
        name = user.replace("=", "=3D").replace(",", "=2C")
        self.bare = f"n={name},r={b64(os.urandom(12))}"

    def first(self):
        return (self.header + self.bare).encode()

    def final(self, server_first):
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(fields["s"]),
                                     int(fields["i"]))
        client = hmac.digest(salted, b"Client Key", "sha256")
        without = f"c={b64(self.header.encode())},r={fields['r']}"
        message = f"{self.bare},{server_first.decode()},{without}".encode()
        signature = hmac.digest(hashlib.sha256(client).digest(), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client, signature))
        server = hmac.digest(salted, b"Server Key", "sha256")
        self.verifier = hmac.digest(server, message, "sha256")
        return f"{without},p={b64(proof)}".encode()


def log_in(reply, send, mechanism, user, password, told=None):
    """The exchange up to its outcome, which is returned. reply() gives the next reply, send()
    takes a line, told() what the server says of a token that it refuses."""
    def challenge():
        got = reply()
        return got, base64.b64decode(got.text) if got.code == "334" else None

    if mechanism == "PLAIN":
        send(f"AUTH PLAIN {b64(plain(user, password))}")
        return reply()
    if mechanism == "LOGIN":
        send("AUTH LOGIN")
        for word in (user, password):
            got, octets = challenge()
            if octets is None:
                return got
            send(b64(word.encode()))
        return reply()
    if mechanism in ("OAUTHBEARER", "XOAUTH2"):
        bearer = mechanism == "OAUTHBEARER"
        identity = f"a={user}" if user else ""
        text = f"n,{identity},\1auth=Bearer {password}\1\1" if bearer else (
            f"user={user}\1auth=Bearer {password}\1\1")
        send(f"AUTH {mechanism} {b64(text.encode())}")
        got, octets = challenge()
        if octets is None:
            return got
        if told:
            told(octets)
        send(b64(b"\1") if bearer else "")  # the error was told; the refusal follows
        return reply()
    scram = Scram(user, password)
    send(f"AUTH SCRAM-SHA-256 {b64(scram.first())}")
    got, octets = challenge()
    if octets is None:
        return got
    send(b64(scram.final(octets)))
    got, octets = challenge()
    if octets is None:
        return got
    if octets != f"v={b64(scram.verifier)}".encode():
        raise Failed(f"the server's own proof is wrong: {octets}")
    send("")
    return reply()
