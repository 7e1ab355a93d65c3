#!/usr/bin/env python3
"""Who is refused by a limit waits (rate.refusal-delay), and holds up nobody else.

server_flood.py POSTERN
"""
import json
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import Failed, Server, wait_until  # noqa: E402

ALICE = "alice@example.test"
FLOOD, QUIET = "127.0.0.5", "127.0.1.6"
BODY = b"From: ann@client.example\r\nMessage-ID: <%d@client.example>\r\nSubject: x\r\n\r\nx\r\n.\r\n"
SETTINGS = ["rate.exempt-networks = {}", 'rate.ip = "2/hour"', "checks.unauthenticated = off"]
SLOWER_THAN_S = 0.7  # of 1: ticks, and clocks that are read at different times


def message(connection, n, code):
    connection.envelope(ALICE)
    connection.do("DATA", 354)
    connection.send(BODY % n)
    return connection.expect(code, f"message {n}")


def quiet(server):
    """Somebody else is served as ever."""
    connection = server.connect(source=QUIET)
    connection.hello()
    connection.do("MAIL FROM:<joe@other.example>", 250)
    connection.do("RSET", 250)
    connection.do("QUIT", 221)
    connection.close()


def slower(what, began):
    took = time.monotonic() - began
    if took < SLOWER_THAN_S:
        raise Failed(f"{what} came after {took:.2f} s")


def id_of(reply):
    return str(reply).rstrip().rsplit(" ", 2)[-2]


def told(server, session, *words):
    def shown():
        text = server.run("why", session, status=None)
        return all(word in text for word in words)
    wait_until(lambda: f"{words} not in " + server.run("why", session, status=None), shown)


def waits(server):
    """The reply waits, then the greeting of the next minute's sessions; once a session."""
    first = server.connect(source=FLOOD)
    first.hello()
    for n in range(2):
        message(first, n, 250)
    began = time.monotonic()
    reply = message(first, 2, 421)
    slower("the refusal", began)
    if first.reply() is not None:
        raise Failed("it is not closed")
    first.close()
    told(server, id_of(reply), "flood-ip-rate-limited", "the reply waits")
    quiet(server)

    began = time.monotonic()
    again = server.connect(source=FLOOD)
    again.hello()
    slower("the greeting", began)
    reply = message(again, 3, 421)
    again.close()
    told(server, id_of(reply), "flood-ip-rate-limited", "waits for its greeting")
    if "the reply waits" in server.run("why", id_of(reply)):
        raise Failed("it waited twice")

    began = time.monotonic()
    gone = server.connect(source=FLOOD)
    gone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.close()
    early = server.connect(source=FLOOD)
    early.send(b"EHLO client.example\r\n")
    early.expect(220, "greeting of one that could not wait")
    slower("it", began)
    early.expect(250, "EHLO")
    early.close()
    for verb, limited in (("show", True), ("reset", False)):
        shown = server.run("limits", verb, "refused:" + FLOOD, "--json")
        if (json.loads(shown)["limited_s"] > 0) != limited:
            raise Failed(f"limits {verb}: {shown}")


def goes_on(server):
    """A refusal that does not close: each of one session waits."""
    server.run("reputation", "set", "ip:" + FLOOD, "very-low")
    connection = server.connect(source=FLOOD)
    connection.hello()
    for n in range(2):
        began = time.monotonic()
        message(connection, n, 550)
        slower(f"refusal {n}", began)
    connection.do("QUIT", 221)


def turned_away(connection):
    reply = connection.expect(421, "one too many")
    if connection.reply() is not None:
        raise Failed("it is not closed")
    return id_of(reply)


def bounds(server):
    """Four wait, four more without a session, others are turned away at once; the story of the last that waits tells of them."""
    flooding = server.connect(source=FLOOD)
    flooding.hello()
    for n in range(2):
        message(flooding, n, 250)
    flooding.envelope(ALICE)
    flooding.do("DATA", 354)
    flooding.send(BODY % 2)  # the first that waits: its refusal would come in a minute
    wait_until("the limit holds nobody", lambda: "row=flood-ip-rate-limited" in server.log())
    waiting = [server.connect(source=FLOOD) for _ in range(3)]
    turned = [server.connect(source=FLOOD) for _ in range(6)]
    ids = {turned_away(connection) for connection in turned[4:]}
    quiet(server)
    server.end_process()  # who waits is told
    server.check_log()
    flooding.expect(421, "refused at last")
    for connection in waiting:
        connection.expect(421, "the server stops")
    ids |= {turned_away(connection) for connection in turned[:4]}
    if len(ids) != 1:
        raise Failed(f"not one session tells of all: {ids}")
    told = [line for line in server.log().splitlines() if "event=turned-away" in line]
    if len(told) != 1 or ids.pop() not in told[0] or "connections=6" not in told[0]:
        raise Failed(f"the log says of who was turned away: {told}")


def before_tls(server):
    """With TLS from the first octet the handshake waits."""
    first = server.connect(source=FLOOD)
    first.start_tls()
    first.hello()
    for n in range(2):
        message(first, n, 250)
    message(first, 2, 421)
    began = time.monotonic()
    again = server.connect(source=FLOOD)
    again.start_tls()
    slower("the handshake", began)
    again.hello()
    waiting = server.connect(source=FLOOD)
    server.end_process()
    if waiting.sock.recv(100)[:1] != b"\x15":
        raise Failed("it is told something in clear, not by an alert")
    again.expect(421, "the server stops")


def held_off(server):
    """Too many connections at once: those beyond wait, nothing is asked about them, then they are held off."""
    first = server.connect(source=QUIET)
    first.hello()
    began = time.monotonic()
    second = server.connect(source=QUIET)
    second.expect(220, "greeting")
    slower("the greeting", began)
    second.do("EHLO client.example", 421)


def main():
    for part, listener, settings in ((waits, "mx", ['rate.refusal-delay = "1 s"']),
                                     (before_tls, "mx tls=implicit", ['rate.refusal-delay = "1 s"']),
                                     (goes_on, "mx", ['rate.refusal-delay = "1 s"', "checks.reputation-ip = reject"]),
                                     (bounds, "mx", ['rate.refusal-delay = "60 s"', "limits.sessions-per-client = 4",
                                                      "limits.sessions = 16"]),
                                     (held_off, "mx", ['rate.refusal-delay = "1 s"', "limits.sessions-per-client = 1"])):
        with Server(sys.argv[1], listeners=[listener], settings=[*SETTINGS, *settings]) as server:
            server.add_users(ALICE)
            server.start()
            part(server)
        print("ok", part.__name__, flush=True)


if __name__ == "__main__":
    main()
